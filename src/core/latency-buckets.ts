import { type HistogramParts, highestInSlot } from "./histogram.js";

/** Counts of latencies, each with the greatest value of its bucket in microseconds, rising; four buckets to each power of two. */
export type LatencyBuckets = readonly (readonly [upToUs: number, count: number])[];

const bucketsPerDoubling = 4;

/** A histogram made coarse enough to draw: each bucket reaches 19 % further than the one before it. Overflow is no part of it. */
export function latencyBuckets(parts: HistogramParts): LatencyBuckets {
  const counts = new Map<number, number>();
  for (const [i, slot] of parts.slots.entries()) {
    const bucket = Math.ceil(Math.log2(Math.max(1, highestInSlot(slot))) * bucketsPerDoubling);
    counts.set(bucket, (counts.get(bucket) ?? 0) + (parts.counts[i] ?? 0));
  }
  return [...counts].toSorted(([a], [b]) => a - b).map(([bucket, count]) => [Math.round(2 ** (bucket / bucketsPerDoubling)), count]);
}
