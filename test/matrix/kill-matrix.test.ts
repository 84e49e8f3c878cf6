import t from "tap";
import { checks } from "../../scenarios/index.js";
import { faults, type Fault, type FaultName } from "../../src/reference/faults.js";
import { runAgainstReference, runOf } from "./reference-run.js";

t.setTimeout(15 * 60 * 1000);

/** What a session stands on; run with every fault, so that a consequence is told from a finding. */
const basics = ["first-filter/takes-effect", "filter-updates/takes-effect", "eof/while-idle"];
/** Reported, never failed: their verdict cannot catch anything. */
const informative = new Set(checks.filter((check) => check.level === "info").map((check) => check.id as string));
/** What must have run before, for a fault that shows only late. */
const provoking: Readonly<Record<string, readonly string[]>> = { "resources/final-equals-first": ["resources/open-close-baseline"] };
/** Needs the processor time of a server in a process of its own. */
const apart = new Set(["resources/idle-cpu"]);

/** Faults with which no client of the protocol gets as far as a stream: the run itself says so. */
const unreachable = new Map<string, RegExp>([["alpn-missing", /ALPN/]]);

for (const [name, sentence] of unreachable) {
  t.test(`the fault ${name} leaves no target, and the run says why`, async (t) => {
    await t.rejects(runAgainstReference(runOf(name as FaultName)), { code: "unreachable", message: sentence });
  });
}

for (const name of Object.keys(faults) as FaultName[]) {
  const fault: Fault = faults[name];
  const wanted = fault.caughtBy.filter((id) => !informative.has(id) && !apart.has(id));
  if (wanted.length === 0 || unreachable.has(name)) {
    continue;
  }
  t.test(`the fault ${name} is caught by every check that its entry names`, async (t) => {
    const before = wanted.flatMap((id) => provoking[id] ?? []);
    let missed: readonly string[] = wanted;
    let records: readonly string[] = [];
    // A fault that is a race may hide once; it must not hide three times.
    for (let attempt = 0; attempt < 3 && missed.length > 0; attempt++) {
      const report = await runAgainstReference({
        ...runOf(name),
        ...(before.length > 0 ? { patient: true } : {}),
        ids: [...new Set([...basics, ...before, ...missed])],
      });
      const caught = new Set(report.checks.filter((check) => check.status === "failed" || check.status === "warned").map((check) => check.id));
      missed = missed.filter((id) => !caught.has(id));
      records = report.checks.map((check) => `${check.status} ${check.transport} ${check.id}: ${check.actual ?? check.reason ?? ""}`);
    }
    t.same(missed, [], "checks that did not notice", { records });
  });
}
