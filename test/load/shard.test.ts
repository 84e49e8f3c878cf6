import fc from "fast-check";
import t from "tap";
import { Histogram } from "../../src/core/histogram.js";
import { countMetrics, type CountMetric } from "../../src/core/metric.js";
import { createRandom } from "../../src/core/random.js";
import type { WorkloadRecord } from "../../src/core/report.js";
import { parseThresholds } from "../../src/core/threshold.js";
import type { MeterRecord } from "../../src/load/meter.js";
import { type RecordOptions, workloadRecord } from "../../src/load/record.js";
import { runLoad } from "../../src/load/run-load.js";
import { checkShard, mergeShards, shardRecord } from "../../src/load/shard.js";
import type { ShareRecord } from "../../src/load/share.js";
import { parseWorkload } from "../../src/load/workload-file.js";
import { memoryServer } from "./memory-server.js";

const text = `name: two
about: Two groups.
duration: 3s
groups:
  - name: readers
    streams: 4
    bystander: true
    begin: [send: $broad]
  - name: changers
    streams: 4
    from: 1s
    begin: [send: $disjoint.1]
    each: [send: { next-of: [$disjoint.2, $disjoint.1] }, expect: applied]
    closed: { think: 10ms }
`;
const two = parseWorkload(text, "two.yaml");
const thresholds = [
  "filter-apply p99 < 40ms",
  "received rate > 100/s",
  "lost == 0",
  "filter-apply p50 < 10ms over 2s",
  "bystander-ratio < 3",
  "fairness > 0.5",
];

/** What one worker measured, made up; empty histograms among it. */
function madeUpShare(seed: number): ShareRecord {
  const random = createRandom(seed);
  const histogram = (most: number, micros: number) => {
    const made = new Histogram();
    const samples = Math.floor(random() * most);
    for (let i = 0; i < samples; i++) {
      made.record(random() * micros);
    }
    if (random() < 0.2) {
      made.recordBeyond(2);
    }
    return made.parts();
  };
  const group = (): MeterRecord => {
    const windows = Array.from({ length: 3 }, (_, index) => ({
      index,
      widthMicros: 1_000_000 + Math.floor(random() * 3000),
      counts: { received: Math.floor(random() * 500), lost: Math.floor(random() * 2) },
      times: { "filter-apply": histogram(20, 50_000), "delivery-lag": histogram(20, 9000) },
      backlog: Math.floor(random() * 3),
    }));
    return {
      counts: Object.fromEntries(countMetrics.map((name) => [name, Math.floor(random() * 100)])) as Record<CountMetric, number>,
      times: { "filter-apply": histogram(60, 50_000), "delivery-lag": histogram(60, 9000), "entry-gap": histogram(60, 3000), gc: new Histogram().parts() },
      windows,
      streamRates: [random() * 100, random() * 100],
    };
  };
  return {
    groups: [
      { name: "readers", record: group() },
      { name: "changers", record: group() },
    ],
    loopUtilisation: random(),
    utilisations: [0, 1, 2].map((index) => ({ index, utilisation: random() })),
    longestStallMicros: 0,
    overflowed: 0,
    silenceWatched: false,
    errors: random() < 0.5 ? { "14: gone": 1 } : {},
    remarks: ["read in place"],
    measuredMicros: 3_000_000,
    endedEarly: false,
    comparedBlocks: 0,
  };
}

function optionsFor(shares: readonly ShareRecord[], generatorCpuMicros: number): RecordOptions {
  return {
    workload: two,
    targets: [],
    driver: "grpc-wire",
    shares,
    thresholds: parseThresholds(thresholds, "two.yaml"),
    generatorCpuMicros,
    targetSamples: [],
    remarks: [],
  };
}

/** As a results.json holds it. */
function kept(record: WorkloadRecord): WorkloadRecord {
  return JSON.parse(JSON.stringify(record)) as WorkloadRecord;
}

const beganAtMs = Date.parse("2030-01-01T00:00:00Z");
function part(
  index: number,
  count: number,
  shares: readonly ShareRecord[],
  more: { seed?: number; beganAtMs?: number } = {},
): { record: WorkloadRecord; source: string } {
  const record = shardRecord(optionsFor(shares, 1_000_000), { shard: { index, count }, seed: 1, beganAtMs, ...more });
  return { record: kept(record), source: `shard-${index + 1}/results.json` };
}

t.test("merged shards are the record of all that was measured, as if one machine had measured it", (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e9 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 2, max: 4 }), (seed, workers, machines) => {
      const shares = Array.from({ length: workers * machines }, (_, i) => madeUpShare(seed + i));
      const parts = Array.from({ length: machines }, (_, i) => part(i, machines, shares.slice(i * workers, (i + 1) * workers)));
      const merged = mergeShards(parts.toReversed());
      const pooled = workloadRecord(optionsFor(shares, machines * 1_000_000));
      for (const name of [
        "counters",
        "rates",
        "histograms",
        "values",
        "windows",
        "thresholds",
        "generator",
        "errors",
        "hash",
        "workers",
        "elapsedSeconds",
        "streams",
      ] as const) {
        t.strictSame(merged[name], pooled[name], name);
      }
    }),
    { numRuns: 20 },
  );
  t.end();
});

t.test("a shard is not judged by itself, and says so", (t) => {
  const { record } = part(1, 2, [madeUpShare(1)]);
  t.strictSame(record.thresholds, []);
  t.match(record.remarks[0], /shard 2 of 2: thresholds are judged on all of them/);
  t.equal(record.streams, 4, "half of each group");
  t.match(record.shard, { index: 2, count: 2, beganAt: "2030-01-01T00:00:00.000Z", thresholds });
  t.end();
});

t.test("a shard that is missing or began at another time makes the whole invalid", (t) => {
  const lone = mergeShards([part(0, 3, [madeUpShare(1)])]);
  t.match(lone.generator, { status: "invalid", reasons: [/Of 3 shards 2 are missing \(2, 3\)/] });
  const apart = mergeShards([part(0, 2, [madeUpShare(1)]), part(1, 2, [madeUpShare(2)], { beganAtMs: beganAtMs + 2500 })]);
  t.match(apart.generator.reasons[0], /began up to 2\.5s apart/);
  t.end();
});

t.test("shards of different runs are not merged", (t) => {
  const one = part(0, 2, [madeUpShare(1)]);
  const other = part(1, 2, [madeUpShare(2)]);
  const refused = (changed: Partial<WorkloadRecord>, message: RegExp) =>
    t.throws(() => mergeShards([one, { ...other, record: { ...other.record, ...changed } }]), { code: "usage", message, place: "shard-2/results.json" });
  const { shard } = other.record;
  refused({ shard: { ...shard!, seed: 2 } }, /differ in their seed: 1 and 2/);
  refused({ shard: { ...shard!, count: 3 } }, /number of shards/);
  refused({ shard: { ...shard!, thresholds: [] } }, /thresholds/);
  refused({ shard: { ...shard!, index: 1 } }, /Shard 1\/2 of two is both in shard-1\/results\.json and in shard-2\/results\.json/);
  refused({ shard: { ...shard!, measured: "H4sI" } }, /cannot be read/);
  refused({ hash: "else" }, /its hash differs/);
  const { shard: _shard, ...whole } = other.record;
  t.throws(() => mergeShards([one, { record: whole, source: "x.json" }]), { code: "usage", message: /in x\.json is whole/ });
  t.end();
});

t.test("each stream and each arrival is performed by one shard", async (t) => {
  const server = memoryServer();
  const workload = parseWorkload(
    "name: shared\nabout: a\nstreams: 3\nduration: 400ms\nbegin: [send: $disjoint.1, expect: applied]\neach: [send: { next-of: [$disjoint.2, $disjoint.1] }, expect: applied]\nopen: { rate: 100/s, spacing: uniform }\nthresholds: [timeouts == 0]\n",
    "shared.yaml",
  );
  const startAtMs = Date.now() + 300;
  const run = (index: number) => runLoad({ targets: [server.target], drivers: [server.driver], seed: 1, workload, shard: { index, count: 2 }, startAtMs });
  const records = await Promise.all([run(0), run(1)]);
  t.strictSame(
    records.map(({ streams, counters }) => [streams, counters["opened"], counters["offered"]]),
    [
      [2, 2, 20],
      [1, 1, 20],
    ],
  );
  const merged = mergeShards(records.map((record, i) => ({ record: kept(record), source: `${i}` })));
  t.equal(merged.counters["opened"], 3);
  t.equal(
    merged.counters["received"],
    records.reduce((sum, { counters }) => sum + (counters["received"] ?? 0), 0),
  );
  t.match(merged.thresholds, [{ text: "timeouts == 0", status: "passed" }]);
  t.ok(
    records.every(({ shard }) => Math.abs(Date.parse(shard!.beganAt) - startAtMs) < 50),
    "each says when it began",
  );
});

t.test("a start that has passed when the streams stand is said", async (t) => {
  const server = memoryServer();
  const workload = parseWorkload("name: late\nabout: a\nduration: 100ms\nbegin: [send: $broad]\n", "late.yaml");
  const record = await runLoad({
    targets: [server.target],
    drivers: [server.driver],
    seed: 1,
    workload,
    shard: { index: 0, count: 1 },
    startAtMs: Date.now() - 5000,
  });
  t.match(record.generator, { status: "invalid", reasons: [/stood .*s after the time/] });
});

t.test("a shard without a stream is refused", (t) => {
  t.throws(() => checkShard({ index: 4, count: 5 }, two), { code: "usage", message: /Shard 5\/5 of "two" has no stream/ });
  t.doesNotThrow(() => checkShard({ index: 3, count: 5 }, two));
  const arrivals = parseWorkload("name: w\nabout: a\nduration: 1s\nopen: { of: streams, rate: 5/s }\n", "w.yaml");
  t.doesNotThrow(() => checkShard({ index: 9, count: 10 }, arrivals), "streams that arrive are dealt out one by one");
  t.end();
});
