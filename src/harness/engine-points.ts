import { Histogram, type HistogramParts } from "../core/histogram.js";
import { type CountMetric, countMetrics, type TimeMetric } from "../core/metric.js";
import type { EnginePoint } from "../engines/engine.js";
import type { MeterRecord, MeterWindow } from "../load/meter.js";
import { windowMicros } from "../load/meter.js";

/** What one group's points add up to, in the form of the native engine's meter. */
class GroupBook {
  readonly #counts = Object.fromEntries(countMetrics.map((name) => [name, 0])) as Record<CountMetric, number>;
  readonly #times = new Map<TimeMetric, Histogram>();
  readonly #windows = new Map<number, { readonly counts: Map<CountMetric, number>; readonly times: Map<TimeMetric, Histogram> }>();
  readonly #windowed: readonly TimeMetric[];
  readonly #streamRates: number[] = [];

  constructor(windowed: readonly TimeMetric[]) {
    this.#windowed = windowed;
  }

  take(point: Exclude<EnginePoint, { kind: "error" }>): void {
    switch (point.kind) {
      case "count": {
        this.#counts[point.metric] += point.times;
        const { counts } = this.#windowAt(point.atMicros);
        counts.set(point.metric, (counts.get(point.metric) ?? 0) + point.times);
        return;
      }
      case "time":
        for (const histogram of this.#histogramsOf(point.metric, point.atMicros)) {
          histogram.recordMany(point.micros, point.times);
        }
        return;
      case "beyond":
        for (const histogram of this.#histogramsOf(point.metric, point.atMicros)) {
          histogram.recordBeyond(point.times);
        }
        return;
      case "stream-rate":
        this.#streamRates.push(point.perSecond);
        return;
    }
  }

  /** The window of an index as it is so far. */
  window(index: number, measuredMicros: number): MeterWindow {
    const window = this.#windows.get(index);
    const times: Partial<Record<TimeMetric, HistogramParts>> = {};
    for (const [name, histogram] of window?.times ?? []) {
      times[name] = histogram.parts();
    }
    return {
      index,
      widthMicros: Math.min(windowMicros, measuredMicros - index * windowMicros),
      counts: Object.fromEntries(window?.counts ?? []),
      times,
      backlog: 0,
    };
  }

  record(measuredMicros: number): MeterRecord {
    const times: Partial<Record<TimeMetric, HistogramParts>> = {};
    for (const [name, histogram] of this.#times) {
      times[name] = histogram.parts();
    }
    const windows = Array.from({ length: Math.ceil(measuredMicros / windowMicros) }, (_, index) => this.window(index, measuredMicros));
    return { counts: this.#counts, times, windows, streamRates: this.#streamRates };
  }

  #windowAt(atMicros: number): { readonly counts: Map<CountMetric, number>; readonly times: Map<TimeMetric, Histogram> } {
    const index = Math.floor(atMicros / windowMicros);
    let window = this.#windows.get(index);
    if (window === undefined) {
      window = { counts: new Map(), times: new Map() };
      this.#windows.set(index, window);
    }
    return window;
  }

  #histogramsOf(metric: TimeMetric, atMicros: number): Histogram[] {
    const maps = [this.#times, ...(this.#windowed.includes(metric) ? [this.#windowAt(atMicros).times] : [])];
    return maps.map((map) => {
      const histogram = map.get(metric) ?? new Histogram();
      map.set(metric, histogram);
      return histogram;
    });
  }
}

/** Folds an engine's points into what the native engine's workers record. */
export class EnginePointBook {
  readonly errors = new Map<string, number>();
  readonly #groups: ReadonlyMap<string, GroupBook>;
  #latestMicros = 0;

  /** @param windowed the times of which each window keeps a histogram of its own. */
  constructor(groups: readonly string[], windowed: readonly TimeMetric[]) {
    this.#groups = new Map(groups.map((name) => [name, new GroupBook(windowed)]));
  }

  /** The latest time of a point, in microseconds since the measured part began. */
  get latestMicros(): number {
    return this.#latestMicros;
  }

  take(point: EnginePoint): void {
    if (point.kind === "error") {
      this.errors.set(point.text, (this.errors.get(point.text) ?? 0) + point.times);
      return;
    }
    if (point.kind !== "stream-rate") {
      this.#latestMicros = Math.max(this.#latestMicros, point.atMicros);
    }
    const book = this.#groups.get(point.group);
    if (book === undefined) {
      throw new Error(`the engine names the group "${point.group}", which the workload does not have`);
    }
    book.take(point);
  }

  /** A window over all groups as it is so far. */
  windows(index: number, measuredMicros: number): readonly MeterWindow[] {
    return [...this.#groups.values()].map((book) => book.window(index, measuredMicros));
  }

  records(measuredMicros: number): readonly { readonly name: string; readonly record: MeterRecord }[] {
    return [...this.#groups].map(([name, book]) => ({ name, record: book.record(measuredMicros) }));
  }
}
