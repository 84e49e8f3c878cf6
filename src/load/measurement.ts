import { type Histogram, histogramOf, type HistogramParts, lowestInSlot } from "../core/histogram.js";
import { type CountMetric, countMetrics, type TimeMetric, timeMetrics, type ValueMetric } from "../core/metric.js";
import type { MeterRecord, MeterWindow } from "./meter.js";

/** One window over all groups and workers. */
export interface MeasuredWindow {
  readonly index: number;
  readonly widthMicros: number;
  readonly counts: Readonly<Partial<Record<CountMetric, number>>>;
  readonly times: Readonly<Partial<Record<TimeMetric, HistogramParts>>>;
  readonly backlog: number;
}

/** Everything that was measured, merged over groups and workers: what thresholds are judged on. */
export interface Measurement {
  readonly seconds: number;
  readonly counts: Readonly<Record<CountMetric, number>>;
  readonly times: ReadonlyMap<TimeMetric, Histogram>;
  readonly windows: readonly MeasuredWindow[];
  readonly values: Readonly<Partial<Record<ValueMetric, number>>>;
  /** Counters that stay at zero whatever happens. Default: none. */
  readonly uncounted?: readonly CountMetric[];
}

/** Merges what groups and workers recorded; counts and histograms add up, windows by their index. */
export function mergeRecords(records: readonly MeterRecord[], seconds: number): Measurement {
  const counts = Object.fromEntries(countMetrics.map((name) => [name, records.reduce((sum, record) => sum + record.counts[name], 0)])) as Record<
    CountMetric,
    number
  >;
  const times = new Map<TimeMetric, Histogram>();
  for (const name of timeMetrics) {
    const parts = records.map((record) => record.times[name]).filter((part) => part !== undefined);
    if (parts.length > 0) {
      times.set(name, histogramOf(...parts));
    }
  }
  return { seconds, counts, times, windows: mergeWindows(records.flatMap((record) => record.windows)), values: {} };
}

/** Windows of equal index become one; ascending. */
export function mergeWindows(windows: readonly MeterWindow[]): MeasuredWindow[] {
  const merged = new Map<number, MeasuredWindow>();
  for (const window of windows) {
    const before = merged.get(window.index);
    merged.set(window.index, before === undefined ? window : addWindow(before, window));
  }
  return [...merged.values()].toSorted((a, b) => a.index - b.index);
}

/** Windows shorter than this say nothing about a rate: the end of a run, or a boundary that came late. */
const leastWindowMicros = 250_000;

/** Least, median, greatest and mean rate per second of a counter over the windows. */
export function ratesOf(
  measurement: Measurement,
  name: CountMetric,
): { readonly min: number; readonly median: number; readonly max: number; readonly mean: number } | undefined {
  const { windows } = measurement;
  const whole = windows.filter((window) => window.widthMicros >= leastWindowMicros || windows.length === 1);
  const rates = whole.map((window) => ((window.counts[name] ?? 0) / window.widthMicros) * 1_000_000).toSorted((a, b) => a - b);
  if (rates.length === 0) {
    return undefined;
  }
  const micros = windows.reduce((sum, window) => sum + window.widthMicros, 0);
  const total = windows.reduce((sum, window) => sum + (window.counts[name] ?? 0), 0);
  return { min: rates[0] ?? 0, median: median(rates), max: rates.at(-1) ?? 0, mean: (total / micros) * 1_000_000 };
}

/** Of ascending numbers; NaN of none. */
export function median(ascending: readonly number[]): number {
  const middle = ascending.length / 2;
  return ascending.length % 2 === 1
    ? (ascending[Math.floor(middle)] ?? Number.NaN)
    : ((ascending[middle - 1] ?? Number.NaN) + (ascending[middle] ?? Number.NaN)) / 2;
}

/** Jain's index: 1 when all rates are alike, 1/n when one gets everything; undefined for fewer than two. */
export function fairness(rates: readonly number[]): number | undefined {
  const sum = rates.reduce((total, rate) => total + rate, 0);
  const squares = rates.reduce((total, rate) => total + rate * rate, 0);
  return rates.length < 2 || squares === 0 ? undefined : (sum * sum) / (rates.length * squares);
}

/**
 * The gap such that half of the time lies in gaps of at least that length: what an observer who looks at any time must expect.
 * The plain median would be 0 where entries come in bursts. Undefined when there is no gap.
 */
export function timeWeightedMedian(gaps: Histogram): number | undefined {
  let weight = 0;
  const all = gaps.parts();
  const values = all.slots.map((slot, i) => ({ value: lowestInSlot(slot), times: all.counts[i] ?? 0 }));
  const total = values.reduce((sum, { value, times }) => sum + value * times, 0);
  for (const { value, times } of values) {
    weight += value * times;
    if (total > 0 && weight >= total / 2) {
      return value;
    }
  }
  return undefined;
}

function addWindow(a: MeasuredWindow, b: MeterWindow): MeasuredWindow {
  const counts: Partial<Record<CountMetric, number>> = { ...a.counts };
  for (const [name, value] of Object.entries(b.counts) as [CountMetric, number][]) {
    counts[name] = (counts[name] ?? 0) + value;
  }
  const times: Partial<Record<TimeMetric, HistogramParts>> = { ...a.times };
  for (const [name, parts] of Object.entries(b.times) as [TimeMetric, HistogramParts][]) {
    const before = times[name];
    times[name] = before === undefined ? parts : histogramOf(before, parts).parts();
  }
  return { index: a.index, widthMicros: Math.max(a.widthMicros, b.widthMicros), counts, times, backlog: a.backlog + b.backlog };
}
