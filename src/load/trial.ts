import type { CountMetric } from "../core/metric.js";
import { expectedArrivals } from "../core/schedule.js";
import { formatMicros, formatNumber } from "../core/quantity.js";
import type { CapacityTrial, WorkloadRecord } from "../core/report.js";
import type { Workload } from "../core/workload.js";
import { histogramFromRecord } from "./histogram-record.js";

/** What a load must be borne with. */
export interface CapacityObjective {
  /** Which time is held against the limit. */
  readonly metric: "filter-apply" | "first-entry" | "delivery-lag";
  /** 0.99: of a hundred one may be later. */
  readonly quantile: number;
  readonly limitMicros: number;
  /** Share of streams that may fail; default 0. */
  readonly errorShare?: number;
  /** Samples that a trial needs; default 100/(1 − quantile). */
  readonly samples?: number;
}

/** What is wrong at any load. */
const wrongs = {
  "stale-hard": "stale entries after the new filter took effect",
  early: "entries before the first filter",
  lost: "entries lost",
  duplicated: "entries that came twice",
  reordered: "entries out of order",
  violations: "messages that break the contract's shape",
} as const satisfies Partial<Record<CountMetric, string>>;

/** Least share of what was offered that must be achieved. */
const achievedShare = 0.99;

/** Samples that the objective's quantile needs to be told. */
export function samplesFor({ quantile, samples }: CapacityObjective): number {
  return samples ?? Math.ceil(100 / (1 - quantile) - 1e-6);
}

/** Whether a target bore a load, by what was measured of it. */
export function judgeTrial(record: WorkloadRecord, load: number, objective: CapacityObjective): CapacityTrial {
  const { metric, quantile, limitMicros } = objective;
  const histogram = record.histograms[metric];
  const figure = histogram === undefined ? Number.NaN : histogramFromRecord(histogram).quantile(quantile);
  const offered = record.counters["offered"] ?? 0;
  const achieved = achievedOf(record, offered);
  const row = {
    load,
    seconds: record.elapsedSeconds,
    samples: histogram?.count ?? 0,
    quantileUs: Number.isFinite(figure) ? figure : Number.MAX_SAFE_INTEGER,
    achieved,
    loopUtilisation: record.values?.["loop-utilisation"] ?? 0,
  };
  const failure = failureOf(record, objective, { figure, achieved });
  if (failure !== undefined && record.generator.status === "valid") {
    return { ...row, status: "failed", limitedBy: failure };
  }
  if (record.generator.status === "invalid") {
    return { ...row, status: "invalid", limitedBy: `the generator: ${record.generator.reasons[0] ?? "it was invalid"}` };
  }
  if (row.samples < samplesFor(objective)) {
    return {
      ...row,
      status: "inconclusive",
      limitedBy: `${formatNumber(row.samples)} samples of ${metric}, fewer than the ${formatNumber(samplesFor(objective))} that p${quantile * 100} needs`,
    };
  }
  return { ...row, status: "passed" };

  function failureOf(
    this: void,
    { counters, windows }: WorkloadRecord,
    { errorShare = 0 }: CapacityObjective,
    measured: { readonly figure: number; readonly achieved: number },
  ): string | undefined {
    const failed = (counters["rejected"] ?? 0) + (counters["disconnected"] ?? 0) + (counters["ended-early"] ?? 0);
    const opened = Math.max(1, counters["opened"] ?? 0);
    for (const [name, what] of Object.entries(wrongs)) {
      if ((counters[name] ?? 0) > 0) {
        return `${formatNumber(counters[name] ?? 0)} ${what}`;
      }
    }
    if (failed / opened > errorShare) {
      return `${formatNumber(failed)} of ${formatNumber(opened)} streams failed`;
    }
    if (measured.figure > limitMicros) {
      return `${metric} p${Number((quantile * 100).toFixed(4))} of ${formatMicros(measured.figure)}, over ${formatMicros(limitMicros)}`;
    }
    if (measured.achieved < achievedShare) {
      return `${Math.floor(measured.achieved * 1000) / 10} % achieved of what was offered`;
    }
    return grows(
      windows.map((window) => window.backlog),
      counters["offered"] ?? 0,
    )
      ? "a backlog that grew to the end"
      : undefined;
  }
}

/** The workload with its load set: arrivals per second of its open groups together, or streams of its first group. */
export function withLoad(workload: Workload, load: number, seconds: number): Workload {
  const durationMs = seconds * 1000;
  const total = offeredPerSecond(workload);
  if (total === undefined) {
    const groups = workload.groups.map((group, i) => (i === 0 ? { ...group, streams: Math.max(1, Math.round(load)) } : group));
    return { ...workload, durationMs, groups };
  }
  const factor = load / total;
  const groups = workload.groups.map((group) => {
    const { arrivals } = group;
    if (arrivals.model === "closed") {
      return group;
    }
    const rate = (perSecond(arrivals.stages) ?? 0) * factor;
    return { ...group, arrivals: { ...arrivals, stages: [{ durationMs, fromPerSecond: rate, toPerSecond: rate }] } };
  });
  return { ...workload, durationMs, groups };
}

/** Arrivals a second of the workload as it is; undefined for a closed model. */
export function offeredPerSecond(workload: Workload): number | undefined {
  const rates = workload.groups.flatMap(({ arrivals }) => (arrivals.model === "open" ? [perSecond(arrivals.stages) ?? 0] : []));
  return rates.length === 0 ? undefined : rates.reduce((sum, rate) => sum + rate, 0);
}

function perSecond(stages: Parameters<typeof expectedArrivals>[0]): number | undefined {
  const seconds = stages.reduce((sum, stage) => sum + stage.durationMs, 0) / 1000;
  return seconds === 0 ? undefined : expectedArrivals(stages) / seconds;
}

/** Share of the arrivals that were begun; 1 where there is no schedule. */
function achievedOf({ counters }: WorkloadRecord, offered: number): number {
  return offered === 0 ? 1 : Math.min(1, (counters["begun"] ?? 0) / offered);
}

/** Least excess of what is offered over what is done that counts as growth, as a share of what is offered. */
const growthShare = 0.01;

/** Whether the backlog rose from the first third to the last by more than a queue does by itself when it is nearly full. */
function grows(backlog: readonly number[], offered: number): boolean {
  const third = Math.floor(backlog.length / 3);
  if (third < 2) {
    return false;
  }
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const rise = mean(backlog.slice(-third)) - mean(backlog.slice(0, third));
  // Between the middles of the two thirds lie two thirds of the time.
  return rise > Math.max(5, ((growthShare * 2) / 3) * offered);
}
