import { createHash } from "node:crypto";
import { type Histogram, histogramOf, type HistogramParts } from "../core/histogram.js";
import { latencyBuckets } from "../core/latency-buckets.js";
import { type CountMetric, countMetrics, hasRate, type TimeMetric, timeMetrics, type ValueMetric } from "../core/metric.js";
import { formatMicros } from "../core/quantity.js";
import type { HistogramRecord, WindowRecord, WorkloadRecord } from "../core/report.js";
import type { Target } from "../core/target.js";
import type { Threshold } from "../core/threshold.js";
import type { StreamGroup, Workload } from "../core/workload.js";
import { blockLength } from "./fan-out.js";
import { filterResolver } from "./filters.js";
import { floodRecord } from "./flood-record.js";
import type { FloodMeasured } from "./flood-run.js";
import { histogramRecord } from "./histogram-record.js";
import { judgeGenerator, judgeThresholds } from "./judge.js";
import { fairness, type Measurement, mergeRecords, mergeWindows, ratesOf, timeWeightedMedian } from "./measurement.js";
import type { MeasuredWindow } from "./measurement.js";
import type { ShareRecord } from "./share.js";
import { targetsOf } from "./share.js";
import { summariseTarget, type TargetSample } from "./target-samples.js";

export interface RecordOptions {
  readonly workload: Workload;
  readonly targets: readonly Target[];
  readonly driver: string;
  readonly shares: readonly ShareRecord[];
  readonly thresholds: readonly Threshold[];
  readonly baseline?: WorkloadRecord;
  /** CPU time that the generator used in the measured part, in microseconds. */
  readonly generatorCpuMicros: number;
  readonly targetSamples: readonly TargetSample[];
  readonly flood?: FloodMeasured | undefined;
  readonly remarks: readonly string[];
  /** What could not be counted; default: as workload and targets say. */
  readonly uncounted?: readonly CountMetric[];
  /** What spoils the numbers beside what was measured, each a sentence. */
  readonly spoiled?: readonly string[];
}

/** Merges what the workers measured, judges it, and writes it down. */
export function workloadRecord(options: RecordOptions): WorkloadRecord {
  const { workload, targets, driver, shares, thresholds, baseline } = options;
  const measurement = measurementOf(options);
  const scheduleLag = measurement.times.get("schedule-lag");
  const generator = judgeGenerator(
    {
      scheduleLagP99Micros: scheduleLag?.quantile(0.99) ?? Number.NaN,
      loopUtilisations: shares.map((share) => share.loopUtilisation),
      dropped: measurement.counts.dropped,
      loopDelayP99Micros: measurement.times.get("loop-delay")?.quantile(0.99) ?? Number.NaN,
      overflows: shares.filter(({ overflowed }) => overflowed > 0).map(({ overflowed, longestStallMicros }) => ({ streams: overflowed, longestStallMicros })),
    },
    thresholds,
    measurement,
  );
  const floodProblem = options.flood?.outcome.problem;
  const reasons = [
    ...(options.spoiled ?? []),
    ...generator.reasons,
    ...(floodProblem === undefined ? [] : [`The flood was not what was asked for: ${floodProblem}.`]),
  ];
  const uncounted = [
    ...(options.uncounted ?? uncountedIn(workload, targets)),
    ...(comparesStreams(shares) ? [] : (["lost-relative"] as const)),
    ...(watchesSilence(shares) ? [] : (["silent"] as const)),
  ];
  const histograms: Record<string, HistogramRecord> = {};
  for (const name of timeMetrics) {
    const histogram = measurement.times.get(name);
    if (histogram !== undefined && histogram.total > 0) {
      histograms[name] = histogramRecord(histogram);
    }
  }
  const rates: Record<string, WorkloadRecord["rates"][string]> = {};
  for (const name of countMetrics.filter(hasRate)) {
    const rate = ratesOf(measurement, name);
    if (rate !== undefined && (rate.max > 0 || name === "received")) {
      rates[name] = rate;
    }
  }
  return {
    name: workload.name,
    engine: "native",
    transports: [...new Set(targets.map((target) => target.transport))],
    driver,
    config: workload,
    hash: workloadHash(workload),
    elapsedSeconds: Math.round(measurement.seconds * 1000) / 1000,
    streams: workload.groups.reduce((sum, group) => sum + group.streams, 0),
    workers: shares.length,
    counters: measurement.counts,
    rates,
    histograms,
    values: measurement.values,
    windows: windowRecords(measurement.windows, shares, options.targetSamples),
    thresholds: judgeThresholds(thresholds, { ...measurement, uncounted }, baseline),
    generator: { status: reasons.length === 0 ? "valid" : "invalid", reasons },
    remarks: [...new Set([...options.remarks, ...shares.flatMap((share) => share.remarks), ...remarksOf(options, measurement)])],
    errors: mergeErrors(shares),
    ...(options.flood === undefined ? {} : { flood: floodRecord(options.flood, mergedWindows(shares)) }),
  };
}

/** What says that two runs performed the same: everything but where the file lies, and what was asked of the result. */
export function workloadHash(workload: Workload): string {
  const { source: _source, thresholds: _thresholds, about: _about, ...performed } = workload;
  return createHash("sha256").update(JSON.stringify(performed)).digest("hex");
}

/** The shares merged, with the figures of the whole run. */
export function measurementOf(options: Pick<RecordOptions, "workload" | "shares" | "generatorCpuMicros" | "targetSamples" | "flood">): Measurement {
  const { workload, shares, generatorCpuMicros, targetSamples, flood } = options;
  const seconds = Math.max(0, ...shares.map((share) => share.measuredMicros)) / 1_000_000;
  const merged = mergeRecords(
    shares.flatMap((share) => share.groups.map(({ record }) => record)),
    seconds,
  );
  const received = merged.windows.reduce((sum, window) => sum + (window.counts.received ?? 0), 0);
  const values: Partial<Record<ValueMetric, number>> = {
    "loop-utilisation": round(Math.max(0, ...shares.map((share) => share.loopUtilisation)), 3),
    ...(seconds > 0 ? { "generator-cpu": round(generatorCpuMicros / 1_000_000 / seconds, 3) } : {}),
    ...(generatorCpuMicros > 0 ? { "entries-per-cpu-second": Math.round((received / generatorCpuMicros) * 1_000_000) } : {}),
    ...optional("fairness", leastFairness(workload, shares)),
    ...optional("bystander-ratio", bystanderRatio(workload, shares, flood)),
    ...optional("resolution", resolution(workload, shares)),
    ...summariseTarget(targetSamples, received),
  };
  return { ...merged, times: withProbed(merged.times, flood), values };
}

/** Handshakes that were measured beside the streams are measured as theirs are. */
function withProbed(times: Measurement["times"], flood: FloodMeasured | undefined): Measurement["times"] {
  const all = new Map(times);
  for (const [name, parts] of Object.entries(flood?.probed?.times ?? {}) as [TimeMetric, HistogramParts][]) {
    const before = all.get(name);
    all.set(name, before === undefined ? histogramOf(parts) : histogramOf(before.parts(), parts));
  }
  return all;
}

function mergedWindows(shares: readonly ShareRecord[]): MeasuredWindow[] {
  return mergeWindows(shares.flatMap((share) => share.groups.flatMap(({ record }) => record.windows)));
}

/** Windows of a share as progress shows them; `target` is the latest sample. */
export function windowRecord(window: MeasuredWindow, loopUtilisation: number, target: TargetSample | undefined): WindowRecord {
  const apply = partsOf(window, "filter-apply");
  const lag = partsOf(window, "schedule-lag");
  return {
    atSeconds: window.index,
    received: window.counts.received ?? 0,
    bytes: window.counts.bytes ?? 0,
    sent: window.counts.sent ?? 0,
    stale: window.counts.stale ?? 0,
    backlog: window.backlog,
    scheduleLagP99Us: lag === undefined ? 0 : finite(lag.quantile(0.99)),
    loopUtilisation: round(loopUtilisation, 3),
    ...(apply === undefined
      ? {}
      : { applyP50Us: finite(apply.quantile(0.5)), applyP99Us: finite(apply.quantile(0.99)), applyBuckets: latencyBuckets(apply.parts()) }),
    ...(target === undefined ? {} : { target: { cpu: round(target.cpu, 3), rssBytes: target.rssBytes, threads: target.threads, openFiles: target.openFiles } }),
  };
}

function windowRecords(windows: readonly MeasuredWindow[], shares: readonly ShareRecord[], samples: readonly TargetSample[]): WindowRecord[] {
  return windows.map((window) => {
    const utilisation = Math.max(0, ...shares.map((share) => share.utilisations.find(({ index }) => index === window.index)?.utilisation ?? 0));
    const target = samples.find((sample) => sample.atSeconds >= window.index && sample.atSeconds < window.index + 1);
    return windowRecord(window, utilisation, target);
  });
}

function partsOf(window: MeasuredWindow, name: TimeMetric): Histogram | undefined {
  const parts = window.times[name];
  const histogram = parts === undefined ? undefined : histogramOf(parts);
  return histogram === undefined || histogram.total === 0 ? undefined : histogram;
}

/** The fairness of the group that is treated least fairly; groups are not compared with one another. */
function leastFairness(workload: Workload, shares: readonly ShareRecord[]): number | undefined {
  const indices = workload.groups
    .map((_, i) => fairness(shares.flatMap((share) => share.groups[i]?.record.streamRates ?? [])))
    .filter((index) => index !== undefined);
  return indices.length === 0 ? undefined : round(Math.min(...indices), 4);
}

/** p99 delivery lag of the bystanders from the first disturbance on, over before it. */
function bystanderRatio(workload: Workload, shares: readonly ShareRecord[], flood: FloodMeasured | undefined): number | undefined {
  const disturbances = [
    ...workload.groups
      .filter((group) => !group.bystander && group.fromMs > 0)
      .map((group) => ({ fromSeconds: group.fromMs / 1000, untilSeconds: (group.untilMs ?? Infinity) / 1000 })),
    ...(flood === undefined || !Number.isFinite(flood.fromMicros)
      ? []
      : [{ fromSeconds: flood.flood.fromMs / 1000, untilSeconds: flood.untilMicros / 1_000_000 }]),
  ];
  if (disturbances.length === 0) {
    return undefined;
  }
  const fromSeconds = Math.min(...disturbances.map((disturbance) => disturbance.fromSeconds));
  const untilSeconds = Math.max(...disturbances.map((disturbance) => disturbance.untilSeconds));
  // A flood disturbs no group in particular.
  const all = flood !== undefined && !workload.groups.some((group) => group.bystander);
  const windows = mergeWindows(
    shares.flatMap((share) => workload.groups.flatMap((group, i) => (group.bystander || all ? (share.groups[i]?.record.windows ?? []) : []))),
  );
  const lagOf = (inside: (index: number) => boolean): number => {
    const parts = windows.filter(({ index }) => inside(index)).map((window) => window.times["delivery-lag"]);
    return histogramOf(...parts.filter((part) => part !== undefined)).quantile(0.99);
  };
  const before = lagOf((index) => index + 1 <= fromSeconds);
  const during = lagOf((index) => index >= Math.floor(fromSeconds) && index < untilSeconds);
  const ratio = during / Math.max(1, before);
  return Number.isFinite(ratio) ? round(ratio, 3) : undefined;
}

/** Of the groups that send updates; the coarsest of them. */
function resolution(workload: Workload, shares: readonly ShareRecord[]): number | undefined {
  const gaps = workload.groups.map((group, i) => {
    const parts = updates(group) ? shares.map((share) => share.groups[i]?.record.times["entry-gap"]) : [];
    return timeWeightedMedian(histogramOf(...parts.filter((part) => part !== undefined)));
  });
  const known = gaps.filter((gap) => gap !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}

function updates(group: StreamGroup): boolean {
  return [...group.each, ...group.begin].filter((step) => step.kind === "send").length + (group.each.some((step) => step.kind === "send") ? 1 : 0) > 1;
}

function remarksOf(options: RecordOptions, measurement: Measurement): string[] {
  const { workload, targets, shares } = options;
  const remarks: string[] = [];
  const gap = measurement.values.resolution;
  // An ack says to the microsecond when a filter holds.
  const byAck = targets.every(({ contract }) => contract.semantics.takesEffect === "ack");
  if (gap !== undefined && measurement.times.has("filter-apply") && !(byAck && targets.length > 0)) {
    remarks.push(`filter-apply cannot be told finer than ${formatMicros(gap)}, the time between discriminating entries.`);
  }
  remarks.push(...lossRemarks(workload, targets));
  if (!comparesStreams(shares) && options.thresholds.some(({ metric }) => metric === "lost-relative")) {
    remarks.push(
      `lost-relative was not counted: no two streams with one filter went through the same ${blockLength} sequence numbers in one worker; more entries, more streams or fewer workers make it count.`,
    );
  }
  if (!watchesSilence(shares) && options.thresholds.some(({ metric, allowEmpty }) => metric === "silent" && !allowEmpty)) {
    remarks.push("silent was not counted: no two streams in one worker kept the same filter for as long as an update may take, or entries have no sequence.");
  }
  if (measurement.times.has("delivery-lag")) {
    remarks.push(`delivery-lag compares the target's clock with this machine's: between two machines it holds their offset too.`);
  }
  const old = measurement.times.get("delivery-lag")?.overflow ?? 0;
  if (old > 0) {
    remarks.push(
      `Entries whose own time is more than an hour ago, since the target's clock is behind or its entries are old: ${old}; their delivery-lag is ∞.`,
    );
  }
  if (measurement.counts["negative-lag"] > 0) {
    remarks.push(`Entries that arrived before their own time, since the clocks differ: ${measurement.counts["negative-lag"]}; they count as 0.`);
  }
  if (shares.length > 0 && shares.every((share) => share.endedEarly)) {
    remarks.push("Every stream ended before the time was up; see errors.");
  }
  if (workload.warmUpMs > 0) {
    remarks.push(`The first ${workload.warmUpMs / 1000} s are warm-up: what breaks the contract is counted in them, latencies and rates are not.`);
  }
  return remarks;
}

function comparesStreams(shares: readonly ShareRecord[]): boolean {
  return shares.some(({ comparedBlocks }) => comparedBlocks > 0);
}

function watchesSilence(shares: readonly ShareRecord[]): boolean {
  return shares.some(({ silenceWatched }) => silenceWatched);
}

/** Counters that stay at zero whatever happens: losses, where no group's filters would show any. */
export function uncountedIn(workload: Workload, targets: readonly Target[]): readonly CountMetric[] {
  const groups = lossesOf(workload, targets);
  return groups.length > 0 && groups.every(({ countable }) => countable.length === 0) ? ["lost"] : [];
}

/** Where lost entries could be counted, and where not: sentences. */
export function lossRemarks(workload: Workload, targets: readonly Target[]): string[] {
  const remarks = lossesOf(workload, targets).flatMap(({ group, contract, isOrdered, filters, countable }) => {
    if (!isOrdered) {
      return [`The contract "${contract.name}" declares no strictly increasing sequence: lost and duplicated entries cannot be counted.`];
    }
    if (countable.length === 0) {
      return [
        `Group "${group.name}": its filters leave gaps in the sequence, as far as can be told, so lost entries cannot be counted by it; duplicates and order can.`,
      ];
    }
    return countable.length === filters.length
      ? []
      : [
          `Group "${group.name}": lost entries were counted while the filter was ${countable.map((filter) => `"${filter.name}"`).join(", ")}, which lets everything through.`,
        ];
  });
  return [...new Set(remarks)];
}

/** Of each group that has a target: its filters, and those of them under which a gap in the sequence is a loss. */
function lossesOf(workload: Workload, targets: readonly Target[]) {
  return workload.groups.flatMap((group) => {
    const target = targets[targetsOf(group, targets)[0] ?? 0];
    if (target === undefined) {
      return [];
    }
    const { contract } = target;
    const isOrdered = contract.entries.sequence !== undefined && contract.entries.order === "increasing";
    const resolve = filterResolver(contract, workload.source);
    const steps = [...group.begin, ...group.each].flatMap((step) => (step.kind === "send" ? step.filters : []));
    const filters = steps.map((reference) => resolve(reference).filter);
    return [{ group, contract, isOrdered, filters, countable: isOrdered ? filters.filter((filter) => filter.everything === true) : [] }];
  });
}

function mergeErrors(shares: readonly ShareRecord[]): Record<string, number> {
  const errors: Record<string, number> = {};
  for (const [text, times] of shares.flatMap((share) => Object.entries(share.errors))) {
    errors[text] = (errors[text] ?? 0) + times;
  }
  return errors;
}

function optional(name: ValueMetric, value: number | undefined): Partial<Record<ValueMetric, number>> {
  return value === undefined || Number.isNaN(value) ? {} : { [name]: value };
}

function finite(micros: number): number {
  return Number.isFinite(micros) ? micros : Number.MAX_SAFE_INTEGER;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
