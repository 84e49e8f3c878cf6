import type { Transport } from "./contract.js";
import type { LatencyBuckets } from "./latency-buckets.js";
import type { DriverName } from "./stream.js";
import type { TimelineEvent } from "./timeline.js";
import type { Level, VerdictStatus } from "./verdict.js";

/** Version of the shape of results.json; the published JSON Schema says the same. */
export const reportSchema = "halfclose.report/1";

/** One run, whole: plain JSON from which every view is made. Names are stable: others parse them. */
export interface Report {
  readonly schema: typeof reportSchema;
  readonly harness: { readonly name: "halfclose"; readonly version: string };
  /** The command line that made it, secrets redacted. */
  readonly command: readonly string[];
  readonly startedAt: string;
  readonly elapsedMs: number;
  /** Seed of all random choices of the run. */
  readonly seed: number;
  readonly target: TargetRecord;
  readonly environment: EnvironmentRecord;
  /** True until the run has finished: an interrupted run leaves a valid file. */
  readonly partial: boolean;
  readonly checks: readonly CheckRecord[];
  readonly workloads: readonly WorkloadRecord[];
  /** Capacity searches, if any were made. */
  readonly capacities?: readonly CapacityRecord[];
  readonly gates: readonly GateRecord[];
  /** Errors of the surroundings that belong to no check (the target died, a file that could not be written). */
  readonly problems: readonly string[];
  readonly exitCode: number;
}

export interface TargetRecord {
  readonly urls: readonly string[];
  readonly contract: { readonly name: string; readonly source: string; readonly hash: string };
  readonly suite: string;
  /** What the target said of itself (`server` header, `--target-name`). */
  readonly identity: string | undefined;
  /** The command given with --start, if any. */
  readonly start: string | undefined;
}

/** Where it ran; results of different fingerprints are not compared as if they were one. */
export interface EnvironmentRecord {
  readonly os: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly node: string;
  /** Hash of the above, hex. */
  readonly fingerprint: string;
}

/** One check on one transport. */
export interface CheckRecord {
  readonly id: string;
  readonly transport: Transport;
  readonly driver: DriverName;
  readonly level: Level;
  readonly status: VerdictStatus;
  readonly requirement: string;
  readonly clause: string;
  /** failed, warned, known-failing. */
  readonly expected?: string;
  readonly actual?: string;
  /** unproven: what it lacked; not-applicable: what the contract declares; broken: the cause; known-failing: the reason; passed: a note. */
  readonly reason?: string;
  /** Id of the more basic check whose failure explains this one. */
  readonly consequenceOf?: string;
  /** Passed on a retry only: how many attempts it took. */
  readonly flaky?: number;
  readonly elapsedMs: number;
  /** The wait that used most of its bound: time used, and the bound, in milliseconds. */
  readonly usedMs?: number;
  readonly boundMs?: number;
  /** How its streams ended, in order: `OK`, `1000`, `CANCELLED` … */
  readonly ends: readonly string[];
  /** Kept when the check did not pass. */
  readonly timeline?: readonly TimelineEvent[];
  readonly timelineDropped?: number;
  /** One line to paste that runs just this again. */
  readonly reproduce?: string;
}

/** A mergeable histogram: counts by value. */
export interface HistogramRecord {
  readonly unit: "us";
  /** Base64 of the compressed HdrHistogram encoding. */
  readonly encoded: string;
  readonly count: number;
  /** Values above the highest trackable one; they count as +∞ in quantiles. */
  readonly overflow: number;
  readonly min: number;
  readonly mean: number;
  readonly max: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
}

/** What was counted and measured in one window of a workload. */
export interface WindowRecord {
  /** Seconds since the measured part began. */
  readonly atSeconds: number;
  readonly received: number;
  readonly bytes: number;
  readonly sent: number;
  readonly stale: number;
  readonly backlog: number;
  readonly scheduleLagP99Us: number;
  readonly loopUtilisation: number;
  readonly applyP50Us?: number;
  readonly applyP99Us?: number;
  /** The window's filter-apply latencies, coarse, for a heat map. */
  readonly applyBuckets?: LatencyBuckets;
  readonly target?: { readonly cpu: number; readonly rssBytes: number; readonly threads: number; readonly openFiles: number };
}

export interface ThresholdRecord {
  /** As written: `filter-apply p99 < 50ms`. */
  readonly text: string;
  readonly status: "passed" | "failed" | "no-samples" | "inconclusive";
  /** The measured value as text with its unit; absent without samples. */
  readonly measured?: string;
  /** How far from the limit, in per cent of the limit; negative: beyond it. */
  readonly marginPercent?: number;
}

/** Whether the numbers can be believed. */
export interface GeneratorVerdict {
  readonly status: "valid" | "invalid";
  /** One sentence for each thing that spoils the numbers. */
  readonly reasons: readonly string[];
}

export interface WorkloadRecord {
  readonly name: string;
  readonly engine: string;
  readonly transports: readonly Transport[];
  readonly driver: string;
  /** The workload as performed, defaults filled in. */
  readonly config: unknown;
  readonly hash: string;
  readonly elapsedSeconds: number;
  readonly streams: number;
  /** Threads that performed it. */
  readonly workers?: number;
  /** By metric name: received, lost, duplicated, reordered, stale-in-flight, stale-hard, timeouts, deferred, … */
  readonly counters: Readonly<Record<string, number>>;
  /** By metric name, values per second: received, bytes, sent. */
  readonly rates: Readonly<Record<string, { readonly min: number; readonly median: number; readonly max: number; readonly mean: number }>>;
  readonly histograms: Readonly<Record<string, HistogramRecord>>;
  /** By metric name, figures of the whole run: fairness, bystander-ratio, resolution (µs), loop-utilisation, … */
  readonly values?: Readonly<Record<string, number>>;
  readonly windows: readonly WindowRecord[];
  readonly thresholds: readonly ThresholdRecord[];
  readonly generator: GeneratorVerdict;
  /** What this engine cannot see, or measured with less than full resolution; printed with the numbers. */
  readonly remarks: readonly string[];
  /** Streams that ended although the workload did not end them. */
  readonly errors: Readonly<Record<string, number>>;
  /** It is a part of the workload, to be merged with the others: thresholds are judged on the whole. */
  readonly shard?: ShardRecord;
  /** What a flood of plain HTTP did to the streams beside it. */
  readonly flood?: FloodRecord;
  /** What it was compared with, if anything. */
  readonly baseline?: BaselineRecord;
  /** Latencies under the same load of a server that is known to be right: the part of this machine and the generator. */
  readonly calibration?: Pick<WorkloadRecord, "histograms">;
}

/** One part of a workload that several machines performed. */
export interface ShardRecord {
  /** From 1. */
  readonly index: number;
  readonly count: number;
  readonly seed: number;
  /** When its measured part began, by its machine's clock; RFC 3339. */
  readonly beganAt: string;
  /** As written; judged when the parts are merged. */
  readonly thresholds: readonly string[];
  /** All that was measured, for `halfclose merge`: gzip of JSON in base64. */
  readonly measured: string;
}

/** A flood of plain HTTP on the WebSocket path, and what went on before, during and after it. */
export interface FloodRecord {
  /** Without its query. */
  readonly url: string;
  readonly method: string;
  /** `plain`, `wrong-upgrade`: sent in turn. */
  readonly of: readonly string[];
  readonly connections: number;
  /** Since the measured part began. */
  readonly fromSeconds: number;
  readonly untilSeconds: number;
  /** Whole answers by status; right to within the connections. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Connections that broke, and requests without an answer in time. */
  readonly failed: number;
  readonly before: FloodPhaseRecord;
  /** Windows that the flood touches. */
  readonly during: FloodPhaseRecord;
  readonly after: FloodPhaseRecord;
}

/** The live streams, and the handshakes of a prober of our own, in one phase of a flood. */
export interface FloodPhaseRecord {
  readonly seconds: number;
  readonly receivedPerSecond: number;
  readonly lost: number;
  /** Streams that ended although nothing asked for it. */
  readonly ended: number;
  /** The greatest safe integer for +∞; absent without samples, as the others. */
  readonly applyP99Us?: number;
  readonly deliveryLagP99Us?: number;
  /** Upgrades answered 101, and from the dial to that. */
  readonly accepted: number;
  readonly acceptedP99Us?: number;
  /** Wrong upgrades that were refused, and from the dial to the whole answer. */
  readonly refused: number;
  readonly refusedP99Us?: number;
  /** Handshakes that came to something else, by what. */
  readonly unexpected: Readonly<Record<string, number>>;
}

/** An earlier run of the same workload in the same environment. */
export interface BaselineRecord {
  /** Where it comes from: a file, or a label. */
  readonly name: string;
  readonly histograms: Readonly<Record<string, HistogramRecord>>;
  /** Measured over baseline, by what was compared (`filter-apply p99`). */
  readonly ratios: readonly RatioRecord[];
}

export interface RatioRecord {
  readonly of: string;
  /** Of `before` and `after`: microseconds, per second, or a count. */
  readonly unit: "us" | "per-second" | "count";
  /** The median of the runs, or the sum of what was counted in them; a latency that lies among what never came is 2^53 − 1. */
  readonly before: number;
  readonly after: number;
  /** After over before; what never came is taken for an hour, and counts for one more than they are. */
  readonly ratio: number;
  /** The interval in which the ratio lies, 95 times of 100. */
  readonly low?: number;
  readonly high?: number;
  /** `unclear`: the interval holds 1, or there is none. */
  readonly verdict: "better" | "worse" | "same" | "unclear";
}

/** One trial of a capacity search. */
export interface CapacityTrial {
  /** What was offered, in the search's unit. */
  readonly load: number;
  /** `invalid`: the generator was; `inconclusive`: too few samples. */
  readonly status: "passed" | "failed" | "invalid" | "inconclusive";
  /** What the load did not pass by; absent when it passed. */
  readonly limitedBy?: string;
  readonly seconds: number;
  readonly samples: number;
  /** The objective's quantile; the greatest safe integer for +∞. */
  readonly quantileUs: number;
  /** Share of the offered arrivals that were begun. */
  readonly achieved: number;
  readonly loopUtilisation: number;
}

/** The greatest load that a target bears. */
export interface CapacityRecord {
  readonly workload: string;
  /** Hash of the workload as given, its load apart. */
  readonly hash: string;
  /** What is counted: `updates/s`, `streams/s`, `streams`. */
  readonly unit: string;
  /** `filter-apply p99 <= 100ms` */
  readonly objective: string;
  /** 0: nothing passed. */
  readonly sustainable: number;
  readonly failsAt?: number;
  readonly limitedBy?: string;
  /** The generator, not the target, was at its limit. */
  readonly generatorBound: boolean;
  /** What the generator reached against the built-in server; absent when that was not tried. */
  readonly ceiling?: number;
  /** Why there is no result. */
  readonly inconclusive?: string;
  readonly trials: readonly CapacityTrial[];
  /** The result for people. */
  readonly sentence: string;
}

/** One condition of the exit code. */
export interface GateRecord {
  readonly name: string;
  readonly status: "passed" | "failed";
  readonly detail: string;
}

/** Progress of a run, for whoever shows it; one union instead of many hooks. */
export type RunEvent =
  | { readonly kind: "started"; readonly total: number; readonly urls: readonly string[] }
  | { readonly kind: "check-started"; readonly id: string; readonly transport: Transport }
  | { readonly kind: "check-finished"; readonly record: CheckRecord; readonly done: number; readonly total: number }
  | { readonly kind: "workload-progress"; readonly name: string; readonly window: WindowRecord; readonly elapsedSeconds: number; readonly totalSeconds: number }
  | { readonly kind: "note"; readonly text: string }
  | { readonly kind: "finished"; readonly report: Report };
