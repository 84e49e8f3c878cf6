import { doubleZero } from "../core/double.js";
import { Histogram, type HistogramParts } from "../core/histogram.js";
import { type CountMetric, countMetrics, type TimeMetric } from "../core/metric.js";

/** Streams are opened before the measured part begins; what opening took is kept all the same. */
const keptTimes: readonly TimeMetric[] = ["connect", "open", "first-entry"];
/** Counters that begin anew with the measured part; those of faults do not. */
const renewedCounters: readonly CountMetric[] = ["received", "bytes", "sent", "stale-in-flight", "filter-coalesced", "offered", "begun", "deferred"];

/** What a group of streams did in one window; windows of the same index from several workers add up. */
export interface MeterWindow {
  /** Whole windows since the measured part began. */
  readonly index: number;
  /** How long it really was: a loop that is late makes longer ones. */
  readonly widthMicros: number;
  readonly counts: Readonly<Partial<Record<CountMetric, number>>>;
  readonly times: Readonly<Partial<Record<TimeMetric, HistogramParts>>>;
  /** Updates sent and not yet seen to apply, and arrivals that wait. */
  readonly backlog: number;
}

/** All that one group measured in one worker, as it crosses threads; plain data. */
export interface MeterRecord {
  readonly counts: Readonly<Record<CountMetric, number>>;
  readonly times: Readonly<Partial<Record<TimeMetric, HistogramParts>>>;
  readonly windows: readonly MeterWindow[];
  /** Entries that each stream received in the measured part, per second that it was open. */
  readonly streamRates: readonly number[];
}

export const windowMicros = 1_000_000;

/** Folds what happens on the streams of a group into counters and histograms. */
export class Meter {
  readonly counts: Record<CountMetric, number>;
  readonly deliveryLag = new Histogram();
  readonly entryGap = new Histogram();
  readonly #times = new Map<TimeMetric, Histogram>();
  readonly #windowed: readonly TimeMetric[];
  readonly #earlierTimes = new Map<TimeMetric, Histogram>();
  readonly #windows: MeterWindow[] = [];
  #earlierCounts: Record<CountMetric, number>;
  #rolledMicros = doubleZero;
  #measuring = false;

  /** @param windowed the times of which each window keeps a histogram of its own. */
  constructor(windowed: readonly TimeMetric[]) {
    this.counts = zeroCounts();
    this.#earlierCounts = zeroCounts();
    this.#windowed = windowed;
    this.#times.set("delivery-lag", this.deliveryLag);
    this.#times.set("entry-gap", this.entryGap);
  }

  /** The histogram of a metric, made when first asked for. */
  time(name: TimeMetric): Histogram {
    let histogram = this.#times.get(name);
    if (histogram === undefined) {
      histogram = new Histogram();
      this.#times.set(name, histogram);
    }
    return histogram;
  }

  /** Begins the measured part: times and rates start from nothing, counts of what breaks the contract are kept. */
  begin(atMicros: number): void {
    for (const [name, histogram] of this.#times) {
      if (!keptTimes.includes(name)) {
        histogram.reset();
      }
    }
    for (const histogram of this.#earlierTimes.values()) {
      histogram.reset();
    }
    for (const name of renewedCounters) {
      this.counts[name] = 0;
    }
    this.counts.stale = this.counts["stale-hard"];
    this.#earlierCounts = { ...this.counts };
    this.#rolledMicros = atMicros;
    this.#measuring = true;
  }

  /** Closes the window under way. @returns it, or undefined when nothing is measured or no time has passed. */
  roll(atMicros: number, backlog: number, index: number): MeterWindow | undefined {
    const widthMicros = atMicros - this.#rolledMicros;
    if (!this.#measuring || widthMicros <= 0) {
      return undefined;
    }
    const counts: Partial<Record<CountMetric, number>> = {};
    for (const name of countMetrics) {
      const change = this.counts[name] - this.#earlierCounts[name];
      if (change !== 0) {
        counts[name] = change;
      }
    }
    this.#earlierCounts = { ...this.counts };
    const times: Partial<Record<TimeMetric, HistogramParts>> = {};
    for (const name of this.#windowed) {
      const histogram = this.#times.get(name);
      if (histogram !== undefined) {
        let earlier = this.#earlierTimes.get(name);
        if (earlier === undefined) {
          earlier = new Histogram();
          this.#earlierTimes.set(name, earlier);
        }
        times[name] = histogram.partsSince(earlier);
      }
    }
    const window: MeterWindow = { index, widthMicros, counts, times, backlog };
    this.#rolledMicros = atMicros;
    this.#windows.push(window);
    return window;
  }

  /** Ends the measured part: what comes later is counted but belongs to no window. */
  end(): void {
    this.#measuring = false;
  }

  record(streamRates: readonly number[]): MeterRecord {
    const times: Partial<Record<TimeMetric, HistogramParts>> = {};
    for (const [name, histogram] of this.#times) {
      if (histogram.total > 0) {
        times[name] = histogram.parts();
      }
    }
    return { counts: { ...this.counts }, times, windows: [...this.#windows], streamRates };
  }
}

function zeroCounts(): Record<CountMetric, number> {
  return Object.fromEntries(countMetrics.map((name) => [name, doubleZero])) as Record<CountMetric, number>;
}
