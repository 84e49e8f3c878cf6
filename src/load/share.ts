import { setMaxListeners } from "node:events";
import type { Clock } from "../core/clock.js";
import type { TimeMetric } from "../core/metric.js";
import { isOverflow } from "../core/stream.js";
import type { Target } from "../core/target.js";
import { type FilterReference, stopsReading, type StreamGroup, type Workload } from "../core/workload.js";
import { endText } from "./driver-source.js";
import { FanOut } from "./fan-out.js";
import { GroupRun } from "./group-run.js";
import { watchLoop } from "./loop-watch.js";
import { Meter, type MeterRecord, type MeterWindow, windowMicros } from "./meter.js";
import { createPace } from "./pace.js";
import { SilenceWatch } from "./silence-watch.js";
import type { StreamSource } from "./stream-source.js";

export interface ShareOptions {
  readonly workload: Workload;
  readonly targets: readonly Target[];
  readonly shard: { readonly index: number; readonly count: number };
  readonly seed: number;
  readonly source: StreamSource;
  readonly clock: Clock;
  /** Times of which every window keeps a histogram. */
  readonly windowed: readonly TimeMetric[];
  /** Aborted to stop early; what was measured is kept. */
  readonly stop: AbortSignal;
  /** Writes entries that the filter lets through. */
  readonly produce?: (reference: FilterReference, count: number) => Promise<void>;
  /** All streams stand: resolves with the time at which every worker begins. */
  readonly ready: () => Promise<number>;
  /** Each closed window of each group, about once a second. */
  readonly onWindow: (window: ShareWindow) => void;
}

export interface ShareWindow {
  readonly index: number;
  readonly groups: readonly MeterWindow[];
  /** Share of this window in which the worker's loop worked. */
  readonly loopUtilisation: number;
}

/** What one worker measured; plain data. */
export interface ShareRecord {
  readonly groups: readonly { readonly name: string; readonly record: MeterRecord }[];
  /** Share of the measured part in which this worker's loop worked. */
  readonly loopUtilisation: number;
  /** Each window's utilisation, by index. */
  readonly utilisations: readonly { readonly index: number; readonly utilisation: number }[];
  readonly longestStallMicros: number;
  /** Streams that were ended as readers too slow, as their contract has it. */
  readonly overflowed: number;
  /** Whether there were streams with the same filter of which one could be found to be silent. */
  readonly silenceWatched: boolean;
  /** Blocks of the sequence in which streams with the same filter were compared: what lost-relative rests on. */
  readonly comparedBlocks: number;
  readonly errors: Readonly<Record<string, number>>;
  readonly remarks: readonly string[];
  readonly measuredMicros: number;
  /** All streams ended on their own before the time was up. */
  readonly endedEarly: boolean;
}

/** How often updates past their bound are looked for. */
const expiryEveryMs = 50;
const stoodStillMicros = 200_000;
/** Different texts of errors that are kept; further ones count as "other". */
const errorTextLimit = 32;

/** The targets that a group's streams run on. */
export function targetsOf(group: StreamGroup, targets: readonly Target[]): number[] {
  return [...targets.keys()].filter((index) => group.transports === undefined || group.transports.includes(targets[index]?.transport ?? "grpc"));
}

/** Performs one worker's part of a workload: opens its streams, waits for the common start, runs, and closes everything. */
export async function performShare(options: ShareOptions): Promise<ShareRecord> {
  const { workload, clock, source } = options;
  const ends: UnplannedEnds = { errors: new Map(), overflowed: 0 };
  const pace = createPace(clock);
  const stop = new AbortController();
  // Each stream that waits listens.
  setMaxListeners(0, stop.signal);
  const onStop = (): void => stop.abort();
  options.stop.addEventListener("abort", onStop, { once: true });
  const booked = workload.groups.map((group) => newGroup(options, group, { stop: stop.signal, pace, ends }));
  const groups = booked.map(({ run }) => run);
  const watches = booked.flatMap(({ run, silence }) => silence.map((watch) => ({ watch, meter: run.meter })));
  let lookedMicros = clock.nowMicros();
  let postponed = false;
  const expiry = setInterval(() => {
    const now = clock.nowMicros();
    // A loop that stood still reads first what had come by then.
    postponed = !postponed && now - lookedMicros > stoodStillMicros;
    lookedMicros = now;
    if (postponed) {
      return;
    }
    for (const group of groups) {
      group.expire(now);
    }
  }, expiryEveryMs);
  try {
    await Promise.all(groups.map((group) => group.prepare()));
    const startMicros = await options.ready();
    if (options.stop.aborted) {
      stop.abort();
    }
    await pace.until(startMicros, stop.signal);
    const beginMicros = startMicros + workload.warmUpMs * 1000;
    const endMicros = beginMicros + workload.durationMs * 1000;
    let begun = (): void => undefined;
    const measuringBegan = new Promise<void>((resolve) => (begun = resolve));
    const measuring = measure({ options, groups, watches, pace, stop, beginMicros, endMicros, begun });
    // Without a warm-up the first arrival is due with the measured part, which it belongs to.
    const ready = workload.warmUpMs === 0 ? measuringBegan : Promise.resolve();
    const performing = ready.then(() => Promise.all(groups.map((group) => group.perform(startMicros))));
    // A failure of the one stops the other.
    performing.catch(() => stop.abort());
    const measured = await measuring;
    await performing;
    await Promise.all(groups.filter(({ group }) => group.untilMs === undefined).map((group) => group.conclude()));
    const comparedBlocks = booked.reduce((sum, { closeBooks }) => sum + closeBooks(), 0);
    return {
      groups: groups.map((group, i) => ({ name: group.group.name, record: group.meter.record(measured.streamRates[i] ?? []) })),
      loopUtilisation: measured.loopUtilisation,
      utilisations: measured.utilisations,
      longestStallMicros: measured.longestStallMicros,
      overflowed: ends.overflowed,
      silenceWatched: measured.silenceWatched,
      comparedBlocks,
      errors: Object.fromEntries(ends.errors),
      remarks: source.remarks,
      measuredMicros: measured.measuredMicros,
      endedEarly: measured.endedEarly,
    };
  } finally {
    stop.abort();
    clearInterval(expiry);
    options.stop.removeEventListener("abort", onStop);
    await source.close();
  }
}

interface MeasureOptions {
  readonly options: ShareOptions;
  readonly groups: readonly GroupRun[];
  readonly watches: readonly { readonly watch: SilenceWatch; readonly meter: Meter }[];
  readonly pace: ReturnType<typeof createPace>;
  readonly stop: AbortController;
  readonly beginMicros: number;
  readonly endMicros: number;
  /** Called when the meters have begun. */
  readonly begun: () => void;
}

/** Begins the meters, closes a window each second, and stops the run at its end, when asked, or when no stream is left. */
async function measure({ options, groups, watches, pace, stop, beginMicros, endMicros, begun }: MeasureOptions): Promise<
  Pick<ShareRecord, "loopUtilisation" | "utilisations" | "longestStallMicros" | "measuredMicros" | "endedEarly" | "silenceWatched"> & {
    readonly streamRates: readonly (readonly number[])[];
  }
> {
  const { clock, onWindow } = options;
  await pace.until(beginMicros, stop.signal);
  const startedMicros = clock.nowMicros();
  const before = groups.map((group) => group.received);
  for (const group of groups) {
    group.meter.begin(startedMicros);
  }
  begun();
  watches.forEach(({ watch }) => watch.look(startedMicros));
  const loop = watchLoop({ clock, pace, meter: groups[0]?.meter });
  const utilisations: { index: number; utilisation: number }[] = [];
  let endedEarly = false;
  for (let index = 0; !stop.signal.aborted; index++) {
    const boundaryMicros = Math.min(endMicros, startedMicros + (index + 1) * windowMicros);
    await coarseUntil(boundaryMicros, clock, stop.signal);
    const now = clock.nowMicros();
    const windows = groups.map((group) => group.meter.roll(now, group.backlog, index)).filter((window) => window !== undefined);
    watches.forEach(({ watch }) => watch.look(now));
    const utilisation = loop.window();
    if (windows[0] !== undefined) {
      utilisations.push({ index: windows[0].index, utilisation });
      onWindow({ index: windows[0].index, groups: windows, loopUtilisation: utilisation });
    }
    endedEarly = groups.every((group) => group.dead);
    if (now >= endMicros || endedEarly) {
      break;
    }
  }
  const measuredMicros = clock.nowMicros() - startedMicros;
  let silenceWatched = false;
  for (const { watch, meter } of watches) {
    const silent = watch.silent(clock.nowMicros());
    meter.counts.silent += silent ?? 0;
    silenceWatched ||= silent !== undefined;
  }
  for (const group of groups) {
    group.meter.end();
  }
  const streamRates = groups.map((group, i) =>
    group.received.map((received, stream) => ((received - (before[i]?.[stream] ?? 0)) / Math.max(1, measuredMicros)) * 1_000_000),
  );
  const health = loop.close();
  stop.abort();
  return { ...health, utilisations, measuredMicros, endedEarly, silenceWatched, streamRates };
}

/** How streams ended that nothing asked to end, and how many of each; and those that were ended as readers too slow. */
interface UnplannedEnds {
  readonly errors: Map<string, number>;
  overflowed: number;
}

function newGroup(
  options: ShareOptions,
  group: StreamGroup,
  shared: { readonly stop: AbortSignal; readonly pace: ReturnType<typeof createPace>; readonly ends: UnplannedEnds },
): { readonly run: GroupRun; readonly silence: readonly SilenceWatch[]; readonly closeBooks: () => number } {
  const { workload, targets, shard, seed, source, clock, windowed, produce } = options;
  const contractOf = (target: number) => (targets[target] as Target).contract;
  const applyMsOf = (target: number): number => workload.applyWithinMs ?? contractOf(target).bounds.applyMs;
  const { ends } = shared;
  const meter = new Meter(windowed);
  const compared = comparesStreams(group, shard) ? targetsOf(group, targets) : [];
  const fanOuts = compared.map((target) => [target, new FanOut(meter)] as const);
  const run = new GroupRun({
    group,
    targets: targetsOf(group, targets),
    shard,
    // Each group has a schedule of its own.
    seed: seed + workload.groups.indexOf(group) * 7919,
    source,
    meter,
    clock,
    pace: shared.pace,
    stop: shared.stop,
    totalMs: workload.warmUpMs + workload.durationMs,
    warmUpMs: workload.warmUpMs,
    rulesOf: (target) => {
      const { entries, semantics } = contractOf(target);
      return {
        order: entries.sequence === undefined ? "none" : entries.order,
        replay: semantics.delivery === "replay",
        applyMicros: applyMsOf(target) * 1000,
        stallMicros: workload.stallMs === undefined ? Infinity : workload.stallMs * 1000,
        // Streams on different targets read different logs.
        fanOut: fanOuts.find(([index]) => index === target)?.[1],
      };
    },
    boundsOf: (target) => ({ applyMs: applyMsOf(target), endMs: contractOf(target).bounds.endMs }),
    resolverOf: (target) => source.prepare(target),
    produce,
    onUnplannedEnd: (end, target) => {
      const { errors } = ends;
      const text = endText(end);
      const key = errors.has(text) || errors.size < errorTextLimit ? text : "other";
      errors.set(key, (errors.get(key) ?? 0) + 1);
      if (contractOf(target).semantics.overflow === "end" && isOverflow(end)) {
        ends.overflowed++;
      }
    },
  });
  // A reader that stops is silent by itself.
  const silence = stopsReading([group]) ? [] : compared.map((target) => new SilenceWatch(run.streamsOn(target), applyMsOf(target) * 1000));
  return { run, silence, closeBooks: () => fanOuts.reduce((sum, [, fanOut]) => sum + fanOut.finish(), 0) };
}

/** Whether several of the group's streams are this worker's and hold one filter from begin to end, so that they should receive the same. */
function comparesStreams(group: StreamGroup, shard: ShareOptions["shard"]): boolean {
  const sent = group.begin.filter((step) => step.kind === "send");
  return group.streams > shard.index + shard.count && sent.length === 1 && sent[0]?.filters.length === 1 && !group.each.some((step) => step.kind === "send");
}

/** Windows need no exact boundary: their true width is recorded. */
function coarseUntil(atMicros: number, clock: Clock, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      stop.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, Math.max(0, Math.ceil((atMicros - clock.nowMicros()) / 1000)));
    stop.addEventListener("abort", done, { once: true });
    if (stop.aborted) {
      done();
    }
  });
}
