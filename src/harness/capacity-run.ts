import { performance } from "node:perf_hooks";
import { defaultContract } from "../contract/load-contract.js";
import { exitCodes } from "../core/exit-code.js";
import { HarnessError } from "../core/errors.js";
import type { CapacityRecord, CapacityTrial, Report } from "../core/report.js";
import { parseThreshold } from "../core/threshold.js";
import { runCapacity, type RunCapacityOptions } from "../load/run-capacity.js";
import { loadWorkload } from "../load/shipped-workloads.js";
import type { CapacityObjective } from "../load/trial.js";
import { assembleReport, type ReportFrame } from "./assemble-report.js";
import { loadOptionsFor } from "./perform-workload.js";
import type { StartCommand } from "./owned-target.js";
import { openSurroundings, type Surroundings, type SurroundingsOptions } from "./surroundings.js";

/** What a capacity search needs to know. */
export interface CapacityOptions extends SurroundingsOptions {
  /** Name of a workload that comes with the harness, or a path. */
  readonly workload: string;
  /** `filter-apply p99 <= 100ms` */
  readonly objective: string;
  readonly startLoad?: number | undefined;
  readonly mostLoad?: number | undefined;
  readonly trialSeconds?: number | undefined;
  readonly confirmSeconds?: number | undefined;
  /** No trial begins when the search of the target has taken this long. */
  readonly withinSeconds?: number | undefined;
  /** Least load that must be sustained; below it the exit code is 99. */
  readonly atLeast?: number | undefined;
  /** Starts a server of the default contract against which the generator's own ceiling is found first. */
  readonly calibrate?: StartCommand | undefined;
  readonly seed?: number | undefined;
  readonly workers?: number | undefined;
  readonly command?: readonly string[];
  readonly secrets?: readonly string[];
  readonly onTrial?: (trial: CapacityTrial, of: "ceiling" | "target") => void;
  readonly onReport?: (report: () => Report) => void | Promise<void>;
}

/** Length of a trial while the generator's ceiling is sought: it need not be told finely. */
const ceilingSeconds = 3;

/**
 * Searches the greatest load that a target bears: the whole of `halfclose capacity`, without its output.
 * @throws HarnessError when nothing could be measured, `interrupted` when the signal ended it.
 */
export async function runCapacitySearch(options: CapacityOptions): Promise<Report> {
  const objective = parseObjective(options.objective);
  const workload = loadWorkload(options.workload);
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 31);
  const common = { workload, objective, seed } as const;
  const ceiling = options.calibrate === undefined ? undefined : await ceilingOf(options, options.calibrate, common);
  const surroundings = await openSurroundings(options);
  const frame: ReportFrame = {
    command: options.command ?? ["halfclose", "capacity", options.workload, ...options.urls],
    suite: workload.name,
    seed,
    startedAt: new Date().toISOString(),
    startMs: performance.now(),
    targetName: undefined,
    startCommand: options.start?.command,
    secrets: [...(options.secrets ?? []), ...surroundings.reach.secrets],
  };
  try {
    await options.onReport?.(() => assembleReport(frame, surroundings, { partial: true }));
    const record = await search(options, surroundings, {
      ...common,
      ...(ceiling === undefined ? {} : { ceiling }),
      ...(options.trialSeconds === undefined ? {} : { leastSeconds: options.trialSeconds }),
      ...(options.confirmSeconds === undefined ? {} : { confirmSeconds: options.confirmSeconds }),
      ...(options.withinSeconds === undefined ? {} : { withinSeconds: options.withinSeconds }),
      onTrial: (trial) => options.onTrial?.(trial, "target"),
    });
    const report = assembleReport(frame, surroundings, {
      capacities: [record],
      partial: options.signal?.aborted === true,
      targetDied: surroundings.death() !== undefined,
    });
    return { ...report, exitCode: report.exitCode === 0 ? exitCodeFor(record, options.atLeast) : report.exitCode };
  } finally {
    await surroundings.close();
  }
}

async function ceilingOf(options: CapacityOptions, start: StartCommand, common: Pick<RunCapacityOptions, "workload" | "objective" | "seed">): Promise<number> {
  const surroundings = await openSurroundings({ urls: [], start, driver: options.driver, signal: options.signal });
  try {
    const { sustainable } = await search({ ...options, contract: defaultContract }, surroundings, {
      ...common,
      leastSeconds: ceilingSeconds,
      mostSeconds: ceilingSeconds * 2,
      confirmSeconds: ceilingSeconds,
      onTrial: (trial) => options.onTrial?.(trial, "ceiling"),
    });
    return sustainable;
  } finally {
    await surroundings.close();
  }
}

async function search(
  options: CapacityOptions,
  surroundings: Surroundings,
  more: Pick<RunCapacityOptions, "workload" | "objective" | "seed"> & Partial<RunCapacityOptions>,
): Promise<CapacityRecord> {
  const load = await loadOptionsFor(surroundings, {
    workload: more.workload,
    seed: more.seed,
    contract: options.contract ?? defaultContract,
    workers: options.workers,
    signal: options.signal,
  });
  return runCapacity({
    ...load,
    ...more,
    ...(options.startLoad === undefined ? {} : { start: options.startLoad }),
    ...(options.mostLoad === undefined ? {} : { most: options.mostLoad }),
  });
}

function exitCodeFor({ inconclusive, sustainable }: CapacityRecord, atLeast: number | undefined): number {
  if (inconclusive !== undefined) {
    return exitCodes.nothing;
  }
  return atLeast !== undefined && sustainable < atLeast ? exitCodes.thresholds : exitCodes.passed;
}

/** An objective as a threshold on a quantile. */
function parseObjective(text: string): CapacityObjective {
  const parsed = parseThreshold(text);
  if ("problem" in parsed) {
    throw new HarnessError("usage", `--objective "${text}": ${parsed.problem}`, { place: "--objective", hint: "for example 'filter-apply p99 <= 100ms'" });
  }
  const { metric, statistic, operator, limit, against } = parsed;
  const known = metric === "filter-apply" || metric === "first-entry" || metric === "delivery-lag";
  if (!known || statistic.kind !== "quantile" || (operator !== "<=" && operator !== "<") || against !== "limit") {
    throw new HarnessError("usage", `--objective "${text}" is not a quantile of filter-apply, first-entry or delivery-lag below a limit.`, {
      place: "--objective",
      hint: "for example 'filter-apply p99 <= 100ms'",
    });
  }
  return { metric, quantile: statistic.q, limitMicros: limit };
}
