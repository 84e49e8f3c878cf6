import { HarnessError } from "../core/errors.js";
import { beyondMicros, type Histogram, highestMicros } from "../core/histogram.js";
import { type CountMetric, forbiddenMetrics, isForbidden, type TimeMetric } from "../core/metric.js";
import { formatMicros, formatNumber } from "../core/quantity.js";
import type { BaselineRecord, EnvironmentRecord, RatioRecord, Report, WorkloadRecord } from "../core/report.js";
import { type Interval, medianOf, ratioOfDraws, ratioOfRuns } from "./bootstrap.js";
import { histogramFromRecord } from "./histogram-record.js";

export interface CompareOptions {
  /** Ratios within 1 ± this are the same; default 0.05. */
  readonly tolerance?: number;
  /**
   * Medians that differ by less, in microseconds, are not told apart, 90th percentiles by twice, 99th by three times as much; default 1000. The
   * phase of timers of a millisecond, the place that the scheduler finds for a process, and how its collector fares make as much between two
   * servers that are equal, and for as long as they run.
   */
  readonly leastMicros?: number;
  readonly seed: number;
}

/** What is compared: a figure of a record, and whether more of it is better. */
interface Compared {
  readonly of: string;
  readonly unit: RatioRecord["unit"];
  readonly better: "less" | "more";
  /** Of times: by how many of `leastMicros` they must differ. */
  readonly leastTimes?: number;
  /** Of a server that keeps its contract it is 0: a single one, where there was none, is worse beyond doubt. */
  readonly forbidden?: true;
  /** NaN where the record does not have it. */
  readonly figure: (record: WorkloadRecord) => number;
  /** The figure of one run drawn anew, for when there is but one. */
  readonly draw: (record: WorkloadRecord) => (random: () => number) => number;
}

const defaultTolerance = 0.05;
const defaultLeastMicros = 1000;
/** Moments within one run of which one says nothing of the next; pauses and schedulers' turns are of 10 ms. */
const independentPerSecond = 100;

/** Quantiles, each with how many of `leastMicros` tell it apart: the rarer, the more do single pauses of a process decide. */
const quantilesCompared = [
  [0.5, 1],
  [0.9, 2],
  [0.99, 3],
] as const;

/** What was performed, and where. */
export interface Performed extends Pick<WorkloadRecord, "name" | "hash"> {
  readonly environment: EnvironmentRecord;
}

/**
 * Refuses to compare what cannot be compared.
 * @param place that the error names.
 * @throws HarnessError `usage` when the workloads or the machines differ.
 */
export function checkComparable(before: Performed, after: Performed, place?: string): void {
  const at = place === undefined ? {} : { place };
  if (before.name !== after.name || before.hash !== after.hash) {
    throw new HarnessError(
      "usage",
      `The runs are of different workloads: "${before.name}" ${before.hash.slice(0, 12)} and "${after.name}" ${after.hash.slice(0, 12)}.`,
      { ...at, hint: "Streams, durations and rates are part of a workload: perform both with the same options." },
    );
  }
  if (before.environment.fingerprint !== after.environment.fingerprint) {
    const shown = ({ cpu, cores, memoryBytes, node, os }: EnvironmentRecord): string =>
      `${cores} cores of ${cpu}, ${(memoryBytes / 2 ** 30).toFixed(1)} GiB, ${os}, Node ${node}`;
    throw new HarnessError("usage", `The runs are of different machines: ${shown(before.environment)}; ${shown(after.environment)}.`, {
      ...at,
      hint: "Measure both on one machine; best with interleaved runs.",
    });
  }
}

/**
 * Refuses figures that say nothing.
 * @param which "The baseline", "The earlier run".
 * @param place that the error names.
 * @throws HarnessError `usage` when the run was interrupted, or its generator invalid.
 */
export function checkSound(which: string, { partial }: Pick<Report, "partial">, { generator }: WorkloadRecord, place?: string): void {
  const why = partial ? "it was interrupted" : generator.status === "invalid" ? `the generator was invalid: ${generator.reasons.join(" ")}` : undefined;
  if (why !== undefined) {
    throw new HarnessError("usage", `${which} cannot be compared, because ${why}${why.endsWith(".") ? "" : "."}`, {
      ...(place === undefined ? {} : { place }),
      hint: partial ? "perform it whole" : "measure again on a quieter machine",
    });
  }
}

/** Compares several runs each, best interleaved: the intervals hold what varies from run to run. */
export function compareRuns(before: readonly WorkloadRecord[], after: readonly WorkloadRecord[], options: CompareOptions): RatioRecord[] {
  return comparedIn([...before, ...after]).map((compared) => {
    const figures = { before: before.map(compared.figure), after: after.map(compared.figure) };
    const scaled = (side: "before" | "after"): number[] => figures[side].map((figure) => scale(compared, figure));
    const whole = compared.unit === "count" ? sumOf : medianOf;
    return verdictOf(
      compared,
      { before: whole(figures.before), after: whole(figures.after) },
      ratioOfRuns(scaled("before"), scaled("after"), options.seed),
      options,
    );
  });
}

/** Compares a run with one baseline: the intervals hold only what varies within a run. */
export function compareWithBaseline(name: string, before: WorkloadRecord, after: WorkloadRecord, options: CompareOptions): BaselineRecord {
  const ratios = comparedIn([before, after]).map((compared) => {
    const { figure, draw } = compared;
    const measured = { before: figure(before), after: figure(after) };
    const drawn = (record: WorkloadRecord): ((random: () => number) => number) => {
      const drawFigure = draw(record);
      return (random) => scale(compared, drawFigure(random));
    };
    const scaled = { before: scale(compared, measured.before), after: scale(compared, measured.after) };
    return verdictOf(compared, measured, ratioOfDraws(scaled, { before: drawn(before), after: drawn(after) }, options.seed), options);
  });
  return { name, histograms: before.histograms, ratios };
}

/** The order in which two sides are run, round by round: AB BA AB …, so that whatever drifts meets both alike; at least five rounds. */
export function interleaved(rounds: number): (readonly ["before" | "after", "before" | "after"])[] {
  return Array.from({ length: Math.max(5, rounds) }, (_, round) => (round % 2 === 0 ? ["before", "after"] : ["after", "before"]));
}

/** One sentence for people. */
export function comparisonSentence(ratios: readonly RatioRecord[], tolerance = defaultTolerance): string {
  const worse = ratios.filter(({ verdict }) => verdict === "worse");
  const better = ratios.filter(({ verdict }) => verdict === "better");
  const shown = (some: readonly RatioRecord[]): string => some.map(changeOf).join(", ");
  if (worse.length > 0) {
    return `Regression: ${shown(worse)}.${better.length > 0 ? ` Better: ${shown(better)}.` : ""}`;
  }
  if (better.length > 0) {
    return `Better: ${shown(better)}; nothing is worse.`;
  }
  const unclear = ratios.filter(({ verdict }) => verdict === "unclear").length;
  return unclear === 0
    ? `No difference beyond ${tolerance * 100} %.`
    : `No difference that is significant beyond ${tolerance * 100} %; ${unclear} of ${ratios.length} figures vary too much, or differ by too little, to tell (~).`;
}

/** `filter-apply p99 +15.2 % (+13.0 % to +17.1 %)`, `stale-hard from 0 to 14`. */
function changeOf({ of, unit, before, after, ratio, low, high }: RatioRecord): string {
  if (unit === "count" || Math.max(before, after) >= beyondMicros) {
    const shown = unit === "count" ? formatNumber : formatMicros;
    return `${of} from ${shown(before)} to ${shown(after)}`;
  }
  return `${of} ${percent(ratio)} (${percent(low ?? ratio)} to ${percent(high ?? ratio)})`;
}

/**
 * Worse or better only if the whole interval lies beyond the tolerance, the same only if it lies within it.
 * @param figures times in microseconds that differ by too little tell nothing, whatever the ratio.
 */
function verdictOf(
  { of, unit, better, forbidden, leastTimes = 1 }: Compared,
  figures: { readonly before: number; readonly after: number },
  { ratio, low, high }: Interval,
  { tolerance = defaultTolerance, leastMicros = defaultLeastMicros }: CompareOptions,
): RatioRecord {
  const { before, after } = { before: Math.min(figures.before, beyondMicros), after: Math.min(figures.after, beyondMicros) };
  if (!Number.isFinite(ratio) || !Number.isFinite(low) || !Number.isFinite(high)) {
    return { of, unit, before, after, ratio: Number.isFinite(ratio) ? round(ratio) : 0, verdict: "unclear" };
  }
  const record = { of, unit, before, after, ratio: round(ratio), low: round(low), high: round(high) };
  if (forbidden === true && before === 0 && after > 0) {
    return { ...record, verdict: "worse" };
  }
  const more = low > 1 + tolerance;
  const less = high < 1 - tolerance;
  if ((more || less) && !(unit === "us" && Math.abs(after - before) < leastMicros * leastTimes)) {
    return { ...record, verdict: more === (better === "more") ? "better" : "worse" };
  }
  return { ...record, verdict: low >= 1 - tolerance && high <= 1 + tolerance ? "same" : "unclear" };
}

/** As ratios are made of it: what never came is taken for the greatest time there is, and of counts each may be 0. */
function scale({ unit }: Compared, figure: number): number {
  return unit === "us" ? Math.min(figure, highestMicros) : unit === "count" ? figure + 1 : figure;
}

/** What the contract forbids, and what ought not to be. */
const counted: readonly CountMetric[] = [...forbiddenMetrics, "lost", "timeouts", "rejected", "disconnected", "ended-early"];

/**
 * Figures that the records have. A latency that only some have a sample of never came in the others, unless another engine made them, which may
 * not see it.
 */
function comparedIn(records: readonly WorkloadRecord[]): Compared[] {
  const sameEyes = new Set(records.map(({ engine }) => engine)).size === 1;
  const quantiles = (["filter-apply", "first-entry", "delivery-lag"] as const satisfies readonly TimeMetric[]).flatMap((metric) => {
    const absent = sameEyes && records.some((record) => histogramOf(record, metric) !== undefined) ? Infinity : Number.NaN;
    return quantilesCompared.map(([q, leastTimes]): Compared => ({
      leastTimes,
      of: `${metric} p${q * 100}`,
      unit: "us",
      better: "less",
      figure: (record) => histogramOf(record, metric)?.quantile(q) ?? absent,
      draw: (record) => quantileDrawer(record, metric, q, absent),
    }));
  });
  const rates = (["received", "opened"] as const satisfies readonly CountMetric[]).map((metric): Compared => ({
    of: `${metric} rate`,
    unit: "per-second",
    better: "more",
    figure: (record) => record.rates[metric]?.mean ?? Number.NaN,
    draw: (record) => windowDrawer(record, metric),
  }));
  const counts = counted
    .filter((metric) => records.some((record) => (record.counters[metric] ?? 0) > 0))
    .map((metric): Compared => ({
      of: metric,
      unit: "count",
      better: "less",
      ...(isForbidden(metric) ? { forbidden: true } : {}),
      figure: (record) => record.counters[metric] ?? Number.NaN,
      draw: (record) => countDrawer(record.counters[metric] ?? Number.NaN),
    }));
  const cost: Compared = {
    of: "entries-per-target-cpu-second",
    unit: "per-second",
    better: "more",
    figure: (record) => record.values?.["entries-per-target-cpu-second"] ?? Number.NaN,
    draw: () => () => Number.NaN,
  };
  return [...quantiles, ...rates, ...counts, cost].filter(({ figure }) => records.every((record) => !Number.isNaN(figure(record))));
}

function histogramOf(record: WorkloadRecord, metric: TimeMetric): Histogram | undefined {
  const found = record.histograms[metric];
  return found === undefined || found.count === 0 ? undefined : histogramFromRecord(found);
}

/**
 * The q-quantile of as many samples drawn anew: its rank varies as the square root of the count. What holds one stream up holds up the others at
 * that moment, and a while longer, so that only so many samples are taken for independent.
 */
function quantileDrawer(record: WorkloadRecord, metric: TimeMetric, q: number, absent: number): (random: () => number) => number {
  const histogram = histogramOf(record, metric);
  const independent = Math.min((histogram?.total ?? 0) / record.streams, record.elapsedSeconds * independentPerSecond);
  const deviation = Math.sqrt((q * (1 - q)) / Math.max(1, independent));
  return (random) => histogram?.quantile(Math.max(0, Math.min(1, q + deviation * gaussian(random)))) ?? absent;
}

/** As many events drawn anew: their number varies as its square root, and that of none as that of one. */
function countDrawer(count: number): (random: () => number) => number {
  return (random) => Math.max(0, count + Math.sqrt(Math.max(1, count)) * gaussian(random));
}

/** The mean of as many windows drawn anew. */
function windowDrawer(record: WorkloadRecord, metric: CountMetric): (random: () => number) => number {
  const values = metric === "received" ? record.windows.slice(0, -1).map((window) => window.received) : [];
  return (random) => (values.length === 0 ? Number.NaN : values.reduce((sum) => sum + (values[Math.floor(random() * values.length)] ?? 0), 0) / values.length);
}

/** Box and Muller's. */
function gaussian(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function percent(ratio: number): string {
  const change = (ratio - 1) * 100;
  return `${change >= 0 ? "+" : "−"}${Math.abs(change).toFixed(1)} %`;
}

function round(ratio: number): number {
  return Number(ratio.toFixed(4));
}
