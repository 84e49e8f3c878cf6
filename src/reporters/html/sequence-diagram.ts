import type { CheckRecord } from "../../core/report.js";
import type { TimelineEvent } from "../../core/timeline.js";
import { oneLine, truncate } from "../plain-text.js";
import { excerptTimeline, isFrame, relativeMs, type ExcerptLine } from "../timeline-excerpt.js";
import { markup, none, type Markup } from "./markup.js";

const width = 720;
const rowHeight = 22;
const headHeight = 34;
const x = { time: 76, client: 104, wire: 400, server: 690 } as const;
/** Colours of filters, told apart also by those who see few; the name stands beside each. */
const filterColours = 6;

/**
 * An SVG of what client and server exchanged around the offence, in at most so many rows; none with fewer than five. What the client sees as a message crosses from side to side;
 * frames that only the wire shows run between wire and server. A band beside the client has the colour of the filter that was sent last.
 */
export function sequenceDiagram(check: CheckRecord, title: string, rows: number): Markup {
  const timeline = check.timeline ?? [];
  if (timeline.length === 0 || rows < 5) {
    return none;
  }
  const lines = excerptTimeline(timeline, rows);
  const height = headHeight + lines.length * rowHeight + 10;
  const filters = filterNames(timeline);
  const manyStreams = new Set(lines.flatMap((line) => (line.kind === "event" ? [line.event.stream] : []))).size > 1;
  const offending = lines.find((line) => line.kind === "event" && line.event.offending === true);
  const summary =
    offending?.kind === "event"
      ? `The offending event: ${oneLine(offending.event.what)}, at ${relativeMs(offending.event.atMs)} ms.`
      : "No single event is marked as offending.";
  return markup`<div class="diagram" role="region" aria-label="Sequence diagram of ${title}" tabindex="0"><svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${title}: ${lines.length} rows of the exchange between client and server. ${summary}">
<g class="heads"><text x="${x.time}" y="20" class="time">ms</text><text x="${x.client}" y="20">client</text><text x="${x.wire}" y="20">wire</text><text x="${x.server}" y="20">server</text></g>
<path class="life" d="M${x.client} ${headHeight - 6}V${height}M${x.server} ${headHeight - 6}V${height}"/><path class="life wire" d="M${x.wire} ${headHeight - 6}V${height}"/>
${filterBand(lines, filters)}
${lines.map((line, index) => row(line, headHeight + index * rowHeight, filters, manyStreams))}
</svg></div>`;
}

/** Names of the filters sent, in the order of their first use. */
function filterNames(timeline: readonly TimelineEvent[]): string[] {
  const names = timeline.flatMap((event) => filterOf(event) ?? []);
  return [...new Set(names)];
}

function filterOf(event: TimelineEvent): string | undefined {
  return event.direction === "sent" ? /^filter (.+)$/.exec(event.what)?.[1] : undefined;
}

function filterClass(name: string, filters: readonly string[]): string {
  return `f${filters.indexOf(name) % filterColours}`;
}

/** The filter in force on the stream that the offence is on, else on the first one. */
function filterBand(lines: readonly ExcerptLine[], filters: readonly string[]): Markup[] {
  const events = lines.flatMap((line) => (line.kind === "event" ? [line.event] : []));
  const stream = (events.find((event) => event.offending === true) ?? events.find((event) => filterOf(event) !== undefined))?.stream;
  const bands: Markup[] = [];
  let current: { readonly name: string; readonly from: number } | undefined;
  const close = (to: number): void => {
    if (current !== undefined) {
      bands.push(
        markup`<rect class="band ${filterClass(current.name, filters)}" x="${x.client - 10}" y="${current.from}" width="5" height="${Math.max(0, to - current.from)}"/>`,
      );
    }
  };
  for (const [index, line] of lines.entries()) {
    const name = line.kind === "event" && line.event.stream === stream ? filterOf(line.event) : undefined;
    if (name !== undefined) {
      const y = headHeight + index * rowHeight + rowHeight - 6;
      close(y);
      current = { name, from: y };
    }
  }
  close(headHeight + lines.length * rowHeight);
  return bands;
}

function row(line: ExcerptLine, top: number, filters: readonly string[], manyStreams: boolean): Markup {
  const base = top + rowHeight - 6;
  if (line.kind === "gap") {
    return markup`<g class="gap"><text x="${x.wire}" y="${base - 2}">⋮ ${line.left} more</text></g>`;
  }
  const { event } = line;
  const name = filterOf(event);
  const label = truncate(`${manyStreams ? `${oneLine(event.stream)}: ` : ""}${oneLine(event.what)}`, 62);
  const classes = [
    "event",
    event.direction,
    ...(event.offending === true ? ["offending"] : []),
    ...(name === undefined ? [] : [filterClass(name, filters)]),
  ].join(" ");
  return markup`<g class="${classes}">${event.offending === true ? offenceMark(top) : none}<text x="${x.time}" y="${base}" class="time">${relativeMs(event.atMs)}</text>${arrow(event, base)}<text x="${labelAt(event)}" y="${base - 5}" class="label${event.direction === "local" ? " local" : ""}">${label}</text></g>`;
}

function offenceMark(top: number): Markup {
  return markup`<rect class="offence" x="2" y="${top + 1}" width="${width - 4}" height="${rowHeight - 1}" rx="3"/><path class="offence-mark" d="M8 ${top + 7}l9 6l-9 6z"/>`;
}

function labelAt(event: TimelineEvent): number {
  return (isFrame(event) && event.direction !== "local" ? x.wire : x.client) + 14;
}

function arrow(event: TimelineEvent, y: number): Markup {
  if (event.direction === "local") {
    return markup`<circle cx="${x.client}" cy="${y - 9}" r="3.5"/>`;
  }
  const near = isFrame(event) ? x.wire : x.client;
  const [from, to] = event.direction === "sent" ? [near, x.server - 3] : [x.server, near + 3];
  const back = event.direction === "sent" ? -7 : 7;
  return markup`<path class="arrow${isFrame(event) ? " frame" : ""}" d="M${from} ${y}H${to}"/><path class="tip" d="M${to} ${y}l${back} -3.5v7z"/>`;
}
