import type { Report } from "../core/report.js";
import type { Reporter } from "../core/reporter.js";
import { oneLine, printableLines } from "./plain-text.js";
import { statusCounts } from "./summary.js";
import { testCases, type CaseOutcome, type TestCase } from "./test-cases.js";

/** TAP 13 (`prove` refuses 14): `# SKIP` for what was not judged, `# TODO` for known failures, diagnostics as YAML, `Bail out!` after an interruption. */
export const tap: Reporter = {
  about: "TAP 13, for prove and other TAP readers",
  fileName: "results.tap",
  render(report) {
    const cases = testCases(report);
    const lines = [
      "TAP version 13",
      ...header(report),
      `1..${cases.length}`,
      ...cases.flatMap((testCase, index) => caseLines(testCase, index + 1)),
      ...footer(report),
    ];
    return `${lines.join("\n")}\n`;
  },
};

function header(report: Report): string[] {
  return [`# ${report.harness.name} ${report.harness.version}, seed ${report.seed}`, ...report.target.urls.map((url) => `# target ${oneLine(url)}`)];
}

function caseLines(testCase: TestCase, number: number): string[] {
  const { outcome } = testCase;
  const title = `${number} - ${description(testCase.name)}`;
  switch (outcome.kind) {
    case "passed":
      return [`ok ${title}`, ...(outcome.note === undefined ? [] : comment(outcome.note))];
    case "failed":
    case "error":
      return [`not ok ${title}`, ...diagnostics(outcome)];
    case "skipped":
      return [`ok ${title} # SKIP ${description(outcome.reason)}`];
    case "expected-failure":
      return [`not ok ${title} # TODO ${description(outcome.reason)}`];
  }
}

// Every line has a key, the timeline's too: the reader `tap-out` stumbles over list items.
function diagnostics(outcome: Extract<CaseOutcome, { kind: "failed" | "error" }>): string[] {
  const { kind, message, fields, timeline } = outcome;
  return [
    "  ---",
    `  message: ${yamlString(message)}`,
    `  severity: ${kind === "failed" ? "fail" : "broken"}`,
    ...fields.map(
      ({ label, text }, index) => `  ${fields.findIndex((field) => field.label === label) === index ? label : `${label}_${index}`}: ${yamlString(text)}`,
    ),
    ...(timeline.length === 0 ? [] : ["  timeline:", ...timeline.map((line, index) => `    ${String(index + 1).padStart(2, "0")}: ${yamlString(line)}`)]),
    "  ...",
  ];
}

// Single quotes, because the YAML of `prove` takes a double-quoted `"word: …` for a key; the text is printable, so nothing needs a backslash.
function yamlString(text: string): string {
  return `'${oneLine(text).replaceAll("'", "''")}'`;
}

/** A description may hold neither a line break nor a bare `#`, which would begin a directive. */
function description(text: string): string {
  return oneLine(text).replaceAll("\\", "\\\\").replaceAll("#", "\\#");
}

function comment(text: string): string[] {
  return printableLines(text).map((line) => `# ${line}`);
}

function footer(report: Report): string[] {
  const counts = Object.entries(statusCounts(report.checks)).map(([status, number]) => `${number} ${status}`);
  const summary = [`# ${counts.join(", ")}`, `# exit code ${report.exitCode}`];
  return report.partial ? [...summary, "Bail out! The run was interrupted."] : summary;
}
