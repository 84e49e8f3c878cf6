import { build, decodeFromCompressedBase64, encodeIntoCompressedBase64, type Float64Histogram } from "hdr-histogram-js";
import { beyondMicros, Histogram, highestMicros, lowestInSlot } from "../core/histogram.js";
import type { HistogramRecord } from "../core/report.js";

/** A histogram as results.json holds it; its encoding is read by every HdrHistogram library. */
export function histogramRecord(histogram: Histogram): HistogramRecord {
  const encoder = emptyEncoder();
  for (const [slot, times] of histogram.counts.entries()) {
    if (times > 0) {
      encoder.recordValueWithCount(lowestInSlot(slot), times);
    }
  }
  const encoded = encodeIntoCompressedBase64(encoder);
  encoder.destroy();
  return {
    unit: "us",
    encoded,
    count: histogram.total,
    overflow: histogram.overflow,
    min: histogram.count === 0 ? 0 : histogram.min,
    mean: Math.round(histogram.mean * 10) / 10,
    max: histogram.overflow > 0 ? beyondMicros : histogram.max,
    p50: finite(histogram.quantile(0.5)),
    p90: finite(histogram.quantile(0.9)),
    p99: finite(histogram.quantile(0.99)),
    p999: finite(histogram.quantile(0.999)),
  };
}

/** The histogram of a record, to be merged with others; exact but for least and greatest value, which the record states. */
export function histogramFromRecord(record: HistogramRecord): Histogram {
  const decoded = decodeFromCompressedBase64(record.encoded, 64, false) as Float64Histogram;
  const histogram = new Histogram();
  const inRange = record.count - record.overflow;
  for (let slot = 0; slot < decoded.countsArrayLength; slot++) {
    const times = decoded.getCountAtIndex(slot);
    if (times > 0) {
      histogram.recordMany(decoded.valueFromIndex(slot), times);
    }
  }
  decoded.destroy();
  histogram.overflow = record.overflow;
  if (inRange > 0) {
    histogram.min = record.min;
    histogram.sum = record.mean * inRange;
    histogram.max = record.overflow > 0 ? histogram.max : record.max;
  }
  return histogram;
}

function emptyEncoder(): Float64Histogram {
  return build({
    bitBucketSize: 64,
    useWebAssembly: false,
    autoResize: false,
    lowestDiscernibleValue: 1,
    highestTrackableValue: highestMicros,
    numberOfSignificantValueDigits: 3,
  }) as Float64Histogram;
}

function finite(quantile: number): number {
  return Number.isNaN(quantile) ? 0 : quantile === Infinity ? beyondMicros : quantile;
}
