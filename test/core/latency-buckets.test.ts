import fc from "fast-check";
import t from "tap";
import { Histogram } from "../../src/core/histogram.js";
import { latencyBuckets } from "../../src/core/latency-buckets.js";

t.test("buckets rise, hold every value once, and none reaches more than a fifth beyond its values", (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 3_600_000_000 }), { maxLength: 50 }), (values) => {
      const histogram = new Histogram();
      for (const value of values) {
        histogram.record(value);
      }
      const buckets = latencyBuckets(histogram.parts());
      const rising = buckets.every(([upTo], i) => i === 0 || upTo > (buckets[i - 1]?.[0] ?? 0));
      const total = buckets.reduce((sum, [, count]) => sum + count, 0);
      const near = buckets.every(([upTo]) => values.some((value) => Math.max(1, value) <= upTo * 1.001 && upTo <= Math.max(1, value) * 1.2 + 1));
      return rising && total === values.length && near;
    }),
  );
  t.same(latencyBuckets(new Histogram().parts()), []);
  t.end();
});
