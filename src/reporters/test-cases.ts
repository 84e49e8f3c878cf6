import type { CheckRecord, GateRecord, Report, ThresholdRecord, WorkloadRecord } from "../core/report.js";
import { checkTitle, failureFields, timelineLines, type Field } from "./failure-lines.js";
import { oneLine } from "./plain-text.js";
import { plural } from "./quantities.js";
import { headline, topicOf } from "./summary.js";
import { createUniqueNames } from "./unique-names.js";

/**
 * How a case came out, in the words of formats made for unit tests:
 * `failed` the target is wrong, `error` the harness or the surroundings, `skipped` nothing was judged, `expected-failure` it failed as it was known to.
 */
export type CaseOutcome =
  | { readonly kind: "passed"; readonly note?: string }
  | { readonly kind: "failed" | "error"; readonly message: string; readonly fields: readonly Field[]; readonly timeline: readonly string[] }
  | { readonly kind: "skipped" | "expected-failure"; readonly reason: string };

/** One line of a test report: a check, a threshold, a generator's verdict, a gate, or a problem of the run. */
export interface TestCase {
  /** `<topic>.<transport>`, `workload.<name>`, `gates` or `run`. */
  readonly group: string;
  /** Unique in the report. */
  readonly name: string;
  readonly elapsedMs: number;
  readonly outcome: CaseOutcome;
  readonly check?: CheckRecord;
}

/**
 * Everything of a report that can pass or fail, in its order: checks, workloads, gates, problems; at least one.
 * No list is greener than the exit code: if no case accounts for it, one more says why.
 */
export function testCases(report: Report): TestCase[] {
  const cases = [...report.checks.map(checkCase), ...report.workloads.flatMap(workloadCases), ...report.gates.map(gateCase), ...problemCases(report)];
  const accounted = cases.some(({ outcome }) => outcome.kind === "failed" || outcome.kind === "error");
  if (cases.length === 0 || (report.exitCode !== 0 && !accounted)) {
    cases.push(problemCase(`exit code ${report.exitCode}: ${headline(report).sentence}`));
  }
  const unique = createUniqueNames();
  return cases.map((testCase) => ({ ...testCase, name: unique(testCase.name) }));
}

function checkCase(check: CheckRecord): TestCase {
  return {
    group: `${oneLine(topicOf(check.id))}.${check.transport}`,
    name: checkTitle(check),
    elapsedMs: check.elapsedMs,
    outcome: checkOutcome(check),
    check,
  };
}

function checkOutcome(check: CheckRecord): CaseOutcome {
  switch (check.status) {
    case "passed":
      return noted(
        check.flaky === undefined ? check.reason : `flaky: passed on attempt ${check.flaky}${check.reason === undefined ? "" : `; ${check.reason}`}`,
      );
    case "warned":
      return noted(`warned: expected ${check.expected ?? check.requirement}; got ${check.actual ?? "something else"}`);
    case "failed":
      return { kind: "failed", message: check.actual ?? check.requirement, ...evidence(check) };
    case "broken":
      return { kind: "error", message: check.reason ?? "the harness or the surroundings failed", ...evidence(check) };
    case "unproven":
      return { kind: "skipped", reason: `unproven: it lacked ${check.reason ?? "what it needs"}` };
    case "not-applicable":
      return { kind: "skipped", reason: `not applicable: ${check.reason ?? "the contract says so"}` };
    case "known-failing":
      return { kind: "expected-failure", reason: `known failing: ${check.reason ?? "no reason was given"}` };
  }
}

function evidence(check: CheckRecord): { fields: readonly Field[]; timeline: readonly string[] } {
  return { fields: failureFields(check), timeline: timelineLines(check) };
}

function noted(note: string | undefined): CaseOutcome {
  return note === undefined ? { kind: "passed" } : { kind: "passed", note };
}

function workloadCases(workload: WorkloadRecord): TestCase[] {
  const group = `workload.${oneLine(workload.name)}`;
  const elapsedMs = workload.elapsedSeconds * 1000;
  const generator: CaseOutcome =
    workload.generator.status === "valid"
      ? { kind: "passed" }
      : withoutTimeline(
          "error",
          "the generator did not keep up: the numbers are neither pass nor fail",
          workload.generator.reasons.map((text) => ({ label: "reason", text })),
        );
  // The whole time goes to one case, so that sums over cases stay true.
  return [
    { group, name: `${oneLine(workload.name)}: the generator kept up`, elapsedMs, outcome: generator },
    ...workload.thresholds.map((threshold): TestCase => ({
      group,
      name: `${oneLine(workload.name)}: ${oneLine(threshold.text)}`,
      elapsedMs: 0,
      outcome: thresholdOutcome(threshold),
    })),
  ];
}

function thresholdOutcome(threshold: ThresholdRecord): CaseOutcome {
  const margin = threshold.marginPercent === undefined ? "" : `, margin ${threshold.marginPercent.toFixed(1)} %`;
  const measured = `measured ${threshold.measured ?? "nothing"}${margin}`;
  const fields: readonly Field[] = [{ label: "threshold", text: threshold.text }];
  switch (threshold.status) {
    case "passed":
      return { kind: "passed", note: measured };
    case "failed":
      return withoutTimeline("failed", measured, fields);
    case "no-samples":
      return withoutTimeline("failed", threshold.measured ?? "no samples", [
        ...fields,
        { label: "detail", text: "`allow-empty` in the threshold permits that." },
      ]);
    case "inconclusive":
      return withoutTimeline("error", `the run cannot tell, ${measured}`, fields);
  }
}

function withoutTimeline(kind: "failed" | "error", message: string, fields: readonly Field[]): CaseOutcome {
  return { kind, message, fields, timeline: [] };
}

function gateCase(gate: GateRecord): TestCase {
  const outcome: CaseOutcome = gate.status === "passed" ? { kind: "passed", note: gate.detail } : withoutTimeline("failed", gate.detail, []);
  return { group: "gates", name: `gate: ${oneLine(gate.name)}`, elapsedMs: 0, outcome };
}

function problemCases(report: Report): TestCase[] {
  const interrupted = report.partial ? [problemCase(`The run did not finish; ${plural(report.checks.length, "check")} had.`)] : [];
  return [...report.problems.map(problemCase), ...interrupted];
}

function problemCase(message: string): TestCase {
  return { group: "run", name: `run: ${oneLine(message)}`, elapsedMs: 0, outcome: withoutTimeline("error", message, []) };
}
