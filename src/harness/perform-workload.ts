import { loadContract } from "../contract/load-contract.js";
import type { Contract } from "../core/contract.js";
import { HarnessError } from "../core/errors.js";
import { prepareAutocannon } from "../engines/autocannon.js";
import type { Engine } from "../engines/engine.js";
import type { RunEvent, WorkloadRecord } from "../core/report.js";
import { judgedBy } from "../core/threshold.js";
import type { Workload } from "../core/workload.js";
import { runLoad, type RunLoadOptions, type ThreadOptions } from "../load/run-load.js";
import type { Shard } from "../load/shard.js";
import { readGroupUsage } from "../surroundings/process-group.js";
import { runOnEngine } from "./engine-run.js";
import type { Surroundings } from "./surroundings.js";

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
