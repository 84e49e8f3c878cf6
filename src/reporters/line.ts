import type { CheckRecord, FloodRecord, Report, RunEvent, WorkloadRecord } from "../core/report.js";
import type { RenderOptions, Reporter } from "../core/reporter.js";
import { verdictStatuses } from "../core/verdict.js";
import { checkTitle, failureFields, timelineLines } from "./failure-lines.js";
import { floodRows } from "./flood-rows.js";
import { groupFailures } from "./failure-groups.js";
import { createPalette } from "./palette.js";
import { oneLine, withoutCommands } from "./plain-text.js";
import { microseconds, milliseconds } from "./quantities.js";
import { ratioCells } from "./ratio-rows.js";
import { headline, statusCounts, statusSigns } from "./summary.js";
import { marginText, progressLine } from "./text-load.js";

/** For logs of CI: one line a check as it finishes, the failures once more and in full at the end, where a reader of a log looks first. */
export const line: Reporter = {
  about: "for logs: one line a check, failures at the end (default in CI)",
  progress: (event, options) => withoutCommands(progress(event, options)),
  render(report, options) {
    const { strong, [headline(report).tone]: tone } = createPalette(options.colour);
    const lines = [
      ...(options.streamed === true ? [] : report.checks.map((check) => checkLine(check, options))),
      ...report.workloads.flatMap((workload) => workloadLines(workload, options)),
      ...failures(report, options),
      "",
      ...report.gates.map((gate) => `${gate.status === "passed" ? "✓" : "✗"} gate ${oneLine(gate.name)}: ${oneLine(gate.detail)}`),
      ...report.problems.map((problem) => `‼ ${oneLine(problem)}`),
      `${strong(tone(headline(report).word))}: ${counts(report)}; exit code ${report.exitCode}; ${milliseconds(report.elapsedMs)}; seed ${report.seed}`,
    ];
    return withoutCommands(`${lines.join("\n")}\n`);
  },
};

function progress(event: RunEvent, options: RenderOptions): string {
  switch (event.kind) {
    case "started":
      return event.total === 0 ? "" : `running ${event.total} checks on ${event.urls.map(oneLine).join(" and ")}\n`;
    case "check-finished":
      return `${checkLine(event.record, options)}\n`;
    case "workload-progress":
      // A line a second is too much for a log of an hour.
      return event.totalSeconds <= 60 || event.window.atSeconds % 10 === 0 ? `${progressLine(event)}\n` : "";
    case "note":
      return `${oneLine(event.text)}\n`;
    case "check-started":
    case "finished":
      return "";
  }
}

function checkLine(check: CheckRecord, options: RenderOptions): string {
  const { sign, word } = statusSigns[check.status];
  const { status, faint } = createPalette(options.colour);
  const why = check.status === "passed" ? check.reason : (check.actual ?? check.reason);
  const retried = check.flaky === undefined ? "" : ` (flaky: attempt ${check.flaky})`;
  return `${status(check.status, `${sign} ${word.padEnd(14)}`)} ${checkTitle(check)} ${faint(milliseconds(check.elapsedMs))}${retried}${why === undefined ? "" : `  ${oneLine(why)}`}`;
}

function workloadLines(workload: WorkloadRecord, options: RenderOptions): string[] {
  const { good, bad, doubtful } = createPalette(options.colour);
  const name = `workload ${oneLine(workload.name)}`;
  const paints = { passed: good, failed: bad, "no-samples": doubtful, inconclusive: doubtful } as const;
  return [
    ...Object.entries(workload.histograms).map(
      ([metric, { p50, p90, p99, p999, max, count }]) =>
        `  ${name} ${oneLine(metric)} p50=${microseconds(p50)} p90=${microseconds(p90)} p99=${microseconds(p99)} p99.9=${microseconds(p999)} max=${microseconds(max)} samples=${count}`,
    ),
    ...Object.entries(workload.rates).map(
      ([metric, { min, median, max }]) => `  ${name} ${oneLine(metric)}/s min=${Math.round(min)} median=${Math.round(median)} max=${Math.round(max)}`,
    ),
    ...(workload.flood === undefined ? [] : floodLines(name, workload.flood)),
    ...baselineLines(name, workload.baseline),
    ...workload.thresholds.map(
      (threshold) =>
        `${paints[threshold.status](`${threshold.status === "passed" ? "✓" : threshold.status === "failed" ? "✗" : "?"} ${threshold.status}`)} ${name}: ${oneLine(threshold.text)}: ${marginText(threshold)}`,
    ),
    ...workload.generator.reasons.map((reason) => doubtful(`‼ ${name}: generator ${workload.generator.status}: ${oneLine(reason)}`)),
    ...workload.remarks.map((remark) => `  ${name}: ${oneLine(remark)}`),
  ];
}

function baselineLines(name: string, baseline: WorkloadRecord["baseline"]): string[] {
  return (baseline?.ratios ?? [])
    .map(ratioCells)
    .map(
      ([of, before, after, ratio, interval, verdict]) =>
        `  ${name} beside ${oneLine(baseline?.name ?? "")}: ${oneLine(of ?? "")} ${before} -> ${after}, ${ratio}x (${interval}) ${verdict}`,
    );
}

function floodLines(name: string, flood: FloodRecord): string[] {
  const { sentence, rows, notes } = floodRows(flood);
  return [
    `  ${name}: ${oneLine(sentence)}`,
    ...rows.map(([figure, before, during, after]) => `  ${name} beside the flood: ${figure} before=${before} during=${during} after=${after}`),
    ...notes.map((note) => `  ${name}: ${oneLine(note)}`),
  ];
}

function failures(report: Report, options: RenderOptions): string[] {
  const { strong, bad } = createPalette(options.colour);
  const groups = groupFailures(report.checks.filter(({ status }) => status === "failed" || status === "broken"));
  return groups.flatMap(({ lead, alike, consequences }) => [
    "",
    strong(bad(checkTitle(lead))),
    ...failureFields(lead)
      .filter(({ label }) => label !== "again")
      .map(({ label, text }) => `  ${label}: ${oneLine(text)}`),
    ...timelineLines(lead).map((text) => `    ${text}`),
    ...(alike.length === 0 ? [] : [`  alike: ${alike.map(checkTitle).join(", ")}`]),
    ...(consequences.length === 0 ? [] : [`  because of it: ${consequences.map(checkTitle).join(", ")}`]),
    ...(lead.reproduce === undefined ? [] : [`  again: ${oneLine(lead.reproduce)}`]),
  ]);
}

function counts(report: Report): string {
  const counted = statusCounts(report.checks);
  return verdictStatuses.map((status) => `${counted[status]} ${statusSigns[status].word}`).join(", ");
}
