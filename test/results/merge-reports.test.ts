import fc from "fast-check";
import t from "tap";
import { HarnessError } from "../../src/core/errors.js";
import type { CheckRecord, Report } from "../../src/core/report.js";
import { mergeReports } from "../../src/results/merge-reports.js";
import { checkRecord, failedCheck, mixedReport, passingReport, report, workloadRecord } from "../reporters/fixtures.js";

function shardsOf(whole: Report, count: number): { report: Report; source: string }[] {
  return Array.from({ length: count }, (_, shard) => ({
    source: `shard-${shard + 1}.json`,
    report: { ...whole, checks: whole.checks.filter((_, position) => position % count === shard) },
  }));
}

function refusal(run: () => unknown): HarnessError {
  try {
    run();
  } catch (thrown) {
    if (thrown instanceof HarnessError) {
      return thrown;
    }
    throw thrown;
  }
  throw new Error("nothing was refused");
}

t.test("however a run is cut into shards, merged they are its checks in their order", (t) => {
  const all = mixedReport();
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: all.checks.length }), (count, length) => {
      const whole = { ...all, checks: all.checks.slice(0, length) };
      const merged = mergeReports(shardsOf(whole, count));
      return JSON.stringify(merged.checks) === JSON.stringify(whole.checks);
    }),
  );
  t.end();
});

t.test("the exit code is judged anew from all that was found", (t) => {
  const merged = (...exits: readonly (readonly [Partial<Report>, number])[]): number =>
    mergeReports(
      exits.map(([over, exitCode], index) => ({ source: `${index}`, report: report({ checks: [checkRecord({ id: `a/${index}` })], ...over, exitCode }) })),
    ).exitCode;
  t.equal(merged([{}, 0], [{}, 0]), 0);
  t.equal(merged([{}, 0], [{ checks: [failedCheck()] }, 1]), 1);
  const unproven = checkRecord({ id: "a/x", status: "unproven", reason: "a probe" });
  t.equal(merged([{ checks: [unproven] }, 5]), 5);
  t.equal(merged([{ checks: [unproven] }, 5], [{}, 0]), 0, "what one shard could not prove, another did");
  t.equal(merged([{}, 0], [{ partial: true }, 130]), 130);
  t.equal(merged([{}, 0], [{ partial: true }, 0]), 130, "a shard that was killed did not finish");
  t.equal(merged([{ problems: ["the target died"], checks: [checkRecord({ id: "a/y", status: "broken", reason: "no target" })] }, 4], [{}, 0]), 4);
  t.equal(merged([{ checks: [checkRecord({ id: "a/y", status: "broken", reason: "EADDRINUSE" })] }, 3], [{}, 0]), 3);
  t.equal(merged([{}, 0], [{ checks: [], workloads: [workloadRecord({ generator: { status: "invalid", reasons: ["late"] }, thresholds: [] })] }, 6]), 6);
  t.end();
});

t.test("gates of the whole are asked of the whole where there is who can judge them", (t) => {
  const gate = (status: "passed" | "failed", detail: string) => ({ name: "at-least-proved", status, detail });
  const shards = shardsOf(passingReport(), 2).map((shard) => ({
    ...shard,
    report: { ...shard.report, gates: [gate("failed", "21 proved, at least 40 asked")], exitCode: 1 },
  }));
  const rejudge = (checks: readonly CheckRecord[]) => ({
    checks,
    gates: [gate(checks.length >= 40 ? "passed" : "failed", `${checks.length} proved, at least 40 asked`)],
  });
  t.match(mergeReports(shards, { rejudge }), { gates: [{ status: "passed", detail: "42 proved, at least 40 asked" }], exitCode: 0 });
  t.match(mergeReports(shards), { gates: [{ status: "failed" }], exitCode: 1 });
  t.end();
});

t.test("the same check or workload in two shards is an error that names both files", (t) => {
  const one = { source: "a.json", report: report({ checks: [checkRecord()] }) };
  const thrown = refusal(() => mergeReports([one, { ...one, source: "b.json" }]));
  t.equal(thrown.message, "The check eof/ends-cleanly (grpc) is in a.json and in b.json: shards have no check in common.");
  t.equal(thrown.code, "usage");
  t.equal(thrown.place, "b.json");
  const load = { source: "a.json", report: report({ workloads: [workloadRecord(), workloadRecord()] }) };
  t.equal(refusal(() => mergeReports([load])).message, "The workload filter-churn is twice in a.json: shards have no workload in common.");
  t.doesNotThrow(() => mergeReports([one, { source: "b.json", report: report({ checks: [checkRecord({ transport: "ws" })] }) }]));
  t.end();
});

t.test("results of different contracts, suites or versions are not parts of one run", (t) => {
  const base = report();
  const other = (over: Partial<Report>) =>
    refusal(() =>
      mergeReports([
        { source: "a", report: base },
        { source: "b", report: { ...base, ...over } },
      ]),
    ).message;
  t.equal(other({ target: { ...base.target, suite: "smoke" } }), "These are not parts of one run: a is of suite conformance, b of smoke.");
  t.match(other({ target: { ...base.target, contract: { ...base.target.contract, hash: "ffff" } } }), "a is of contract logger 6b1f0a2c, b of logger ffff");
  t.match(other({ harness: { name: "halfclose", version: "0.2.0" } }), "version of halfclose");
  t.equal(refusal(() => mergeReports([])).message, "There are no results to merge.");
  t.end();
});

t.test("machines, URLs and times of all shards are in the whole", (t) => {
  const base = report();
  const merged = mergeReports([
    { source: "a", report: { ...base, checks: [checkRecord({ id: "a/1" })], problems: ["x"] } },
    {
      source: "b",
      report: {
        ...base,
        checks: [checkRecord({ id: "a/2" })],
        problems: ["x", "y"],
        startedAt: "2025-03-01T12:00:05.000Z",
        elapsedMs: 10_000,
        target: { ...base.target, urls: ["grpc://other:1"], identity: undefined },
        environment: { ...base.environment, cores: 2, fingerprint: "eeee" },
      },
    },
  ]);
  t.match(merged, {
    startedAt: "2025-03-01T12:00:00.000Z",
    elapsedMs: 15_000,
    problems: ["x", "y"],
    environment: { cores: 2, fingerprint: "a1b2c3d4+eeee", os: "linux 6.1.0" },
    target: { urls: ["grpc://localhost:50051", "ws://localhost:8080/logs/monitor", "grpc://other:1"], identity: "logger/1.4.2" },
    command: ["halfclose", "merge", "a", "b"],
  });
  t.end();
});
