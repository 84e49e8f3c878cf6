import t from "tap";
import { Histogram } from "../../src/core/histogram.js";
import type { WorkloadRecord } from "../../src/core/report.js";
import { histogramRecord } from "../../src/load/histogram-record.js";
import { judgeTrial, offeredPerSecond, samplesFor, withLoad } from "../../src/load/trial.js";
import { arrivals, steady } from "../../src/core/schedule.js";
import { searchCapacity } from "../../src/load/capacity.js";
import { parseWorkload } from "../../src/load/workload-file.js";

const objective = { metric: "filter-apply", quantile: 0.9, limitMicros: 50_000 } as const;

function record(
  change: {
    readonly counters?: Record<string, number>;
    readonly micros?: number;
    readonly timeouts?: number;
    readonly samples?: number;
    readonly backlog?: readonly number[];
    readonly invalid?: boolean;
  } = {},
): WorkloadRecord {
  const histogram = new Histogram();
  histogram.recordMany(change.micros ?? 20_000, change.samples ?? 2000);
  histogram.recordBeyond(change.timeouts ?? 0);
  return {
    elapsedSeconds: 15,
    counters: { offered: 1000, begun: 1000, opened: 10, ...change.counters },
    histograms: { "filter-apply": histogramRecord(histogram) },
    values: { "loop-utilisation": 0.2 },
    windows: (change.backlog ?? [1, 2, 1, 2, 1, 2]).map((backlog) => ({ backlog })),
    generator: change.invalid === true ? { status: "invalid", reasons: ["It was late."] } : { status: "valid", reasons: [] },
  } as unknown as WorkloadRecord;
}

t.test("a load passes only if everything that was asked of it holds", (t) => {
  t.match(judgeTrial(record(), 100, objective), { status: "passed", load: 100, achieved: 1, samples: 2000 });
  const failed = (change: Parameters<typeof record>[0], limitedBy: RegExp) =>
    t.match(judgeTrial(record(change), 100, objective), { status: "failed", limitedBy });
  failed({ micros: 60_000 }, /p90 of 60ms, over 50ms/);
  failed({ timeouts: 500 }, /p90 of ∞/);
  failed({ counters: { "stale-hard": 1 } }, /stale/);
  failed({ counters: { rejected: 1 } }, /1 of 10 streams/);
  failed({ counters: { begun: 950 } }, /95 % achieved/);
  failed({ backlog: [0, 1, 10, 20, 40, 60] }, /backlog/);
  t.match(judgeTrial(record({ samples: 500 }), 100, objective), { status: "inconclusive" });
  t.match(judgeTrial(record({ invalid: true, micros: 60_000 }), 100, objective), { status: "invalid", limitedBy: /It was late/ });
  t.match(judgeTrial({ ...record(), histograms: {} }, 100, objective), { status: "inconclusive", samples: 0 });
  t.end();
});

t.test("the samples that a quantile needs grow with it", (t) => {
  t.equal(samplesFor({ ...objective, quantile: 0.99 }), 10_000);
  t.equal(samplesFor({ ...objective, quantile: 0.9 }), 1000);
  t.equal(samplesFor({ ...objective, samples: 50 }), 50);
  t.end();
});

t.test("a load is arrivals per second of the open groups together, or streams of the first group", (t) => {
  const open = parseWorkload(
    "name: w\nabout: a\nduration: 10s\ngroups:\n  - { name: a, open: { rate: 10/s }, each: [send: x] }\n  - { name: b, open: { rate: 30/s }, each: [send: x] }\n",
    "w",
  );
  t.equal(offeredPerSecond(open), 40);
  const loaded = withLoad(open, 400, 20);
  t.equal(offeredPerSecond(loaded), 400);
  t.equal(loaded.durationMs, 20_000);
  const closed = parseWorkload("name: w\nabout: a\nduration: 10s\nbegin: [send: x]", "w");
  t.equal(offeredPerSecond(closed), undefined);
  t.equal(withLoad(closed, 7.4, 1).groups[0]?.streams, 7);
  t.end();
});

t.test("of a server with a ceiling, simulated update by update, the ceiling is found within 5 %", async (t) => {
  for (const ceiling of [150, 1000, 7300]) {
    const simulated = (load: number, kind: "search" | "confirm") => {
      const wanted = Math.min(120, Math.max(15, Math.ceil(10_000 / (load * 0.9))));
      const seconds = kind === "confirm" ? Math.max(60, wanted) : wanted;
      const histogram = new Histogram();
      const backlog = Array.from({ length: seconds }, () => 0);
      let freeMicros = 0;
      let offered = 0;
      for (const dueMicros of arrivals(steady(load, seconds * 1000), "poisson", offered + Math.round(load))) {
        offered++;
        freeMicros = Math.max(freeMicros, dueMicros) + 1_000_000 / ceiling;
        const micros = freeMicros - dueMicros + 2000;
        histogram.record(micros);
        const second = Math.floor(dueMicros / 1_000_000);
        backlog[second] = Math.round((freeMicros - dueMicros) * (ceiling / 1_000_000));
      }
      const measured = {
        ...record({ backlog, counters: { offered, begun: offered } }),
        elapsedSeconds: seconds,
        histograms: { "filter-apply": histogramRecord(histogram) },
      };
      return Promise.resolve(judgeTrial(measured, load, { metric: "filter-apply", quantile: 0.99, limitMicros: 10_000 + 150 * (1_000_000 / ceiling) }));
    };
    const found = await searchCapacity({ start: 50, attempt: simulated });
    t.ok(
      found.sustainable <= ceiling * 1.01 && found.sustainable >= ceiling * 0.95,
      `${found.sustainable} of ${ceiling}, limited by ${found.limitedBy} at ${found.failsAt}`,
    );
    t.equal(found.inconclusive, undefined);
  }
});
