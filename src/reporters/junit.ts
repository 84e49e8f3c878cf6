import type { Report } from "../core/report.js";
import type { Reporter } from "../core/reporter.js";
import { shellLine } from "./shell-words.js";
import { testCases, type CaseOutcome, type TestCase } from "./test-cases.js";
import { xmlAttribute, xmlText } from "./xml.js";

/**
 * JUnit XML as CI servers read it: one suite for each topic and transport, `<failure>` for a target that is wrong, `<error>` for the harness or the
 * surroundings, `<skipped>` with its reason as text (several readers refuse a `message` there) for what was not judged. Times are seconds.
 */
export const junit: Reporter = {
  about: "JUnit XML, for the test view of CI servers",
  fileName: "junit.xml",
  render(report) {
    const cases = testCases(report);
    const groups = [...new Set(cases.map((testCase) => testCase.group))];
    const suites = groups.map((group) =>
      suiteElement(
        group,
        cases.filter((testCase) => testCase.group === group),
        report,
      ),
    );
    return ['<?xml version="1.0" encoding="UTF-8"?>', `<testsuites name="halfclose"${totals(cases)}>`, ...suites, "</testsuites>", ""].join("\n");
  },
};

function suiteElement(group: string, cases: readonly TestCase[], report: Report): string {
  return [
    `  <testsuite name="${xmlAttribute(group)}"${totals(cases)} timestamp="${xmlAttribute(report.startedAt.replace(/(\.\d+)?Z$/, ""))}">`,
    ...propertiesElement(report),
    ...cases.map(caseElement),
    "  </testsuite>",
  ].join("\n");
}

function totals(cases: readonly TestCase[]): string {
  const ofKind = (...kinds: readonly string[]): number => cases.filter((testCase) => kinds.includes(testCase.outcome.kind)).length;
  const elapsedMs = cases.reduce((sum, testCase) => sum + testCase.elapsedMs, 0);
  return ` tests="${cases.length}" failures="${ofKind("failed")}" errors="${ofKind("error")}" skipped="${ofKind("skipped", "expected-failure")}" time="${seconds(elapsedMs)}"`;
}

function propertiesElement(report: Report): string[] {
  const properties: readonly (readonly [string, string])[] = [
    ["harness", `${report.harness.name} ${report.harness.version}`],
    ["command", shellLine(report.command)],
    ["seed", String(report.seed)],
    ["urls", report.target.urls.join(" ")],
    ["contract", `${report.target.contract.name} ${report.target.contract.hash}`],
    ["environment", report.environment.fingerprint],
  ];
  return ["    <properties>", ...properties.map(([name, value]) => `      <property name="${name}" value="${xmlAttribute(value)}"/>`), "    </properties>"];
}

function caseElement(testCase: TestCase): string {
  const { outcome } = testCase;
  const open = `    <testcase classname="${xmlAttribute(testCase.group)}" name="${xmlAttribute(testCase.name)}" time="${seconds(testCase.elapsedMs)}"`;
  const wrapped = (...inside: readonly string[]): string => [`${open}>`, ...inside.map((element) => `      ${element}`), "    </testcase>"].join("\n");
  switch (outcome.kind) {
    case "passed":
      return outcome.note === undefined ? `${open}/>` : wrapped(`<system-out>${xmlText(outcome.note)}</system-out>`);
    case "failed":
      return wrapped(`<failure message="${xmlAttribute(outcome.message)}" type="failed">${xmlText(evidenceText(outcome))}</failure>`);
    case "error":
      return wrapped(`<error message="${xmlAttribute(outcome.message)}" type="broken">${xmlText(evidenceText(outcome))}</error>`);
    case "skipped":
    case "expected-failure":
      return wrapped(`<skipped>${xmlText(outcome.reason)}</skipped>`);
  }
}

function evidenceText(outcome: Extract<CaseOutcome, { kind: "failed" | "error" }>): string {
  const timeline = outcome.timeline.length === 0 ? [] : ["timeline (ms):", ...outcome.timeline];
  return [outcome.message, ...outcome.fields.map(({ label, text }) => `${label}: ${text}`), ...timeline].join("\n");
}

function seconds(elapsedMs: number): string {
  return (elapsedMs / 1000).toFixed(6);
}
