import fc from "fast-check";
import t from "tap";
import type { TimelineEvent } from "../../src/core/timeline.js";
import { excerptTimeline, inOrder } from "../../src/reporters/timeline-excerpt.js";

const event = fc.record({
  atMs: fc.double({ min: 0, max: 1e4, noNaN: true }),
  stream: fc.constant("a"),
  direction: fc.constantFrom("sent" as const, "received" as const, "local" as const),
  what: fc.constantFrom("filter", "entry"),
  offending: fc.boolean(),
});

function sameEvent(a: TimelineEvent | undefined, b: TimelineEvent | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

t.test("an excerpt is short, keeps the order, the first offence, the first and the last event, and counts what it leaves out", (t) => {
  fc.assert(
    fc.property(fc.array(event, { minLength: 1, maxLength: 300 }), fc.integer({ min: 5, max: 20 }), (events: TimelineEvent[], limit) => {
      const lines = excerptTimeline(events, limit);
      const shown = lines.flatMap((line) => (line.kind === "event" ? [line.event] : []));
      const left = lines.reduce((sum, line) => sum + (line.kind === "gap" ? line.left : 0), 0);
      const ordered = inOrder(events);
      const indexOf = (candidate: TimelineEvent): number =>
        ordered.findIndex((event, index) => sameEvent(event, candidate) && !used.has(index) && used.add(index) !== undefined);
      const used = new Set<number>();
      const indexes = shown.map(indexOf);
      const offence = ordered.find((candidate) => candidate.offending === true);
      return (
        lines.length <= limit &&
        shown.length + left === events.length &&
        indexes.every((index, i) => i === 0 || index > (indexes[i - 1] ?? -1)) &&
        sameEvent(shown[0], ordered[0]) &&
        sameEvent(shown.at(-1), ordered.at(-1)) &&
        (offence === undefined || shown.some((candidate) => sameEvent(candidate, offence)))
      );
    }),
  );
  t.end();
});

t.test("events stand in the order of time, and the message that a later note means is marked with it", (t) => {
  const timeline: TimelineEvent[] = [
    { atMs: 1, stream: "a", direction: "received", what: "entry 1 alpha" },
    { atMs: 2, stream: "b", direction: "received", what: "entry 1 alpha" },
    { atMs: 2, stream: "a", direction: "received", what: "entry 2 alpha" },
    { atMs: 9, stream: "a", direction: "received", what: "entry 3 beta" },
    { atMs: 2, stream: "a", direction: "local", what: "arrival #2 (entry 2 alpha) does not match", offending: true },
  ];
  t.same(
    excerptTimeline(timeline).map((line) => (line.kind === "event" ? [line.event.stream, line.event.what.slice(0, 7), line.event.offending === true] : [])),
    [
      ["a", "entry 1", false],
      ["b", "entry 1", false],
      ["a", "entry 2", true],
      ["a", "arrival", true],
      ["a", "entry 3", false],
    ],
  );
  t.end();
});

t.test("what was sent before the offence is kept however long ago it was", (t) => {
  const events: TimelineEvent[] = [
    { atMs: 0, stream: "a", direction: "local", what: "opened" },
    ...Array.from({ length: 50 }, (_, i): TimelineEvent => ({ atMs: i, stream: "a", direction: "received", what: `entry ${i}` })),
    { atMs: 60, stream: "a", direction: "sent", what: "filter beta" },
    ...Array.from({ length: 500 }, (_, i): TimelineEvent => ({
      atMs: 61 + i,
      stream: "a",
      direction: "received",
      what: `entry ${50 + i}`,
      offending: i === 400,
    })),
  ];
  const lines = excerptTimeline(events);
  t.ok(lines.some((line) => line.kind === "event" && line.event.what === "filter beta"));
  t.ok(lines.length <= 14 && lines.length >= 12);
  t.same(excerptTimeline([]), []);
  t.end();
});
