import { cpuUsage } from "node:process";
import type { Clock } from "../core/clock.js";
import { Histogram, type HistogramParts } from "../core/histogram.js";
import type { CountMetric, TimeMetric } from "../core/metric.js";
import { formatMicros } from "../core/quantity.js";
import type { RunEvent } from "../core/report.js";
import type { Threshold } from "../core/threshold.js";
import type { Workload } from "../core/workload.js";
import type { FloodRun } from "./flood-run.js";
import { beyondRepair } from "./judge.js";
import { type MeasuredWindow, mergeRecords, mergeWindows } from "./measurement.js";
import { windowRecord } from "./record.js";
import type { ShareWindow } from "./share.js";
import { nextSample, type TargetReading, type TargetSample } from "./target-samples.js";

/** A start that is later than asked for by no more than this is in time. */
const toleratedLateMs = 200;

export interface RunWatchOptions {
  readonly workload: Workload;
  readonly thresholds: readonly Threshold[];
  readonly clock: Clock;
  readonly onEvent: ((event: RunEvent) => void) | undefined;
  readonly sampleTarget: (() => TargetReading | undefined) | undefined;
  readonly flood: FloodRun | undefined;
  /** When to begin, in milliseconds since the Unix epoch; undefined: at once. */
  readonly startAtMs: number | undefined;
  readonly abort: () => void;
}

/** Follows a run window by window: progress, the target's samples, and thresholds that end it. */
export class RunWatch {
  readonly samples: TargetSample[] = [];
  readonly remarks: string[] = [];
  /** What spoils the numbers beside what was measured, each a sentence. */
  readonly spoiled: string[] = [];
  readonly #options: RunWatchOptions;
  readonly #parts = new Map<number, ShareWindow[]>();
  readonly #windows: MeasuredWindow[] = [];
  readonly #counts = { ...mergeRecords([], 0).counts };
  readonly #times = new Map<TimeMetric, Histogram>();
  #startMicros = 0;
  #beganAtMs = 0;
  #cpuAtStart = cpuUsage();
  #cpuMicros = 0;

  constructor(options: RunWatchOptions) {
    this.#options = options;
  }

  /** All streams stand. @returns when to begin: now, or at the time asked for. */
  begin(nowMicros: number): number {
    const { workload, flood, startAtMs } = this.#options;
    const aheadMs = startAtMs === undefined ? 0 : startAtMs - Date.now();
    if (aheadMs < -toleratedLateMs) {
      this.spoiled.push(
        `The streams stood ${formatMicros(-aheadMs * 1000)} after the time at which they were to begin: the parts of the load did not come together.`,
      );
    }
    const waitMs = Math.max(0, aheadMs);
    const atMicros = nowMicros + waitMs * 1000;
    this.#startMicros = atMicros + workload.warmUpMs * 1000;
    this.#beganAtMs = Date.now() + waitMs + workload.warmUpMs;
    flood?.begin(this.#startMicros);
    // What waiting and warming up cost is no part of what was measured.
    setTimeout(() => {
      this.#cpuAtStart = cpuUsage();
      this.#sample();
    }, waitMs + workload.warmUpMs).unref();
    return atMicros;
  }

  /** When the measured part began, in milliseconds since the Unix epoch; 0: it has not. */
  get beganAtMs(): number {
    return this.#beganAtMs;
  }

  /** A worker closed a window; when all have, it is shown. */
  window(window: ShareWindow, workers: number): void {
    const parts = this.#parts.get(window.index) ?? [];
    parts.push(window);
    this.#parts.set(window.index, parts);
    if (parts.length < workers) {
      return;
    }
    this.#parts.delete(window.index);
    const cpu = cpuUsage(this.#cpuAtStart);
    this.#cpuMicros = cpu.user + cpu.system;
    this.#sample();
    const { workload, onEvent } = this.#options;
    for (const merged of mergeWindows(parts.flatMap((part) => part.groups))) {
      this.#add(merged);
      const utilisation = Math.max(...parts.map((part) => part.loopUtilisation));
      onEvent?.({
        kind: "workload-progress",
        name: workload.name,
        window: windowRecord(merged, utilisation, this.samples.at(-1)),
        elapsedSeconds: merged.index + 1,
        totalSeconds: workload.durationMs / 1000,
      });
    }
    this.#abortIfHopeless();
  }

  /** CPU time of this process up to the last window, in microseconds. */
  cpuMicros(): number {
    return this.#cpuMicros;
  }

  #add(window: MeasuredWindow): void {
    this.#windows.push(window);
    for (const [name, change] of Object.entries(window.counts) as [CountMetric, number][]) {
      this.#counts[name] += change;
    }
    for (const [name, parts] of Object.entries(window.times) as [TimeMetric, HistogramParts][]) {
      const histogram = this.#times.get(name) ?? new Histogram();
      histogram.merge(parts);
      this.#times.set(name, histogram);
    }
  }

  #sample(): void {
    const reading = this.#options.sampleTarget?.();
    if (reading !== undefined) {
      this.samples.push(nextSample(this.samples.at(-1), reading, Math.max(0, (this.#options.clock.nowMicros() - this.#startMicros) / 1_000_000)));
    }
  }

  #abortIfHopeless(): void {
    const { thresholds, abort } = this.#options;
    if (!thresholds.some((threshold) => threshold.abortOnFail)) {
      return;
    }
    const broken = beyondRepair(thresholds, { ...mergeRecords([], this.#windows.length), counts: this.#counts, times: this.#times, windows: this.#windows });
    if (broken !== undefined) {
      this.remarks.push(`Stopped early: "${broken.text}" had failed.`);
      abort();
    }
  }
}
