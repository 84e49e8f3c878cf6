import fc from "fast-check";
import t from "tap";
import { Histogram, highestInSlot, highestMicros, histogramOf, lowestInSlot, slotCount, slotOf } from "../../src/core/histogram.js";

const value = fc.oneof(fc.integer({ min: 0, max: 5000 }), fc.integer({ min: 0, max: highestMicros }));

t.test("every value lies in the slot that it is counted in, and slots are at most a thousandth wide", (t) => {
  fc.assert(
    fc.property(value, (micros) => {
      const slot = slotOf(micros);
      return (
        slot < slotCount &&
        lowestInSlot(slot) <= micros &&
        micros <= highestInSlot(slot) &&
        (highestInSlot(slot) - lowestInSlot(slot)) * 1000 <= Math.max(1000, micros)
      );
    }),
  );
  t.end();
});

t.test("slots follow one another without gap or overlap", (t) => {
  for (let slot = 1; slot < slotCount; slot++) {
    if (lowestInSlot(slot) !== highestInSlot(slot - 1) + 1) {
      t.fail(`slot ${slot}`);
    }
  }
  t.end();
});

t.test("a quantile is within a thousandth of the sorted values", (t) => {
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 200 }), fc.constantFrom(0, 0.1, 0.5, 0.9, 0.99, 0.999, 1), (values, q) => {
      const histogram = new Histogram();
      values.forEach((micros) => histogram.record(micros));
      const sorted = values.toSorted((a, b) => a - b);
      const exact = sorted[Math.max(1, Math.ceil(q * values.length - 1e-9)) - 1] ?? 0;
      return Math.abs(histogram.quantile(q) - exact) <= exact / 1000 + 1;
    }),
  );
  t.end();
});

t.test("merging is the same as recording everything in one", (t) => {
  fc.assert(
    fc.property(fc.array(value), fc.array(value), (a, b) => {
      const one = new Histogram();
      [...a, ...b].forEach((micros) => one.record(micros));
      const [left, right] = [a, b].map((values) => {
        const histogram = new Histogram();
        values.forEach((micros) => histogram.record(micros));
        return histogram.parts();
      });
      const merged = histogramOf(left ?? one.parts(), right ?? one.parts());
      return (
        merged.count === one.count &&
        merged.sum === one.sum &&
        merged.min === one.min &&
        merged.max === one.max &&
        Object.is(merged.quantile(0.5), one.quantile(0.5))
      );
    }),
  );
  t.end();
});

t.test("parts since an earlier copy add up to the whole", (t) => {
  fc.assert(
    fc.property(fc.array(fc.array(value, { maxLength: 20 }), { maxLength: 6 }), (windows) => {
      const histogram = new Histogram();
      const earlier = new Histogram();
      const parts = windows.map((window) => {
        window.forEach((micros) => histogram.record(micros));
        return histogram.partsSince(earlier);
      });
      const sum = histogramOf(...parts);
      return sum.count === histogram.count && Object.is(sum.quantile(0.9), histogram.quantile(0.9));
    }),
  );
  t.end();
});

t.test("values are cut to whole microseconds, negative ones are 0, those over an hour are overflow and +∞", (t) => {
  const histogram = new Histogram();
  histogram.record(12.9);
  histogram.record(-5);
  histogram.record(highestMicros + 1);
  histogram.record(Infinity);
  t.equal(histogram.count, 2);
  t.equal(histogram.overflow, 2);
  t.equal(histogram.total, 4);
  t.equal(histogram.max, 12);
  t.equal(histogram.min, 0);
  t.equal(histogram.quantile(0.5), 12);
  t.equal(histogram.quantile(0.75), Infinity);
  t.equal(histogram.mean, 6);
  t.throws(() => histogram.record(Number.NaN), RangeError);
  t.end();
});

t.test("an empty histogram has no quantile, and resetting makes one empty", (t) => {
  const histogram = new Histogram();
  t.ok(Number.isNaN(histogram.quantile(0.5)));
  histogram.recordMany(7, 3);
  histogram.recordBeyond();
  histogram.reset();
  t.equal(histogram.total, 0);
  t.ok(Number.isNaN(histogram.quantile(0.5)));
  t.equal(histogram.mean, 0);
  t.end();
});

t.test("counts over a limit leave out the slot that the limit cuts, and hold the overflow", (t) => {
  const histogram = new Histogram();
  [1, 10, 100, 100_000].forEach((micros) => histogram.record(micros));
  histogram.recordBeyond(2);
  t.equal(histogram.countOver(0), 6);
  t.equal(histogram.countOver(99), 4);
  t.equal(histogram.countOver(100), 3);
  t.equal(histogram.countOver(100_000), 2);
  t.end();
});
