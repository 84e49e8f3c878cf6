import t from "tap";
import { nextSample, slope, summariseTarget, type TargetSample } from "../../src/load/target-samples.js";

t.test("samples give the cost, the peaks, and the growth after the first fifth", (t) => {
  const samples: TargetSample[] = [];
  for (let second = 0; second <= 10; second++) {
    // Memory leaps at first, then grows by 1000 bytes a second.
    const rssBytes = second < 2 ? second * 1_000_000 : 2_000_000 + second * 1000;
    samples.push(nextSample(samples.at(-1), { cpuSeconds: second * 0.5, rssBytes, threads: 4, openFiles: 10 + second }, second));
  }
  t.same(summariseTarget(samples, 50_000), {
    "target-cpu": 0.5,
    "entries-per-target-cpu-second": 10_000,
    "target-rss": 2_010_000,
    "target-threads": 4,
    "target-open-files": 20,
    "target-rss-slope": 1000,
  });
  t.equal(samples[3]?.cpu, 0.5);
  t.equal(samples[0]?.cpu, 0);
  t.end();
});

t.test("one sample says nothing", (t) => {
  t.same(summariseTarget([], 1), {});
  t.same(summariseTarget([nextSample(undefined, { cpuSeconds: 1, rssBytes: 1, threads: 1, openFiles: 1 }, 0)], 1), {});
  t.end();
});

t.test("the slope is not tilted by one outlier", (t) => {
  const points = Array.from({ length: 50 }, (_, x) => [x, x === 25 ? 1e9 : 3 * x] as const);
  t.equal(slope(points), 3);
  t.equal(slope([]), 0);
  t.end();
});
