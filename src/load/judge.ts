import { beyondMicros, type Histogram, histogramOf } from "../core/histogram.js";
import { metrics, type TimeMetric } from "../core/metric.js";
import { formatMicros, formatNumber } from "../core/quantity.js";
import type { GeneratorVerdict, ThresholdRecord, WorkloadRecord } from "../core/report.js";
import { holds, notCounted, type Threshold } from "../core/threshold.js";
import { histogramFromRecord } from "./histogram-record.js";
import type { MeasuredWindow, Measurement } from "./measurement.js";

/**
 * Judges each threshold on the merged measurement; a metric without samples fails unless the threshold allows it.
 * @param baseline the workload's record of an earlier run; needed by thresholds that compare with it.
 */
export function judgeThresholds(thresholds: readonly Threshold[], measurement: Measurement, baseline?: WorkloadRecord): ThresholdRecord[] {
  return thresholds.map((threshold) => judge(threshold, measurement, baseline));
}

/** What says whether the generator kept up. */
export interface GeneratorHealth {
  /** p99 of schedule-lag in microseconds; NaN when nothing was scheduled. */
  readonly scheduleLagP99Micros: number;
  /** Share of the time that each worker's event loop worked. */
  readonly loopUtilisations: readonly number[];
  readonly dropped: number;
  /** p99 of loop-delay in microseconds; NaN where it was not watched. */
  readonly loopDelayP99Micros: number;
  /** Of workers with streams that were ended as readers too slow: how many, and how long the worker's loop stood still at most. */
  readonly overflows: readonly { readonly streams: number; readonly longestStallMicros: number }[];
}

/** Greatest p99 of schedule-lag where no threshold sets a scale, in microseconds. */
const scheduleLagLimitMicros = 1000;
const loopUtilisationLimit = 0.8;
/** A loop that is this late one time of a hundred does not get its processor: it reads late, and answers late what the target asks. */
const loopDelayLimitMicros = 200_000;
/** A reader that stands still for longer may be ended as too slow by a server that keeps little for it. */
const readerStallMicros = 50_000;

/** Whether the numbers can be believed; not a judgement of the target. */
export function judgeGenerator(health: GeneratorHealth, thresholds: readonly Threshold[], measurement: Measurement): GeneratorVerdict {
  const reasons: string[] = [];
  const limitMicros = Math.max(scheduleLagLimitMicros, 0.1 * tightestLimit(thresholds));
  if (health.scheduleLagP99Micros > limitMicros) {
    reasons.push(
      `The schedule was kept ${formatMicros(health.scheduleLagP99Micros)} late at p99, more than ${formatMicros(limitMicros)}: latencies are the generator's own.`,
    );
  }
  for (const [worker, utilisation] of health.loopUtilisations.entries()) {
    if (utilisation > loopUtilisationLimit) {
      reasons.push(
        `The event loop of worker ${worker + 1} was ${Math.round(utilisation * 100)} % busy, more than ${loopUtilisationLimit * 100} %: the generator was the bottleneck, the target can do at least what was measured.`,
      );
    }
  }
  if (health.loopDelayP99Micros > loopDelayLimitMicros) {
    reasons.push(
      `The event loop was ${formatMicros(health.loopDelayP99Micros)} late at p99, more than ${formatMicros(loopDelayLimitMicros)}: the generator did not get its processor, and latencies are its own.`,
    );
  }
  for (const { streams, longestStallMicros } of health.overflows) {
    if (longestStallMicros > readerStallMicros) {
      reasons.push(
        `${formatNumber(streams)} ${streams === 1 ? "stream was" : "streams were"} ended as readers too slow, in a worker whose event loop stood still for up to ${formatMicros(longestStallMicros)}: it may have been.`,
      );
    }
  }
  if (health.dropped > 0) {
    reasons.push(`${formatNumber(health.dropped)} arrivals were dropped because too many waited: the offered load was not offered.`);
  }
  for (const threshold of thresholds) {
    if (isTooFew(threshold, measurement)) {
      reasons.push(
        `"${threshold.text}" rests on ${formatNumber(samplesOf(threshold, measurement) ?? 0)} samples, fewer than the ${formatNumber(threshold.minSamples ?? 0)} that it needs.`,
      );
    }
  }
  return { status: reasons.length === 0 ? "valid" : "invalid", reasons };
}

/** Thresholds with `abort-on-fail` that no further measuring can mend. */
export function beyondRepair(thresholds: readonly Threshold[], measurement: Measurement): Threshold | undefined {
  return thresholds.find((threshold) => {
    if (!threshold.abortOnFail || threshold.against === "baseline") {
      return false;
    }
    const { kind } = metrics[threshold.metric];
    if (kind === "count" && threshold.statistic.kind === "value") {
      // Counters only grow, so only an upper limit can be broken for good.
      return ["<", "<=", "=="].includes(threshold.operator) && (measured(threshold, measurement) ?? 0) > threshold.limit;
    }
    return judge(threshold, measurement, undefined).status === "failed";
  });
}

function judge(threshold: Threshold, measurement: Measurement, baseline: WorkloadRecord | undefined): ThresholdRecord {
  const { text } = threshold;
  const samples = samplesOf(threshold, measurement);
  if (samples === 0) {
    const why = isUncounted(threshold, measurement) ? notCounted : "no samples";
    return threshold.allowEmpty ? { text, status: "passed", measured: why } : { text, status: "no-samples", measured: why };
  }
  const value = threshold.overSeconds === undefined ? measured(threshold, measurement) : worstStretch(threshold, measurement);
  if (value === undefined) {
    return { text, status: "no-samples" };
  }
  const reference = threshold.against === "limit" || baseline === undefined ? undefined : recordedValue(threshold, baseline);
  if (threshold.against === "baseline" && (reference === undefined || reference === 0 || Number.isNaN(reference))) {
    return { text, status: "inconclusive", measured: `${format(threshold, value)}, no baseline` };
  }
  const compared = reference === undefined ? value : value / reference;
  const shown =
    reference === undefined ? format(threshold, value) : `${formatNumber(compared)}x (${format(threshold, value)} against ${format(threshold, reference)})`;
  const margin = marginPercent(compared, threshold);
  const record = { text, measured: shown, ...(margin === undefined ? {} : { marginPercent: margin }) };
  const ok = holds(compared, threshold.operator, threshold.limit);
  if (isTooFew(threshold, measurement)) {
    return { ...record, status: "inconclusive", measured: `${shown} of only ${formatNumber(samples ?? 0)} samples` };
  }
  return { ...record, status: ok ? "passed" : "failed" };
}

/** Whether there are samples, but so few that the threshold is not told: more could still make it hold. */
function isTooFew(threshold: Threshold, measurement: Measurement): boolean {
  const { minSamples = 0, statistic, operator, limit, against, overSeconds } = threshold;
  const samples = samplesOf(threshold, measurement) ?? 0;
  if (samples === 0 || samples >= minSamples) {
    return false;
  }
  const histogram = measurement.times.get(threshold.metric as TimeMetric);
  const isLimit = statistic.kind === "quantile" && operator.startsWith("<") && against === "limit" && overSeconds === undefined;
  // If all that are missing were good, as many would be beyond the limit.
  return !(isLimit && histogram !== undefined && histogram.countOver(limit) > (1 - statistic.q) * minSamples + 1e-9);
}

/** Samples behind a threshold; undefined where the metric has none to count. */
function samplesOf(threshold: Threshold, measurement: Measurement): number | undefined {
  switch (metrics[threshold.metric].kind) {
    case "time":
      return measurement.times.get(threshold.metric as TimeMetric)?.total ?? 0;
    case "count":
      return isUncounted(threshold, measurement) || (threshold.statistic.kind === "rate" && measurement.windows.length === 0) ? 0 : undefined;
    case "value":
      return measurement.values[threshold.metric as keyof Measurement["values"]] === undefined ? 0 : undefined;
  }
}

function isUncounted({ metric }: Threshold, { uncounted = [] }: Measurement): boolean {
  return (uncounted as readonly string[]).includes(metric);
}

function measured(threshold: Threshold, measurement: Measurement): number | undefined {
  const { metric, statistic } = threshold;
  if (metrics[metric].kind === "value") {
    return measurement.values[metric as keyof Measurement["values"]];
  }
  if (metrics[metric].kind === "count") {
    if (statistic.kind !== "rate") {
      return measurement.counts[metric as keyof Measurement["counts"]];
    }
    return rateOver(measurement.windows, metric as keyof Measurement["counts"]);
  }
  const histogram = measurement.times.get(metric as TimeMetric);
  return histogram === undefined ? undefined : figure(histogram, threshold);
}

/** The worst value of the threshold's figure over every stretch of its length; undefined when no stretch is that long. */
function worstStretch(threshold: Threshold, measurement: Measurement): number | undefined {
  const length = threshold.overSeconds ?? 1;
  const { windows } = measurement;
  const values: number[] = [];
  for (let first = 0; first + length <= windows.length; first++) {
    const stretch = windows.slice(first, first + length);
    const value = figureOfStretch(threshold, stretch);
    if (value !== undefined && !Number.isNaN(value)) {
      values.push(value);
    }
  }
  if (values.length === 0) {
    return undefined;
  }
  if (threshold.operator.startsWith(">")) {
    return Math.min(...values);
  }
  return threshold.operator.startsWith("<") ? Math.max(...values) : (values.find((value) => !holds(value, threshold.operator, threshold.limit)) ?? values[0]);
}

function figureOfStretch(threshold: Threshold, stretch: readonly MeasuredWindow[]): number | undefined {
  if (metrics[threshold.metric].kind === "count") {
    const name = threshold.metric as keyof Measurement["counts"];
    return threshold.statistic.kind === "rate" ? rateOver(stretch, name) : stretch.reduce((sum, window) => sum + (window.counts[name] ?? 0), 0);
  }
  const parts = stretch.map((window) => window.times[threshold.metric as TimeMetric]).filter((part) => part !== undefined);
  return parts.length === 0 ? undefined : figure(histogramOf(...parts), threshold);
}

function rateOver(windows: readonly MeasuredWindow[], name: keyof Measurement["counts"]): number | undefined {
  const micros = windows.reduce((sum, window) => sum + window.widthMicros, 0);
  return micros === 0 ? undefined : (windows.reduce((sum, window) => sum + (window.counts[name] ?? 0), 0) / micros) * 1_000_000;
}

function figure(histogram: Histogram, { statistic }: Threshold): number {
  switch (statistic.kind) {
    case "quantile":
      return histogram.quantile(statistic.q);
    case "min":
      return histogram.count === 0 ? Infinity : histogram.min;
    case "max":
      return histogram.overflow > 0 ? Infinity : histogram.max;
    case "mean":
      return histogram.overflow > 0 ? Infinity : histogram.mean;
    case "count":
      return histogram.total;
    case "rate":
    case "value":
      throw new Error(`a histogram has no ${statistic.kind}`);
  }
}

/** What figures can be read from: a record, or some of it. */
type Recorded = Pick<WorkloadRecord, "histograms"> & Partial<Pick<WorkloadRecord, "rates" | "counters" | "values">>;

/** A threshold's figure as a record has it; undefined where it has none. */
export function recordedValue(threshold: Threshold, record: Recorded): number | undefined {
  const { metric, statistic } = threshold;
  switch (metrics[metric].kind) {
    case "time": {
      const histogram = record.histograms[metric];
      return histogram === undefined ? undefined : figure(histogramFromRecord(histogram), threshold);
    }
    case "count":
      return statistic.kind === "rate" ? record.rates?.[metric]?.mean : record.counters?.[metric];
    case "value":
      return record.values?.[metric];
  }
}

/** The least latency limit of the thresholds, which sets how exact the schedule must be; 0 when there is none. */
export function tightestLimit(thresholds: readonly Threshold[]): number {
  const scheduled: readonly string[] = ["filter-apply", "filter-apply-service", "first-entry", "open"];
  const limits = thresholds.filter(
    (threshold) =>
      scheduled.includes(threshold.metric) && threshold.against === "limit" && threshold.statistic.kind !== "count" && threshold.operator.startsWith("<"),
  );
  return limits.length === 0 ? 0 : Math.min(...limits.map((threshold) => threshold.limit));
}

function marginPercent(value: number, { operator, limit }: Threshold): number | undefined {
  if (limit === 0 || !Number.isFinite(value) || operator === "==" || operator === "!=") {
    return undefined;
  }
  const margin = ((operator.startsWith("<") ? limit - value : value - limit) / Math.abs(limit)) * 100;
  return Math.round(margin * 10) / 10;
}

function format(threshold: Threshold, value: number): string {
  const { kind } = metrics[threshold.metric];
  if (threshold.statistic.kind === "rate") {
    return `${formatNumber(value)}/s`;
  }
  if (kind === "time" && threshold.statistic.kind !== "count") {
    return formatMicros(Math.min(value, beyondMicros));
  }
  return threshold.metric === "resolution" ? formatMicros(value) : formatNumber(value);
}
