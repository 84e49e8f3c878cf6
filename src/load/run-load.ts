import { availableParallelism } from "node:os";
import type { Clock } from "../core/clock.js";
import type { Filter, Transport } from "../core/contract.js";
import { HarnessError } from "../core/errors.js";
import { metrics, type TimeMetric } from "../core/metric.js";
import { fitTo } from "../core/schedule.js";
import type { PrepareFlood } from "../core/flood.js";
import type { RunEvent, WorkloadRecord } from "../core/report.js";
import type { Driver } from "../core/stream.js";
import type { Target } from "../core/target.js";
import { parseThresholds, type Threshold } from "../core/threshold.js";
import type { FilterReference, Workload } from "../core/workload.js";
import { createDriverSource } from "./driver-source.js";
import { filterResolver, referencesOf } from "./filters.js";
import { floodTaskFor, prepareFloodRun } from "./flood-run.js";
import { workloadRecord } from "./record.js";
import { RunWatch } from "./run-watch.js";
import { performShare, type ShareRecord, targetsOf } from "./share.js";
import { checkShard, type Shard, shardRecord } from "./shard.js";
import { createSystemClock } from "./system-clock.js";
import type { TargetReading } from "./target-samples.js";
import { performInThreads } from "./thread-shares.js";
import type { PortableTarget } from "./worker-protocol.js";

export interface RunLoadOptions {
  readonly workload: Workload;
  /** At least one; a group's streams take those of its transports in turn. */
  readonly targets: readonly Target[];
  /** One for each transport of the targets. */
  readonly drivers: readonly Driver[];
  /** Of all schedules; the same seed offers the same load. */
  readonly seed: number;
  /** Instead of the workload's; stages of a rate are stretched with it. */
  readonly durationSeconds?: number;
  /** Streams of the first group, instead of the workload's. */
  readonly streams?: number;
  /** Judged instead of the workload's own, as in load files: `filter-apply p99 < 50ms`. */
  readonly thresholds?: readonly string[];
  /** The record that thresholds with `vs baseline` compare with. */
  readonly baseline?: WorkloadRecord;
  readonly onEvent?: (event: RunEvent) => void;
  /** Aborting ends the run early; the record of what was measured is returned all the same. */
  readonly signal?: AbortSignal;
  /** Bound of each connection in milliseconds; default 10,000. */
  readonly connectTimeoutMs?: number;
  /** The target's process, asked once a second; undefined when it cannot be seen. */
  readonly sampleTarget?: () => TargetReading | undefined;
  /** Writes entries that a filter lets through; needed by workloads with `produce`. */
  readonly produce?: (filter: Filter, count: number) => Promise<void>;
  /** Makes the workload's flood; needed by workloads with one. */
  readonly prepareFlood?: PrepareFlood;
  /** A flood may go to another host than the targets'. Default false. */
  readonly floodElsewhere?: boolean;
  /** Performs this part of the workload only; the record is to be merged with those of the others. */
  readonly shard?: Shard;
  /** When to begin, in milliseconds since the Unix epoch; streams are opened before. Default: at once. */
  readonly startAtMs?: number;
  /** Performs the workload in worker threads; without it, and for drivers that cannot be flooded, in this one. */
  readonly threads?: ThreadOptions;
  readonly clock?: Clock;
}

export interface ThreadOptions {
  /** Script of a thread; it calls `serveLoadWorker`. */
  readonly script: URL;
  /** What the script's `loadContract` is given, for each target. */
  readonly contractReferences: readonly string[];
  /** Default: one less than the machine has cores, at least 1. */
  readonly count?: number;
}

/**
 * Performs a workload and judges what was measured.
 * @throws HarnessError `workload` when the contract lacks what the workload needs, `usage` for a threshold that cannot be read, `unreachable` when no stream can be opened.
 */
export async function runLoad(options: RunLoadOptions): Promise<WorkloadRecord> {
  const { targets, seed, onEvent, sampleTarget } = options;
  const clock = options.clock ?? createSystemClock();
  const workload = adjusted(options);
  const thresholds = parseThresholds(
    options.thresholds ?? workload.thresholds,
    options.thresholds === undefined ? workload.source : "--threshold",
    options.thresholds === undefined ? "workload" : "usage",
  );
  checkFit(workload, options);
  const { shard = wholeShard } = options;
  checkShard(shard, workload);
  const floodTask =
    workload.flood === undefined || shard.index !== 0 ? undefined : floodTaskFor(workload.flood, workload, targets, options.floodElsewhere === true);
  const drivers = targets.map((target) => driverFor(target.transport, options.drivers));
  const stop = new AbortController();
  const onAbort = (): void => stop.abort();
  options.signal?.addEventListener("abort", onAbort, { once: true });
  if (options.signal?.aborted === true) {
    stop.abort();
  }
  const { flood: flooding } = workload;
  const flood =
    flooding === undefined || floodTask === undefined
      ? undefined
      : await prepareFloodRun(floodTask, flooding, { prepare: preparerOf(options), targets, clock, stop: stop.signal });
  const watch = new RunWatch({
    workload,
    // Of a part only what has failed for the whole is told.
    thresholds:
      options.shard === undefined ? thresholds : thresholds.filter(({ metric, statistic }) => metrics[metric].kind === "count" && statistic.kind === "value"),
    clock,
    onEvent,
    sampleTarget,
    flood,
    startAtMs: options.startAtMs,
    abort: () => stop.abort(),
  });
  const { produce } = options;
  const plan: SharePlan = {
    workload,
    targets,
    drivers,
    seed,
    shard,
    windowed: windowedTimes(workload, thresholds),
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    stop: stop.signal,
    produce:
      produce === undefined
        ? undefined
        : (reference, count) => produce(filterResolver((targets[0] as Target).contract, workload.source)(reference).filter, count),
  };
  const threads = drivers.every((driver) => driver.floods === true) ? options.threads : undefined;
  try {
    const shares = threads === undefined ? [await performHere(plan, clock, watch)] : await performThere(plan, threads, watch);
    const measured = {
      workload,
      targets,
      driver: [...new Set(drivers.map((driver) => driver.name))].join(", "),
      shares,
      thresholds,
      ...(options.baseline === undefined ? {} : { baseline: options.baseline }),
      generatorCpuMicros: watch.cpuMicros(),
      targetSamples: watch.samples,
      flood: await flood?.close(),
      remarks: watch.remarks,
      spoiled: watch.spoiled,
    };
    return options.shard === undefined ? workloadRecord(measured) : shardRecord(measured, { shard, seed, beganAtMs: watch.beganAtMs });
  } finally {
    await flood?.close();
    options.signal?.removeEventListener("abort", onAbort);
  }
}

function preparerOf({ prepareFlood, workload }: RunLoadOptions): PrepareFlood {
  if (prepareFlood === undefined) {
    throw new Error(`the workload "${workload.name}" has a flood, and nobody was given to make it`);
  }
  return prepareFlood;
}

const wholeShard: Shard = { index: 0, count: 1 };

/** What is to be performed, wherever. */
interface SharePlan {
  readonly workload: Workload;
  readonly targets: readonly Target[];
  readonly drivers: readonly Driver[];
  readonly seed: number;
  readonly shard: Shard;
  readonly windowed: readonly TimeMetric[];
  readonly connectTimeoutMs: number;
  readonly stop: AbortSignal;
  readonly produce: ((reference: FilterReference, count: number) => Promise<void>) | undefined;
}

function performHere({ produce, ...plan }: SharePlan, clock: Clock, watch: RunWatch): Promise<ShareRecord> {
  return performShare({
    ...plan,
    source: createDriverSource({ ...plan, clock }),
    clock,
    ...(produce === undefined ? {} : { produce }),
    ready: () => Promise.resolve(watch.begin(clock.nowMicros())),
    onWindow: (window) => watch.window(window, 1),
  });
}

function performThere(
  { workload, targets, drivers, seed, shard, windowed, connectTimeoutMs, stop, produce }: SharePlan,
  threads: ThreadOptions,
  watch: RunWatch,
): Promise<ShareRecord[]> {
  const count = threadCount(workload, shard, threads.count ?? Math.max(1, availableParallelism() - 1));
  const portable = targets.map(({ contract, ...target }, i): PortableTarget => ({
    ...target,
    bounds: contract.bounds,
    contractReference: threads.contractReferences[i] ?? "",
    driver: (drivers[i] as Driver).name,
  }));
  return performInThreads({
    script: threads.script,
    task: { workload, targets: portable, seed, windowed, connectTimeoutMs },
    shard,
    count,
    stop,
    onReady: () => watch.begin(performance.now() * 1000),
    onWindow: (window) => watch.window(window, count),
    produce,
  });
}

/** No more than there are streams: a worker without any would have nothing to do. */
function threadCount(workload: Workload, shard: Shard, wanted: number): number {
  const most = Math.max(
    ...workload.groups.map((group) => (group.arrivals.model === "open" && group.arrivals.of === "streams" ? group.arrivals.inFlight : group.streams)),
  );
  return Math.max(1, Math.min(wanted, Math.ceil((most - shard.index) / shard.count)));
}

interface WorkloadChanges {
  readonly workload: Workload;
  readonly durationSeconds?: number | undefined;
  readonly streams?: number | undefined;
}

/** The workload with what the caller asked for instead. */
export function adjusted({ workload, durationSeconds, streams }: WorkloadChanges): Workload {
  const durationMs = durationSeconds === undefined ? workload.durationMs : durationSeconds * 1000;
  if (!(durationMs > 0)) {
    throw new HarnessError("usage", `A run of ${durationSeconds} s measures nothing.`, { place: "--duration" });
  }
  if (streams !== undefined && !(Number.isInteger(streams) && streams > 0)) {
    throw new HarnessError("usage", `${streams} is no number of streams.`, { place: "--streams" });
  }
  const factor = durationMs / workload.durationMs;
  const groups = workload.groups.map((group, i) => {
    const { arrivals } = group;
    return {
      ...group,
      streams: i === 0 && streams !== undefined ? streams : group.streams,
      fromMs: group.fromMs * factor,
      untilMs: group.untilMs === undefined ? undefined : group.untilMs * factor,
      rampUpMs: group.rampUpMs * factor,
      arrivals:
        arrivals.model === "open"
          ? {
              ...arrivals,
              stages: fitTo(
                arrivals.stages.map((stage) => ({ ...stage, durationMs: stage.durationMs * (arrivals.stages.length > 1 ? factor : 1) })),
                workload.warmUpMs + durationMs,
              ),
            }
          : arrivals,
    };
  });
  const { flood } = workload;
  return {
    ...workload,
    durationMs,
    groups,
    ...(flood === undefined ? {} : { flood: { ...flood, fromMs: flood.fromMs * factor, durationMs: flood.durationMs * factor } }),
  };
}

/** What the workload needs of the contracts and the targets is there; said before anything is sent. */
export function checkFit(workload: Workload, { targets, drivers, produce }: RunLoadOptions): void {
  for (const transport of new Set(targets.map((target) => target.transport))) {
    driverFor(transport, drivers);
  }
  for (const group of workload.groups) {
    for (const transport of group.transports ?? []) {
      if (!targets.some((target) => target.transport === transport)) {
        throw new HarnessError("workload", `Group "${group.name}" of the workload "${workload.name}" runs on ${transport}, and no target was given for it.`, {
          place: workload.source,
          hint: `Add a ${transport === "grpc" ? "grpc://" : "ws://"} URL.`,
        });
      }
    }
    const steps = [...group.begin, ...group.each, ...group.finish];
    if (steps.some((step) => step.kind === "produce") && produce === undefined) {
      throw new HarnessError("workload", `The workload "${workload.name}" writes entries, and there is no producer to do it.`, {
        place: workload.source,
        hint: "Describe one with producer: in the contract.",
      });
    }
    const sendsInRounds = group.each.some((step) => step.kind === "send");
    for (const index of targetsOf(group, targets)) {
      const contract = targets[index]?.contract;
      if (sendsInRounds && contract?.semantics.update === "additive") {
        throw new HarnessError("workload", `Filters of the contract "${contract.name}" add up, so that "${workload.name}" cannot replace one by another.`, {
          place: workload.source,
          hint: "Workloads that send one filter, such as throughput, do run.",
        });
      }
    }
  }
  for (const target of targets) {
    const resolve = filterResolver(target.contract, workload.source);
    for (const reference of referencesOf(workload)) {
      resolve(reference);
    }
  }
}

function driverFor(transport: Transport, drivers: readonly Driver[]): Driver {
  const driver = drivers.find((candidate) => candidate.transport === transport);
  if (driver === undefined) {
    throw new HarnessError("usage", `There is no driver for ${transport}.`, { place: "--driver" });
  }
  return driver;
}

/** Times that need a histogram for each window: those of the live view, of bystanders, and of thresholds over a stretch. */
export function windowedTimes(workload: Workload, thresholds: readonly Threshold[]): TimeMetric[] {
  const stretches = thresholds
    .filter((threshold) => metrics[threshold.metric].kind === "time" && (threshold.overSeconds !== undefined || threshold.abortOnFail))
    .map((threshold) => threshold.metric as TimeMetric);
  const bystanders: TimeMetric[] = workload.flood !== undefined || workload.groups.some((group) => group.bystander) ? ["delivery-lag"] : [];
  return [...new Set<TimeMetric>(["filter-apply", "schedule-lag", ...bystanders, ...stretches])];
}
