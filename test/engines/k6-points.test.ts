import fc from "fast-check";
import t from "tap";
import { highestInSlot, lowestInSlot, slotOf } from "../../src/core/histogram.js";
import type { EnginePoint } from "../../src/engines/engine.js";
import { createK6PointReader } from "../../src/engines/k6-points.js";

const line = (metric: string, value: unknown, time = "2030-01-01T00:00:01.5Z", tags: object = { group: "g" }): string =>
  JSON.stringify({ metric, type: "Point", data: { time, value, tags } });

t.test("points that came before k6 said when it begins are kept, and placed from it on", (t) => {
  const points: EnginePoint[] = [];
  const reader = createK6PointReader((point) => points.push(point));
  reader.take(line("hc_opened", 1, "2030-01-01T00:00:00Z"));
  t.strictSame(points, []);
  reader.take(line("hc_begin", Date.parse("2030-01-01T00:00:01Z")));
  reader.take(line("hc_received", 5));
  t.match(points, [
    { kind: "count", metric: "opened", atMicros: -1_000_000 },
    { kind: "count", metric: "received", times: 5, atMicros: 500_000 },
  ]);
  t.equal(reader.unreadable, 0);
  t.end();
});

t.test("a histogram's slots come back with every value in its slot", (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 3_600_000_000 }), fc.integer({ min: 1, max: 1e9 }), (micros, times) => {
      const points: EnginePoint[] = [];
      const reader = createK6PointReader((point) => points.push(point));
      reader.take(line("hc_begin", 0));
      reader.take(line("hc_packed_entry_gap", slotOf(micros) * 2 ** 32 + times));
      const [point] = points;
      return (
        point?.kind === "time" &&
        point.times === times &&
        slotOf(point.micros) === slotOf(micros) &&
        point.micros >= lowestInSlot(slotOf(micros)) &&
        point.micros <= highestInSlot(slotOf(micros))
      );
    }),
  );
  t.end();
});

t.test("no line makes it throw, and what is ours and unreadable is counted", (t) => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.string().map((tail) => `{"metric":"hc_received"${tail}`),
        fc.json().map((value) => line("hc_filter_apply", JSON.parse(value))),
      ),
      (text) => {
        const reader = createK6PointReader(() => undefined);
        reader.take(text);
        return reader.unreadable <= 1;
      },
    ),
  );
  const reader = createK6PointReader(() => undefined);
  reader.take('{"metric":"hc_received","type":"Point"');
  t.equal(reader.unreadable, 1);
  t.end();
});

t.test("an iteration that k6 dropped is an arrival that was offered and not begun", (t) => {
  const points: EnginePoint[] = [];
  const reader = createK6PointReader((point) => points.push(point));
  reader.take(line("hc_begin", Date.parse("2030-01-01T00:00:01Z")));
  reader.take(line("dropped_iterations", 1));
  t.match(points, [
    { kind: "count", metric: "dropped", times: 1, group: "g" },
    { kind: "count", metric: "offered", times: 1, group: "g" },
  ]);
  t.equal(reader.unreadable, 0);
  t.end();
});
