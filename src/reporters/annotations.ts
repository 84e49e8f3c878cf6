import type { Report } from "../core/report.js";
import { checkTitle } from "./failure-lines.js";
import { groupFailures, type FailureGroup } from "./failure-groups.js";
import { plural } from "./quantities.js";
import { testCases } from "./test-cases.js";

/** One thing to say beside a commit. Texts are as they came. */
export interface Annotation {
  readonly severity: "error" | "warning";
  readonly title: string;
  /** The first is the most telling. */
  readonly lines: readonly string[];
}

/** What deserves a reader's eye, the most telling first: problems of the run, failures by level and by how many others they explain, thresholds, warnings. */
export function annotations(report: Report): Annotation[] {
  const groups = (status: string, severity: Annotation["severity"]): Annotation[] =>
    groupFailures(report.checks.filter((check) => check.status === status)).map((group) => groupAnnotation(group, severity));
  const besides = testCases(report).flatMap(({ name, group, check, outcome }): { readonly group: string; readonly annotation: Annotation }[] =>
    check === undefined && (outcome.kind === "failed" || outcome.kind === "error")
      ? [{ group, annotation: { severity: "error", title: name, lines: [outcome.message, ...outcome.fields.map(({ text }) => text)] } }]
      : [],
  );
  const ofRun = besides.filter(({ group }) => group === "run").map(({ annotation }) => annotation);
  // A gate only sums up what the failures say one by one.
  const ofWorkloads = besides.filter(({ group }) => group.startsWith("workload.")).map(({ annotation }) => annotation);
  const ofGates = besides.filter(({ group }) => group === "gates").map(({ annotation }) => annotation);
  return [...ofRun, ...groups("failed", "error"), ...groups("broken", "error"), ...ofWorkloads, ...ofGates, ...groups("warned", "warning")];
}

function groupAnnotation({ lead, alike, consequences }: FailureGroup, severity: Annotation["severity"]): Annotation {
  return {
    severity,
    title: checkTitle(lead),
    lines: [
      lead.actual ?? lead.reason ?? lead.requirement,
      ...(lead.expected === undefined ? [] : [`expected: ${lead.expected}`]),
      `requirement (${lead.level}): ${lead.requirement}`,
      ...(alike.length === 0 ? [] : [`${plural(alike.length, "other")} alike: ${alike.map(checkTitle).join(", ")}`]),
      ...(consequences.length === 0 ? [] : [`${plural(consequences.length, "other")} because of it: ${consequences.map(checkTitle).join(", ")}`]),
      ...(lead.reproduce === undefined ? [] : [`again: ${lead.reproduce}`]),
    ],
  };
}
