import t, { type Test } from "tap";

import { createEntryClock } from "../../src/reference/entry-clock.js";
import { Log } from "../../src/reference/log.js";
import type { LogEntry } from "../../src/reference/log-entry.js";
import { eventually } from "./clients.js";

function open(t: Test, rate: number): { log: Log; seen: LogEntry[] } {
  const log = new Log({ rate, clock: createEntryClock() });
  const seen: LogEntry[] = [];
  t.teardown(() => log.stop());
  log.attach({ offer: (entry) => seen.push(entry) });
  return { log, seen };
}

t.test("a batch is contiguous, and every reader has it before the answer", async (t) => {
  const { log, seen } = open(t, 0);
  const entry = { level: "info" as const, source: "a", message: "lone \ud800" };
  t.strictSame(log.append([entry, entry]), { first: 1, last: 2 });
  t.strictSame(log.append([entry]), { first: 3, last: 3 });
  t.strictSame(
    seen.map(({ sequence }) => sequence),
    [1, 2, 3],
  );
  t.equal(seen[0]?.message, "lone \ufffd");
  t.match(seen[0]?.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
});

t.test("background entries keep the rate, and come from every source at every level", async (t) => {
  const startMs = performance.now();
  const { seen } = open(t, 2000);
  await eventually(() => seen.length >= 240, "entries");
  const due = ((performance.now() - startMs) * 2000) / 1000;
  t.ok(seen.length <= due + 1);
  t.equal(new Set(seen.map((entry) => `${entry.source} ${entry.level}`)).size, 12);
  t.strictSame(
    seen.slice(0, 4).map((entry) => [entry.source, entry.level, entry.message]),
    [
      ["alpha", "debug", "tick 1"],
      ["beta", "info", "tick 2"],
      ["gamma", "warn", "tick 3"],
      ["alpha", "error", "tick 4"],
    ],
  );
});

t.test("what is written while nobody reads is counted", async (t) => {
  const log = new Log({ rate: 10_000, clock: createEntryClock() });
  t.teardown(() => log.stop());
  await eventually(() => log.append([{ level: "info", source: "a", message: "b" }]).first > 50, "background entries between the batches");
});

t.test("a reader that leaves hears nothing more, also when it leaves while it is told", async (t) => {
  const log = new Log({ rate: 0, clock: createEntryClock() });
  const seen: string[] = [];
  const leaving = {
    offer: (entry: LogEntry) => {
      seen.push(`leaving ${entry.sequence}`);
      log.detach(leaving);
    },
  };
  log.attach(leaving);
  log.attach({ offer: (entry) => seen.push(`staying ${entry.sequence}`) });
  log.append(["x", "y"].map((message) => ({ level: "info" as const, source: "a", message })));
  t.strictSame(seen, ["leaving 1", "staying 1", "staying 2"]);
});
