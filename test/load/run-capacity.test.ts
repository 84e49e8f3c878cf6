import t from "tap";
import { runCapacity } from "../../src/load/run-capacity.js";
import { runCompare } from "../../src/load/run-compare.js";
import { parseWorkload } from "../../src/load/workload-file.js";
import { memoryServer } from "./memory-server.js";

const workload = parseWorkload(
  "name: w\nabout: a\nstreams: 20\nduration: 1s\nbegin: [send: $disjoint.1, expect: applied]\neach: [send: { next-of: [$disjoint.2, $disjoint.1] }, expect: applied]\nopen: { rate: 20/s, spacing: uniform }",
  "w",
);
const objective = { metric: "filter-apply", quantile: 0.5, limitMicros: 3_600_000_000, samples: 3 } as const;

t.test("a search runs trials with fresh streams and ends with a sentence", async (t) => {
  const server = memoryServer();
  const seen: number[] = [];
  const record = await runCapacity({
    workload,
    targets: [server.target],
    drivers: [server.driver],
    seed: 1,
    objective,
    most: 40,
    leastSeconds: 0.4,
    mostSeconds: 0.4,
    confirmSeconds: 0.4,
    ceiling: 50,
    drain: () => Promise.resolve(),
    onTrial: ({ load }) => seen.push(load),
  });
  t.match(record, { workload: "w", unit: "updates/s", objective: "filter-apply p50 <= 3600s" });
  t.equal(seen[0], 20, "the workload's own load comes first");
  t.equal(server.openStreams, 0);
  // On a machine that is too busy trials may be invalid; the sentence says what was found either way.
  t.match(record.sentence, /updates\/s|too busy/);
  t.ok(record.generatorBound || record.sustainable <= 25, "over half of the generator's own ceiling");
});

t.test("an interrupted search or comparison is an error, not a result", async (t) => {
  const server = memoryServer();
  const stop = new AbortController();
  stop.abort();
  const side = { targets: [server.target], drivers: [server.driver] };
  await t.rejects(runCapacity({ workload, ...side, seed: 1, objective, signal: stop.signal }), { name: "HarnessError", code: "interrupted" });
  await t.rejects(runCompare({ workload, before: side, after: side, seed: 1, signal: stop.signal }), { name: "HarnessError", code: "interrupted" });
});

t.test("two sides run in turns, each at least five times, and a slower one is found", async (t) => {
  const fast = memoryServer();
  const slow = memoryServer({ applyMs: 100 });
  const order: string[] = [];
  const { ratios, before, after, sentence } = await runCompare({
    workload: { ...workload, durationMs: 400 },
    before: { targets: [fast.target], drivers: [fast.driver] },
    after: { targets: [slow.target], drivers: [slow.driver] },
    seed: 1,
    onRun: (side) => order.push(side[0] ?? ""),
  });
  // A round that the generator spoiled is made again in the same order, on a machine that is busy.
  t.match(order.join(""), /^(?:ba)+(?:ab)+(?:ba)+(?:ab)*(?:ba)*$/);
  t.equal(before.length, after.length);
  t.ok(before.length >= 5);
  t.equal(ratios.find(({ of }) => of === "filter-apply p50")?.verdict, "worse");
  t.match(sentence, /^Regression/);
});

t.test("a round that the generator spoiled is made again on both sides, and counts for nothing", async (t) => {
  const server = memoryServer();
  const side = { targets: [server.target], drivers: [server.driver] };
  const runs: boolean[] = [];
  const { before, after, repeated, spoiled } = await runCompare({
    workload: { ...workload, durationMs: 400 },
    before: side,
    after: side,
    seed: 1,
    onRun(_, { generator }) {
      runs.push(generator.status === "valid");
      if (runs.length === 1) {
        // In the midst of the next run this thread, which is the generator's, is held for a while.
        setTimeout(() => {
          const until = performance.now() + 200;
          while (performance.now() < until);
        }, 150);
      }
    },
  });
  const rounds = Array.from({ length: runs.length / 2 }, (_, round) => runs[2 * round] === true && runs[2 * round + 1] === true);
  t.equal(rounds[0], false, "the first round was spoiled");
  const again = rounds.filter((isValid) => !isValid).length;
  if (again <= 5) {
    t.equal(repeated, again);
    t.strictSame(spoiled, []);
    t.equal(before.length, 5);
    t.ok([...before, ...after].every(({ generator }) => generator.status === "valid"));
  } else {
    t.equal(repeated, 0);
    t.match(spoiled[0], /late/);
    t.equal(before.length, rounds.length, "nothing that was measured is lost");
  }
});
