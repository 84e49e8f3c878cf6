import type { HistogramRecord, ThresholdRecord, WorkloadRecord } from "../../core/report.js";
import { floodRows } from "../flood-rows.js";
import { bytes, count, figure, microseconds, plural } from "../quantities.js";
import { ratioCells, ratioTitles } from "../ratio-rows.js";
import { marginText } from "../text-load.js";
import { heatMap } from "./heat-map.js";
import { markup, none, type Markup } from "./markup.js";
import { percentileCurve } from "./percentile-curve.js";

/** One workload: whether to believe it, its thresholds with their margins, its latencies as table, curve and map, its course in time. */
export function workloadSection(workload: WorkloadRecord, index: number): Markup {
  const id = `workload-${index + 1}`;
  return markup`<section class="workload" id="${id}" aria-labelledby="${id}-title" data-workload="${index}"><h2 id="${id}-title">${workload.name} <span class="faint">workload</span></h2>
<p>${workload.engine} engine, ${workload.transports.join(" and ")} (${workload.driver}), ${plural(workload.streams, "stream")}, ${microseconds(workload.elapsedSeconds * 1e6)}</p>
${generator(workload)}${thresholds(workload)}${latencies(workload)}
<div class="figures">${percentileCurve(workload)}${heatMap(workload)}${timeCharts(workload)}</div>
${baseline(workload)}${rates(workload)}${flood(workload)}${counters(workload)}${remarks(workload)}</section>`;
}

function generator({ generator: { status, reasons } }: WorkloadRecord): Markup {
  return status === "valid"
    ? markup`<p class="generator"><span class="mark s-passed"><span aria-hidden="true">✓</span> generator valid</span></p>`
    : markup`<div class="generator"><p><span class="mark s-broken"><span aria-hidden="true">‼</span> generator invalid</span> The numbers are neither pass nor fail.</p><ul>${reasons.map((reason) => markup`<li>${reason}</li>`)}</ul></div>`;
}

const thresholdMarks = {
  passed: { status: "passed", sign: "✓" },
  failed: { status: "failed", sign: "✗" },
  "no-samples": { status: "unproven", sign: "?" },
  inconclusive: { status: "unproven", sign: "?" },
} as const satisfies Record<ThresholdRecord["status"], { status: string; sign: string }>;

function thresholds(workload: WorkloadRecord): Markup {
  if (workload.thresholds.length === 0) {
    return none;
  }
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="Thresholds"><table class="thresholds"><caption>Thresholds</caption><thead><tr><th scope="col">threshold</th><th scope="col">verdict</th><th scope="col">measured</th><th scope="col">margin</th></tr></thead><tbody>${workload.thresholds.map(
    (threshold) => {
      const { status, sign } = thresholdMarks[threshold.status];
      return markup`<tr><th scope="row"><code>${threshold.text}</code></th><td><span class="mark s-${status}"><span aria-hidden="true">${sign}</span> ${threshold.status}</span></td><td>${marginText(threshold)}</td><td>${marginBar(threshold.marginPercent)}</td></tr>`;
    },
  )}</tbody></table></div>`;
}

/** A bar to the right of the middle for what is to spare, to the left for what is beyond. */
function marginBar(marginPercent: number | undefined): Markup {
  if (marginPercent === undefined || !Number.isFinite(marginPercent)) {
    return none;
  }
  const size = Math.min(100, Math.abs(marginPercent)) / 2;
  const left = marginPercent < 0 ? 50 - size : 50;
  return markup`<svg class="margin" viewBox="0 0 100 10" width="100" height="10" aria-hidden="true"><path class="grid" d="M0 5H100"/><rect class="${marginPercent < 0 ? "beyond" : "spare"}" x="${left.toFixed(1)}" y="2" width="${Math.max(0.5, size).toFixed(1)}" height="6"/><path class="axis" d="M50 0V10"/></svg>`;
}

const quantiles = [
  ["p50", "p50"],
  ["p90", "p90"],
  ["p99", "p99"],
  ["p99.9", "p999"],
  ["max", "max"],
] as const satisfies readonly (readonly [string, keyof HistogramRecord])[];

function latencies(workload: WorkloadRecord): Markup {
  const rows = Object.entries(workload.histograms).filter(([, histogram]) => histogram.count > 0);
  if (rows.length === 0) {
    return none;
  }
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="Latencies"><table class="numbers"><caption>Latencies</caption><thead><tr><th scope="col">metric</th>${quantiles.map(([title]) => markup`<th scope="col">${title}</th>`)}<th scope="col">samples</th></tr></thead><tbody>${rows.map(
    ([name, histogram]) =>
      markup`<tr><th scope="row">${name}</th>${quantiles.map(([, key]) => markup`<td>${microseconds(histogram[key])}</td>`)}<td>${count(histogram.count)}</td></tr>`,
  )}</tbody></table></div>`;
}

function timeCharts(workload: WorkloadRecord): Markup {
  if (workload.windows.length < 2) {
    return none;
  }
  const hasTarget = workload.windows.some((window) => window.target !== undefined);
  const received = workload.rates["received"];
  const summary =
    received === undefined ? "" : `: between ${count(received.min)} and ${count(received.max)} entries a second, median ${count(received.median)}`;
  return markup`<figure><figcaption>Throughput, backlog and generator lag</figcaption><div class="plot" data-plot="throughput" role="img" aria-label="Throughput over time${summary}"><noscript>This chart needs the page's script; the table of rates has its figures.</noscript></div></figure>${
    hasTarget
      ? markup`<figure><figcaption>The target's CPU and memory</figcaption><div class="plot" data-plot="target" role="img" aria-label="CPU and memory of the target over time"><noscript>This chart needs the page's script.</noscript></div></figure>`
      : none
  }`;
}

function baseline({ baseline: compared }: WorkloadRecord): Markup {
  if (compared === undefined) {
    return none;
  }
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="Comparison"><table class="numbers"><caption>Compared with ${compared.name}</caption><thead><tr>${ratioTitles.map(
    (title) => markup`<th scope="col">${title}</th>`,
  )}</tr></thead><tbody>${compared.ratios.map((ratio) => {
    const [of = "", ...cells] = ratioCells(ratio);
    return markup`<tr><th scope="row">${of}</th>${cells.map((cell) => markup`<td>${cell === "~" ? "~ not significant" : cell}</td>`)}</tr>`;
  })}</tbody></table></div>`;
}

function rates(workload: WorkloadRecord): Markup {
  const rows = Object.entries(workload.rates);
  return rows.length === 0
    ? none
    : markup`<div class="scroll" tabindex="0" role="region" aria-label="Rates"><table class="numbers"><caption>Per second</caption><thead><tr><th scope="col">metric</th><th scope="col">min</th><th scope="col">median</th><th scope="col">max</th><th scope="col">mean</th></tr></thead><tbody>${rows.map(
        ([name, rate]) =>
          markup`<tr><th scope="row">${name}</th>${[rate.min, rate.median, rate.max, rate.mean].map((value) => markup`<td>${name === "bytes" ? bytes(value) : count(value)}</td>`)}</tr>`,
      )}</tbody></table></div>`;
}

function flood({ flood: made }: WorkloadRecord): Markup {
  if (made === undefined) {
    return none;
  }
  const { sentence, rows, notes } = floodRows(made);
  return markup`<h3>Flood</h3><p>${sentence}</p><div class="scroll" tabindex="0" role="region" aria-label="Flood"><table class="numbers"><caption>The streams beside it</caption><thead><tr><th scope="col">figure</th><th scope="col">before</th><th scope="col">during</th><th scope="col">after</th></tr></thead><tbody>${rows.map(
    ([name, ...cells]) => markup`<tr><th scope="row">${name}</th>${cells.map((cell) => markup`<td>${cell}</td>`)}</tr>`,
  )}</tbody></table></div>${notes.length === 0 ? none : markup`<ul class="remarks">${notes.map((note) => markup`<li>${note}</li>`)}</ul>`}`;
}

function counters(workload: WorkloadRecord): Markup {
  const figures = Object.entries({ ...workload.counters, ...workload.values });
  const errors = Object.entries(workload.errors);
  return markup`${
    figures.length === 0
      ? none
      : markup`<h3>Counted</h3><dl class="counters">${figures.map(([name, value]) => markup`<div${value === 0 ? markup` class="zero"` : none}><dt>${name}</dt><dd>${figure(name, value)}</dd></div>`)}</dl>`
  }${errors.length === 0 ? none : markup`<h3>Streams that ended by themselves</h3><dl class="counters">${errors.map(([name, value]) => markup`<div><dt>${name}</dt><dd>${count(value)}</dd></div>`)}</dl>`}`;
}

function remarks({ remarks: texts }: WorkloadRecord): Markup {
  return texts.length === 0 ? none : markup`<h3>Remarks</h3><ul class="remarks">${texts.map((text) => markup`<li>${text}</li>`)}</ul>`;
}
