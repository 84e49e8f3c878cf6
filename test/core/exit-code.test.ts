import t from "tap";
import { combineExitCodes, exitCodeOf } from "../../src/core/exit-code.js";
import type { CheckRecord } from "../../src/core/report.js";
import { tooBusy } from "../../src/core/verdict.js";

function codeOf(...checks: readonly Partial<CheckRecord>[]): number {
  return exitCodeOf({ checks: checks as readonly CheckRecord[], workloads: [], gates: [] });
}

t.test("a failed check is 1, and a warning nothing", async (t) => {
  t.equal(codeOf({ status: "passed" }, { status: "failed" }), 1);
  t.equal(codeOf({ status: "passed" }, { status: "warned" }), 0);
});

t.test("a broken check is a bug of the harness, unless the machine was too busy to tell", async (t) => {
  t.equal(codeOf({ status: "passed" }, { status: "broken", reason: "TypeError: x is not a function" }), 3);
  t.equal(codeOf({ status: "passed" }, { status: "broken", reason: `the loop was late by 900 ms: ${tooBusy}` }), 6);
  t.equal(codeOf({ status: "failed" }, { status: "broken", reason: tooBusy }), 1, "what failed on its own counts");
});

t.test("where nothing was proved it is 5", async (t) => {
  t.equal(codeOf({ status: "unproven" }, { status: "not-applicable" }), 5);
  t.equal(codeOf(), 0);
});

t.test("numbers of an invalid generator are neither pass nor fail, but what can never rightly be sent is a failure", async (t) => {
  const workload = (text: string): number =>
    exitCodeOf({
      checks: [],
      workloads: [{ generator: { status: "invalid", reasons: ["late"] }, thresholds: [{ text, status: "failed", measured: "7" }] }] as never,
      gates: [],
    });
  t.equal(workload("filter-apply p99 < 5ms"), 6);
  t.equal(workload("rejected == 0"), 6, "a late reader may be turned away");
  t.equal(workload("stale-hard == 0"), 99);
});

t.test("of several codes the gravest wins", async (t) => {
  t.equal(combineExitCodes([99, 1, 6]), 1);
  t.equal(combineExitCodes([1, 4, 2]), 4);
  t.equal(combineExitCodes([5, 99]), 99);
  t.equal(combineExitCodes([0]), 0);
});
