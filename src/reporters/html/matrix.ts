import type { Transport } from "../../core/contract.js";
import type { CheckRecord, Report } from "../../core/report.js";
import { verdictStatuses } from "../../core/verdict.js";
import { milliseconds, plural } from "../quantities.js";
import { statusCounts, statusSigns, topicOf, topicRows, transportsOf } from "../summary.js";
import { rowAnchor } from "./anchors.js";
import { markup, none, type Markup } from "./markup.js";

/** Names of the transports as people write them. */
export const transportNames = { grpc: "gRPC", ws: "WebSocket" } as const satisfies Record<Transport, string>;

/** A strip of signs for each topic: the whole run at a glance. Its links are for the pointer; the table below has the same for everyone. */
export function overview(report: Report, anchors: ReadonlyMap<CheckRecord, string>): Markup {
  const transports = transportsOf(report.checks);
  if (transports.length === 0) {
    return none;
  }
  const cell = (checks: readonly CheckRecord[]): Markup => {
    const counts = statusCounts(checks);
    const spoken = verdictStatuses.filter((status) => counts[status] > 0).map((status) => `${counts[status]} ${statusSigns[status].word}`);
    return markup`<td><span class="unseen">${spoken.join(", ")}</span><span class="strip" aria-hidden="true">${checks.map(
      (check) =>
        markup`<a tabindex="-1" class="s-${check.status}" href="#${anchors.get(check)}" title="${check.id}: ${statusSigns[check.status].word}">${statusSigns[check.status].sign}</a>`,
    )}</span></td>`;
  };
  return markup`<section class="overview" aria-labelledby="overview"><h2 id="overview">At a glance</h2><table>
<thead><tr><th scope="col">topic</th>${transports.map((transport) => markup`<th scope="col">${transportNames[transport]}</th>`)}</tr></thead>
<tbody>${topicRows(report.checks).map(({ topic, byTransport }) => markup`<tr><th scope="row">${topic}</th>${transports.map((transport) => cell(byTransport[transport]))}</tr>`)}</tbody></table></section>`;
}

/** Every check by transport, with how its streams ended and how much of its bound it used. */
export function matrix(report: Report, anchors: ReadonlyMap<CheckRecord, string>, hasFinding: (check: CheckRecord) => boolean): Markup {
  const transports = transportsOf(report.checks);
  if (transports.length === 0) {
    return none;
  }
  const ids = [...new Set(report.checks.map(({ id }) => id))];
  const topics = [...new Set(ids.map(topicOf))];
  const row = (id: string): Markup => {
    const checks = report.checks.filter((check) => check.id === id);
    const [first] = checks;
    return markup`<tr role="row" class="check" id="${rowAnchor(id)}" data-topic="${topicOf(id)}">
<th role="rowheader" scope="row"><a class="id" href="#${rowAnchor(id)}">${id}</a>${first?.level === "must" ? none : markup` <span class="level">${first?.level}</span>`}<span class="requirement">${first?.requirement}</span></th>
${transports.map((transport) =>
  resultCells(
    checks.filter((check) => check.transport === transport),
    transport,
    anchors,
    hasFinding,
  ),
)}</tr>`;
  };
  return markup`<section class="matrix" aria-labelledby="checks"><h2 id="checks">Checks</h2>
${toolbar(report, topics, transports)}
<table role="table" aria-label="Every check by transport">
<thead role="rowgroup"><tr role="row"><th role="columnheader" scope="col">check</th>${transports.map(
    (transport) =>
      markup`<th role="columnheader" scope="col" data-transport="${transport}">${transportNames[transport]}</th><th role="columnheader" scope="col" data-transport="${transport}">streams ended</th>`,
  )}</tr></thead>
${topics.map((topic) => markup`<tbody role="rowgroup" data-topic="${topic}"><tr role="row" class="topic"><th role="columnheader" scope="colgroup" colspan="${1 + 2 * transports.length}">${topic}</th></tr>${ids.filter((id) => topicOf(id) === topic).map(row)}</tbody>`)}
</table><p class="nothing" hidden>No check matches these filters. <button type="button" class="reset">Show all</button></p></section>`;
}

function resultCells(
  checks: readonly CheckRecord[],
  transport: Transport,
  anchors: ReadonlyMap<CheckRecord, string>,
  hasFinding: (check: CheckRecord) => boolean,
): Markup {
  if (checks.length === 0) {
    return markup`<td role="cell" class="absent" data-transport="${transport}"><span class="unseen">does not apply to ${transportNames[transport]}</span></td><td role="cell" class="absent" data-transport="${transport}"></td>`;
  }
  return markup`<td role="cell" data-transport="${transport}" data-label="${transportNames[transport]}">${checks.map((check) => result(check, anchors.get(check) ?? "", hasFinding(check)))}</td><td role="cell" class="ends" data-transport="${transport}" data-label="ended">${checks.map((check) => ends(check))}</td>`;
}

function result(check: CheckRecord, anchor: string, linked: boolean): Markup {
  const { sign, word } = statusSigns[check.status];
  const said = markup`<span class="sign" aria-hidden="true">${sign}</span> ${word}`;
  const flaky = check.flaky === undefined ? none : markup` <span class="note">flaky, attempt ${check.flaky}</span>`;
  const status = markup`data-status="${check.status}" data-transport="${check.transport}"`;
  return linked
    ? markup`<div class="result" ${status}><a class="mark s-${check.status}" href="#${anchor}">${said}</a>${flaky}${used(check)}</div>`
    : markup`<div class="result" ${status} id="${anchor}"><span class="mark s-${check.status}">${said}</span>${flaky}${check.reason === undefined ? used(check) : markup` <span class="note">${check.reason}</span>`}</div>`;
}

function used({ usedMs, boundMs }: CheckRecord): Markup {
  if (usedMs === undefined || boundMs === undefined || boundMs <= 0) {
    return none;
  }
  const close = usedMs > 0.75 * boundMs;
  return markup` <span class="used${close ? " close" : ""}" title="the longest wait used ${milliseconds(usedMs)} of its bound of ${milliseconds(boundMs)}">${milliseconds(usedMs)}${close ? markup` of ${milliseconds(boundMs)}` : none}</span>`;
}

function ends(check: CheckRecord): Markup {
  const counted = new Map<string, number>();
  for (const end of check.ends) {
    counted.set(end, (counted.get(end) ?? 0) + 1);
  }
  return markup`<div>${[...counted].map(([end, times]) => markup`<code>${end}</code>${times === 1 ? none : markup`<span class="faint"> ×${times}</span>`} `)}</div>`;
}

function toolbar(report: Report, topics: readonly string[], transports: readonly Transport[]): Markup {
  const counts = statusCounts(report.checks);
  const present = verdictStatuses.filter((status) => counts[status] > 0);
  return markup`<form class="filters" role="search" aria-label="Filter checks" hidden>
<fieldset><legend>verdict</legend>${present.map(
    (status) =>
      markup`<label class="chip s-${status}"><input type="checkbox" name="status" value="${status}" checked> <span aria-hidden="true">${statusSigns[status].sign}</span> ${statusSigns[status].word} <b>${counts[status]}</b></label>`,
  )}</fieldset>
<label>transport <select name="transport"><option value="">all</option>${transports.map((transport) => markup`<option value="${transport}">${transportNames[transport]}</option>`)}</select></label>
<label>topic <select name="topic"><option value="">all</option>${topics.map((topic) => markup`<option>${topic}</option>`)}</select></label>
<label>text <input type="search" name="text" autocomplete="off" spellcheck="false" placeholder="id, requirement, seen  ( / )"></label>
<button type="button" class="reset">reset</button>
<output class="shown" aria-live="polite">${plural(new Set(report.checks.map(({ id }) => id)).size, "check")}</output></form>`;
}
