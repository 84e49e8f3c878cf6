import { HarnessError } from "../core/errors.js";
import type { Histogram } from "../core/histogram.js";
import type { BaselineRecord, EnvironmentRecord, RatioRecord, WorkloadRecord } from "../core/report.js";
import { type Interval, medianOf, ratioOfDraws, ratioOfRuns } from "./bootstrap.js";
import { histogramFromRecord } from "./histogram-record.js";

export interface CompareOptions {
  /** Ratios within 1 ± this are the same; default 0.05. */
  readonly tolerance?: number;
  /**
   * Times that differ by less, in microseconds, are not told apart; default 1000. The phase of timers of a millisecond, and the place that the
   * scheduler finds for a process, make as much between two servers that are equal.
   */
  readonly leastMicros?: number;
  readonly seed: number;
}

/** What is compared: a figure of a record, and whether more of it is better. */
interface Compared {
  readonly of: string;
  readonly better: "less" | "more";
  readonly isTime: boolean;
  readonly figure: (record: WorkloadRecord) => number;
  /** The figure of one run drawn anew, for when there is but one. */
  readonly draw: (record: WorkloadRecord) => (random: () => number) => number;
}

const defaultTolerance = 0.05;
const defaultLeastMicros = 1000;

/**
 * Refuses to compare what cannot be compared.
 * @throws HarnessError `usage` when the workloads or the machines differ.
 */
export function checkComparable(
  before: { readonly record: WorkloadRecord; readonly environment: EnvironmentRecord },
  after: { readonly record: WorkloadRecord; readonly environment: EnvironmentRecord },
): void {
  if (before.record.name !== after.record.name || before.record.hash !== after.record.hash) {
    throw new HarnessError(
      "usage",
      `The runs performed different workloads: "${before.record.name}" ${before.record.hash.slice(0, 12)} and "${after.record.name}" ${after.record.hash.slice(0, 12)}.`,
      {
        hint: "Streams, durations and rates are part of a workload: perform both with the same options.",
      },
    );
  }
  if (before.environment.fingerprint !== after.environment.fingerprint) {
    const shown = ({ cpu, cores, node, os }: EnvironmentRecord): string => `${cores} cores of ${cpu}, ${os}, Node ${node}`;
    throw new HarnessError("usage", `The runs were made on different machines: ${shown(before.environment)}; ${shown(after.environment)}.`, {
      hint: "Measure both on one machine; best with interleaved runs.",
    });
  }
}

/** Compares several runs each, best interleaved: the intervals hold what varies from run to run. */
export function compareRuns(before: readonly WorkloadRecord[], after: readonly WorkloadRecord[], options: CompareOptions): RatioRecord[] {
  return comparedIn([...before, ...after]).map((compared) => {
    const [earlier, later] = [before.map(compared.figure), after.map(compared.figure)];
    return verdictOf(compared, medianOf(later) - medianOf(earlier), ratioOfRuns(earlier, later, options.seed), options);
  });
}

/** Compares a run with one baseline: the intervals hold only what varies within a run. */
export function compareWithBaseline(name: string, before: WorkloadRecord, after: WorkloadRecord, options: CompareOptions): BaselineRecord {
  const ratios = comparedIn([before, after]).map((compared) => {
    const { figure, draw } = compared;
    const measured = { before: figure(before), after: figure(after) };
    return verdictOf(compared, measured.after - measured.before, ratioOfDraws(measured, { before: draw(before), after: draw(after) }, options.seed), options);
  });
  return { name, histograms: before.histograms, ratios };
}

/** The order in which two sides are run: AB BA AB …, so that whatever drifts meets both alike; at least five rounds. */
export function interleaved(rounds: number): ("before" | "after")[] {
  return Array.from({ length: Math.max(5, rounds) }, (_, round) => (round % 2 === 0 ? (["before", "after"] as const) : (["after", "before"] as const))).flat();
}

/** One sentence for people. */
export function comparisonSentence(ratios: readonly RatioRecord[], tolerance = defaultTolerance): string {
  const worse = ratios.filter(({ verdict }) => verdict === "worse");
  const better = ratios.filter(({ verdict }) => verdict === "better");
  const shown = (some: readonly RatioRecord[]): string =>
    some.map(({ of, ratio, low, high }) => `${of} ${percent(ratio)} (${percent(low ?? ratio)} to ${percent(high ?? ratio)})`).join(", ");
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

/**
 * Worse or better only if the whole interval lies beyond the tolerance, the same only if it lies within it.
 * @param difference of the two figures, for times in microseconds: one too small tells nothing, whatever the ratio.
 */
function verdictOf(
  { of, better, isTime }: Compared,
  difference: number,
  { ratio, low, high }: Interval,
  { tolerance = defaultTolerance, leastMicros = defaultLeastMicros }: CompareOptions,
): RatioRecord {
  if (!Number.isFinite(ratio) || !Number.isFinite(low) || !Number.isFinite(high)) {
    return { of, ratio: Number.isFinite(ratio) ? round(ratio) : 0, verdict: "unclear" };
  }
  const record = { of, ratio: round(ratio), low: round(low), high: round(high) };
  const more = low > 1 + tolerance;
  const less = high < 1 - tolerance;
  if ((more || less) && !(isTime && Math.abs(difference) < leastMicros)) {
    return { ...record, verdict: more === (better === "more") ? "better" : "worse" };
  }
  return { ...record, verdict: low >= 1 - tolerance && high <= 1 + tolerance ? "same" : "unclear" };
}

/** Figures that all of the records have. */
function comparedIn(records: readonly WorkloadRecord[]): Compared[] {
  const quantiles = ["filter-apply", "first-entry", "delivery-lag"].flatMap((metric) =>
    [0.5, 0.9, 0.99].map((q): Compared => ({
      of: `${metric} p${q * 100}`,
      better: "less",
      isTime: true,
      figure: (record) => histogramOf(record, metric)?.quantile(q) ?? Number.NaN,
      draw: (record) => quantileDrawer(histogramOf(record, metric), q),
    })),
  );
  const rates = ["received", "opened"].map((metric): Compared => ({
    of: `${metric} rate`,
    better: "more",
    isTime: false,
    figure: (record) => record.rates[metric]?.mean ?? Number.NaN,
    draw: (record) => windowDrawer(record, metric),
  }));
  const cost: Compared = {
    of: "entries-per-target-cpu-second",
    better: "more",
    isTime: false,
    figure: (record) => record.values?.["entries-per-target-cpu-second"] ?? Number.NaN,
    draw: () => () => Number.NaN,
  };
  return [...quantiles, ...rates, cost].filter(({ figure }) => records.every((record) => !Number.isNaN(figure(record))));
}

function histogramOf(record: WorkloadRecord, metric: string): Histogram | undefined {
  const found = record.histograms[metric];
  return found === undefined || found.count === 0 ? undefined : histogramFromRecord(found);
}

/** The q-quantile of as many samples drawn anew: its rank varies as the square root of the count. */
function quantileDrawer(histogram: Histogram | undefined, q: number): (random: () => number) => number {
  const count = histogram?.total ?? 0;
  const deviation = Math.sqrt((q * (1 - q)) / Math.max(1, count));
  return (random) => histogram?.quantile(Math.max(0, Math.min(1, q + deviation * gaussian(random)))) ?? Number.NaN;
}

/** The mean of as many windows drawn anew. */
function windowDrawer(record: WorkloadRecord, metric: string): (random: () => number) => number {
  const values = metric === "received" ? record.windows.slice(0, -1).map((window) => window.received) : [];
  return (random) => (values.length === 0 ? Number.NaN : values.reduce((sum) => sum + (values[Math.floor(random() * values.length)] ?? 0), 0) / values.length);
}

/** Box and Muller's. */
function gaussian(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function percent(ratio: number): string {
  const change = (ratio - 1) * 100;
  return `${change >= 0 ? "+" : "−"}${Math.abs(change).toFixed(1)} %`;
}

function round(ratio: number): number {
  return Number(ratio.toFixed(4));
}
