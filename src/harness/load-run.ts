import { performance } from "node:perf_hooks";
import { defaultContract } from "../contract/load-contract.js";
import { HarnessError } from "../core/errors.js";
import type { Engine } from "../engines/engine.js";
import type { Report, RunEvent, WorkloadRecord } from "../core/report.js";
import type { Workload } from "../core/workload.js";
import { checkComparable, checkSound, compareWithBaseline } from "../load/compare.js";
import { workloadHash } from "../load/record.js";
import { adjusted } from "../load/run-load.js";
import type { Shard } from "../load/shard.js";
import { loadWorkload } from "../load/shipped-workloads.js";
import { assembleReport, type ReportFrame } from "./assemble-report.js";
import { besideCalibration, calibrate } from "./calibration.js";
import { describeEnvironment } from "./environment.js";
import type { StartCommand } from "./owned-target.js";
import { performWorkload } from "./perform-workload.js";
import { openSurroundings, type SurroundingsOptions } from "./surroundings.js";

/** What a load run needs to know. */
export interface LoadOptions extends SurroundingsOptions {
  /** Name of a workload that comes with the harness, or a path. */
  readonly workload: string;
  readonly durationSeconds?: number | undefined;
  readonly streams?: number | undefined;
  /** Instead of the workload's: `filter-apply p99 < 50ms`. */
  readonly thresholds?: readonly string[] | undefined;
  /** An earlier run of the same workload on the same machine, and where it comes from. */
  readonly baseline?: { readonly name: string; readonly report: Report } | undefined;
  /** Starts a server of the default contract, on which the same is measured first for a few seconds: what machine and generator take by themselves. */
  readonly calibrate?: StartCommand | undefined;
  readonly seed?: number | undefined;
  /** Worker threads; default: one less than the machine has cores. */
  readonly workers?: number | undefined;
  /** Who performs it; default: the native engine, in this process. */
  readonly engine?: Engine | undefined;
  /** The workload's flood may go to another host than the target's. Default false. */
  readonly floodElsewhere?: boolean | undefined;
  /** Perform this part only. */
  readonly shard?: Shard | undefined;
  /** When to begin, in milliseconds since the Unix epoch; default: at once. */
  readonly startAtMs?: number | undefined;
  readonly targetName?: string | undefined;
  readonly command?: readonly string[];
  readonly secrets?: readonly string[];
  readonly onEvent?: (event: RunEvent) => void;
  /** Called once before anything is sent; the report says `partial`. */
  readonly onReport?: (report: () => Report) => void | Promise<void>;
}

/**
 * Performs a workload against a target: the whole of `halfclose load`, without its output.
 * @throws HarnessError when nothing could be measured.
 */
export async function runWorkload(options: LoadOptions): Promise<Report> {
  const workload = loadWorkload(options.workload);
  if (options.engine !== undefined && (options.shard !== undefined || options.startAtMs !== undefined)) {
    throw new HarnessError("usage", `The engine ${options.engine.name} shares a workload out by execution segments of its own.`, {
      place: options.shard === undefined ? "--start-at" : "--shard",
      hint: "halfclose export k6 writes how",
    });
  }
  if (options.calibrate !== undefined && options.shard !== undefined) {
    throw new HarnessError("usage", "A shard is a part of a load, which cannot be calibrated by itself.", { place: "--calibrate" });
  }
  const baseline = options.baseline && { name: options.baseline.name, record: baselineOf(options.baseline.report, adjusted({ ...options, workload })) };
  const surroundings = await openSurroundings(options);
  // Shards deal out one schedule.
  const seed = options.seed ?? (options.shard === undefined ? Math.floor(Math.random() * 2 ** 31) : 1);
  const frame: ReportFrame = {
    command: options.command ?? ["halfclose", "load", options.workload, ...options.urls],
    suite: workload.name,
    seed,
    startedAt: new Date().toISOString(),
    startMs: performance.now(),
    targetName: options.targetName,
    startCommand: options.start?.command,
    secrets: [...(options.secrets ?? []), ...surroundings.reach.secrets],
  };
  try {
    await options.onReport?.(() => assembleReport(frame, surroundings, { partial: true }));
    options.onEvent?.({ kind: "started", total: 0, urls: surroundings.shownUrls });
    const { durationSeconds, streams, workers, engine, signal, driver } = options;
    const alike = { workload, seed, durationSeconds, streams, workers, engine, signal, floodElsewhere: options.floodElsewhere };
    const transports = Object.values(surroundings.targets).map(({ transport }) => transport);
    const calibration = options.calibrate === undefined ? undefined : await calibrate({ ...alike, start: options.calibrate, driver, transports });
    const measured = await performWorkload(surroundings, {
      ...alike,
      thresholds: options.thresholds,
      baseline: baseline?.record,
      onEvent: options.onEvent,
      contract: options.contract ?? defaultContract,
      shard: options.shard,
      startAtMs: options.startAtMs,
    });
    const record = calibration === undefined ? measured : besideCalibration(measured, calibration);
    const death = surroundings.death();
    const report = assembleReport(frame, surroundings, {
      workloads: [baseline === undefined ? record : besideBaseline(record, baseline)],
      problems: death === undefined ? [] : [death],
      partial: options.signal?.aborted === true,
      targetDied: death !== undefined,
    });
    options.onEvent?.({ kind: "finished", report });
    return report;
  } finally {
    await surroundings.close();
  }
}

/**
 * The baseline's record of the workload, as it is to be performed.
 * @throws HarnessError `usage` when there is none, or none that this machine's could be compared with: said before anything is measured.
 */
function baselineOf(report: Report, workload: Workload): WorkloadRecord {
  const { workloads, environment } = report;
  const place = "--baseline";
  const record = workloads.find(({ name }) => name === workload.name);
  if (record === undefined) {
    throw new HarnessError("usage", `The baseline has no workload "${workload.name}"; it has: ${workloads.map(({ name }) => name).join(", ") || "none"}.`, {
      place,
    });
  }
  checkComparable({ ...record, environment }, { name: workload.name, hash: workloadHash(workload), environment: describeEnvironment() }, place);
  checkSound("The baseline", report, record, place);
  return record;
}

/** Numbers that the generator spoiled are compared with nothing. */
function besideBaseline(record: WorkloadRecord, baseline: { readonly name: string; readonly record: WorkloadRecord }): WorkloadRecord {
  return record.generator.status === "invalid" ? record : { ...record, baseline: compareWithBaseline(baseline.name, baseline.record, record, { seed: 1 }) };
}
