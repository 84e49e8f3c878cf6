import type { Filter } from "../core/contract.js";
import type { CountMetric, TimeMetric } from "../core/metric.js";
import type { Target } from "../core/target.js";
import type { FilterReference, Workload } from "../core/workload.js";

/** Performs a workload outside of this process and tells point by point what it measured; who asks makes the report of it. */
export interface Engine {
  readonly name: string;
  /** What it cannot see, or tells less finely than the native engine: sentences for the report. */
  readonly remarks: readonly string[];
  /** Counters that it does not keep for these targets: they are left out of the record, and no threshold may rest on their 0. */
  uncounted(targets: readonly Target[]): readonly CountMetric[];
  /** Which parts of the task it cannot perform, each a sentence; asked before anything is started. */
  refusals(task: EngineTask): readonly string[];
  /**
   * Resolves when it has ended and left no process behind, however it ended.
   * @throws HarnessError when there is no engine to start, or it measured nothing.
   */
  perform(task: EngineTask): Promise<EngineOutcome>;
}

export interface EngineTask {
  readonly workload: Workload;
  readonly targets: readonly Target[];
  /** Indices of the targets that a group's streams take in turn. */
  readonly targetsOf: (group: number) => readonly number[];
  /** The filter that a reference stands for with a target; the same filter is the same object. */
  readonly resolve: (target: number, reference: FilterReference) => EngineFilter;
  /** The least latency limit of the thresholds, which sets how exact the engine must be, in microseconds; 0 when there is none. */
  readonly latencyLimitMicros: number;
  readonly signal: AbortSignal | undefined;
  readonly onPoint: (point: EnginePoint) => void;
}

export interface EngineFilter {
  readonly filter: Filter;
  readonly everything: boolean;
  readonly nothing: boolean;
}

/** One thing that was measured or counted in a group of streams. */
export type EnginePoint =
  | { readonly kind: "time"; readonly group: string; readonly metric: TimeMetric; readonly micros: number; readonly times: number; readonly atMicros: number }
  /** It never happened within its bound: +∞. */
  | { readonly kind: "beyond"; readonly group: string; readonly metric: TimeMetric; readonly times: number; readonly atMicros: number }
  | { readonly kind: "count"; readonly group: string; readonly metric: CountMetric; readonly times: number; readonly atMicros: number }
  /** Entries a second of one stream in the measured part. */
  | { readonly kind: "stream-rate"; readonly group: string; readonly perSecond: number }
  /** A stream that ended although nothing asked for it. */
  | { readonly kind: "error"; readonly text: string; readonly times: number };

export interface EngineOutcome {
  /** Of the measured part; less than asked for when it was stopped. */
  readonly measuredMicros: number;
  /** CPU time in the measured part, in microseconds. */
  readonly cpuMicros: number;
  /** What spoils the numbers, each a sentence; empty: they can be believed as far as the engine itself knows. */
  readonly spoiled: readonly string[];
  readonly remarks: readonly string[];
}
