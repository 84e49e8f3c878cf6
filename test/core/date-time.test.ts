import fc from "fast-check";
import t from "tap";
import { createTimeReader } from "../../src/core/date-time.js";

t.test("times of any fraction are read to the microsecond, in any zone", (t) => {
  const read = createTimeReader();
  t.equal(read("1970-01-01T00:00:01Z"), 1_000_000);
  t.equal(read("1970-01-01T00:00:01.5Z"), 1_500_000);
  t.equal(read("1970-01-01T00:00:01.123456789Z"), 1_123_456);
  t.equal(read("1970-01-01T01:00:01.000001+01:00"), 1_000_001);
  t.equal(read("1969-12-31T23:00:00-01:00"), 0);
  t.equal(read("2016-12-31T23:59:60Z"), read("2017-01-01T00:00:00Z"), "a leap second");
  t.equal(read("1970-01-01t00:00:01.1234567890123z"), 1_123_456);
  t.equal(read("1970-01-01T00:00:01Z"), 1_000_000, "no fraction behind one");
  t.equal(read("2024-02-29T00:00:00Z"), Date.UTC(2024, 1, 29) * 1000);
  t.equal(read("0099-12-31T23:59:59Z"), Date.parse("0099-12-31T23:59:59Z") * 1000);
  for (const wrong of [
    "",
    "now",
    "2026-01-01",
    "2026-01-01T00:00:00",
    "2026-01-01 00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-02-29T00:00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-01-01T00:00:61Z",
    "2026-01-01T00:00:00+24:00",
    "2026-01-01T00:00:00.Z",
    "2026-01-01T00:00:00.1x2Z",
    "2026-01-01T00:00:00 Z",
  ]) {
    t.ok(Number.isNaN(read(wrong)), wrong);
    // Behind a good one of the same second.
    t.equal(read("2026-01-01T00:00:00.5Z"), Date.UTC(2026, 0, 1) * 1000 + 500_000);
    t.ok(Number.isNaN(read(wrong)), wrong);
  }
  t.end();
});

t.test("it agrees with the platform's own reading, whatever came before", (t) => {
  const read = createTimeReader();
  fc.assert(
    fc.property(
      fc.date({ min: new Date(0), max: new Date("2200-01-01T00:00:00Z"), noInvalidDate: true }),
      (date) => read(date.toISOString()) === date.getTime() * 1000,
    ),
  );
  t.end();
});
