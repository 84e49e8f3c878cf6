import type { WindowRecord, WorkloadRecord } from "../../core/report.js";
import { beyondMicros } from "../../core/histogram.js";
import { microseconds } from "../quantities.js";
import { logScale, type LogScale } from "./log-scale.js";
import { markup, none, verbatim, type Markup } from "./markup.js";

const width = 580;
const height = 260;
const box = { left: 64, right: 568, top: 10, bottom: 222 } as const;
const mostColumns = 100;
/** Steps of darkness, evenly over the logarithm of how many. */
const shades = 6;

interface Column {
  readonly atSeconds: number;
  readonly buckets: ReadonlyMap<number, number>;
  readonly p99: number | undefined;
}

/** filter-apply over time: the darker, the more updates took that long; a line for p99. With p99 and p50 alone where no distribution was kept. */
export function heatMap(workload: WorkloadRecord): Markup {
  const columns = columnsOf(workload.windows);
  const bounds = columns.flatMap(({ buckets, p99 }) => [...buckets.keys(), ...(p99 === undefined ? [] : [p99])]);
  if (bounds.length === 0) {
    return none;
  }
  const y = logScale(Math.min(...bounds) / 1.2, Math.max(...bounds), box.bottom, box.top);
  const columnWidth = (box.right - box.left) / columns.length;
  const worst = columns.reduce((a, b) => ((b.p99 ?? 0) > (a.p99 ?? 0) ? b : a));
  const title = `filter-apply over ${Math.round(workload.elapsedSeconds)} seconds: p99 between ${microseconds(Math.min(...columns.map(({ p99 }) => p99 ?? Infinity)))} and ${microseconds(worst.p99 ?? 0)}, worst at ${Math.round(worst.atSeconds)} s`;
  return markup`<figure><figcaption>filter-apply over time <span class="faint">the darker, the more updates took that long; line: p99</span></figcaption><div class="scroll" tabindex="0" role="region" aria-label="Latency over time"><svg class="chart" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${title}">
${y.ticks.map((micros) => markup`<path class="grid" d="M${box.left} ${y.at(micros).toFixed(1)}H${box.right}"/><text class="tick left" x="${box.left - 8}" y="${(y.at(micros) + 4).toFixed(1)}">${microseconds(micros)}</text>`)}
${cells(columns, columnWidth, y)}
<path class="curve c0" d="${verbatim(p99Path(columns, columnWidth, y))}"/>
${timeTicks(columns, columnWidth)}
</svg></div></figure>`;
}

/** Windows put together until they are few enough to draw. */
function columnsOf(windows: readonly WindowRecord[]): Column[] {
  const per = Math.max(1, Math.ceil(windows.length / mostColumns));
  const columns: Column[] = [];
  for (let start = 0; start < windows.length; start += per) {
    const group = windows.slice(start, start + per);
    const buckets = new Map<number, number>();
    for (const [upTo, count] of group.flatMap((window) => window.applyBuckets ?? [])) {
      buckets.set(upTo, (buckets.get(upTo) ?? 0) + count);
    }
    // The greatest, since percentiles of several windows cannot be averaged.
    const p99s = group.flatMap((window) => (window.applyP99Us === undefined || window.applyP99Us >= beyondMicros ? [] : [window.applyP99Us]));
    columns.push({ atSeconds: group[0]?.atSeconds ?? 0, buckets, p99: p99s.length === 0 ? undefined : Math.max(...p99s) });
  }
  return columns;
}

/** One path for each shade: thousands of cells stay a few kilobytes. */
function cells(columns: readonly Column[], columnWidth: number, y: LogScale): Markup[] {
  const most = Math.max(1, ...columns.flatMap(({ buckets }) => [...buckets.values()]));
  const paths = Array.from({ length: shades }, () => "");
  for (const [index, { buckets }] of columns.entries()) {
    for (const [upTo, count] of buckets) {
      const shade = Math.min(shades - 1, Math.floor((Math.log(count + 1) / Math.log(most + 1)) * shades));
      const [top, bottom] = [Math.round(y.at(upTo)), Math.round(y.at(upTo / 2 ** 0.25))];
      const [left, right] = [Math.round(box.left + index * columnWidth), Math.round(box.left + (index + 1) * columnWidth)];
      paths[shade] += `M${left} ${top}h${right - left}v${bottom - top}h${left - right}z`;
    }
  }
  return paths.map((path, shade) => (path === "" ? none : markup`<path class="heat h${shade}" d="${verbatim(path)}"/>`));
}

function p99Path(columns: readonly Column[], columnWidth: number, y: LogScale): string {
  let pen = "M";
  return columns
    .map(({ p99 }, index) => {
      if (p99 === undefined) {
        pen = "M";
        return "";
      }
      const command = `${pen}${(box.left + (index + 0.5) * columnWidth).toFixed(1)} ${y.at(p99).toFixed(1)}`;
      pen = "L";
      return command;
    })
    .join("");
}

function timeTicks(columns: readonly Column[], columnWidth: number): Markup[] {
  const every = Math.max(1, Math.ceil(columns.length / 8));
  return columns.map(({ atSeconds }, index) =>
    index % every === 0
      ? markup`<text class="tick" x="${(box.left + (index + 0.5) * columnWidth).toFixed(1)}" y="${box.bottom + 18}">${Math.round(atSeconds)} s</text>`
      : none,
  );
}
