import fc from "fast-check";
import t from "tap";
import { Histogram } from "../../src/core/histogram.js";
import { fairness, median, mergeRecords, mergeWindows, ratesOf, timeWeightedMedian } from "../../src/load/measurement.js";
import { Meter } from "../../src/load/meter.js";

function meterWith(windows: readonly number[]): Meter {
  const meter = new Meter(["filter-apply"]);
  meter.begin(0);
  for (const [i, received] of windows.entries()) {
    meter.counts.received += received;
    meter.time("filter-apply").record(received);
    meter.roll((i + 1) * 1_000_000, 2, i);
  }
  meter.end();
  return meter;
}

t.test("records of several workers add up, windows by their index", (t) => {
  fc.assert(
    fc.property(fc.array(fc.array(fc.nat(1000), { minLength: 3, maxLength: 3 }), { minLength: 1, maxLength: 4 }), (workers) => {
      const measurement = mergeRecords(
        workers.map((windows) => meterWith(windows).record([])),
        3,
      );
      const sums = [0, 1, 2].map((i) => workers.reduce((sum, windows) => sum + (windows[i] ?? 0), 0));
      return (
        measurement.counts.received === sums.reduce((a, b) => a + b, 0) &&
        measurement.windows.every((window, i) => (window.counts.received ?? 0) === sums[i] && window.backlog === 2 * workers.length) &&
        measurement.times.get("filter-apply")?.count === 3 * workers.length
      );
    }),
  );
  t.end();
});

t.test("rates use the true width of windows and leave out slivers", (t) => {
  const windows = [
    { index: 0, widthMicros: 2_000_000, counts: { received: 200 }, times: {}, backlog: 0 },
    { index: 1, widthMicros: 1_000_000, counts: { received: 300 }, times: {}, backlog: 0 },
    { index: 2, widthMicros: 10_000, counts: { received: 90 }, times: {}, backlog: 0 },
  ];
  const rates = ratesOf({ seconds: 3, counts: meterWith([]).record([]).counts, times: new Map(), windows, values: {} }, "received");
  t.match(rates, { min: 100, max: 300, median: 200 });
  t.equal(Math.round(rates?.mean ?? 0), 196);
  t.equal(ratesOf({ seconds: 0, counts: meterWith([]).record([]).counts, times: new Map(), windows: [], values: {} }, "received"), undefined);
  t.same(mergeWindows([]), []);
  t.end();
});

t.test("a warm-up takes times and rates away, what breaks the contract stays", (t) => {
  const meter = new Meter([]);
  meter.counts.received = 10;
  meter.counts["stale-hard"] = 2;
  meter.time("filter-apply").record(5);
  meter.time("open").record(5);
  meter.begin(0);
  t.equal(meter.counts.received, 0);
  t.equal(meter.counts["stale-hard"], 2);
  t.equal(meter.time("filter-apply").total, 0);
  t.equal(meter.time("open").total, 1, "streams are opened before the measured part");
  t.equal(meter.roll(0, 0, 0), undefined, "no time, no window");
  t.end();
});

t.test("fairness is 1 for like rates and 1/n when one stream gets all", (t) => {
  t.equal(fairness([5, 5, 5]), 1);
  t.equal(fairness([9, 0, 0]), 1 / 3);
  t.equal(fairness([9]), undefined);
  t.equal(fairness([0, 0]), undefined);
  t.equal(median([1, 2, 9]), 2);
  t.equal(median([1, 2]), 1.5);
  t.ok(Number.isNaN(median([])));
  t.end();
});

t.test("the resolution of bursts is the time between them, of an even stream its gap", (t) => {
  const even = new Histogram();
  even.recordMany(3000, 100);
  t.equal(timeWeightedMedian(even), 3000 - (3000 % 2));
  const bursts = new Histogram();
  bursts.recordMany(0, 900);
  bursts.recordMany(10_000, 100);
  t.ok((timeWeightedMedian(bursts) ?? 0) >= 9900);
  t.equal(timeWeightedMedian(new Histogram()), undefined);
  t.end();
});
