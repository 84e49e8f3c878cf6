import type { CheckRecord, Report } from "../../core/report.js";
import { checkTitle, timelineLines } from "../failure-lines.js";
import { groupFailures } from "../failure-groups.js";
import { plural } from "../quantities.js";
import { statusSigns, topicOf } from "../summary.js";
import { copyable } from "./banner.js";
import { rowAnchor } from "./anchors.js";
import { markup, none, type Markup } from "./markup.js";
import { sequenceDiagram } from "./sequence-diagram.js";

/** Which results have a finding of their own, with a diagram and all. */
export function isFinding(check: CheckRecord): boolean {
  return check.status === "failed" || check.status === "broken" || check.status === "warned";
}

const kinds = [
  ["failed", "Failed"],
  ["broken", "Broken"],
  ["warned", "Warned"],
] as const;

/** With more findings than this their timelines as text are filled in by the page's script alone. */
const mostTexts = 60;
/** So many groups are shown unfolded. */
const openGroups = 4;

export interface FindingsOptions {
  readonly anchors: ReadonlyMap<CheckRecord, string>;
  readonly explanations: Readonly<Record<string, string>>;
  /** How many rows all diagrams may have together. */
  readonly diagramRows: number;
}

/** Each failure, grouped with those alike and with its consequences; the first of a group unfolded. */
export function findings(report: Report, options: FindingsOptions): Markup {
  const all = report.checks.filter(isFinding);
  if (all.length === 0) {
    return none;
  }
  const rows = Math.min(26, Math.floor(options.diagramRows / all.length));
  const texts = all.length <= mostTexts;
  const indexes = new Map(report.checks.map((check, index) => [check, index]));
  let number = 0;
  const sections = kinds.map(([status, title]) => {
    const groups = groupFailures(all.filter((check) => check.status === status));
    if (groups.length === 0) {
      return none;
    }
    const bodies = groups.map(({ lead, alike, consequences }) => {
      number++;
      const relatives = { alike, consequences };
      return markup`<div class="group">${finding(lead, { ...options, indexes, rows, texts, open: number <= openGroups, relatives })}${[...alike, ...consequences].map((check) => finding(check, { ...options, indexes, rows, texts, open: false, relatives: { alike: [], consequences: [] } }))}</div>`;
    });
    return markup`<h3>${title}</h3>${bodies}`;
  });
  return markup`<section class="findings" aria-labelledby="findings"><h2 id="findings">Findings</h2>${sections}</section>`;
}

interface FindingOptions extends FindingsOptions {
  /** Where a check stands in the report: the script finds its whole timeline by that. */
  readonly indexes: ReadonlyMap<CheckRecord, number>;
  readonly rows: number;
  readonly texts: boolean;
  readonly open: boolean;
  readonly relatives: { readonly alike: readonly CheckRecord[]; readonly consequences: readonly CheckRecord[] };
}

function finding(check: CheckRecord, options: FindingOptions): Markup {
  const title = checkTitle(check);
  const { sign, word } = statusSigns[check.status];
  const link = (other: CheckRecord): Markup => markup`<a href="#${options.anchors.get(other)}">${checkTitle(other)}</a> `;
  const { alike, consequences } = options.relatives;
  const explanation = options.explanations[check.id];
  return markup`<details class="finding s-${check.status}" id="${options.anchors.get(check)}" data-index="${options.indexes.get(check)}" data-id="${check.id}" data-topic="${topicOf(check.id)}" data-transport="${check.transport}" data-status="${check.status}"${options.open ? markup` open` : none}>
<summary><span class="mark s-${check.status}"><span aria-hidden="true">${sign}</span> ${word}</span> <span class="id">${title}</span> <span class="seen">${check.actual ?? check.reason}</span></summary>
<div class="body"><p class="requirement">${check.requirement} <span class="faint">${check.level}; ${check.clause}</span></p>
<dl class="facts">${field("expected", check.expected)}${field("actual", check.actual)}${field(check.status === "broken" ? "cause" : "reason", check.reason)}${field("streams ended", check.ends.length === 0 ? undefined : check.ends.join(", "))}${
    check.consequenceOf === undefined
      ? none
      : markup`<div><dt>follows from</dt><dd><a href="#${rowAnchor(check.consequenceOf)}">${check.consequenceOf}</a></dd></div>`
  }${alike.length === 0 ? none : markup`<div><dt>${plural(alike.length, "other")} alike</dt><dd class="relatives">${alike.map(link)}</dd></div>`}${
    consequences.length === 0
      ? none
      : markup`<div><dt>${plural(consequences.length, "consequence")}</dt><dd class="relatives">${consequences.map(link)}</dd></div>`
  }${field("usually", explanation)}${check.reproduce === undefined ? none : markup`<div><dt>again</dt><dd>${copyable(check.reproduce, "line that runs it again")}</dd></div>`}</dl>
<div class="exchange">${sequenceDiagram(check, title, options.rows)}${timeline(check, options.texts)}</div></div></details>`;
}

function field(label: string, content: string | undefined): Markup {
  return content === undefined ? none : markup`<div><dt>${label}</dt><dd>${content}</dd></div>`;
}

function timeline(check: CheckRecord, withText: boolean): Markup {
  const events = check.timeline ?? [];
  if (events.length === 0) {
    return none;
  }
  const dropped = check.timelineDropped === undefined || check.timelineDropped === 0 ? "" : `, ${plural(check.timelineDropped, "more event")} not kept`;
  return markup`<details class="timeline"><summary>Timeline as text: ${plural(events.length, "event")}${dropped}</summary><pre tabindex="0" aria-label="Timeline in milliseconds since the check began">${
    withText
      ? timelineLines(check).map(
          (line) => markup`${line}
`,
        )
      : none
  }</pre></details>`;
}
