import { defaultContract } from "../contract/load-contract.js";
import type { WorkloadRecord } from "../core/report.js";
import { type Comparison, runCompare } from "../load/run-compare.js";
import { loadWorkload } from "../load/shipped-workloads.js";
import { loadOptionsFor } from "./perform-workload.js";
import { openSurroundings, type Surroundings, type SurroundingsOptions } from "./surroundings.js";

/** What an interleaved comparison needs to know. */
export interface CompareRunOptions {
  /** Name of a workload that comes with the harness, or a path. */
  readonly workload: string;
  readonly before: SurroundingsOptions;
  readonly after: SurroundingsOptions;
  /** Runs of each side, and as many again where they differ; default and least 5. */
  readonly rounds?: number | undefined;
  readonly durationSeconds?: number | undefined;
  /** Ratios within 1 ± this are the same; default 0.05. */
  readonly tolerance?: number | undefined;
  /** Medians that differ by less, in microseconds, are not told apart, p90 by twice, p99 by three times as much; default 1000. */
  readonly leastMicros?: number | undefined;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
  readonly onRun?: (side: "before" | "after", record: WorkloadRecord, done: number, total: number) => void;
}

/**
 * Runs a workload against two targets in turns and compares what was measured.
 * @throws HarnessError when a side cannot be measured, `interrupted` when the signal ended it.
 */
export async function compareTargets(options: CompareRunOptions): Promise<Comparison> {
  const workload = loadWorkload(options.workload);
  const opened: Surroundings[] = [];
  const open = async (side: SurroundingsOptions) => {
    const surroundings = await openSurroundings({ ...side, signal: options.signal });
    opened.push(surroundings);
    return loadOptionsFor(surroundings, {
      workload,
      seed: options.seed,
      contract: side.contract ?? defaultContract,
      durationSeconds: options.durationSeconds,
      signal: options.signal,
    });
  };
  try {
    const before = await open(options.before);
    const after = await open(options.after);
    return await runCompare({
      workload,
      seed: options.seed,
      before,
      after,
      ...(options.durationSeconds === undefined ? {} : { durationSeconds: options.durationSeconds }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      ...(options.rounds === undefined ? {} : { rounds: options.rounds }),
      ...(options.tolerance === undefined ? {} : { tolerance: options.tolerance }),
      ...(options.leastMicros === undefined ? {} : { leastMicros: options.leastMicros }),
      ...(options.onRun === undefined ? {} : { onRun: options.onRun }),
    });
  } finally {
    await Promise.all(opened.map((surroundings) => surroundings.close()));
  }
}
