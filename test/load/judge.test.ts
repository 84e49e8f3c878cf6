import t from "tap";
import { Histogram, histogramOf } from "../../src/core/histogram.js";
import type { CountMetric, TimeMetric } from "../../src/core/metric.js";
import { parseThresholds } from "../../src/core/threshold.js";
import type { WorkloadRecord } from "../../src/core/report.js";
import { histogramRecord } from "../../src/load/histogram-record.js";
import { beyondRepair, judgeGenerator, judgeThresholds } from "../../src/load/judge.js";
import { type Measurement, mergeRecords } from "../../src/load/measurement.js";

function measurement(given: {
  readonly times?: Partial<Record<TimeMetric, readonly number[]>>;
  readonly counts?: Partial<Record<CountMetric, number>>;
  readonly perSecond?: readonly number[];
  readonly values?: Measurement["values"];
}): Measurement {
  const times = new Map<TimeMetric, Histogram>();
  for (const [name, values] of Object.entries(given.times ?? {}) as [TimeMetric, number[]][]) {
    const histogram = new Histogram();
    values.forEach((micros) => histogram.record(micros));
    times.set(name, histogram);
  }
  const windows = (given.perSecond ?? []).map((received, index) => {
    const histogram = new Histogram();
    histogram.record(received);
    return { index, widthMicros: 1_000_000, counts: { received }, times: { "filter-apply": histogram.parts() }, backlog: 0 };
  });
  return { seconds: windows.length, counts: { ...mergeRecords([], 0).counts, ...given.counts }, times, windows, values: given.values ?? {} };
}

const judged = (texts: readonly string[], given: Measurement, baseline?: WorkloadRecord) => judgeThresholds(parseThresholds(texts, "test"), given, baseline);
const spread = Array.from({ length: 1000 }, (_, i) => (i + 1) * 100);

t.test("a quantile is compared, shown with its unit, and says how far it is from its limit", (t) => {
  const [passed, failed] = judged(["filter-apply p99 < 200ms", "filter-apply p50 <= 40ms"], measurement({ times: { "filter-apply": spread } }));
  t.match(passed, { status: "passed", measured: "99ms", marginPercent: 50.5 });
  t.match(failed, { status: "failed", measured: "50ms", marginPercent: -25 });
  t.end();
});

t.test("updates that never applied make a quantile infinite", (t) => {
  const given = measurement({ times: { "filter-apply": spread } });
  given.times.get("filter-apply")?.recordBeyond(20);
  t.match(judged(["filter-apply p99 < 1h", "filter-apply max < 1h", "filter-apply p50 < 1h"], given), [
    { status: "failed", measured: "∞" },
    { status: "failed", measured: "∞" },
    { status: "passed" },
  ]);
  t.end();
});

t.test("no samples fail unless allowed, too few are inconclusive", (t) => {
  const few = measurement({ times: { "filter-apply": [1, 2, 3] } });
  t.match(
    judged(
      ["open p50 < 1s", "open p50 < 1s allow-empty", "filter-apply p99 < 1s", "filter-apply p99 < 1s min 3 samples", "fairness > 0.5", "received rate > 1/s"],
      few,
    ),
    [{ status: "no-samples" }, { status: "passed" }, { status: "inconclusive" }, { status: "passed" }, { status: "no-samples" }, { status: "no-samples" }],
  );
  t.end();
});

t.test("of too few samples is told what no more of them could mend", (t) => {
  const few = measurement({ times: { "filter-apply": [1000, 2000, 3000] } });
  few.times.get("filter-apply")?.recordBeyond(2);
  const texts = ["filter-apply p99 < 1s", "filter-apply p95 < 1s", "filter-apply p99 < 1us", "filter-apply p99 < 1h min 300 samples"];
  t.match(judged(texts, few), [{ status: "failed", measured: "∞" }, { status: "failed" }, { status: "failed" }, { status: "inconclusive" }]);
  const healthy = { scheduleLagP99Micros: 400, loopUtilisations: [0.3], dropped: 0, loopDelayP99Micros: 2000, overflows: [] };
  t.equal(judgeGenerator(healthy, parseThresholds(texts.slice(0, 3), "test"), few).status, "valid", "that there are few is the target's doing");
  t.match(judgeGenerator(healthy, parseThresholds(texts, "test"), few).reasons, [/"filter-apply p99 < 1h min 300 samples" rests on 5 samples/]);
  t.end();
});

t.test("counters and figures of the run are compared as they are", (t) => {
  t.match(
    judged(
      ["stale-hard == 0", "lost == 0", "fairness > 0.9", "resolution < 5ms"],
      measurement({ counts: { lost: 3 }, values: { fairness: 0.95, resolution: 2000 } }),
    ),
    [
      { status: "passed", measured: "0" },
      { status: "failed", measured: "3" },
      { status: "passed", measured: "0.95" },
      { status: "passed", measured: "2ms" },
    ],
  );
  t.end();
});

t.test("over a stretch the worst stretch counts", (t) => {
  const given = measurement({ times: { "filter-apply": spread }, perSecond: [100, 100, 10, 10, 100] });
  t.match(
    judged(
      [
        "received rate > 50/s",
        "received rate > 50/s over 1s",
        "received rate > 5/s over 2s",
        "received rate < 60/s over 2s",
        "filter-apply max < 99us over 1s",
        "received rate > 1/s over 10s",
      ],
      given,
    ),
    [
      { status: "passed", measured: "64/s" },
      { status: "failed", measured: "10/s" },
      { status: "passed", measured: "10/s" },
      { status: "failed", measured: "100/s" },
      { status: "failed", measured: "100us" },
      { status: "no-samples" },
    ],
  );
  t.end();
});

t.test("against a baseline the ratio counts, and without one nothing can be said", (t) => {
  const given = measurement({ times: { "filter-apply": spread }, perSecond: [90, 90], counts: { received: 180 } });
  const baseline = {
    histograms: { "filter-apply": histogramRecord(histogramOf(given.times.get("filter-apply")?.parts() ?? new Histogram().parts())) },
    rates: { received: { min: 100, median: 100, max: 100, mean: 100 } },
    counters: { received: 180 },
    values: {},
  } as unknown as WorkloadRecord;
  t.match(
    judged(
      ["filter-apply p99 vs baseline <= 1.05x", "received rate vs baseline >= 0.95x", "received vs baseline >= 1x", "fairness vs baseline >= 1x"],
      given,
      baseline,
    ),
    [{ status: "passed" }, { status: "failed", measured: "0.9x (90/s against 100/s)" }, { status: "passed" }, { status: "no-samples" }],
  );
  t.match(judged(["filter-apply p99 vs baseline <= 1.05x"], given), [{ status: "inconclusive" }]);
  t.end();
});

t.test("the generator is valid only when it kept its schedule, had time left, and dropped nothing", (t) => {
  const healthy = { scheduleLagP99Micros: 400, loopUtilisations: [0.3, 0.5], dropped: 0, loopDelayP99Micros: 2000, overflows: [] };
  const given = measurement({ times: { "filter-apply": spread } });
  t.same(judgeGenerator(healthy, [], given), { status: "valid", reasons: [] });
  t.match(judgeGenerator({ ...healthy, scheduleLagP99Micros: 1500 }, [], given), { status: "invalid", reasons: [/late at p99/] });
  t.equal(
    judgeGenerator({ ...healthy, scheduleLagP99Micros: 1500 }, parseThresholds(["filter-apply p99 < 100ms"], "test"), given).status,
    "valid",
    "a tenth of the threshold",
  );
  t.equal(judgeGenerator({ ...healthy, scheduleLagP99Micros: Number.NaN }, [], given).status, "valid", "nothing was scheduled");
  t.match(judgeGenerator({ ...healthy, loopUtilisations: [0.3, 0.93] }, [], given), { reasons: [/worker 2 was 93 % busy/] });
  t.match(judgeGenerator({ ...healthy, loopDelayP99Micros: 355_000 }, [], given), { reasons: [/355 ?ms late at p99/] });
  t.equal(judgeGenerator({ ...healthy, loopDelayP99Micros: 40_000 }, [], given).status, "valid", "a machine that is a little busy");
  const ended = (longestStallMicros: number) => judgeGenerator({ ...healthy, overflows: [{ streams: 2, longestStallMicros }] }, [], given);
  t.match(ended(180_000), { status: "invalid", reasons: [/^2 streams were ended as readers too slow, .* stood still for up to 180 ?ms/] });
  t.equal(ended(20_000).status, "valid", "a reader that read all the time was not too slow");
  t.match(judgeGenerator({ ...healthy, dropped: 12 }, [], given), { reasons: [/12 arrivals were dropped/] });
  t.match(judgeGenerator(healthy, parseThresholds(["filter-apply p99.99 < 1s"], "test"), given), {
    reasons: [/rests on 1,000 samples, fewer than the 10,000/],
  });
  t.end();
});

t.test("only what more measuring cannot mend ends a run", (t) => {
  const thresholds = parseThresholds(["lost == 0 abort-on-fail", "received > 100 abort-on-fail", "filter-apply p99 < 1ms"], "test");
  t.equal(beyondRepair(thresholds, measurement({ counts: { lost: 1 } }))?.metric, "lost");
  t.equal(beyondRepair(thresholds, measurement({ counts: { received: 5 }, times: { "filter-apply": spread } })), undefined);
  t.equal(
    beyondRepair(parseThresholds(["filter-apply p50 < 1ms abort-on-fail"], "test"), measurement({ times: { "filter-apply": spread } }))?.metric,
    "filter-apply",
  );
  t.end();
});
