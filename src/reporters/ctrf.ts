import type { Report } from "../core/report.js";
import type { Reporter } from "../core/reporter.js";
import { oneLine } from "./plain-text.js";
import { shellLine } from "./shell-words.js";
import { statusCounts } from "./summary.js";
import { testCases, type CaseOutcome, type TestCase } from "./test-cases.js";

/**
 * Common Test Report Format 1.0 (ctrf.io). Harness errors are `other`, unproven and not applicable `skipped`, known failures `pending`; `rawStatus` keeps our
 * own word. Times are whole milliseconds.
 */
export const ctrf: Reporter = {
  about: "Common Test Report Format, JSON that many CI tools read",
  fileName: "ctrf-report.json",
  render: (report) => `${JSON.stringify(ctrfReport(report), null, 2)}\n`,
};

const statusOf = { passed: "passed", failed: "failed", error: "other", skipped: "skipped", "expected-failure": "pending" } as const satisfies Record<
  CaseOutcome["kind"],
  string
>;

function ctrfReport(report: Report): object {
  const cases = testCases(report);
  const counted = (status: string): number => cases.filter(({ outcome }) => statusOf[outcome.kind] === status).length;
  const start = Date.parse(report.startedAt);
  const startMs = Number.isNaN(start) ? 0 : start;
  return {
    reportFormat: "CTRF",
    specVersion: "1.0.0",
    timestamp: report.startedAt,
    generatedBy: report.harness.name,
    results: {
      tool: { name: report.harness.name, version: report.harness.version, extra: { seed: report.seed, command: shellLine(report.command) } },
      summary: {
        tests: cases.length,
        passed: counted("passed"),
        failed: counted("failed"),
        skipped: counted("skipped"),
        pending: counted("pending"),
        other: counted("other"),
        flaky: cases.filter(({ check }) => check?.flaky !== undefined).length,
        suites: new Set(cases.map(({ group }) => group)).size,
        start: startMs,
        stop: startMs + Math.round(report.elapsedMs),
        duration: Math.round(report.elapsedMs),
        extra: { verdicts: statusCounts(report.checks), exitCode: report.exitCode, partial: report.partial },
      },
      tests: cases.map(ctrfTest),
      environment: {
        appName: oneLine(report.target.identity ?? report.target.contract.name),
        osPlatform: oneLine(report.environment.os),
        testEnvironment: report.environment.fingerprint,
        extra: { urls: report.target.urls.map(oneLine), contract: report.target.contract.hash, node: oneLine(report.environment.node) },
      },
    },
  };
}

function ctrfTest({ group, name, elapsedMs, outcome, check }: TestCase): object {
  return {
    name,
    status: statusOf[outcome.kind],
    duration: Math.round(elapsedMs),
    suite: group.split("."),
    rawStatus: check?.status ?? outcome.kind,
    type: check === undefined ? "load" : "conformance",
    ...said(outcome),
    ...(check === undefined ? {} : { tags: [check.level, check.transport], extra: { requirement: oneLine(check.requirement), clause: oneLine(check.clause) } }),
    // What did not pass at first was tried again.
    ...(check?.flaky === undefined ? {} : { flaky: true, retries: check.flaky - 1 }),
  };
}

function said(outcome: CaseOutcome): object {
  switch (outcome.kind) {
    case "passed":
      return outcome.note === undefined ? {} : { message: oneLine(outcome.note) };
    case "skipped":
    case "expected-failure":
      return { message: oneLine(outcome.reason) };
    case "failed":
    case "error":
      return {
        message: oneLine(outcome.message),
        trace: [...outcome.fields.map(({ label, text }) => `${label}: ${oneLine(text)}`), ...outcome.timeline].join("\n"),
      };
  }
}
