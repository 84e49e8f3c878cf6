import { isForbidden } from "./metric.js";
import type { Report } from "./report.js";
import { isTooBusy } from "./verdict.js";

/** What the exit code says; when several apply, the first of `precedence` wins. */
export const exitCodes = {
  passed: 0,
  conformance: 1,
  usage: 2,
  bug: 3,
  target: 4,
  nothing: 5,
  generator: 6,
  thresholds: 99,
  interrupted: 130,
  terminated: 143,
} as const;

const precedence: readonly number[] = [3, 4, 2, 1, 6, 99, 5];

/** The exit code that several findings make together; 0 for none. */
export function combineExitCodes(codes: Iterable<number>): number {
  const found = new Set(codes);
  return precedence.find((code) => found.has(code)) ?? 0;
}

/**
 * The exit code of a report's findings: 1 a failed check, 4 a check that is broken for want of a target is left to the caller's `problems`,
 * 3 a check that is broken, 6 one that this machine was too busy to judge or a generator that was invalid, 99 a threshold, 5 nothing proved.
 * What a server can never rightly send is a finding however late the generator was.
 */
export function exitCodeOf(report: Pick<Report, "checks" | "workloads" | "gates">): number {
  const codes: number[] = [];
  if (report.checks.some((check) => check.status === "failed") || report.gates.some((gate) => gate.status === "failed")) {
    codes.push(exitCodes.conformance);
  }
  for (const check of report.checks) {
    if (check.status === "broken") {
      codes.push(isTooBusy(check) ? exitCodes.generator : exitCodes.bug);
    }
  }
  if (report.checks.length > 0 && !report.checks.some((check) => ["passed", "failed", "warned", "known-failing"].includes(check.status))) {
    codes.push(exitCodes.nothing);
  }
  for (const workload of report.workloads) {
    if (workload.generator.status === "invalid" && !isBroken(workload)) {
      codes.push(exitCodes.generator);
    }
    if (workload.thresholds.some((threshold) => threshold.status !== "passed")) {
      codes.push(exitCodes.thresholds);
    }
  }
  return combineExitCodes(codes);
}

function isBroken({ thresholds }: Report["workloads"][number]): boolean {
  return thresholds.some(({ text, status }) => status === "failed" && isForbidden(text.split(" ", 1)[0] ?? ""));
}
