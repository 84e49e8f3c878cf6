import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import t, { type Test } from "tap";
import type { Report } from "../../src/core/report.js";
import { runConformance } from "../../src/harness/conformance-run.js";
import { startUnlikeMonitor, type UnlikeMonitorOptions } from "./unlike-monitor.js";

t.setTimeout(5 * 60 * 1000);

async function judge(t: Test, options: UnlikeMonitorOptions, ids: readonly string[] = []): Promise<Report> {
  const folder = await mkdtemp(path.join(tmpdir(), "halfclose-unlike-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const monitor = await startUnlikeMonitor(options);
  t.teardown(() => monitor.close());
  const contract = path.join(folder, "monitor.yaml");
  await writeFile(contract, monitor.contract);
  return runConformance({
    urls: [`ws://127.0.0.1:${monitor.port}/feed`],
    contract,
    headers: [],
    seed: 1,
    jobs: 8,
    patient: false,
    select: ids.length > 0 ? { ids } : { topics: ["first-filter", "filter-updates", "eof", "bad-input", "isolation"] },
  });
}

const failedIds = (report: Report): string[] =>
  report.checks.filter(({ status }) => ["failed", "broken"].includes(status)).map(({ id, actual }) => `${id}: ${actual ?? ""}`);

t.test("nothing is held against a monitor whose filters take only the values that it knows", async (t) => {
  const report = await judge(t, { wrapped: false, texts: true });
  t.same(failedIds(report), []);
  t.equal(report.checks.find(({ id }) => id === "first-filter/none-missing")?.status, "passed");
});

t.test("nothing is held against a monitor whose entries have numbers that no double holds", async (t) => {
  const report = await judge(t, { wrapped: false, texts: true, idsAfter: 2n ** 60n });
  t.same(failedIds(report), []);
  t.equal(report.checks.find(({ id }) => id === "filter-updates/order-kept")?.status, "passed");
});

t.test("nothing is held against a monitor whose entries carry no text", async (t) => {
  const report = await judge(t, { wrapped: false, texts: false });
  t.same(failedIds(report), []);
  for (const id of ["filter-updates/replaces-not-merges", "bad-input/message-limit", "first-filter/none-missing"]) {
    t.equal(report.checks.find((check) => check.id === id)?.status, "passed", id);
  }
});

t.test("nothing is held against a monitor that takes commands and sends batches", async (t) => {
  const report = await judge(t, { wrapped: true, texts: true });
  t.same(failedIds(report), []);
  t.equal(report.checks.find(({ id }) => id === "filter-updates/replaces-not-merges")?.status, "passed");
});

t.test("a merged filter shows without a text in the entries", async (t) => {
  const report = await judge(t, { wrapped: false, texts: false, merges: true });
  t.equal(report.checks.find(({ id }) => id === "filter-updates/takes-effect")?.status, "passed");
  t.equal(report.checks.find(({ id }) => id === "filter-updates/replaces-not-merges")?.status, "failed");
});

t.test("an ack that comes before its effect, or not at all, is held against it", async (t) => {
  const early = await judge(t, { wrapped: true, texts: true, acks: "early" }, ["first-filter/takes-effect", "filter-updates/no-old-after-new"]);
  t.match(
    early.checks.find(({ id }) => id === "filter-updates/no-old-after-new"),
    { status: "failed", actual: /after the ack/ },
  );
  const never = await judge(t, { wrapped: true, texts: true, acks: "never" }, ["first-filter/takes-effect"]);
  t.match(
    never.checks.find(({ id }) => id === "first-filter/takes-effect"),
    { status: "failed", expected: /an ack of the filter/ },
  );
  const first = await judge(t, { wrapped: true, texts: true, acks: "first" }, ["first-filter/takes-effect", "filter-updates/takes-effect"]);
  t.match(first.checks, [
    { id: "first-filter/takes-effect", status: "passed" },
    { id: "filter-updates/takes-effect", status: "failed", actual: /^1 of 2 filters were acked/ },
  ]);
});

t.test("a stream that another client's bad input ends is held against the monitor", async (t) => {
  const report = await judge(t, { wrapped: false, texts: true, sharesFate: true }, ["first-filter/takes-effect", "bad-input/ws-malformed-json"]);
  t.match(
    report.checks.find(({ id }) => id === "bad-input/ws-malformed-json"),
    { status: "failed", expected: /another client's stream/ },
  );
});

t.test("a producer that waits for the slowest reader is held against the monitor", async (t) => {
  const report = await judge(t, { wrapped: false, texts: true, waitsForReaders: true }, [
    "first-filter/takes-effect",
    "flow-control/slow-reader-harms-no-other",
  ]);
  t.match(
    report.checks.find(({ id }) => id === "flow-control/slow-reader-harms-no-other"),
    { status: "failed", expected: /the producer takes entries/ },
  );
});

t.test("the last entry of a full message shows when it is lost", async (t) => {
  const report = await judge(t, { wrapped: true, texts: true, losesLast: true }, ["first-filter/takes-effect", "first-filter/none-missing"]);
  t.equal(report.checks.find(({ id }) => id === "first-filter/none-missing")?.status, "failed");
});
