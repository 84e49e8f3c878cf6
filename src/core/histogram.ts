import { doubleZero } from "./double.js";

/** Greatest value that is told apart, in microseconds: one hour. Greater ones are counted as overflow. */
export const highestMicros = 3_600_000_000;

/** Stands for +∞ where JSON needs a number: a quantile that lies among the overflow. Greater than every measured value. */
export const beyondMicros = Number.MAX_SAFE_INTEGER;

// HdrHistogram's layout for 3 significant digits: 2048 sub-buckets, of which the upper half is used from the second bucket on.
const halfBits = 10;
const half = 1 << halfBits;
const buckets = 22;
/** Number of slots of a histogram. */
export const slotCount = (buckets + 1) * half;

/** A histogram as it crosses threads: only the slots that hold something. */
export interface HistogramParts {
  readonly slots: readonly number[];
  readonly counts: readonly number[];
  readonly overflow: number;
  readonly sum: number;
  /** Infinity when empty. */
  readonly min: number;
  readonly max: number;
}

/**
 * Counts of whole microseconds from 0 to one hour with 3 significant digits; mergeable without loss.
 * Values are rounded down, negative ones count as 0, those above an hour as overflow, which is +∞ to quantiles and no part of the mean.
 */
export class Histogram {
  readonly counts = new Float64Array(slotCount);
  /** Values within the range. */
  count = 0;
  overflow = 0;
  sum = doubleZero;
  min = Infinity;
  max = doubleZero;

  /** @throws RangeError for NaN: a latency that was never measured is a bug of the caller. */
  record(micros: number): void {
    // The common case by itself: it is on the path of every entry.
    if (micros >= 0 && micros <= highestMicros) {
      const value = micros >>> 0;
      const slot = slotOf(value);
      this.counts[slot] = (this.counts[slot] as number) + 1;
      this.count++;
      this.sum += value;
      if (value < this.min) {
        this.min = value;
      }
      if (value > this.max) {
        this.max = value;
      }
    } else {
      this.recordMany(micros, 1);
    }
  }

  recordMany(micros: number, times: number): void {
    // Clamped before any bit operation: a value beyond 32 bits would otherwise wrap around.
    if (micros > highestMicros) {
      this.overflow += times;
      return;
    }
    if (!(micros >= 0)) {
      if (micros !== micros) {
        throw new RangeError("a histogram cannot record NaN");
      }
      micros = 0;
    }
    const value = micros >>> 0;
    const slot = slotOf(value);
    this.counts[slot] = (this.counts[slot] ?? 0) + times;
    this.count += times;
    this.sum += value * times;
    if (value < this.min) {
      this.min = value;
    }
    if (value > this.max) {
      this.max = value;
    }
  }

  /** Values that are +∞: updates that never applied. */
  recordBeyond(times = 1): void {
    this.overflow += times;
  }

  /** All values, overflow included. */
  get total(): number {
    return this.count + this.overflow;
  }

  /** 0 when empty; overflow has no part in it. */
  get mean(): number {
    return this.count === 0 ? 0 : this.sum / this.count;
  }

  /**
   * The least value that at least the fraction `q` of all values do not exceed; Infinity when that lies among the overflow, NaN when empty.
   * @param q 0 to 1; 0 gives the least value.
   */
  quantile(q: number): number {
    if (this.total === 0) {
      return Number.NaN;
    }
    // Without the tolerance 0.99 × 100 is 99.00000000000001, and the rank would be one too high.
    const rank = Math.max(1, Math.ceil(q * this.total - 1e-9 * this.total));
    if (rank > this.count) {
      return Infinity;
    }
    let seen = 0;
    for (let slot = slotOf(this.min >>> 0); slot < slotCount; slot++) {
      seen += this.counts[slot] ?? 0;
      if (seen >= rank) {
        return Math.max(this.min, Math.min(this.max, highestInSlot(slot)));
      }
    }
    return this.max;
  }

  /** How many values are certainly over a limit: slots that lie wholly over it, and the overflow. */
  countOver(micros: number): number {
    let seen = this.overflow;
    for (let slot = slotCount - 1; slot >= 0 && lowestInSlot(slot) > micros; slot--) {
      seen += this.counts[slot] ?? 0;
    }
    return seen;
  }

  merge(other: Histogram | HistogramParts): void {
    if (other instanceof Histogram) {
      for (let slot = 0; slot < slotCount; slot++) {
        this.counts[slot] = (this.counts[slot] ?? 0) + (other.counts[slot] ?? 0);
      }
      this.count += other.count;
    } else {
      for (const [i, slot] of other.slots.entries()) {
        const times = other.counts[i] ?? 0;
        this.counts[slot] = (this.counts[slot] ?? 0) + times;
        this.count += times;
      }
    }
    this.overflow += other.overflow;
    this.sum += other.sum;
    this.min = Math.min(this.min, other.min);
    this.max = Math.max(this.max, other.max);
  }

  reset(): void {
    this.counts.fill(0);
    this.count = 0;
    this.overflow = 0;
    this.sum = 0;
    this.min = Infinity;
    this.max = 0;
  }

  parts(): HistogramParts {
    return this.partsSince(undefined);
  }

  /**
   * What came in since an earlier copy of this histogram, and brings that copy up to date. Least and greatest value are exact to the slot.
   * @param earlier undefined: since the beginning.
   */
  partsSince(earlier: Histogram | undefined): HistogramParts {
    const slots: number[] = [];
    const counts: number[] = [];
    if (this.count > (earlier?.count ?? 0)) {
      const last = slotOf(this.max >>> 0);
      for (let slot = slotOf(this.min >>> 0); slot <= last; slot++) {
        const times = (this.counts[slot] ?? 0) - (earlier?.counts[slot] ?? 0);
        if (times > 0) {
          slots.push(slot);
          counts.push(times);
        }
      }
    }
    const overflow = this.overflow - (earlier?.overflow ?? 0);
    const sum = this.sum - (earlier?.sum ?? 0);
    const min = slots.length === 0 ? Infinity : Math.max(this.min, lowestInSlot(slots[0] ?? 0));
    const max = slots.length === 0 ? 0 : Math.min(this.max, highestInSlot(slots.at(-1) ?? 0));
    if (earlier !== undefined) {
      for (const [i, slot] of slots.entries()) {
        earlier.counts[slot] = (earlier.counts[slot] ?? 0) + (counts[i] ?? 0);
      }
      earlier.count = this.count;
      earlier.overflow = this.overflow;
      earlier.sum = this.sum;
      earlier.min = this.min;
      earlier.max = this.max;
    }
    return { slots, counts, overflow, sum, min, max };
  }
}

/** The slot of a whole value in [0, 2^32). */
export function slotOf(value: number): number {
  if (value < 2 * half) {
    return value;
  }
  const shift = 21 - Math.clz32(value);
  return (shift << halfBits) + (value >>> shift);
}

/** The least value that lands in a slot. */
export function lowestInSlot(slot: number): number {
  if (slot < 2 * half) {
    return slot;
  }
  return ((slot & (half - 1)) + half) * 2 ** ((slot >>> halfBits) - 1);
}

/** The greatest value that lands in a slot. */
export function highestInSlot(slot: number): number {
  return slot < 2 * half ? slot : lowestInSlot(slot) + 2 ** ((slot >>> halfBits) - 1) - 1;
}

/** A histogram from its parts. */
export function histogramOf(...parts: readonly HistogramParts[]): Histogram {
  const histogram = new Histogram();
  for (const part of parts) {
    histogram.merge(part);
  }
  return histogram;
}
