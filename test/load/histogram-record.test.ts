import { decodeFromCompressedBase64 } from "hdr-histogram-js";
import fc from "fast-check";
import t from "tap";
import { beyondMicros, Histogram, highestMicros } from "../../src/core/histogram.js";
import { histogramFromRecord, histogramRecord } from "../../src/load/histogram-record.js";

t.test("a record read back has the same counts and quantiles, and is JSON", (t) => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 0, max: highestMicros + 1000 })), { maxLength: 100 }), (values) => {
      const histogram = new Histogram();
      values.forEach((micros) => histogram.record(micros));
      const record = JSON.parse(JSON.stringify(histogramRecord(histogram)));
      const read = histogramFromRecord(record);
      return (
        read.total === histogram.total &&
        [0.5, 0.9, 0.99, 0.999].every(
          (q) => Object.is(read.quantile(q), histogram.quantile(q)) || Math.abs(read.quantile(q) - histogram.quantile(q)) <= histogram.quantile(q) / 1000,
        )
      );
    }),
    { numRuns: 50 },
  );
  t.end();
});

t.test("another HdrHistogram library reads the encoding", (t) => {
  const histogram = new Histogram();
  [1000, 2000, 2000, 50_000].forEach((micros) => histogram.record(micros));
  const decoded = decodeFromCompressedBase64(histogramRecord(histogram).encoded, 32, false);
  t.equal(decoded.totalCount, 4);
  t.equal(decoded.getValueAtPercentile(50), 2000);
  t.equal(decoded.maxValue, 50_015);
  t.end();
});

t.test("quantiles among the overflow are the greatest safe number, an empty record is all zero", (t) => {
  const histogram = new Histogram();
  histogram.record(5);
  histogram.recordBeyond(3);
  t.match(histogramRecord(histogram), { unit: "us", count: 4, overflow: 3, min: 5, max: beyondMicros, p50: beyondMicros, p99: beyondMicros });
  t.match(histogramRecord(new Histogram()), { count: 0, min: 0, max: 0, p50: 0, mean: 0 });
  t.end();
});
