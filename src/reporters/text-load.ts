import { notCounted } from "../core/threshold.js";
import type { HistogramRecord, RunEvent, ThresholdRecord, WorkloadRecord } from "../core/report.js";
import { floodRows } from "./flood-rows.js";
import { columnsOf, oneLine, padEnd, padStart, truncate, wrap } from "./plain-text.js";
import { bytes, count, figure, microseconds, plural } from "./quantities.js";
import { ratioCells, ratioTitles } from "./ratio-rows.js";
import { listLines, type Page } from "./text-page.js";

/** The numbers of one workload: latencies, rates, counters, thresholds with their margins, and whether to believe them. */
export function workloadSection(workload: WorkloadRecord, page: Page): string[] {
  const { palette } = page;
  const about = `${workload.engine} engine, ${workload.transports.join(" and ")} (${workload.driver}), ${plural(workload.streams, "stream")}, ${microseconds(workload.elapsedSeconds * 1e6)}`;
  const blocks = [
    latencyTable(workload, page),
    rateTable(workload, page),
    counterLines(workload, page),
    floodLines(workload, page),
    baselineLines(workload, page),
    thresholdLines(workload, page),
    generatorLines(workload, page),
    workload.remarks.flatMap((remark) =>
      wrap(oneLine(remark), page.columns - 4).map((line, index) => `  ${palette.faint(`${index === 0 ? "·" : " "} ${line}`)}`),
    ),
  ];
  return [
    palette.strong(truncate(`Workload ${oneLine(workload.name)}`, page.columns)),
    ...wrap(oneLine(about), page.columns - 2).map((line) => palette.faint(`  ${line}`)),
    ...blocks.filter((lines) => lines.length > 0).flatMap((lines) => ["", ...lines]),
  ];
}

/** One window as it happens: `  12 s of 30 s   21,030/s   apply p99 4.2 ms   stale 0`. */
export function progressLine(event: Extract<RunEvent, { kind: "workload-progress" }>): string {
  const { window } = event;
  const apply = window.applyP99Us === undefined ? "" : `   apply p99 ${microseconds(window.applyP99Us)}`;
  return `  ${padStart(`${Math.round(event.elapsedSeconds)} s`, 5)} of ${Math.round(event.totalSeconds)} s   ${padStart(`${count(window.received)}/s`, 10)}${apply}   stale ${count(window.stale)}`;
}

const quantiles = [
  ["p50", "p50"],
  ["p90", "p90"],
  ["p99", "p99"],
  ["p99.9", "p999"],
  ["max", "max"],
] as const satisfies readonly (readonly [string, keyof HistogramRecord])[];

function latencyTable(workload: WorkloadRecord, page: Page): string[] {
  const rows = Object.entries(workload.histograms).filter(([, histogram]) => histogram.count > 0);
  if (rows.length === 0) {
    return [];
  }
  return table(
    ["latency", ...quantiles.map(([title]) => title), "samples"],
    rows.map(([name, histogram]) => [oneLine(name), ...quantiles.map(([, key]) => microseconds(histogram[key])), count(histogram.count)]),
    ["samples", "p90", "p99.9", "p50"],
    page,
  );
}

function rateTable(workload: WorkloadRecord, page: Page): string[] {
  const rows = Object.entries(workload.rates);
  if (rows.length === 0) {
    return [];
  }
  return table(
    ["per second", "min", "median", "max", "mean"],
    rows.map(([name, rate]) => [
      oneLine(name),
      ...[rate.min, rate.median, rate.max, rate.mean].map((value) => (name === "bytes" ? bytes(value) : count(value))),
    ]),
    ["mean", "min"],
    page,
  );
}

const cellColumns = 9;

/** Left column to the left, numbers to the right; on a narrow terminal the columns named in `expendable` go, first one first. */
function table(head: readonly string[], rows: readonly (readonly string[])[], expendable: readonly string[], page: Page): string[] {
  const nameColumns = Math.min(26, Math.max(...[head, ...rows].map(([name = ""]) => columnsOf(name))));
  const room = page.columns - 2 - nameColumns;
  const least = head.map((_, index) => Math.max(cellColumns, 1 + Math.max(...[head, ...rows].map((cells) => columnsOf(cells[index] ?? "")))));
  const keptBut = (gone: readonly string[]): number[] => head.flatMap((title, index) => (index > 0 && !gone.includes(title) ? [index] : []));
  const taken = (kept: readonly number[]): number => kept.reduce((sum, index) => sum + (least[index] ?? 0), 0);
  let gone = 0;
  while (gone < expendable.length && taken(keptBut(expendable.slice(0, gone))) > room) {
    gone++;
  }
  const kept = keptBut(expendable.slice(0, gone));
  const spare = Math.max(0, Math.min(2, Math.floor((room - taken(kept)) / kept.length)));
  const line = (cells: readonly string[]): string =>
    `  ${padEnd(truncate(cells[0] ?? "", nameColumns), nameColumns)}${kept.map((index) => padStart(cells[index] ?? "", (least[index] ?? 0) + spare)).join("")}`;
  return [page.palette.faint(line(head)), ...rows.map(line)];
}

function counterLines(workload: WorkloadRecord, page: Page): string[] {
  const counters = Object.entries({ ...workload.counters, ...workload.values });
  const some = counters.filter(([, value]) => value !== 0).map(([name, value]) => `${name} ${figure(name, value)}`);
  const zero = counters.filter(([, value]) => value === 0).map(([name]) => name);
  const errors = Object.entries(workload.errors).map(([name, value]) => `${name} ×${count(value)}`);
  const block = (title: string, items: readonly string[]): string[] =>
    items.length === 0 ? [] : [page.palette.faint(`  ${title}`), ...listLines(items, page, 4)];
  return [...block("counted", some), ...block("none of these", zero), ...block("streams that ended by themselves", errors)];
}

function floodLines({ flood }: WorkloadRecord, page: Page): string[] {
  if (flood === undefined) {
    return [];
  }
  const { sentence, rows, notes } = floodRows(flood);
  return [
    ...wrap(oneLine(sentence), page.columns - 2).map((line) => `  ${line}`),
    ...table(["the streams beside it", "before", "during", "after"], rows, [], page),
    ...(notes.length === 0 ? [] : listLines(notes.map(oneLine), page, 4)),
  ];
}

function baselineLines({ baseline }: WorkloadRecord, page: Page): string[] {
  if (baseline === undefined || baseline.ratios.length === 0) {
    return [];
  }
  // The interval, too wide for a column of numbers, stands in the other views.
  const kept = (cells: readonly string[]): string[] => cells.filter((_, column) => ratioTitles[column] !== "95 % interval").map(oneLine);
  return [
    ...wrap(oneLine(`compared with ${baseline.name}`), page.columns - 2).map((line) => page.palette.faint(`  ${line}`)),
    ...table(
      kept(ratioTitles),
      baseline.ratios.map((ratio) => kept(ratioCells(ratio))),
      ["before", "after"],
      page,
    ),
  ];
}

function thresholdLines(workload: WorkloadRecord, page: Page): string[] {
  const { palette } = page;
  if (workload.thresholds.length === 0) {
    return [];
  }
  // What is not there need not take a line each.
  const absent = workload.thresholds.filter((threshold) => isAbsence(threshold) && threshold.measured === "0");
  const uncounted = workload.thresholds.filter((threshold) => isAbsence(threshold) && threshold.measured === notCounted);
  const shown = workload.thresholds.filter((threshold) => !absent.includes(threshold) && !uncounted.includes(threshold));
  const folded = (sign: string, title: string, some: readonly ThresholdRecord[]): string[] =>
    some.length === 0
      ? []
      : wrap(`${title}: ${some.map(({ text }) => text.split(" ")[0]).join(", ")}`, page.columns - 4).map((line, i) => `  ${i === 0 ? sign : " "} ${line}`);
  const textColumns = Math.min(page.columns - 32, Math.max(0, ...shown.map(({ text }) => columnsOf(oneLine(text)))));
  return [
    palette.faint("  thresholds"),
    ...folded(palette.good("✓"), "none", absent),
    ...folded(palette.faint("·"), "not counted", uncounted),
    ...shown.flatMap((threshold) => {
      const { sign, paint } = thresholdSign(threshold, page);
      const text = oneLine(threshold.text);
      const beside = `${padEnd(text, textColumns)}  ${marginText(threshold)}`;
      // Too long for one line: the measured value stands under the threshold.
      const lines =
        columnsOf(beside) <= page.columns - 4
          ? [beside]
          : [...wrap(text, page.columns - 4), ...wrap(marginText(threshold), page.columns - 6).map((line) => `  ${line}`)];
      return lines.map((line, index) => `  ${index === 0 ? paint(sign) : " "} ${line}`);
    }),
  ];
}

/** `stale-hard == 0` held, or had nothing to be counted by and allows that. */
function isAbsence({ text, status }: ThresholdRecord): boolean {
  return status === "passed" && /^[a-z-]+ == 0(?: allow-empty)?$/.test(text);
}

function thresholdSign({ status }: ThresholdRecord, { palette }: Page): { readonly sign: string; readonly paint: (text: string) => string } {
  switch (status) {
    case "passed":
      return { sign: "✓", paint: palette.good };
    case "failed":
      return { sign: "✗", paint: palette.bad };
    case "no-samples":
    case "inconclusive":
      return { sign: "?", paint: palette.doubtful };
  }
}

/** `7.91 ms, 84 % to spare`, `21,400/s, 14 % beyond`, `no samples`. */
export function marginText(threshold: ThresholdRecord): string {
  if (threshold.status === "no-samples") {
    return oneLine(threshold.measured ?? "no samples");
  }
  const measured = `${threshold.status === "inconclusive" ? "inconclusive: " : ""}${oneLine(threshold.measured ?? "not measured")}`;
  if (threshold.marginPercent === undefined || threshold.marginPercent === 0) {
    return measured;
  }
  const size = Math.abs(threshold.marginPercent);
  return `${measured}, ${size >= 10 ? Math.round(size) : size.toFixed(1)} % ${threshold.marginPercent < 0 ? "beyond" : "to spare"}`;
}

function generatorLines(workload: WorkloadRecord, page: Page): string[] {
  const { palette } = page;
  const { status, reasons } = workload.generator;
  if (status === "valid") {
    return [`  ${palette.good("✓")} generator valid`];
  }
  return [
    ...wrap("‼ generator INVALID: the numbers are neither pass nor fail", page.columns - 2).map((line) => `  ${palette.doubtful(line)}`),
    ...reasons.flatMap((reason) => wrap(oneLine(reason), page.columns - 6).map((line, index) => `    ${index === 0 ? "-" : " "} ${line}`)),
  ];
}
