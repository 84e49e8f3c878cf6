import type { TimelineEvent } from "../core/timeline.js";

/** A line of an excerpt: an event, or how many events were left out there. */
export type ExcerptLine = { readonly kind: "event"; readonly event: TimelineEvent } | { readonly kind: "gap"; readonly left: number };

/**
 * A timeline in the order of time. A check may find only later which of the messages that came was wrong, and then notes the time when it came:
 * that message is marked beside the note.
 */
export function inOrder(timeline: readonly TimelineEvent[]): TimelineEvent[] {
  const events = timeline.toSorted((a, b) => a.atMs - b.atMs);
  const notes = events.filter((event) => event.offending === true && event.direction === "local");
  const isMeant = (event: TimelineEvent): boolean =>
    event.direction === "received" && notes.some((note) => note.atMs === event.atMs && note.stream === event.stream && note.what.includes(event.what));
  return notes.length === 0 ? events : events.map((event) => (isMeant(event) ? { ...event, offending: true } : event));
}

/**
 * The events that tell what happened, in the order of time and in at most so many lines (default 14, at least 5): the offence and what surrounds it,
 * what was sent before it, the first event and the last. Without an offending event the end is taken for it: a wait that ran out ends there.
 */
export function excerptTimeline(timeline: readonly TimelineEvent[], limit = 14): ExcerptLine[] {
  const events = inOrder(timeline);
  const chosen = new Set<number>();
  let lines = linesOf(events, chosen);
  for (const index of ranked(events)) {
    if (chosen.has(index)) {
      continue;
    }
    chosen.add(index);
    const candidate = linesOf(events, chosen);
    if (candidate.length > limit) {
      chosen.delete(index);
      continue;
    }
    lines = candidate;
  }
  return lines;
}

/** Indexes of all events that may be shown, the most telling first. */
function* ranked(events: readonly TimelineEvent[]): Generator<number> {
  const last = events.length - 1;
  if (last < 0) {
    return;
  }
  const marked = events.findIndex((event) => event.offending === true);
  const offence = marked < 0 ? last : marked;
  yield offence;
  yield 0;
  yield last;
  const sentBefore = events
    .map((event, index) => (event.direction === "sent" && !isFrame(event) ? index : -1))
    .filter((index) => index >= 0 && index <= offence);
  yield* sentBefore.slice(-2).toReversed();
  // Twice as many before the offence as after it: the cause comes first. The search ends once nothing more can fit.
  for (let distance = 1; distance <= 40; distance++) {
    yield* [offence - 2 * distance + 1, offence - 2 * distance, offence + distance].filter((index) => index >= 0 && index <= last);
  }
}

function linesOf(events: readonly TimelineEvent[], chosen: ReadonlySet<number>): ExcerptLine[] {
  const lines: ExcerptLine[] = [];
  let next = 0;
  for (const index of [...chosen].toSorted((a, b) => a - b)) {
    pushGap(lines, index - next);
    const event = events[index];
    if (event !== undefined) {
      lines.push({ kind: "event", event });
    }
    next = index + 1;
  }
  pushGap(lines, events.length - next);
  return lines;
}

function pushGap(lines: ExcerptLine[], left: number): void {
  if (left > 0) {
    lines.push({ kind: "gap", left });
  }
}

/** A frame, or what TCP does: as against a message of the contract, which a client would see. */
export function isFrame(event: TimelineEvent): boolean {
  return /^(?:[A-Z][A-Z_]{2,}\b|TCP |ping\b|pong\b)/.test(event.what);
}

/** Milliseconds with as many places as tell neighbours apart: `0.43`, `120.35`. */
export function relativeMs(atMs: number): string {
  return atMs.toFixed(atMs >= 10_000 ? 1 : 2);
}

export const directionArrows = { sent: "→", received: "←", local: "·" } as const satisfies Record<TimelineEvent["direction"], string>;
