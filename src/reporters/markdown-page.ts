import type { CheckRecord, FloodRecord, Report, WorkloadRecord } from "../core/report.js";
import { verdictStatuses } from "../core/verdict.js";
import { checkTitle, failureFields, timelineLines } from "./failure-lines.js";
import { groupFailures, type FailureGroup } from "./failure-groups.js";
import { floodRows } from "./flood-rows.js";
import { codeBlock, codeSpan, prose } from "./markdown-text.js";
import { count, microseconds, milliseconds, plural } from "./quantities.js";
import { ratioCells, ratioTitles } from "./ratio-rows.js";
import { shellLine } from "./shell-words.js";
import { headline, statusCounts, statusSigns, topicRows, transportsOf } from "./summary.js";
import { marginText } from "./text-load.js";

/** The report as GitHub-flavoured Markdown of at most so many bytes: sections are added by weight while they fit, and what is left out is counted. */
export function markdownPage(report: Report, mostBytes: number, explanations: Readonly<Record<string, string>>): string {
  const sections = [
    heading(report),
    problems(report),
    matrix(report),
    ...failureGroups(report, explanations),
    ...report.workloads.map(workload),
    unjudged(report),
    footer(report),
  ].filter((lines) => lines.length > 0);
  const kept: string[] = [];
  let left = 0;
  // Room for the sentence about what was left out.
  let room = mostBytes - 200;
  for (const section of sections.map((lines) => `${lines.join("\n")}\n`)) {
    const bytes = Buffer.byteLength(section) + 1;
    if (bytes > room) {
      left++;
      continue;
    }
    room -= bytes;
    kept.push(section);
  }
  if (left > 0) {
    kept.push(`_${plural(left, "more section")} did not fit here; the HTML report has all._\n`);
  }
  return kept.join("\n");
}

const toneSigns = { good: "✅", bad: "❌", doubtful: "⚠️" } as const;

function heading(report: Report): string[] {
  const { word, sentence, tone } = headline(report);
  const counts = statusCounts(report.checks);
  const counted = verdictStatuses.filter((status) => counts[status] > 0).map((status) => `${counts[status]} ${statusSigns[status].word}`);
  return [
    `## ${toneSigns[tone]} halfclose: ${word.toLowerCase()}`,
    "",
    sentence,
    "",
    ...(counted.length === 0 ? [] : [`**${plural(report.checks.length, "check")}**: ${counted.join(", ")}`, ""]),
    ...report.target.urls.map((url) => `- target ${codeSpan(url)}`),
    ...report.gates.map((gate) => `- ${gate.status === "passed" ? "✓" : "✗"} gate ${codeSpan(gate.name)}: ${codeSpan(gate.detail)}`),
  ];
}

function problems(report: Report): string[] {
  return report.problems.length === 0 ? [] : ["### Problems", "", ...report.problems.map((problem) => `- ${codeSpan(problem)}`)];
}

function matrix(report: Report): string[] {
  const transports = transportsOf(report.checks);
  if (transports.length === 0) {
    return [];
  }
  const cell = (checks: readonly CheckRecord[]): string => {
    const counts = statusCounts(checks);
    return verdictStatuses
      .filter((status) => counts[status] > 0)
      .map((status) => `${counts[status]} ${statusSigns[status].sign}`)
      .join(" ");
  };
  const statuses = verdictStatuses.filter((status) => report.checks.some((check) => check.status === status));
  return [
    `| topic | ${transports.join(" | ")} |`,
    `|-|${transports.map(() => "-|").join("")}`,
    ...topicRows(report.checks).map(
      ({ topic, byTransport }) => `| ${codeSpan(topic)} | ${transports.map((transport) => cell(byTransport[transport])).join(" | ")} |`,
    ),
    "",
    `<sub>${statuses.map((status) => `${statusSigns[status].sign} ${statusSigns[status].word}`).join(" · ")}</sub>`,
  ];
}

function failureGroups(report: Report, explanations: Readonly<Record<string, string>>): string[][] {
  const kinds = [
    ["failed", "### Failed"],
    ["broken", "### Broken"],
    ["warned", "### Warned"],
  ] as const;
  return kinds.flatMap(([status, title]) => {
    const groups = groupFailures(report.checks.filter((check) => check.status === status));
    return groups.map((group, index) => [...(index === 0 ? [title, ""] : []), ...failureGroup(group, explanations)]);
  });
}

function failureGroup({ lead, alike, consequences }: FailureGroup, explanations: Readonly<Record<string, string>>): string[] {
  const fields = failureFields(lead).filter(({ label }) => label === "expected" || label === "actual" || label === "reason" || label === "ends");
  const explanation = explanations[lead.id];
  return [
    `${statusSigns[lead.status].sign} **${codeSpan(checkTitle(lead))}** ${lead.level}, ${codeSpan(lead.clause)}`,
    "",
    prose(lead.requirement),
    "",
    ...fields.map(({ label, text }) => `- ${label}: ${codeSpan(text)}`),
    ...(alike.length === 0 ? [] : [`- ${plural(alike.length, "other")} alike: ${alike.map((check) => codeSpan(checkTitle(check))).join(", ")}`]),
    ...(consequences.length === 0
      ? []
      : [`- ${plural(consequences.length, "other")} because of it: ${consequences.map((check) => codeSpan(checkTitle(check))).join(", ")}`]),
    ...(explanation === undefined ? [] : [`- usually: ${prose(explanation)}`]),
    ...(lead.reproduce === undefined && lead.timeline === undefined
      ? []
      : folded("timeline and how to see it again", [...timelineLines(lead), ...(lead.reproduce === undefined ? [] : ["", lead.reproduce])])),
  ];
}

function folded(title: string, lines: readonly string[]): string[] {
  return ["", `<details><summary>${title}</summary>`, "", ...codeBlock(lines), "", "</details>"];
}

function workload(record: WorkloadRecord): string[] {
  const latencies = Object.entries(record.histograms).filter(([, histogram]) => histogram.count > 0);
  const rates = Object.entries(record.rates);
  return [
    `### Workload ${codeSpan(record.name)}`,
    "",
    `${plural(record.streams, "stream")} over ${record.transports.join(" and ")}, ${count(Math.round(record.elapsedSeconds))} s, generator ${record.generator.status === "valid" ? "valid" : "**invalid: the numbers are neither pass nor fail**"}`,
    ...record.generator.reasons.map((reason) => `- ${codeSpan(reason)}`),
    ...(record.thresholds.length === 0
      ? []
      : [
          "",
          "| threshold | | measured |",
          "|-|-|-|",
          ...record.thresholds.map(
            (threshold) =>
              `| ${codeSpan(threshold.text)} | ${threshold.status === "passed" ? "✓" : threshold.status === "failed" ? "✗" : "?"} ${threshold.status} | ${codeSpan(marginText(threshold))} |`,
          ),
        ]),
    ...(record.baseline === undefined || record.baseline.ratios.length === 0
      ? []
      : [
          "",
          `Compared with ${codeSpan(record.baseline.name)}:`,
          "",
          `| ${ratioTitles.join(" | ")} |`,
          "|-|-:|-:|-:|-:|-|",
          ...record.baseline.ratios.map(ratioCells).map(([of = "", ...cells]) => `| ${[codeSpan(of), ...cells].join(" | ")} |`),
        ]),
    ...(latencies.length === 0
      ? []
      : [
          "",
          "| latency | p50 | p90 | p99 | p99.9 | samples |",
          "|-|-:|-:|-:|-:|-:|",
          ...latencies.map(
            ([name, { p50, p90, p99, p999, count: samples }]) =>
              `| ${codeSpan(name)} | ${[p50, p90, p99, p999].map(microseconds).join(" | ")} | ${count(samples)} |`,
          ),
        ]),
    ...(rates.length === 0
      ? []
      : [
          "",
          "| per second | min | median | max |",
          "|-|-:|-:|-:|",
          ...rates.map(([name, { min, median, max }]) => `| ${codeSpan(name)} | ${[min, median, max].map(count).join(" | ")} |`),
        ]),
    ...(record.flood === undefined ? [] : floodTable(record.flood)),
    ...(record.remarks.length === 0 ? [] : ["", ...record.remarks.map((remark) => `- ${codeSpan(remark)}`)]),
  ];
}

function floodTable(flood: FloodRecord): string[] {
  const { sentence, rows, notes } = floodRows(flood);
  return [
    "",
    codeSpan(sentence),
    "",
    "| the streams beside the flood | before | during | after |",
    "|-|-:|-:|-:|",
    ...rows.map((cells) => `| ${cells.join(" | ")} |`),
    ...(notes.length === 0 ? [] : ["", ...notes.map((note) => `- ${codeSpan(note)}`)]),
  ];
}

function unjudged(report: Report): string[] {
  const checks = report.checks.filter(({ status }) => status === "unproven" || status === "known-failing");
  if (checks.length === 0) {
    return [];
  }
  return [
    "<details><summary>Unproven and known failing</summary>",
    "",
    "| check | | reason |",
    "|-|-|-|",
    ...checks.map((check) => `| ${codeSpan(checkTitle(check))} | ${statusSigns[check.status].word} | ${codeSpan(check.reason ?? "")} |`),
    "",
    "</details>",
  ];
}

function footer(report: Report): string[] {
  return [
    `<sub>halfclose ${prose(report.harness.version)}, ${milliseconds(report.elapsedMs)}, seed ${report.seed}, exit code ${report.exitCode}, ${codeSpan(shellLine(report.command))}</sub>`,
  ];
}
