import { highestInSlot, lowestInSlot, slotCount } from "../core/histogram.js";
import { type CountMetric, countMetrics, type TimeMetric, timeMetrics } from "../core/metric.js";
import type { EnginePoint } from "./engine.js";

/** Reads what k6 writes with `--out json`, line by line. */
export interface K6PointReader {
  /** Takes one line; lines that are none of ours are passed over. */
  take(line: string): void;
  /** When the measured part begins, in microseconds since the Unix epoch; undefined until k6 said so. */
  readonly beginMicros: number | undefined;
  /** The latest time of a point of ours, in microseconds since the Unix epoch; 0 before the first. */
  readonly lastMicros: number;
  /** Lines that began like ours and could not be read. */
  readonly unreadable: number;
}

const times = new Map<string, TimeMetric>(timeMetrics.map((name) => [metricName(name), name]));
const counts = new Map<string, CountMetric>(countMetrics.map((name) => [metricName(name), name]));
const packed = new Map<string, TimeMetric>(timeMetrics.map((name) => [`hc_packed_${name.replaceAll("-", "_")}`, name]));

/** @param onPoint is told each point with `atMicros` since the measured part began; negative before it. */
export function createK6PointReader(onPoint: (point: EnginePoint) => void): K6PointReader {
  let beginMicros: number | undefined;
  let lastMicros = 0;
  let unreadable = 0;
  /** What came before k6 said when the measured part begins. */
  const early: Line[] = [];
  const emit = (line: Line): void => {
    const point = pointOf(line, line.atMicros - (beginMicros ?? 0));
    if (point === undefined) {
      unreadable++;
    } else {
      onPoint(point);
      if (point.kind === "count" && point.metric === "dropped") {
        // The schedule brought it all the same.
        onPoint({ ...point, metric: "offered" });
      }
    }
  };
  return {
    get beginMicros() {
      return beginMicros;
    },
    get lastMicros() {
      return lastMicros;
    },
    get unreadable() {
      return unreadable;
    },
    take(text) {
      // k6's own metrics are a point for each message: they are passed over before they are parsed.
      if (!(text.startsWith('{"metric":"hc_') || text.startsWith('{"metric":"dropped_iterations"')) || text.includes('"type":"Metric"')) {
        return;
      }
      const line = readLine(text);
      if (line === undefined) {
        unreadable++;
        return;
      }
      lastMicros = Math.max(lastMicros, line.atMicros);
      if (line.metric === "hc_begin") {
        beginMicros ??= Math.round(line.value * 1000);
        early.splice(0).forEach(emit);
      } else if (beginMicros === undefined && early.length < earlyLimit) {
        early.push(line);
      } else {
        emit(line);
      }
    },
  };
}

/** Opening thousands of streams makes a few points each. */
const earlyLimit = 1_000_000;

interface Line {
  readonly metric: string;
  readonly atMicros: number;
  readonly value: number;
  readonly tags: Readonly<Record<string, unknown>>;
}

function readLine(text: string): Line | undefined {
  try {
    const { metric, data } = JSON.parse(text) as { metric: string; data: { time: string; value: number; tags?: Record<string, unknown> | null } };
    const atMicros = Date.parse(data.time) * 1000;
    return Number.isFinite(atMicros) && typeof data.value === "number" ? { metric, atMicros, value: data.value, tags: data.tags ?? {} } : undefined;
  } catch {
    return undefined;
  }
}

function pointOf({ metric, value, tags }: Line, atMicros: number): EnginePoint | undefined {
  const group = typeof tags.group === "string" ? tags.group : "";
  const time = times.get(metric);
  if (time !== undefined) {
    return value >= 0 ? { kind: "time", group, metric: time, micros: Math.round(value * 1000), times: 1, atMicros } : undefined;
  }
  const count = counts.get(metric);
  if (count !== undefined) {
    return Number.isInteger(value) ? { kind: "count", group, metric: count, times: value, atMicros } : undefined;
  }
  const inSlots = packed.get(metric);
  if (inSlots !== undefined) {
    const slot = Math.floor(value / 2 ** 32);
    const among = value % 2 ** 32;
    return Number.isInteger(value) && slot >= 0 && slot < slotCount
      ? { kind: "time", group, metric: inSlots, micros: Math.floor((lowestInSlot(slot) + highestInSlot(slot)) / 2), times: among, atMicros }
      : undefined;
  }
  switch (metric) {
    case "dropped_iterations":
      return { kind: "count", group, metric: "dropped", times: value, atMicros };
    case "hc_beyond_filter_apply":
      return { kind: "beyond", group, metric: "filter-apply", times: value, atMicros };
    case "hc_stream_rate":
      return { kind: "stream-rate", group, perSecond: value };
    case "hc_errors":
      return { kind: "error", text: typeof tags.text === "string" ? tags.text : "unknown", times: value };
    default:
      return undefined;
  }
}

function metricName(name: string): string {
  return `hc_${name.replaceAll("-", "_")}`;
}
