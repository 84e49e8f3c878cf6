import type { ValueMetric } from "../core/metric.js";

/** The target's process at one moment, as whoever watches it says. */
export interface TargetReading {
  /** CPU time used since it started, in seconds. */
  readonly cpuSeconds: number;
  readonly rssBytes: number;
  readonly threads: number;
  readonly openFiles: number;
}

/** A reading placed on the run's time line. */
export interface TargetSample {
  /** Since the measured part began. */
  readonly atSeconds: number;
  readonly cpuSeconds: number;
  /** Cores used since the sample before. */
  readonly cpu: number;
  readonly rssBytes: number;
  readonly threads: number;
  readonly openFiles: number;
}

/** The sample that follows another. */
export function nextSample(before: TargetSample | undefined, reading: TargetReading, atSeconds: number): TargetSample {
  const elapsed = before === undefined ? 0 : atSeconds - before.atSeconds;
  const cpu = before === undefined || elapsed <= 0 ? 0 : Math.max(0, (reading.cpuSeconds - before.cpuSeconds) / elapsed);
  return { atSeconds, ...reading, cpu };
}

/** Figures of the whole run: cost, peaks, and growth after the first fifth, in which a server is still filling its caches. */
export function summariseTarget(samples: readonly TargetSample[], received: number): Partial<Record<ValueMetric, number>> {
  const first = samples[0];
  const last = samples.at(-1);
  if (first === undefined || last === undefined || samples.length < 2) {
    return {};
  }
  const seconds = last.atSeconds - first.atSeconds;
  const cpuSeconds = last.cpuSeconds - first.cpuSeconds;
  const settled = samples.filter((sample) => sample.atSeconds >= first.atSeconds + seconds / 5);
  return {
    ...(seconds > 0 ? { "target-cpu": Number((cpuSeconds / seconds).toFixed(3)) } : {}),
    ...(cpuSeconds > 0 ? { "entries-per-target-cpu-second": Math.round(received / cpuSeconds) } : {}),
    "target-rss": Math.max(...samples.map((sample) => sample.rssBytes)),
    "target-threads": Math.max(...samples.map((sample) => sample.threads)),
    "target-open-files": Math.max(...samples.map((sample) => sample.openFiles)),
    ...(settled.length >= 3 ? { "target-rss-slope": Math.round(slope(settled.map((sample) => [sample.atSeconds, sample.rssBytes]))) } : {}),
  };
}

/** The median of the slopes between all pairs of points (Theil–Sen): one garbage collection does not tilt it. At most 400 points are used. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const step = Math.ceil(points.length / 400);
  const used = points.filter((_, i) => i % step === 0);
  const slopes: number[] = [];
  for (const [i, a] of used.entries()) {
    for (const b of used.slice(i + 1)) {
      if (b[0] !== a[0]) {
        slopes.push((b[1] - a[1]) / (b[0] - a[0]));
      }
    }
  }
  slopes.sort((a, b) => a - b);
  const middle = slopes.length >> 1;
  return slopes.length === 0 ? 0 : slopes.length % 2 === 1 ? (slopes[middle] ?? 0) : ((slopes[middle - 1] ?? 0) + (slopes[middle] ?? 0)) / 2;
}
