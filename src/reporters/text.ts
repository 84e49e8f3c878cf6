import type { CheckRecord, Report, RunEvent } from "../core/report.js";
import type { RenderOptions, Reporter } from "../core/reporter.js";
import { verdictStatuses } from "../core/verdict.js";
import { checkTitle } from "./failure-lines.js";
import { createPalette } from "./palette.js";
import { columnsOf, oneLine, padEnd, truncate, withoutCommands, wrap } from "./plain-text.js";
import { count, milliseconds, plural } from "./quantities.js";
import { headline, statusCounts, statusSigns, topicRows, transportsOf } from "./summary.js";
import { shellLine } from "./shell-words.js";
import { failureSection } from "./text-failures.js";
import { progressLine, workloadSection } from "./text-load.js";
import { labelledLines, listLines, rowsOf, type Page } from "./text-page.js";

/** The report for a person at a terminal: what was run, a matrix of signs, each kind of failure once and in full, the counts. */
export const text: Reporter = {
  about: "for people: a matrix, failures explained, latency tables (default on a terminal)",
  progress: (event, options) => withoutCommands(progress(event, options)),
  render(report, options) {
    const columns = Math.max(40, options.columns);
    const page: Page = { columns, palette: createPalette(options.colour), options };
    const sections = [
      banner(report, page),
      matrix(report, page),
      options.verbose === true ? passedSection(report, page) : [],
      failureSection(report, page),
      unjudgedSection(report, page),
      closeToBoundSection(report, page),
      ...report.workloads.map((workload) => workloadSection(workload, page)),
      problemSection(report, page),
      summary(report, page),
    ];
    const filled = sections.filter((lines) => lines.length > 0).map((lines) => lines.join("\n"));
    return withoutCommands(`${filled.join("\n\n")}\n`);
  },
};

function progress(event: RunEvent, options: RenderOptions): string {
  const { status, strong } = createPalette(options.colour);
  switch (event.kind) {
    case "started":
      return event.total === 0 ? "" : `Running ${strong(plural(event.total, "check"))} on ${event.urls.map(oneLine).join(" and ")}\n`;
    case "check-finished": {
      const { record } = event;
      const quiet = record.status === "passed" || record.status === "not-applicable" || record.status === "unproven" || record.status === "known-failing";
      return quiet ? "" : `${status(record.status, `${statusSigns[record.status].sign} ${checkTitle(record)}`)}\n`;
    }
    case "workload-progress":
      return `${progressLine(event)}\n`;
    case "note":
      return `${oneLine(event.text)}\n`;
    case "check-started":
    case "finished":
      return "";
  }
}

function banner(report: Report, page: Page): string[] {
  const { palette } = page;
  const { word, sentence, tone } = headline(report);
  const { target } = report;
  const [first = "(none)", ...others] = target.urls;
  return [
    `${palette.strong("halfclose")} ${oneLine(report.harness.version)}  ${palette.strong(palette[tone](word))}`,
    ...wrap(sentence, page.columns).map(palette.faint),
    "",
    ...labelledLines("target", first, page),
    ...others.flatMap((url) => labelledLines("", url, page)),
    ...(target.identity === undefined ? [] : labelledLines("", target.identity, page)),
    ...labelledLines("contract", `${target.contract.name} (${target.contract.source}), suite ${target.suite}`, page),
    ...labelledLines("command", shellLine(report.command), page),
    ...labelledLines("took", `${milliseconds(report.elapsedMs)}, seed ${report.seed}`, page),
  ];
}

function matrix(report: Report, page: Page): string[] {
  const rows = topicRows(report.checks);
  if (rows.length === 0) {
    return [];
  }
  const { palette } = page;
  const transports = transportsOf(report.checks);
  const topicColumns = Math.min(24, Math.max(5, ...rows.map(({ topic }) => columnsOf(oneLine(topic)))));
  const cellColumns = Math.max(1, Math.floor((page.columns - 2 - topicColumns) / transports.length) - 2);
  const lines = [palette.faint(`  ${padEnd("topic", topicColumns)}  ${transports.map((transport) => padEnd(transport, cellColumns)).join("  ")}`.trimEnd())];
  for (const { topic, byTransport } of rows) {
    const height = Math.max(...transports.map((transport) => Math.ceil(byTransport[transport].length / cellColumns)));
    for (let line = 0; line < height; line++) {
      const cells = transports.map((transport) => {
        const checks = byTransport[transport].slice(line * cellColumns, (line + 1) * cellColumns);
        return checks.map(({ status }) => palette.status(status, statusSigns[status].sign)).join("") + " ".repeat(cellColumns - checks.length);
      });
      lines.push(`  ${padEnd(line === 0 ? truncate(oneLine(topic), topicColumns) : "", topicColumns)}  ${cells.join("  ")}`.trimEnd());
    }
  }
  const counts = statusCounts(report.checks);
  const legend = verdictStatuses.filter((status) => counts[status] > 0).map((status) => `${statusSigns[status].sign} ${statusSigns[status].word}`);
  return [...lines, "", ...rowsOf(legend, "   ", page.columns - 2).map((row) => palette.faint(`  ${row.join("   ")}`))];
}

function passedSection(report: Report, page: Page): string[] {
  const passed = report.checks.filter(({ status }) => status === "passed");
  if (passed.length === 0) {
    return [];
  }
  return [
    page.palette.strong("Passed"),
    ...passed.map((check) => {
      const used =
        check.usedMs === undefined || check.boundMs === undefined
          ? milliseconds(check.elapsedMs)
          : `${milliseconds(check.usedMs)} of ${milliseconds(check.boundMs)}`;
      return `  ${page.palette.good("✓")} ${checkTitle(check)}  ${page.palette.faint(used)}`;
    }),
  ];
}

/** What was not judged, by its reason: one missing thing usually explains many checks. */
function unjudgedSection(report: Report, page: Page): string[] {
  const kinds = ["unproven", "not-applicable", "known-failing"] as const;
  const lines = kinds.flatMap((status) => {
    const byReason = new Map<string, CheckRecord[]>();
    for (const check of report.checks.filter((candidate) => candidate.status === status)) {
      const reason = oneLine(check.reason ?? "no reason was given");
      byReason.set(reason, [...(byReason.get(reason) ?? []), check]);
    }
    const { sign, word } = statusSigns[status];
    return [...byReason].flatMap(([reason, checks]) => {
      const [first = "", ...rest] = wrap(`${word}: ${status === "unproven" ? "lacked " : ""}${reason}`, page.columns - 4);
      // Not applicable is the contract's own word: whose checks those are is seen with --verbose.
      const names = status === "not-applicable" && page.options.verbose !== true ? [] : listLines(checks.map(checkTitle), page, 6).map(page.palette.faint);
      const number = checks.length === 1 ? "" : page.palette.faint(` (${checks.length})`);
      return [`  ${page.palette.status(status, sign)} ${first}${rest.length === 0 ? number : ""}`, ...rest.map((line) => `    ${line}`), ...names];
    });
  });
  return lines.length === 0 ? [] : [page.palette.strong("Not judged"), ...lines];
}

/** Passed, but only just, or only on a retry: the next run may say otherwise. */
function closeToBoundSection(report: Report, page: Page): string[] {
  const flaky = report.checks.filter((check) => check.flaky !== undefined);
  const close = report.checks.filter(
    (check) => check.status === "passed" && check.usedMs !== undefined && check.boundMs !== undefined && check.usedMs > 0.75 * check.boundMs,
  );
  const lines = [
    ...flaky.flatMap((check) => labelledLines("flaky", `${checkTitle(check)} passed on attempt ${count(check.flaky ?? 0)}`, page)),
    ...close.flatMap((check) =>
      labelledLines("close", `${checkTitle(check)} used ${milliseconds(check.usedMs ?? 0)} of its ${milliseconds(check.boundMs ?? 0)}`, page),
    ),
  ];
  return lines.length === 0 ? [] : [page.palette.strong("Passed narrowly"), ...lines];
}

function problemSection(report: Report, page: Page): string[] {
  if (report.problems.length === 0) {
    return [];
  }
  return [
    page.palette.strong("Problems"),
    ...report.problems.flatMap((problem) =>
      wrap(oneLine(problem), page.columns - 4).map((line, index) => `  ${index === 0 ? page.palette.bad("‼") : " "} ${line}`),
    ),
  ];
}

function summary(report: Report, page: Page): string[] {
  const { palette } = page;
  const counts = statusCounts(report.checks);
  const gates = report.gates.flatMap(({ name, status, detail }) => {
    const sign = status === "passed" ? palette.good("✓") : palette.bad("✗");
    return wrap(`gate: ${oneLine(name)}: ${oneLine(detail)}`, page.columns - 4).map((line, index) => `  ${index === 0 ? sign : " "} ${line}`);
  });
  const words = new Map(verdictStatuses.map((status) => [`${counts[status]} ${statusSigns[status].word}`, status]));
  const rows = rowsOf([...words.keys()], ", ", page.columns - 3);
  const painted = rows.map((row) =>
    row
      .map((word) => {
        const status = words.get(word);
        return status === undefined || counts[status] === 0 ? palette.faint(word) : palette.status(status, word);
      })
      .join(", "),
  );
  return [
    ...gates,
    ...(report.checks.length === 0
      ? []
      : [`${palette.strong(plural(report.checks.length, "check"))}:`, ...painted.map((line, index) => `  ${line}${index < painted.length - 1 ? "," : ""}`)]),
    palette.faint(`exit code ${report.exitCode}`),
  ];
}
