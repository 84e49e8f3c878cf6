import { gunzipSync, gzipSync } from "node:zlib";
import { HarnessError } from "../core/errors.js";
import type { CountMetric } from "../core/metric.js";
import { formatMicros } from "../core/quantity.js";
import type { ShardRecord, WorkloadRecord } from "../core/report.js";
import { parseThresholds } from "../core/threshold.js";
import type { StreamGroup, Workload } from "../core/workload.js";
import type { FloodMeasured } from "./flood-run.js";
import { lossRemarks, type RecordOptions, uncountedIn, workloadHash, workloadRecord } from "./record.js";
import type { ShareRecord } from "./share.js";
import type { TargetSample } from "./target-samples.js";

/** A part of a workload: the streams and arrivals whose number leaves this remainder. */
export interface Shard {
  /** From 0. */
  readonly index: number;
  readonly count: number;
}

/** @throws HarnessError `usage` for a part without a stream. */
export function checkShard({ index, count }: Shard, workload: Workload): void {
  if (!workload.groups.some((group) => opensStreams(group) || group.streams > index)) {
    throw new HarnessError("usage", `Shard ${index + 1}/${count} of "${workload.name}" has no stream: there are fewer streams than shards.`, {
      place: "--shard",
      hint: "--streams says how many there are over all shards",
    });
  }
}

/** What crosses from a shard to its merger: what its workers measured, and what else the record is made of. */
interface ShardMeasured {
  readonly shares: readonly ShareRecord[];
  readonly generatorCpuMicros: number;
  readonly targetSamples: readonly TargetSample[];
  readonly flood: FloodMeasured | undefined;
  /** What the merger cannot say for want of the targets, or of having been there. */
  readonly remarks: readonly string[];
  readonly spoiled: readonly string[];
  readonly uncounted: readonly CountMetric[];
}

/** The record of one part: measured and told like any other, but not judged. */
export function shardRecord(
  options: RecordOptions,
  { shard, seed, beganAtMs }: { readonly shard: Shard; readonly seed: number; readonly beganAtMs: number },
): WorkloadRecord {
  // How many samples there are is a question to the whole.
  const scale = options.thresholds.map((threshold) => ({ ...threshold, minSamples: undefined }));
  const record = workloadRecord({ ...options, thresholds: scale });
  const { shares, generatorCpuMicros, targetSamples, flood, spoiled = [] } = options;
  const remarks = [...options.remarks, ...lossRemarks(options.workload, options.targets)];
  const streams = options.workload.groups.reduce((sum, group) => sum + Math.max(0, Math.ceil((group.streams - shard.index) / shard.count)), 0);
  return {
    ...record,
    streams,
    thresholds: [],
    remarks: [`This is shard ${shard.index + 1} of ${shard.count}: thresholds are judged on all of them, by halfclose merge.`, ...record.remarks],
    shard: {
      index: shard.index + 1,
      count: shard.count,
      seed,
      beganAt: new Date(beganAtMs).toISOString(),
      thresholds: options.thresholds.map(({ text }) => text),
      measured: pack({ shares, generatorCpuMicros, targetSamples, flood, remarks, spoiled, uncounted: uncountedIn(options.workload, options.targets) }),
    },
  };
}

/** A shard's record, and the file that it comes from. */
export interface SourcedShard {
  readonly record: WorkloadRecord;
  readonly source: string;
}

/** Shards that begin further apart than this did not put their load on the target together. */
const togetherMs = 1000;

/**
 * Makes one record of the shards of a workload, as if one machine had performed it: histograms and counters are merged, thresholds judged on the whole.
 * A shard that is missing, or began at another time, makes it invalid, not an error.
 * @throws HarnessError `usage` when they are not parts of one run.
 */
export function mergeShards(shards: readonly SourcedShard[]): WorkloadRecord {
  const parts = shards.map((one) => ({ ...one, shard: shardOf(one) })).toSorted((a, b) => a.shard.index - b.shard.index);
  const [first] = parts;
  if (first === undefined) {
    throw new Error("no shards to merge");
  }
  for (const part of parts.slice(1)) {
    requireSameRun(first, part);
  }
  const workload = first.record.config as Workload;
  const measured = parts.map(unpack);
  const begun = parts.map(({ shard }) => Date.parse(shard.beganAt));
  const apartMs = Math.max(...begun) - Math.min(...begun);
  const missing = Array.from({ length: first.shard.count }, (_, i) => i + 1).filter((index) => !parts.some(({ shard }) => shard.index === index));
  const merged = workloadRecord({
    workload,
    targets: [],
    driver: joined(parts.map(({ record }) => record.driver)),
    shares: measured.flatMap(({ shares }) => shares),
    thresholds: parseThresholds(first.shard.thresholds, first.source, "usage"),
    generatorCpuMicros: measured.reduce((sum, { generatorCpuMicros }) => sum + generatorCpuMicros, 0),
    targetSamples: measured.find(({ targetSamples }) => targetSamples.length > 0)?.targetSamples ?? [],
    flood: measured.find(({ flood }) => flood !== undefined)?.flood,
    uncounted: measured[0]?.uncounted ?? [],
    remarks: [`Measured by ${parts.length} shards: ${parts.map(({ source }) => source).join(", ")}.`],
    spoiled: [
      ...(missing.length > 0
        ? [
            `Of ${first.shard.count} shards ${missing.length === 1 ? "one is" : `${missing.length} are`} missing (${missing.join(", ")}): the load was not offered whole.`,
          ]
        : []),
      ...(apartMs > togetherMs ? [`The shards began up to ${formatMicros(apartMs * 1000)} apart: their loads did not come together.`] : []),
      ...measured.flatMap(({ spoiled }) => spoiled),
    ],
  });
  return {
    ...merged,
    transports: [...new Set(parts.flatMap(({ record }) => record.transports))],
    streams: parts.reduce((sum, { record }) => sum + record.streams, 0),
    remarks: [...new Set([...merged.remarks, ...measured.flatMap(({ remarks }) => remarks)])],
  };
}

function shardOf({ record, source }: SourcedShard): ShardRecord {
  if (record.shard === undefined) {
    throw new HarnessError("usage", `The workload ${record.name} in ${source} is whole, no shard.`, { place: source });
  }
  if (workloadHash(record.config as Workload) !== record.hash) {
    throw new HarnessError("usage", `The workload ${record.name} in ${source} is not the one that was performed: its hash differs.`, { place: source });
  }
  return record.shard;
}

type Part = SourcedShard & { readonly shard: ShardRecord };

function requireSameRun(first: Part, other: Part): void {
  const differences: readonly (readonly [what: string, a: unknown, b: unknown])[] = [
    ["performed", first.record.hash, other.record.hash],
    ["number of shards", first.shard.count, other.shard.count],
    ["seed", first.shard.seed, other.shard.seed],
    ["thresholds", first.shard.thresholds.join(), other.shard.thresholds.join()],
  ];
  const different = differences.find(([, a, b]) => a !== b);
  if (different !== undefined) {
    const [what, a, b] = different;
    throw new HarnessError(
      "usage",
      what === "performed"
        ? `The shards of ${first.record.name} in ${first.source} and ${other.source} performed different workloads: streams, duration or the file differ.`
        : `The shards of ${first.record.name} in ${first.source} and ${other.source} differ in their ${what}: ${String(a)} and ${String(b)}.`,
      { place: other.source },
    );
  }
  if (first.shard.index === other.shard.index) {
    throw new HarnessError(
      "usage",
      `Shard ${other.shard.index}/${other.shard.count} of ${other.record.name} is both in ${first.source} and in ${other.source}.`,
      {
        place: other.source,
      },
    );
  }
}

function opensStreams({ arrivals }: StreamGroup): boolean {
  return arrivals.model === "open" && arrivals.of === "streams";
}

function joined(texts: readonly string[]): string {
  return [...new Set(texts)].join(", ");
}

/** JSON has no infinity, which the least value of an empty histogram is. */
const infinity = "∞";

function pack(measured: ShardMeasured): string {
  return gzipSync(JSON.stringify(measured, (_, value: unknown) => (value === Infinity ? infinity : value))).toString("base64");
}

function unpack({ shard, source }: Part): ShardMeasured {
  try {
    const text = gunzipSync(Buffer.from(shard.measured, "base64")).toString("utf8");
    return JSON.parse(text, (_, value: unknown) => (value === infinity ? Infinity : value)) as ShardMeasured;
  } catch (thrown) {
    throw new HarnessError("usage", `What shard ${shard.index}/${shard.count} in ${source} measured cannot be read.`, { place: source, cause: thrown });
  }
}
