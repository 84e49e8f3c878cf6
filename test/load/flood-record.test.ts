import t from "tap";
import { Histogram } from "../../src/core/histogram.js";
import { floodRecord } from "../../src/load/flood-record.js";
import type { FloodMeasured } from "../../src/load/flood-run.js";
import type { MeasuredWindow } from "../../src/load/measurement.js";

const histogramWith = (...micros: readonly number[]) => {
  const histogram = new Histogram();
  micros.forEach((value) => histogram.record(value));
  return histogram.parts();
};
const window = (index: number, received: number, applyMicros?: number): MeasuredWindow => ({
  index,
  widthMicros: 1_000_000,
  counts: { received, ...(index === 2 ? { lost: 3, disconnected: 1 } : {}) },
  times: applyMicros === undefined ? {} : { "filter-apply": histogramWith(applyMicros) },
  backlog: 0,
});
const measured = (fromMicros: number, untilMicros: number): FloodMeasured => ({
  flood: {
    url: undefined,
    method: "GET",
    of: ["plain"],
    connections: 5,
    ratePerSecond: undefined,
    fromMs: 1000,
    durationMs: 2000,
    requests: 10,
  },
  url: "http://h/x",
  fromMicros,
  untilMicros,
  outcome: { statuses: { 426: 10 }, failed: 0, problem: undefined },
  probed: undefined,
});

t.test("windows are parted by the flood, and one that it only touches is none of its own", (t) => {
  const windows = [window(0, 100, 1000), window(1, 50, 9000), window(2, 40), window(3, 90, 2000)];
  const record = floodRecord(measured(990_000, 3_100_000), windows);
  t.match(record, {
    fromSeconds: 0.99,
    untilSeconds: 3.1,
    before: { seconds: 1, receivedPerSecond: 100, lost: 0, ended: 0, applyP99Us: 1000 },
    during: { seconds: 2, receivedPerSecond: 45, lost: 3, ended: 1, applyP99Us: 9000 },
    after: { seconds: 1, receivedPerSecond: 90, applyP99Us: 2000 },
  });
  t.end();
});

t.test("a flood that never began leaves everything before it", (t) => {
  const record = floodRecord(measured(Infinity, Infinity), [window(0, 100)]);
  t.match(record, { fromSeconds: 1, untilSeconds: 1, before: { seconds: 1 }, during: { seconds: 0, receivedPerSecond: 0 }, after: { seconds: 0 } });
  t.notOk("applyP99Us" in record.before, "without samples there is no figure");
  t.end();
});
