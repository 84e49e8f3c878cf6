import { performance } from "node:perf_hooks";
import { defaultContract, loadContract } from "../contract/load-contract.js";
import type { Contract } from "../core/contract.js";
import { HarnessError } from "../core/errors.js";
import { prepareAutocannon } from "../engines/autocannon.js";
import type { Engine } from "../engines/engine.js";
import type { Report, RunEvent, WorkloadRecord } from "../core/report.js";
import { judgedBy } from "../core/threshold.js";
import type { Workload } from "../core/workload.js";
import { checkComparable, checkSound, compareWithBaseline } from "../load/compare.js";
import { workloadHash } from "../load/record.js";
import { adjusted, runLoad, type RunLoadOptions, type ThreadOptions } from "../load/run-load.js";
import type { Shard } from "../load/shard.js";
import { loadWorkload } from "../load/shipped-workloads.js";
import { readGroupUsage } from "../surroundings/process-group.js";
import { assembleReport, type ReportFrame } from "./assemble-report.js";
import { describeEnvironment } from "./environment.js";
import { runOnEngine } from "./engine-run.js";
import { openSurroundings, type Surroundings, type SurroundingsOptions } from "./surroundings.js";

/** What one workload needs beside a target. */
export interface WorkloadOptions {
  readonly workload: Workload;
  readonly seed: number;
  readonly durationSeconds?: number | undefined;
  readonly streams?: number | undefined;
  readonly thresholds?: readonly string[] | undefined;
  readonly baseline?: WorkloadRecord | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: ((event: RunEvent) => void) | undefined;
  /** Name or path of the contract, for worker threads to load their own; without it the workload runs in this thread. */
  readonly contract?: string | undefined;
  /** Worker threads; default: one less than the machine has cores. */
  readonly workers?: number | undefined;
  /** Who performs it; default: the native engine. */
  readonly engine?: Engine | undefined;
  /** The workload's flood may go to another host than the target's. Default false. */
  readonly floodElsewhere?: boolean | undefined;
  /** Perform this part only. */
  readonly shard?: Shard | undefined;
  /** When to begin, in milliseconds since the Unix epoch; default: at once. */
  readonly startAtMs?: number | undefined;
}

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
    const record = await performWorkload(surroundings, {
      workload,
      seed,
      durationSeconds: options.durationSeconds,
      streams: options.streams,
      thresholds: options.thresholds,
      baseline: baseline?.record,
      signal: options.signal,
      onEvent: options.onEvent,
      contract: options.contract ?? defaultContract,
      workers: options.workers,
      engine: options.engine,
      floodElsewhere: options.floodElsewhere,
      shard: options.shard,
      startAtMs: options.startAtMs,
    });
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

/** Performs one workload on open surroundings. */
export async function performWorkload(surroundings: Surroundings, options: WorkloadOptions): Promise<WorkloadRecord> {
  const run = await loadOptionsFor(surroundings, {
    ...options,
    thresholds: judgedBy(options.workload, options.thresholds, options.engine?.uncounted(Object.values(surroundings.targets))),
  });
  return options.engine === undefined ? runLoad(run) : runOnEngine(options.engine, run);
}

/** What a run of the workload is given: the surroundings' targets, drivers, producer and process, and worker threads for the native engine. */
export async function loadOptionsFor(surroundings: Surroundings, options: WorkloadOptions): Promise<RunLoadOptions> {
  const { producer, contract } = surroundings;
  const threads = options.engine === undefined ? await threadsFor(surroundings, options) : undefined;
  const sampleTarget = (): ReturnType<NonNullable<RunLoadOptions["sampleTarget"]>> => {
    const group = surroundings.processGroup();
    const usage = group === undefined ? undefined : readGroupUsage(group);
    return usage === undefined
      ? undefined
      : { cpuSeconds: usage.cpuMicros / 1_000_000, rssBytes: usage.rssBytes, threads: usage.threads, openFiles: usage.openFiles };
  };
  const produce: RunLoadOptions["produce"] =
    producer === undefined
      ? undefined
      : async (filter, count) => {
          const draft = contract.draft([filter], []);
          const outcome = draft === undefined ? undefined : await producer.produce(Array.from({ length: count }, () => draft));
          if (outcome?.kind !== "produced") {
            throw new HarnessError(
              "workload",
              `The producer wrote no entry that matches "${filter.name}": ${outcome?.reason ?? "the contract gives no way to make one"}.`,
            );
          }
        };
  return {
    workload: options.workload,
    targets: Object.values(surroundings.targets).map((target) => ({ ...target, contract: { ...target.contract, bounds: surroundings.bounds } })),
    drivers: Object.values(surroundings.drivers),
    seed: options.seed,
    sampleTarget,
    prepareFlood: (task) => prepareAutocannon(task),
    floodElsewhere: options.floodElsewhere === true,
    ...(threads === undefined ? {} : { threads }),
    ...(produce === undefined ? {} : { produce }),
    ...(options.durationSeconds === undefined ? {} : { durationSeconds: options.durationSeconds }),
    ...(options.streams === undefined ? {} : { streams: options.streams }),
    ...(options.thresholds === undefined ? {} : { thresholds: options.thresholds }),
    ...(options.baseline === undefined ? {} : { baseline: options.baseline }),
    ...(options.shard === undefined ? {} : { shard: options.shard }),
    ...(options.startAtMs === undefined ? {} : { startAtMs: options.startAtMs }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(options.onEvent === undefined ? {} : { onEvent: options.onEvent }),
  };
}

/**
 * Worker threads load the contract again by its name. One that is not the same when it is loaded twice (a namespace of its own for each run,
 * types that the server tells by reflection) cannot be loaded there, and the workload runs in this thread.
 */
async function threadsFor({ contract, targets }: Surroundings, options: WorkloadOptions): Promise<ThreadOptions | undefined> {
  const reference = options.contract;
  if (reference === undefined) {
    return undefined;
  }
  const again = await loadContract(reference);
  const said = ({ hash, filters, prelude, grpc, websocket }: Contract): string =>
    JSON.stringify([hash, Object.values(filters).map(({ messages }) => messages), prelude, grpc?.path, websocket?.path], (_, value: unknown) =>
      typeof value === "bigint" ? `${value}n` : value,
    );
  if (said(again) !== said(contract)) {
    return undefined;
  }
  return {
    script: new URL("./load-worker.js", import.meta.url),
    contractReferences: Object.values(targets).map(() => reference),
    ...(options.workers === undefined ? {} : { count: options.workers }),
  };
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
