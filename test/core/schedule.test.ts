import fc from "fast-check";
import t from "tap";
import { arrivals, expectedArrivals, fitTo, lengthMs, type RateStage, scaleRates, steady } from "../../src/core/schedule.js";

const stage = fc.record({
  durationMs: fc.integer({ min: 1, max: 3000 }),
  fromPerSecond: fc.integer({ min: 0, max: 500 }),
  toPerSecond: fc.integer({ min: 0, max: 500 }),
});
const stages = fc.array(stage, { minLength: 1, maxLength: 4 });

t.test("arrivals ascend and lie within the schedule", (t) => {
  fc.assert(
    fc.property(stages, fc.constantFrom("uniform" as const, "poisson" as const), fc.integer(), (shape, spacing, seed) => {
      let last = 0;
      for (const atMicros of arrivals(shape, spacing, seed)) {
        if (atMicros < last || atMicros > lengthMs(shape) * 1000 + 1) {
          return false;
        }
        last = atMicros;
      }
      return true;
    }),
  );
  t.end();
});

t.test("uniform spacing brings exactly the arrivals that the rate stands for", (t) => {
  fc.assert(
    fc.property(stages, (shape) => {
      const count = [...arrivals(shape, "uniform", 0)].length;
      return Math.abs(count - expectedArrivals(shape)) <= 1;
    }),
  );
  t.end();
});

t.test("a steady uniform rate is evenly spaced from the start on", (t) => {
  const due = [...arrivals(steady(4, 1000), "uniform", 0)];
  t.same(due, [0, 250_000, 500_000, 750_000]);
  t.end();
});

t.test("a ramp brings arrivals as the integral of its rate", (t) => {
  const shape: RateStage[] = [{ durationMs: 10_000, fromPerSecond: 0, toPerSecond: 100 }];
  const due = [...arrivals(shape, "uniform", 0)];
  t.equal(due.length, 500);
  for (const [n, atMicros] of due.entries()) {
    const seconds = atMicros / 1_000_000;
    if (Math.abs(5 * seconds * seconds - n) > 0.001) {
      t.fail(`arrival ${n} at ${seconds}`);
    }
  }
  t.end();
});

t.test("a falling ramp and a step are followed too", (t) => {
  const falling = [...arrivals([{ durationMs: 1000, fromPerSecond: 100, toPerSecond: 0 }], "uniform", 0)];
  t.ok(falling.length >= 50 && falling.length <= 51);
  t.ok((falling[1] ?? 0) - (falling[0] ?? 0) < (falling.at(-1) ?? 0) - (falling.at(-2) ?? 0));
  const spike = [...arrivals([...steady(1, 1000), ...steady(100, 100), ...steady(1, 1000)], "uniform", 0)];
  t.ok(spike.filter((atMicros) => atMicros >= 1_000_000 && atMicros < 1_100_000).length >= 9);
  t.end();
});

t.test("the same seed gives the same Poisson arrivals, another one others", (t) => {
  const shape = steady(100, 1000);
  t.same([...arrivals(shape, "poisson", 7)], [...arrivals(shape, "poisson", 7)]);
  t.not(JSON.stringify([...arrivals(shape, "poisson", 7)]), JSON.stringify([...arrivals(shape, "poisson", 8)]));
  t.end();
});

t.test("Poisson gaps have the mean of the rate and as much spread as mean", (t) => {
  const due = [...arrivals(steady(1000, 20_000), "poisson", 3)];
  const gaps = due.slice(1).map((atMicros, i) => atMicros - (due[i] ?? 0));
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  const deviation = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length);
  t.ok(Math.abs(mean - 1000) < 30, `mean ${mean}`);
  t.ok(Math.abs(deviation / mean - 1) < 0.05, `spread ${deviation}`);
  t.end();
});

t.test("a rate of nothing brings nothing, and does not hang", (t) => {
  t.same([...arrivals(steady(0, 1000), "poisson", 1)], []);
  t.same([...arrivals([], "uniform", 1)], []);
  t.end();
});

t.test("stages are cut or prolonged to a length", (t) => {
  fc.assert(fc.property(stages, fc.integer({ min: 1, max: 20_000 }), (shape, wantedMs) => Math.abs(lengthMs(fitTo(shape, wantedMs)) - wantedMs) < 1e-6));
  t.same(fitTo([{ durationMs: 1000, fromPerSecond: 0, toPerSecond: 100 }], 500), [{ durationMs: 500, fromPerSecond: 0, toPerSecond: 50 }]);
  t.same(fitTo(steady(5, 1000), 3000), [...steady(5, 1000), ...steady(5, 2000)]);
  t.end();
});

t.test("scaling multiplies the arrivals", (t) => {
  fc.assert(
    fc.property(
      stages,
      fc.integer({ min: 1, max: 5 }),
      (shape, factor) => Math.abs(expectedArrivals(scaleRates(shape, factor)) - factor * expectedArrivals(shape)) < 1e-6 * (1 + expectedArrivals(shape)),
    ),
  );
  t.end();
});
