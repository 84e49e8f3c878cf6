import type { CheckRecord, Report } from "../core/report.js";
import { checkTitle, timelineLines } from "./failure-lines.js";
import { groupFailures, type FailureGroup } from "./failure-groups.js";
import { oneLine, truncate, wrap } from "./plain-text.js";
import { plural } from "./quantities.js";
import { statusSigns } from "./summary.js";
import { labelledLines, listLines, type Page } from "./text-page.js";

const kinds = [
  { status: "failed", title: "Failed" },
  { status: "broken", title: "Broken" },
  { status: "warned", title: "Warned" },
] as const;

/** Failures, then what broke, then warnings; each group of those alike once, its first one in full. */
export function failureSection(report: Report, page: Page): string[] {
  const blocks = kinds.flatMap(({ status, title }) => {
    const groups = groupFailures(report.checks.filter((check) => check.status === status));
    return groups.length === 0 ? [] : [[page.palette.strong(title)], ...groups.map((group) => groupLines(group, page))];
  });
  return blocks.flatMap((lines, index) => (index === 0 ? lines : ["", ...lines]));
}

function groupLines(group: FailureGroup, page: Page): string[] {
  const { lead, alike, consequences } = group;
  const { palette } = page;
  const explanation = page.options.explanations?.[lead.id];
  return [
    palette.status(lead.status, `${statusSigns[lead.status].sign} ${checkTitle(lead)}`),
    ...wrap(oneLine(lead.requirement), page.columns - 2).map((line) => `  ${line}`),
    ...labelledLines("level", `${lead.level}; ${lead.clause}`, page),
    ...optional("expected", lead.expected, page),
    ...optional("actual", lead.actual, page),
    ...optional("cause", lead.reason, page),
    ...optional("follows", lead.consequenceOf === undefined ? undefined : `from ${lead.consequenceOf}`, page),
    ...optional("ended", lead.ends.length === 0 ? undefined : lead.ends.join(", "), page),
    ...timeline(lead, page),
    ...others("alike", `${plural(alike.length, "other")} ${alike.length === 1 ? "fails" : "fail"} alike:`, alike, page),
    ...others("then", `${plural(consequences.length, "other")} ${consequences.length === 1 ? "fails" : "fail"} because of it:`, consequences, page),
    ...optional("usually", explanation, page),
    // A line to paste must stay one line, however wide the terminal is.
    ...(lead.reproduce === undefined ? [] : [`  ${palette.faint("again")}`, `  ${palette.strong(oneLine(lead.reproduce))}`]),
  ];
}

function optional(label: string, content: string | undefined, page: Page): string[] {
  return content === undefined ? [] : labelledLines(label, content, page);
}

function timeline(check: CheckRecord, page: Page): string[] {
  if (check.timeline === undefined || check.timeline.length === 0) {
    return [];
  }
  const { palette } = page;
  const lines = timelineLines(check).map((line) => {
    const cut = truncate(line, page.columns - 4);
    return `    ${cut.startsWith("»") ? palette.bad(cut) : cut.includes(" → ") ? palette.sent(cut) : cut}`;
  });
  const dropped = check.timelineDropped === undefined || check.timelineDropped === 0 ? "" : `, ${plural(check.timelineDropped, "event")} not kept`;
  return [palette.faint(`  timeline  in ms since the check began${dropped}`), ...lines];
}

function others(label: string, sentence: string, checks: readonly CheckRecord[], page: Page): string[] {
  if (checks.length === 0) {
    return [];
  }
  return [...labelledLines(label, sentence, page), ...listLines(checks.map(checkTitle), page, 12)];
}
