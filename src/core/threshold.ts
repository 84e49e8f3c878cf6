import { HarnessError, type HarnessErrorCode } from "./errors.js";
import { forbiddenMetrics, hasRate, isMetric, type MetricName, metricNames, metrics } from "./metric.js";
import { didYouMean } from "./suggest.js";
import { stopsReading, type Workload } from "./workload.js";

/** Which figure of a metric is meant. */
export type Statistic = { readonly kind: "quantile"; readonly q: number } | { readonly kind: "min" | "max" | "mean" | "count" | "rate" | "value" };

export const operators = ["<=", ">=", "==", "!=", "<", ">"] as const;
export type Operator = (typeof operators)[number];

/** One condition on what was measured. */
export interface Threshold {
  /** As written. */
  readonly text: string;
  readonly metric: MetricName;
  readonly statistic: Statistic;
  readonly operator: Operator;
  /** Microseconds for times, entries a second for rates, a ratio against a baseline, else as it is. */
  readonly limit: number;
  /** `baseline`: the measured value over the baseline's is compared with the limit. */
  readonly against: "limit" | "baseline";
  /** It must hold in every stretch of so many seconds; undefined: over the whole run. */
  readonly overSeconds: number | undefined;
  /** With fewer samples it is inconclusive; undefined: the least that the statistic needs. */
  readonly minSamples: number | undefined;
  /** Passes without samples. */
  readonly allowEmpty: boolean;
  /** The run stops as soon as it has failed beyond repair. */
  readonly abortOnFail: boolean;
}

/** What is wrong with a threshold's text, and at which character. */
export interface ThresholdProblem {
  readonly problem: string;
  readonly at: number;
}

/**
 * Reads `METRIC [STATISTIC] OP VALUE [over DURATION] [min N samples] [allow-empty] [abort-on-fail]`,
 * or `METRIC [STATISTIC] vs baseline OP RATIOx …`: `filter-apply p99 < 50ms`, `stale-hard == 0`, `received rate > 20000/s over 10s`.
 * A counter needs no statistic, a time does.
 */
export function parseThreshold(text: string): Threshold | ThresholdProblem {
  const words = tokens(text);
  let next = 0;
  const end = { word: "", at: text.length };
  const peek = () => words[next] ?? end;
  const take = () => words[next++] ?? end;

  const name = take();
  if (!isMetric(name.word)) {
    return {
      problem:
        name.word === ""
          ? "A threshold begins with a metric."
          : `Unknown metric "${name.word}".${didYouMean(name.word, metricNames) || ` Known: ${metricNames.join(", ")}.`}`,
      at: name.at,
    };
  }
  const metric = name.word;
  const statistic = readStatistic(metric, peek());
  if ("problem" in statistic) {
    return statistic;
  }
  if (statistic.taken) {
    take();
  }
  let against: Threshold["against"] = "limit";
  if (peek().word === "vs") {
    take();
    const baseline = take();
    if (baseline.word !== "baseline") {
      return { problem: `After "vs" comes "baseline", not "${baseline.word}".`, at: baseline.at };
    }
    against = "baseline";
  }
  const operator = take();
  if (!isOperator(operator.word)) {
    return {
      problem: operator.word === "" ? "A comparison is missing: < <= > >= == !=." : `"${operator.word}" is no comparison: < <= > >= == !=.`,
      at: operator.at,
    };
  }
  const limit = take();
  const value = readValue(limit.word, metric, statistic.statistic, against);
  if (typeof value === "string") {
    return { problem: value, at: limit.at };
  }
  const rest = readOptions(words.slice(next), metric, statistic.statistic, text.length);
  if ("problem" in rest) {
    return rest;
  }
  return { text: text.trim(), metric, statistic: statistic.statistic, operator: operator.word, limit: value, against, ...rest };
}

/**
 * Reads several.
 * @param place of the texts, for the error: `--threshold`.
 * @throws HarnessError for the first that cannot be read.
 */
export function parseThresholds(texts: readonly string[], place: string, code: HarnessErrorCode = "usage"): Threshold[] {
  return texts.map((text) => {
    const threshold = parseThreshold(text);
    if ("problem" in threshold) {
      throw new HarnessError(code, `${threshold.problem} (in "${text}", character ${threshold.at + 1})`, { place });
    }
    return threshold;
  });
}

/** Measured of a counter that stays at zero whatever happens. */
export const notCounted = "not counted";

/** What a workload is judged by although nobody asked: what a server that keeps its contract never does, and streams that last. */
const unasked: readonly string[] = [
  ...forbiddenMetrics.map((metric) => `${metric} == 0`),
  "lost == 0 allow-empty",
  "rejected == 0",
  "disconnected == 0",
  "ended-early == 0",
  "silent == 0 allow-empty",
];

/**
 * All that a workload is judged by: the thresholds given; of its own those on metrics that the given ones leave alone; and that what its server
 * sends is right and its streams last, unless one of those speaks of it. `rejected >= 0` allows what would be held against the server.
 * @param given as `parseThreshold` reads them; what it cannot read is left in, for it to refuse.
 * @param uncounted metrics of which whoever performs the workload counts nothing.
 */
export function judgedBy(
  { thresholds, groups }: Pick<Workload, "thresholds" | "groups">,
  given: readonly string[] = [],
  uncounted: readonly MetricName[] = [],
): string[] {
  const own = [...given, ...without(thresholds, given.map(metricOf))];
  // A reader that stops may be ended for it.
  const excused: readonly MetricName[] = stopsReading(groups) ? ["rejected", ...uncounted] : uncounted;
  return [...own, ...without(unasked, [...own.map(metricOf), ...excused])];
}

/** Thresholds on other metrics. */
function without(texts: readonly string[], spoken: readonly (MetricName | undefined)[]): string[] {
  return texts.filter((text) => !spoken.includes(metricOf(text)));
}

function metricOf(text: string): MetricName | undefined {
  const threshold = parseThreshold(text);
  return "problem" in threshold ? undefined : threshold.metric;
}

/** Whether `measured OP limit` holds. */
export function holds(measured: number, operator: Operator, limit: number): boolean {
  switch (operator) {
    case "<":
      return measured < limit;
    case "<=":
      return measured <= limit;
    case ">":
      return measured > limit;
    case ">=":
      return measured >= limit;
    case "==":
      return measured === limit;
    case "!=":
      return measured !== limit;
  }
}

/** `p99`, `max`, `rate` …; empty for a plain value. */
export function statisticText(statistic: Statistic): string {
  return statistic.kind === "quantile" ? `p${Number((statistic.q * 100).toFixed(6))}` : statistic.kind === "value" ? "" : statistic.kind;
}

interface Token {
  readonly word: string;
  readonly at: number;
}

function tokens(text: string): Token[] {
  return [...text.matchAll(/<=|>=|==|!=|[<>=!]|[^\s<>=!]+/g)].map((match) => ({ word: match[0], at: match.index }));
}

function isOperator(word: string): word is Operator {
  return (operators as readonly string[]).includes(word);
}

const statisticNames = ["p50", "p90", "p95", "p99", "p99.9", "min", "max", "mean", "count", "rate"];

function readStatistic(metric: MetricName, token: Token): { readonly statistic: Statistic; readonly taken: boolean } | ThresholdProblem {
  const { word, at } = token;
  const { kind } = metrics[metric];
  if (word === "" || word === "vs" || isOperator(word) || /^[=!]/.test(word)) {
    if (kind === "time") {
      return { problem: `"${metric}" is a time: say which figure of it is meant, such as "${metric} p99".`, at };
    }
    return { statistic: { kind: "value" }, taken: false };
  }
  const quantile = /^p(\d{1,2}(?:\.\d+)?|100)$/.exec(word);
  if (quantile !== null || word === "min" || word === "max" || word === "mean" || word === "count") {
    if (kind !== "time") {
      return { problem: `"${metric}" is ${kind === "count" ? "a counter" : "one figure"}: it has no "${word}".`, at };
    }
    return { statistic: quantile === null ? { kind: word as "min" } : { kind: "quantile", q: Number((Number(quantile[1]) / 100).toFixed(8)) }, taken: true };
  }
  if (word === "rate") {
    return hasRate(metric)
      ? { statistic: { kind: "rate" }, taken: true }
      : { problem: `"${metric}" has no rate; ${metricNames.filter(hasRate).join(", ")} have.`, at };
  }
  return { problem: `"${word}" is no figure of a metric.${didYouMean(word, statisticNames) || ` Known: ${statisticNames.join(", ")}.`}`, at };
}

const perUnitMicros: Readonly<Record<string, number>> = { us: 1, ms: 1000, s: 1_000_000, m: 60_000_000, h: 3_600_000_000 };

/** The value in the metric's unit, or what is wrong with it. */
function readValue(word: string, metric: MetricName, statistic: Statistic, against: Threshold["against"]): number | string {
  if (word === "") {
    return "The value to compare with is missing.";
  }
  const parts = /^(-?\d+(?:\.\d+)?)(.*)$/.exec(word);
  const number = Number(parts?.[1]);
  const unit = parts?.[2] ?? "";
  if (parts === null) {
    return `"${word}" is no number.`;
  }
  if (against === "baseline") {
    return unit === "x" ? number : `Against a baseline the value is a ratio such as 1.10x, not "${word}".`;
  }
  if (statistic.kind === "rate") {
    return unit === "/s" ? number : `A rate is per second, such as ${number}/s, not "${word}".`;
  }
  if ((metrics[metric].kind === "time" && statistic.kind !== "count") || metric === "resolution") {
    const perUnit = perUnitMicros[unit];
    return perUnit === undefined ? `"${word}" is no time: write ${number}ms, or us, s, m, h.` : number * perUnit;
  }
  return unit === "" ? number : `"${metric}" is a plain number here: write ${number}, not "${word}".`;
}

type ThresholdOptions = Pick<Threshold, "overSeconds" | "minSamples" | "allowEmpty" | "abortOnFail">;

function readOptions(words: readonly Token[], metric: MetricName, statistic: Statistic, length: number): ThresholdOptions | ThresholdProblem {
  let overSeconds: number | undefined;
  let minSamples: number | undefined;
  let allowEmpty = false;
  let abortOnFail = false;
  for (let i = 0; i < words.length; i++) {
    const { word, at } = words[i] ?? { word: "", at: length };
    if (word === "over") {
      const value = words[++i];
      const duration = /^(\d+)(s|m)$/.exec(value?.word ?? "");
      overSeconds = Number(duration?.[1]) * (duration?.[2] === "m" ? 60 : 1);
      if (duration === null || overSeconds < 1) {
        return { problem: `After "over" comes whole seconds or minutes, such as 10s.`, at: value?.at ?? length };
      }
      if (metrics[metric].kind === "value" || (metrics[metric].kind === "count" && !hasRate(metric))) {
        return { problem: `"${metric}" is not counted in windows: "over" does not apply to it.`, at };
      }
    } else if (word === "min") {
      const value = words[++i];
      const unit = words[++i];
      if (!/^\d+$/.test(value?.word ?? "") || unit?.word !== "samples") {
        return { problem: `After "min" come a whole number and "samples".`, at: value?.at ?? length };
      }
      if (metrics[metric].kind !== "time") {
        return { problem: `"${metric}" has no samples: "min" does not apply to it.`, at };
      }
      minSamples = Number(value?.word);
    } else if (word === "allow-empty") {
      allowEmpty = true;
    } else if (word === "abort-on-fail") {
      abortOnFail = true;
    } else {
      return {
        problem: `"${word}" does not belong here.${didYouMean(word, ["over", "min", "allow-empty", "abort-on-fail"]) || " What may follow: over 10s, min 1000 samples, allow-empty, abort-on-fail."}`,
        at,
      };
    }
  }
  return { overSeconds, minSamples: minSamples ?? leastSamples(statistic), allowEmpty, abortOnFail };
}

/** A quantile of fewer samples than this is just the greatest of them: one in 1/(1 − q). */
function leastSamples(statistic: Statistic): number | undefined {
  return statistic.kind === "quantile" && statistic.q < 1 ? Math.ceil(1 / (1 - statistic.q) - 1e-6) : undefined;
}
