import { histogramOf, type HistogramParts } from "../core/histogram.js";
import type { TimeMetric } from "../core/metric.js";
import type { FloodPhaseRecord, FloodRecord } from "../core/report.js";
import type { FloodMeasured } from "./flood-run.js";
import type { ProbedPhase } from "./handshake-prober.js";
import type { MeasuredWindow } from "./measurement.js";

/** A window that the flood touches for less than this is one without it: nobody begins on the dot. */
const touchSeconds = 0.2;

/**
 * What a flood did: the run's windows parted by it.
 * @param windows of all groups and workers together.
 */
export function floodRecord(measured: FloodMeasured, windows: readonly MeasuredWindow[]): FloodRecord {
  const { flood, url, outcome, probed } = measured;
  const end = windows.reduce((latest, { index }) => Math.max(latest, index + 1), 0);
  const fromSeconds = Math.min(end, measured.fromMicros / 1_000_000);
  const untilSeconds = Math.min(end, measured.untilMicros / 1_000_000);
  const isBefore = ({ index }: MeasuredWindow): boolean => index + 1 <= fromSeconds + touchSeconds;
  const isAfter = ({ index }: MeasuredWindow): boolean => index >= untilSeconds - touchSeconds;
  return {
    url,
    method: flood.method,
    of: flood.of,
    connections: flood.connections,
    fromSeconds: round(fromSeconds),
    untilSeconds: round(untilSeconds),
    statuses: outcome.statuses,
    failed: outcome.failed,
    before: phaseRecord(windows.filter(isBefore), probed?.phases.before),
    during: phaseRecord(
      windows.filter((window) => !isBefore(window) && !isAfter(window)),
      probed?.phases.during,
    ),
    after: phaseRecord(
      windows.filter((window) => isAfter(window) && !isBefore(window)),
      probed?.phases.after,
    ),
  };
}

function phaseRecord(windows: readonly MeasuredWindow[], probed: ProbedPhase | undefined): FloodPhaseRecord {
  const seconds = windows.reduce((sum, { widthMicros }) => sum + widthMicros, 0) / 1_000_000;
  const counted = (name: keyof MeasuredWindow["counts"]): number => windows.reduce((sum, { counts }) => sum + (counts[name] ?? 0), 0);
  const timed = (name: TimeMetric): HistogramParts[] => windows.map(({ times }) => times[name]).filter((parts) => parts !== undefined);
  return {
    seconds: round(seconds),
    receivedPerSecond: seconds === 0 ? 0 : round(counted("received") / seconds),
    lost: counted("lost"),
    ended: counted("rejected") + counted("disconnected") + counted("ended-early"),
    ...p99("applyP99Us", timed("filter-apply")),
    ...p99("deliveryLagP99Us", timed("delivery-lag")),
    accepted: countIn(probed?.accepted),
    ...p99("acceptedP99Us", probed === undefined ? [] : [probed.accepted]),
    refused: countIn(probed?.refused),
    ...p99("refusedP99Us", probed === undefined ? [] : [probed.refused]),
    unexpected: probed?.unexpected ?? {},
  };
}

function p99<Name extends string>(name: Name, parts: readonly HistogramParts[]): Partial<Record<Name, number>> {
  const histogram = histogramOf(...parts);
  if (histogram.total === 0) {
    return {};
  }
  const value = histogram.quantile(0.99);
  return { [name]: Number.isFinite(value) ? value : Number.MAX_SAFE_INTEGER } as Partial<Record<Name, number>>;
}

function countIn(parts: HistogramParts | undefined): number {
  return parts === undefined ? 0 : histogramOf(parts).total;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
