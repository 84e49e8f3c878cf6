import { decodeFromCompressedBase64 } from "hdr-histogram-js";
import { beyondMicros } from "../../core/histogram.js";
import { parseThreshold } from "../../core/threshold.js";
import type { HistogramRecord, WorkloadRecord } from "../../core/report.js";
import { microseconds } from "../quantities.js";
import { logScale, type LogScale } from "./log-scale.js";
import { markup, none, verbatim, type Markup } from "./markup.js";

const width = 580;
const height = 300;
const box = { left: 64, right: 468, top: 14, bottom: 258 } as const;
/** The latencies worth a curve, the most telling first; more than four cannot be told apart. */
const preferred = ["filter-apply", "filter-apply-service", "delivery-lag", "first-entry", "catch-up", "half-close-to-end", "cancel-quiet", "open", "entry-gap"];
const mostCurves = 4;

type Point = readonly [q: number, micros: number];

interface Curve {
  readonly name: string;
  readonly points: readonly Point[];
  readonly beyond: number;
}

/** Latency over the fraction of values, in nines: each step to the right is ten times rarer. Both axes are logarithmic. */
export function percentileCurve(workload: WorkloadRecord): Markup {
  const names = preferred.filter((name) => (workload.histograms[name]?.count ?? 0) > 0).slice(0, mostCurves);
  const curves = names.flatMap((name) => curveOf(name, workload.histograms[name]));
  if (curves.length === 0) {
    return none;
  }
  const baseline = names.flatMap((name) => curveOf(name, workload.baseline?.histograms[name]));
  // The fastest few would stretch the axis by decades that say nothing.
  const values = [...curves, ...baseline].flatMap(({ points }) =>
    points.filter(([q], index) => q >= 0.1 || index === points.length - 1).map(([, micros]) => micros),
  );
  const y = logScale(Math.min(...values), Math.max(...values), box.bottom, box.top);
  const most = Math.max(1, ...curves.flatMap(({ points }) => points.map(([q]) => nines(q))));
  const x = (q: number): number => box.left + (Math.min(most, nines(q)) / most) * (box.right - box.left);
  const title = `Percentiles of ${names.join(", ")}: ${curves.map(({ name }) => `${name} p99 ${microseconds(workload.histograms[name]?.p99 ?? 0)}`).join(", ")}`;
  return markup`<figure><figcaption>Percentiles <span class="faint">latency, at least as many as; dashed: baseline; ◇: threshold</span></figcaption><div class="scroll" tabindex="0" role="region" aria-label="Percentile curve"><svg class="chart" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${title}">
${verticals(most, x)}${horizontals(y)}
${baseline.map((curve) =>
  line(
    curve,
    curves.findIndex(({ name }) => name === curve.name),
    x,
    y,
    " baseline",
  ),
)}
${curves.map((curve, index) => line(curve, index, x, y, ""))}
${labels(curves, x, y)}${marks(workload, names, most, x, y)}
</svg></div></figure>`;
}

function curveOf(name: string, record: HistogramRecord | undefined): Curve[] {
  if (record === undefined || record.count === 0) {
    return [];
  }
  const points = pointsOf(record).filter(([, micros]) => micros < beyondMicros);
  return points.length === 0 ? [] : [{ name, points, beyond: record.overflow }];
}

/** From the whole histogram; from the figures beside it where that cannot be decoded. */
function pointsOf(record: HistogramRecord): readonly Point[] {
  const inRange = record.count - record.overflow;
  const least = 1 / Math.max(10, record.count);
  const quantiles: number[] = [];
  for (let rest = 1; rest >= least; rest /= 10 ** 0.1) {
    quantiles.push(1 - rest);
  }
  try {
    const histogram = decodeFromCompressedBase64(record.encoded, 32, false);
    const valueAt = (q: number): number => Math.max(1, histogram.getValueAtPercentile(Math.min(100, ((q * record.count) / inRange) * 100)));
    return quantiles.filter((q) => q * record.count <= inRange).map((q): Point => [q, valueAt(q)]);
  } catch {
    const figures: readonly Point[] = [
      [0, record.min],
      [0.5, record.p50],
      [0.9, record.p90],
      [0.99, record.p99],
      [0.999, record.p999],
    ];
    return figures.filter(([q]) => q <= 1 - least).map(([q, micros]): Point => [q, Math.max(1, micros)]);
  }
}

/** 0 for the median of nothing, 1 for 90 %, 2 for 99 % … */
function nines(q: number): number {
  return -Math.log10(Math.max(1e-9, 1 - q));
}

function line(curve: Curve, index: number, x: (q: number) => number, y: LogScale, kind: string): Markup {
  const path = curve.points.map(([q, micros], i) => `${i === 0 ? "M" : "L"}${x(q).toFixed(1)} ${y.at(micros).toFixed(1)}`).join("");
  return markup`<path class="curve c${index}${kind}" d="${verbatim(path)}"/>`;
}

/** Names at the right end of their curves, pushed apart. */
function labels(curves: readonly Curve[], x: (q: number) => number, y: LogScale): Markup[] {
  const ends = curves
    .map(({ name, points, beyond }, index) => ({
      index,
      text: beyond === 0 ? name : `${name} → ∞`,
      x: x(points.at(-1)?.[0] ?? 0),
      y: y.at(points.at(-1)?.[1] ?? 1),
    }))
    .toSorted((a, b) => a.y - b.y);
  let free = box.top;
  return ends.map(({ index, text, x: end, y: wanted }) => {
    const at = Math.max(free, wanted + 4);
    free = at + 15;
    return markup`<text class="name c${index}" x="${(end + 8).toFixed(1)}" y="${at.toFixed(1)}">${text}</text>`;
  });
}

function verticals(most: number, x: (q: number) => number): Markup[] {
  const ticks = [0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999].filter((q) => nines(q) <= most + 1e-9);
  return ticks.map((q, index) => {
    const next = ticks[index + 1];
    // Of two names that would touch, the rarer is the one to read.
    const named = next === undefined || x(next) - x(q) > 38;
    const name = named
      ? markup`<text class="tick" x="${x(q).toFixed(1)}" y="${box.bottom + 18}">${q === 0 ? "min" : `p${Number((q * 100).toFixed(3))}`}</text>`
      : none;
    return markup`<path class="grid" d="M${x(q).toFixed(1)} ${box.top}V${box.bottom}"/>${name}`;
  });
}

function horizontals(y: LogScale): Markup[] {
  return y.ticks.map(
    (micros) =>
      markup`<path class="grid" d="M${box.left} ${y.at(micros).toFixed(1)}H${box.right}"/><text class="tick left" x="${box.left - 8}" y="${(y.at(micros) + 4).toFixed(1)}">${microseconds(micros)}</text>`,
  );
}

/** Thresholds on a quantile of a metric that is drawn. */
function marks(workload: WorkloadRecord, names: readonly string[], most: number, x: (q: number) => number, y: LogScale): Markup[] {
  return workload.thresholds.map(({ text }) => {
    const threshold = parseThreshold(text);
    if ("problem" in threshold || threshold.against !== "limit" || threshold.statistic.kind !== "quantile") {
      return none;
    }
    const index = names.indexOf(threshold.metric);
    const { q } = threshold.statistic;
    if (index < 0 || nines(q) > most || threshold.limit < y.from || threshold.limit > y.to) {
      return none;
    }
    return markup`<path class="mark c${index}" d="M${x(q).toFixed(1)} ${(y.at(threshold.limit) - 6).toFixed(1)}l6 6l-6 6l-6 -6z"><title>${text}</title></path>`;
  });
}
