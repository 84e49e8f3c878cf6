import fc from "fast-check";
import t from "tap";
import type { TimelineEvent } from "../../src/core/timeline.js";
import { excerptTimeline } from "../../src/reporters/timeline-excerpt.js";

const event = fc.record({
  atMs: fc.double({ min: 0, max: 1e4, noNaN: true }),
  stream: fc.constant("a"),
  direction: fc.constantFrom("sent" as const, "received" as const, "local" as const),
  what: fc.constantFrom("filter", "entry"),
  offending: fc.boolean(),
});

t.test("an excerpt is short, keeps the order, the first offence, the first and the last event, and counts what it leaves out", (t) => {
  fc.assert(
    fc.property(fc.array(event, { minLength: 1, maxLength: 300 }), fc.integer({ min: 5, max: 20 }), (events: TimelineEvent[], limit) => {
      const lines = excerptTimeline(events, limit);
      const shown = lines.flatMap((line) => (line.kind === "event" ? [line.event] : []));
      const left = lines.reduce((sum, line) => sum + (line.kind === "gap" ? line.left : 0), 0);
      const indexes = shown.map((candidate) => events.indexOf(candidate));
      const offence = events.find((candidate) => candidate.offending === true);
      return (
        lines.length <= limit &&
        shown.length + left === events.length &&
        indexes.every((index, i) => i === 0 || index > (indexes[i - 1] ?? -1)) &&
        shown.includes(events[0] as TimelineEvent) &&
        shown.includes(events.at(-1) as TimelineEvent) &&
        (offence === undefined || shown.includes(offence))
      );
    }),
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
