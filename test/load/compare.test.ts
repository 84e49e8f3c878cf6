import fc from "fast-check";
import t from "tap";
import { Histogram } from "../../src/core/histogram.js";
import { createRandom } from "../../src/core/random.js";
import type { EnvironmentRecord, WorkloadRecord } from "../../src/core/report.js";
import { ratioOfRuns } from "../../src/load/bootstrap.js";
import { checkComparable, compareRuns, compareWithBaseline, comparisonSentence, interleaved } from "../../src/load/compare.js";
import { histogramRecord } from "../../src/load/histogram-record.js";

const environment: EnvironmentRecord = { os: "linux", cpu: "x", cores: 2, memoryBytes: 1, node: "20", fingerprint: "f" };

/** A run whose latencies are spread around a median, which itself moves a little from run to run. */
function run(random: () => number, { median = 20_000, rate = 1000, wander = 0.02 } = {}): WorkloadRecord {
  const histogram = new Histogram();
  const shift = 1 + (random() - 0.5) * 2 * wander;
  for (let i = 0; i < 3000; i++) {
    histogram.record(median * shift * (0.5 + random()));
  }
  const windows = Array.from({ length: 10 }, (_, atSeconds) => ({ atSeconds, received: rate * shift * (0.98 + 0.04 * random()) }));
  return {
    name: "w",
    engine: "native",
    streams: 8,
    elapsedSeconds: 10,
    hash: "h",
    histograms: { "filter-apply": histogramRecord(histogram) },
    rates: { received: { min: rate, median: rate, max: rate, mean: windows.reduce((sum, window) => sum + window.received, 0) / windows.length } },
    windows,
    counters: {},
  } as unknown as WorkloadRecord;
}

const runs = (random: () => number, options?: Parameters<typeof run>[1]): WorkloadRecord[] => Array.from({ length: 5 }, () => run(random, options));

t.test("a regression of 15 % is found, and none between equal servers, in 20 of 20 tries", (t) => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = createRandom(seed);
    const slower = compareRuns(runs(random), runs(random, { median: 23_000 }), { seed });
    t.equal(slower.find(({ of }) => of === "filter-apply p99")?.verdict, "worse", `seed ${seed}`);
    t.match(comparisonSentence(slower), /^Regression: .*filter-apply p99 \+1\d/);
    const equal = compareRuns(runs(random), runs(random), { seed });
    t.notOk(
      equal.some(({ verdict }) => verdict === "worse" || verdict === "better"),
      `seed ${seed}`,
    );
  }
  t.end();
});

t.test("more entries a second are better, less latency is better", (t) => {
  const random = createRandom(5);
  const ratios = compareRuns(runs(random), runs(random, { median: 15_000, rate: 1300 }), { seed: 1 });
  t.equal(ratios.find(({ of }) => of === "received rate")?.verdict, "better");
  t.equal(ratios.find(({ of }) => of === "filter-apply p50")?.verdict, "better");
  t.match(comparisonSentence(ratios), /^Better: .*; nothing is worse/);
  t.equal(compareRuns(runs(random), runs(random, { rate: 700 }), { seed: 1 }).find(({ of }) => of === "received rate")?.verdict, "worse");
  t.end();
});

t.test("runs that vary too much are unclear, and figures that one side lacks are not compared", (t) => {
  const random = createRandom(9);
  const wild = compareRuns(runs(random, { wander: 0.5 }), runs(random, { wander: 0.5 }), { seed: 1 });
  t.ok(wild.some(({ verdict }) => verdict === "unclear"));
  t.match(comparisonSentence(wild), /vary too much, or differ by too little, to tell/);
  t.notOk(wild.some(({ of }) => of.startsWith("first-entry")));
  t.end();
});

t.test("times that differ by less than timers do are not told apart, unless it is asked for", (t) => {
  const verdictOf = (options: { readonly leastMicros?: number }): string | undefined => {
    const random = createRandom(4);
    const ratios = compareRuns(runs(random, { median: 400, wander: 0 }), runs(random, { median: 900, wander: 0 }), { seed: 1, ...options });
    return ratios.find(({ of }) => of === "filter-apply p50")?.verdict;
  };
  t.equal(verdictOf({}), "unclear");
  t.equal(verdictOf({ leastMicros: 100 }), "worse");
  const random = createRandom(4);
  const ratios = compareRuns(runs(random, { median: 4000, wander: 0 }), runs(random, { median: 5500, wander: 0 }), { seed: 1 });
  t.match(
    ratios.filter(({ of }) => of.startsWith("filter-apply")).map(({ verdict }) => verdict),
    ["worse", "worse", "unclear"],
    "the rarer, the more it takes",
  );
  t.end();
});

t.test("what never came in most runs is worse than any time, and what one side has no sample of never came", (t) => {
  const random = createRandom(6);
  const before = runs(random);
  const timedOut = runs(random).map((record) => {
    const histogram = new Histogram();
    histogram.recordMany(20_000, 50);
    histogram.overflow = 50;
    return { ...record, histograms: { "filter-apply": histogramRecord(histogram) } };
  });
  const verdicts = (ratios: ReturnType<typeof compareRuns>): Record<string, string> => Object.fromEntries(ratios.map(({ of, verdict }) => [of, verdict]));
  const late = compareRuns(before, timedOut, { seed: 1 });
  t.match(verdicts(late), { "filter-apply p90": "worse", "filter-apply p99": "worse" });
  t.match(comparisonSentence(late), /^Regression: .*filter-apply p99 from 2\d(\.\d)?ms to ∞/);
  const silent = before.map((record) => ({ ...record, histograms: {} }));
  t.match(verdicts(compareRuns(before, silent, { seed: 1 })), { "filter-apply p50": "worse" });
  t.match(verdicts(compareRuns(silent, before, { seed: 1 })), { "filter-apply p50": "better" });
  t.equal(compareRuns(silent, silent, { seed: 1 }).length, 1, "of which only the rate is left");
  const others = silent.map((record) => ({ ...record, engine: "k6" }));
  t.notOk(
    compareRuns(before, others, { seed: 1 }).some(({ of }) => of.startsWith("filter-apply")),
    "another engine may not see it",
  );
  t.end();
});

t.test("of what the contract forbids one is worse than none; of what may happen it takes more than chance", (t) => {
  const random = createRandom(7);
  const before = runs(random);
  const counting = (counters: readonly Record<string, number>[]) => runs(random).map((record, i) => ({ ...record, counters: counters[i] ?? {} }));
  const verdictOf = (metric: string, numbers: readonly number[], earlier: readonly number[] = [0, 0, 0, 0, 0]): string | undefined => {
    const [was, is] = [earlier, numbers].map((each) => counting(each.map((value) => ({ [metric]: value }))));
    return compareRuns(was ?? [], is ?? [], { seed: 1 }).find(({ of }) => of === metric)?.verdict;
  };
  t.equal(verdictOf("stale-hard", [0, 0, 1, 0, 0]), "worse");
  t.equal(verdictOf("timeouts", [0, 0, 1, 0, 0]), "unclear");
  t.equal(verdictOf("timeouts", [4, 9, 7, 3, 5]), "worse");
  t.equal(verdictOf("lost", [90, 110, 104, 97, 93], [101, 90, 95, 112, 99]), "unclear");
  t.equal(verdictOf("lost", [0, 0, 0, 0, 0]), undefined, "none on either side is no row");
  const alike = (counters: Readonly<Record<string, number>>): readonly Record<string, number>[] => Array.from({ length: 5 }, () => ({ ...counters }));
  t.notOk(
    compareRuns(before, counting(alike({ duplicated: 3 })), { seed: 1 }).some(({ of }) => of === "duplicated"),
    "runs whose counters are not known are compared with none",
  );
  const worse = compareRuns(counting(alike({ "stale-hard": 0 })), counting(alike({ "stale-hard": 14 })), { seed: 1 });
  t.match(comparisonSentence(worse), /stale-hard from 0 to 70/);
  t.end();
});

t.test("of one run each, a moment that held all streams up is no regression", (t) => {
  const random = createRandom(8);
  const before = run(random, { wander: 0 });
  const held = new Histogram();
  for (let i = 0; i < 3000; i++) {
    held.record(20_000 * (0.5 + random()));
  }
  // Five moments of ten seconds.
  held.recordMany(60_000, 8 * 5);
  const after = { ...run(random, { wander: 0 }), histograms: { "filter-apply": histogramRecord(held) } };
  const { ratios } = compareWithBaseline("main", before, after, { seed: 1 });
  t.equal(ratios.find(({ of }) => of === "filter-apply p99")?.verdict, "unclear");
  t.equal(ratios.find(({ of }) => of === "filter-apply p50")?.verdict, "unclear");
  t.end();
});

t.test("against one baseline the interval holds what varies within a run", (t) => {
  const random = createRandom(3);
  const before = run(random, { wander: 0 });
  const slower = compareWithBaseline("main", before, run(random, { median: 23_000, wander: 0 }), { seed: 1 });
  t.equal(slower.name, "main");
  t.equal(slower.ratios.find(({ of }) => of === "filter-apply p50")?.verdict, "worse");
  t.ok(slower.histograms["filter-apply"]);
  const same = compareWithBaseline("main", before, run(random, { wander: 0 }), { seed: 1 });
  t.notOk(same.ratios.some(({ verdict }) => verdict === "worse"));
  t.end();
});

t.test("different workloads or machines are not compared", (t) => {
  const record = run(createRandom(1));
  const side = { ...record, environment };
  t.doesNotThrow(() => checkComparable(side, side));
  t.throws(() => checkComparable(side, { ...side, hash: "other" }), {
    name: "HarnessError",
    code: "usage",
    message: /of different workloads/,
  });
  t.throws(() => checkComparable(side, { ...side, environment: { ...environment, fingerprint: "g" } }), {
    name: "HarnessError",
    message: /of different machines/,
  });
  t.end();
});

t.test("sides take turns, each going first as often as the other", (t) => {
  const order = interleaved(6);
  t.equal(order.length, 6);
  t.equal(order.filter(([first]) => first === "before").length, 3);
  t.equal(interleaved(1).length, 5, "at least five rounds");
  t.end();
});

t.test("the interval holds the ratio, is the same for the same seed, and is a point for runs that do not vary", (t) => {
  const runsOf = fc.array(fc.double({ min: 1, max: 1000, noNaN: true }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(runsOf, runsOf, fc.nat(), (before, after, seed) => {
      const { ratio, low, high } = ratioOfRuns(before, after, seed);
      return low <= ratio + 1e-9 && ratio <= high + 1e-9 && JSON.stringify(ratioOfRuns(before, after, seed)) === JSON.stringify({ ratio, low, high });
    }),
    { numRuns: 30 },
  );
  t.same(ratioOfRuns([2, 2, 2], [3, 3], 1), { ratio: 1.5, low: 1.5, high: 1.5 });
  t.same(ratioOfRuns([0, 0], [0], 1), { ratio: 1, low: 1, high: 1 });
  t.end();
});
