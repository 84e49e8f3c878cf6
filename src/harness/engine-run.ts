import { HarnessError } from "../core/errors.js";
import type { WorkloadRecord } from "../core/report.js";
import type { Target } from "../core/target.js";
import { parseThresholds, type Threshold } from "../core/threshold.js";
import type { FilterReference, Workload } from "../core/workload.js";
import type { Engine, EngineOutcome, EngineTask } from "../engines/engine.js";
import { filterResolver } from "../load/filters.js";
import { tightestLimit } from "../load/judge.js";
import { mergeWindows } from "../load/measurement.js";
import { windowMicros } from "../load/meter.js";
import { windowRecord, workloadRecord } from "../load/record.js";
import { adjusted, checkFit, type RunLoadOptions, windowedTimes } from "../load/run-load.js";
import { targetsOf } from "../load/share.js";
import { nextSample, type TargetSample } from "../load/target-samples.js";
import { EnginePointBook } from "./engine-points.js";

/** A task with what its results are judged by. */
export interface PreparedTask {
  readonly task: Omit<EngineTask, "onPoint">;
  readonly thresholds: readonly Threshold[];
}

/**
 * Makes of a workload what an engine is given.
 * @throws HarnessError `workload` naming every part that the engine cannot perform.
 */
export function prepareTask(engine: Engine, options: RunLoadOptions): PreparedTask {
  const workload = adjusted(options);
  const fromOptions = options.thresholds !== undefined;
  const thresholds = parseThresholds(
    options.thresholds ?? workload.thresholds,
    fromOptions ? "--threshold" : workload.source,
    fromOptions ? "usage" : "workload",
  );
  checkFit(workload, options);
  const task = taskOf(workload, options.targets, thresholds, options.signal);
  const uncounted: readonly string[] = engine.uncounted(options.targets);
  const refusals = [
    ...engine.refusals({ ...task, onPoint: () => undefined }),
    ...thresholds
      .filter(({ metric }) => uncounted.includes(metric))
      .map(({ text, metric }) => `The threshold "${text}" rests on ${metric}, which it does not count.`),
  ];
  if (refusals.length > 0) {
    throw new HarnessError("workload", `The engine ${engine.name} cannot perform "${workload.name}": ${refusals.join(" ")}`, {
      place: workload.source,
      hint: "--engine native performs it.",
    });
  }
  return { task, thresholds };
}

/**
 * Performs a workload with an engine outside of this process and judges it by the same rules as the native one's.
 * @throws HarnessError `workload` for what the engine cannot perform, and whatever the engine says when there is none to start or nothing to measure.
 */
export async function runOnEngine(engine: Engine, options: RunLoadOptions): Promise<WorkloadRecord> {
  const { task, thresholds } = prepareTask(engine, options);
  const { workload } = task;
  const book = new EnginePointBook(
    workload.groups.map((group) => group.name),
    windowedTimes(workload, thresholds),
  );
  const progress = followProgress(options, workload, book);
  let outcome: EngineOutcome;
  try {
    outcome = await engine.perform({
      ...task,
      onPoint(point) {
        book.take(point);
        progress.heard();
      },
    });
  } finally {
    progress.close();
  }
  return engineRecord(engine, {
    workload,
    targets: options.targets,
    thresholds,
    baseline: options.baseline,
    instances: [{ book, outcome }],
    samples: progress.samples,
  });
}

/** What an engine measured. */
export interface EngineMeasured {
  readonly workload: Workload;
  readonly targets: readonly Target[];
  readonly thresholds: readonly Threshold[];
  readonly baseline: WorkloadRecord | undefined;
  /** One for each instance of the engine, with what it says of itself. */
  readonly instances: readonly { readonly book: EnginePointBook; readonly outcome: EngineOutcome }[];
  readonly samples: readonly TargetSample[];
}

/** The record of it, made and judged as the native engine's is. */
export function engineRecord(engine: Pick<Engine, "name" | "remarks" | "uncounted">, measured: EngineMeasured): WorkloadRecord {
  const { workload, targets, thresholds, baseline, instances, samples } = measured;
  const record = workloadRecord({
    workload,
    targets,
    driver: engine.name,
    shares: instances.map(({ book, outcome }) => ({
      groups: book.records(outcome.measuredMicros),
      loopUtilisation: 0,
      utilisations: [],
      longestStallMicros: 0,
      overflowed: 0,
      silenceWatched: false,
      errors: Object.fromEntries(book.errors),
      remarks: outcome.remarks,
      measuredMicros: outcome.measuredMicros,
      endedEarly: false,
      comparedBlocks: 0,
    })),
    thresholds,
    ...(baseline === undefined ? {} : { baseline }),
    generatorCpuMicros: instances.reduce((sum, { outcome }) => sum + outcome.cpuMicros, 0),
    targetSamples: samples,
    remarks: [...engine.remarks, ...(thresholds.some((threshold) => threshold.abortOnFail) ? ["abort-on-fail does not end a run of this engine."] : [])],
  });
  const reasons = [...new Set([...instances.flatMap(({ outcome }) => outcome.spoiled), ...record.generator.reasons])];
  // It has no event loop of ours that could be watched, and no workers.
  const { workers: _workers, ...rest } = record;
  const uncounted: readonly string[] = engine.uncounted(targets);
  const seen = <T>(of: Readonly<Record<string, T>>): Record<string, T> => Object.fromEntries(Object.entries(of).filter(([name]) => !uncounted.includes(name)));
  const { "loop-utilisation": _utilisation, ...values } = record.values ?? {};
  return {
    ...rest,
    engine: engine.name,
    counters: seen(rest.counters),
    rates: seen(rest.rates),
    values,
    generator: { status: reasons.length === 0 ? "valid" : "invalid", reasons },
  };
}

function taskOf(workload: Workload, targets: readonly Target[], thresholds: readonly Threshold[], signal: AbortSignal | undefined): PreparedTask["task"] {
  const resolvers = targets.map((target) => filterResolver(target.contract, workload.source));
  return {
    workload,
    targets,
    targetsOf: (group) => {
      const found = workload.groups[group];
      return found === undefined ? [] : targetsOf(found, targets);
    },
    resolve: (target: number, reference: FilterReference) => {
      const resolve = resolvers[target];
      if (resolve === undefined) {
        throw new Error(`no target ${target}`);
      }
      return resolve(reference);
    },
    latencyLimitMicros: tightestLimit(thresholds),
    signal,
  };
}

/** Shows each window when a point of the next but one has come, and samples the target once a second. */
function followProgress(
  { onEvent, sampleTarget }: RunLoadOptions,
  workload: Workload,
  book: EnginePointBook,
): { readonly samples: TargetSample[]; heard(): void; close(): void } {
  const samples: TargetSample[] = [];
  let shown = 0;
  const totalSeconds = workload.durationMs / 1000;
  const sampler = setInterval(() => {
    const reading = sampleTarget?.();
    if (reading !== undefined && book.latestMicros > 0) {
      samples.push(nextSample(samples.at(-1), reading, book.latestMicros / 1_000_000));
    }
  }, 1000);
  return {
    samples,
    heard() {
      while (shown < Math.ceil(totalSeconds) && book.latestMicros >= (shown + 1) * windowMicros + lateMicros) {
        for (const window of mergeWindows(book.windows(shown, workload.durationMs * 1000))) {
          onEvent?.({
            kind: "workload-progress",
            name: workload.name,
            window: windowRecord(window, 0, samples.at(-1)),
            elapsedSeconds: shown + 1,
            totalSeconds,
          });
        }
        shown++;
      }
    },
    close: () => clearInterval(sampler),
  };
}

/** Points of different streams come slightly out of order. */
const lateMicros = 300_000;
