import { performance } from "node:perf_hooks";
import { combineExitCodes, exitCodeOf, exitCodes } from "../core/exit-code.js";
import { type CapacityRecord, type CheckRecord, type GateRecord, type Report, reportSchema, type WorkloadRecord } from "../core/report.js";
import { describeEnvironment } from "./environment.js";
import { redact } from "./redact.js";
import type { Surroundings } from "./surroundings.js";
import { harnessVersion } from "./version.js";

/** What stays the same in every state of a run's report. */
export interface ReportFrame {
  readonly command: readonly string[];
  /** Name of the suite, or of the workload. */
  readonly suite: string;
  readonly seed: number;
  readonly startedAt: string;
  /** `performance.now()` when it began. */
  readonly startMs: number;
  readonly targetName: string | undefined;
  readonly startCommand: string | undefined;
  /** Texts that must not be in it. */
  readonly secrets: readonly string[];
}

/** What was found so far. */
export interface Findings {
  readonly checks?: readonly CheckRecord[];
  readonly workloads?: readonly WorkloadRecord[];
  readonly capacities?: readonly CapacityRecord[];
  readonly gates?: readonly GateRecord[];
  readonly problems?: readonly string[];
  readonly partial: boolean;
  readonly targetDied?: boolean;
}

/** The report of a run in its present state, without secrets, its exit code included. */
export function assembleReport(frame: ReportFrame, surroundings: Surroundings, found: Findings): Report {
  const report = {
    schema: reportSchema,
    harness: { name: "halfclose", version: harnessVersion() },
    command: frame.command,
    startedAt: frame.startedAt,
    elapsedMs: Math.round(performance.now() - frame.startMs),
    seed: frame.seed,
    target: {
      urls: surroundings.shownUrls,
      contract: { name: surroundings.contract.name, source: surroundings.contract.source, hash: surroundings.contract.hash },
      suite: frame.suite,
      identity: frame.targetName,
      start: frame.startCommand,
    },
    environment: describeEnvironment(),
    partial: found.partial,
    checks: found.checks ?? [],
    workloads: found.workloads ?? [],
    ...(found.capacities === undefined ? {} : { capacities: found.capacities }),
    gates: found.gates ?? [],
    problems: found.problems ?? [],
  } as const;
  return redact({ ...report, exitCode: exitCodeFor(report, found.targetDied === true) }, frame.secrets);
}

/** A target that died explains what is broken: that is no bug of the harness. */
function exitCodeFor(report: Pick<Report, "checks" | "workloads" | "gates">, targetDied: boolean): number {
  if (!targetDied) {
    return exitCodeOf(report);
  }
  const rest = exitCodeOf({ ...report, checks: report.checks.filter(({ status }) => status !== "broken") });
  return combineExitCodes([exitCodes.target, rest]);
}
