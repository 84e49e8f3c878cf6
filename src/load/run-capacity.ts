import { HarnessError } from "../core/errors.js";
import { formatMicros, formatNumber } from "../core/quantity.js";
import type { CapacityRecord, CapacityTrial, WorkloadRecord } from "../core/report.js";
import { capacitySentence, Inconclusive, searchCapacity } from "./capacity.js";
import { workloadHash } from "./record.js";
import { runLoad, type RunLoadOptions } from "./run-load.js";
import { type CapacityObjective, judgeTrial, offeredPerSecond, samplesFor, withLoad } from "./trial.js";

export interface RunCapacityOptions extends Omit<RunLoadOptions, "durationSeconds" | "streams" | "thresholds"> {
  readonly objective: CapacityObjective;
  /** The load tried first; default: the workload's own. */
  readonly start?: number;
  /** Greatest load tried. */
  readonly most?: number;
  /** Bounds of a trial's length in seconds; default 15 and 120. Within them a trial is as long as its samples need. */
  readonly leastSeconds?: number;
  readonly mostSeconds?: number;
  /** Length of the trial that confirms the result; default 60. */
  readonly confirmSeconds?: number;
  /** What the generator reaches by itself, from a search against the built-in server; a result over half of it is the generator's. */
  readonly ceiling?: number;
  /** No trial begins when the search has taken this long, in seconds; default: it takes what it needs. */
  readonly withinSeconds?: number;
  readonly onTrial?: (trial: CapacityTrial) => void;
  /** Waits between trials until the target is idle again; default 500 ms. */
  readonly drain?: () => Promise<void>;
}

/** Part of the generator's ceiling beyond which a result may be the generator's own. */
const ceilingShare = 0.5;

/**
 * Searches the greatest load that a target bears with an objective; each trial has fresh streams and a warm-up of its own.
 * What ends the search before its time, a signal or an error, leaves the trials that were made; without any it is thrown.
 * @throws what `runLoad` throws; `interrupted` when the signal ended the search.
 */
export async function runCapacity(options: RunCapacityOptions): Promise<CapacityRecord> {
  const { workload, objective, ceiling, leastSeconds = 15, mostSeconds = 120, confirmSeconds = 60, withinSeconds = Infinity, drain = pause } = options;
  const began = performance.now();
  let trials = 0;
  const offered = offeredPerSecond(workload);
  const opensStreams = workload.groups.some(({ arrivals }) => arrivals.model === "open" && arrivals.of === "streams");
  const unit = offered === undefined ? "streams" : opensStreams ? "streams/s" : "updates/s";
  const quantile = `p${Number((objective.quantile * 100).toFixed(4))}`;
  // Trials judge by the objective themselves; as a threshold it sets the scale on which the generator must keep its schedule.
  const scale = [`${objective.metric} ${quantile} <= ${objective.limitMicros}us min 1 samples`];
  const attempt = async (load: number, kind: "search" | "confirm"): Promise<CapacityTrial> => {
    if (performance.now() - began > withinSeconds * 1000) {
      throw new Inconclusive(`the search was to end within ${formatMicros(withinSeconds * 1_000_000)}.`);
    }
    const samplesPerSecond = offered === undefined ? load : load * 0.9;
    const wanted = Math.min(mostSeconds, Math.max(leastSeconds, Math.ceil(samplesFor(objective) / Math.max(0.001, samplesPerSecond))));
    const seconds = kind === "confirm" ? Math.max(confirmSeconds, wanted) : wanted;
    const performed = withLoad(workload, load, seconds);
    let record: WorkloadRecord;
    try {
      record = await runLoad({ ...options, workload: { ...performed, thresholds: [] }, thresholds: scale });
      if (options.signal?.aborted === true) {
        throw new HarnessError("interrupted", "The search was stopped before it had a result.");
      }
    } catch (thrown) {
      throw trials > 0 && thrown instanceof HarnessError ? new Inconclusive(`at ${formatNumber(load)} ${unit}: ${thrown.message}`) : thrown;
    }
    trials++;
    await drain();
    return judgeTrial(record, load, objective);
  };
  const found = await searchCapacity({
    start: options.start ?? offered ?? workload.groups[0]?.streams ?? 1,
    ...(options.most === undefined ? {} : { most: options.most }),
    attempt,
    ...(options.onTrial === undefined ? {} : { onTrial: options.onTrial }),
  });
  const { failsAt, limitedBy, inconclusive, ...bounds } = found;
  const result = {
    workload: workload.name,
    hash: workloadHash(workload),
    unit,
    objective: `${objective.metric} ${quantile} <= ${formatMicros(objective.limitMicros)}`,
    ...bounds,
    generatorBound: found.generatorBound || (ceiling !== undefined && found.sustainable > ceiling * ceilingShare),
    ...(failsAt === undefined ? {} : { failsAt }),
    ...(limitedBy === undefined ? {} : { limitedBy }),
    ...(inconclusive === undefined ? {} : { inconclusive }),
    ...(ceiling === undefined ? {} : { ceiling }),
  };
  return { ...result, sentence: capacitySentence(result) };
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 500));
}
