import type { CheckRecord, Report } from "../../core/report.js";
import { checkTitle } from "../failure-lines.js";
import { oneLine } from "../plain-text.js";
import { statusSigns } from "../summary.js";
import { markup, none, type Markup } from "./markup.js";

const kinds = ["unproven", "known-failing", "not-applicable"] as const;

/** What was not judged, by reason: one missing thing usually explains many checks. */
export function unjudged(report: Report, anchors: ReadonlyMap<CheckRecord, string>): Markup {
  const rows = kinds.flatMap((status) => {
    const byReason = new Map<string, CheckRecord[]>();
    for (const check of report.checks.filter((candidate) => candidate.status === status)) {
      const reason = oneLine(check.reason ?? "no reason was given");
      byReason.set(reason, [...(byReason.get(reason) ?? []), check]);
    }
    const { sign, word } = statusSigns[status];
    return [...byReason].map(
      ([reason, checks]) =>
        markup`<li><span class="mark s-${status}"><span aria-hidden="true">${sign}</span> ${word}</span> ${reason} <span class="links">${checks.map((check) => markup`<a href="#${anchors.get(check)}">${checkTitle(check)}</a> `)}</span></li>`,
    );
  });
  return rows.length === 0 ? none : markup`<section class="unjudged" aria-labelledby="unjudged"><h2 id="unjudged">Not judged</h2><ul>${rows}</ul></section>`;
}
