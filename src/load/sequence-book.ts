import { doubleZero } from "../core/double.js";
import { blockLength, type FanOut } from "./fan-out.js";
import type { Meter } from "./meter.js";

export interface SequenceRules {
  /** `increasing`: each sequence greater than the last; `non-decreasing`: equal allowed; `none`: entries carry no sequence. */
  readonly order: "increasing" | "non-decreasing" | "none";
  /** Compares what streams with the same filter receive; undefined: they are not compared. */
  readonly fanOut?: FanOut | undefined;
}

/** An entry's number, exact below 2^53 (beyond it: less a base that all entries share); NaN when it has none. */
export interface Numbered {
  readonly sequence: number;
}

/** How many sequence numbers a stream remembers to tell a duplicate from a late entry. */
const rememberedCount = 128;

/** The part of a stream's book that looks at sequence numbers: what was lost, came twice, or out of order. */
export class SequenceBook {
  readonly #meter: Meter;
  readonly #rules: SequenceRules;
  #last = -Infinity;
  /** Counting begins with the entry at hand. */
  #arming: object | undefined;
  /** The filter in force lets everything through: each gap is a loss. */
  #everything = false;
  #gapless = false;
  #countedFrom = doubleZero;
  /** Sequence numbers of this stream that are counted as lost. */
  #missing = 0;
  #remembered: Float64Array | undefined;
  #rememberedNext = 0;
  #inOrder = 0;
  #filter: object | undefined;
  #block = -1;
  #blockEnd = Infinity;
  #blockStart = 0;

  constructor(meter: Meter, rules: SequenceRules) {
    this.#meter = meter;
    this.#rules = rules;
  }

  /** The greatest number taken; −Infinity: none. */
  get last(): number {
    return this.#last;
  }

  /** One filter holds for certain from here on; `everything`: it lets everything through. */
  begin(filter: object, everything: boolean): void {
    this.#arming = this.#rules.order === "increasing" ? filter : undefined;
    this.#everything = everything;
  }

  /** Another filter may hold: gaps say nothing. */
  pause(): void {
    this.#arming = undefined;
    this.#gapless = false;
    this.#blockEnd = Infinity;
    this.#block = -1;
  }

  /** Earlier entries may come again. */
  restart(): void {
    this.#last = -Infinity;
  }

  /** Takes the number of the next entry. */
  observe({ sequence }: Numbered): void {
    if (sequence > this.#last) {
      if (sequence >= this.#blockEnd) {
        this.#closeBlock(sequence);
      }
      if (this.#gapless && sequence - this.#last !== 1) {
        const gap = sequence - this.#last - 1;
        this.#missing += gap;
        this.#meter.counts.lost += gap;
      }
      this.#last = sequence;
      this.#inOrder++;
      const remembered = this.#remembered ?? this.#remember();
      remembered[this.#rememberedNext] = sequence;
      this.#rememberedNext = (this.#rememberedNext + 1) & (rememberedCount - 1);
    } else if (sequence === sequence) {
      this.#outOfOrder(sequence);
    }
    if (this.#arming !== undefined) {
      this.#arm(this.#arming);
    }
  }

  #arm(filter: object): void {
    this.#arming = undefined;
    if (this.#last === -Infinity) {
      return;
    }
    if (this.#everything) {
      this.#gapless = true;
      this.#missing = 0;
      this.#countedFrom = this.#last;
    }
    const { fanOut } = this.#rules;
    if (fanOut !== undefined) {
      // The block under way is not whole; the next one is.
      this.#filter = filter;
      this.#blockEnd = (Math.floor(this.#last / blockLength) + 1) * blockLength;
    }
  }

  /** An entry lies beyond the block under way, which is whole. */
  #closeBlock(sequence: number): void {
    const { fanOut } = this.#rules;
    if (fanOut === undefined || this.#filter === undefined) {
      return;
    }
    const next = Math.floor(sequence / blockLength);
    if (this.#block >= 0) {
      fanOut.report(this.#filter, this.#block, next, this.#inOrder - this.#blockStart);
    }
    this.#block = next;
    this.#blockStart = this.#inOrder;
    this.#blockEnd = (next + 1) * blockLength;
  }

  #outOfOrder(sequence: number): void {
    const { counts } = this.#meter;
    if (sequence === this.#last && this.#rules.order === "non-decreasing") {
      return;
    }
    const counted = this.#gapless && sequence > this.#countedFrom;
    // Without a hole in the sequence every number was there before, however long ago.
    if (this.#remembered?.includes(sequence) === true || (counted && this.#missing === 0)) {
      counts.duplicated++;
      return;
    }
    counts.reordered++;
    if (counted) {
      // It was counted as lost when the one after it came first.
      this.#missing--;
      counts.lost--;
    }
    this.#countLate(sequence);
    const remembered = this.#remembered ?? this.#remember();
    remembered[this.#rememberedNext] = sequence;
    this.#rememberedNext = (this.#rememberedNext + 1) & (rememberedCount - 1);
  }

  #countLate(sequence: number): void {
    const { fanOut } = this.#rules;
    if (fanOut === undefined || this.#filter === undefined || this.#block < 0) {
      return;
    }
    const block = Math.floor(sequence / blockLength);
    if (block === this.#block) {
      this.#blockStart--;
    } else {
      fanOut.late(this.#filter, block);
    }
  }

  #remember(): Float64Array {
    // Made with the first entry: streams that stay idle cost nothing.
    this.#remembered = new Float64Array(rememberedCount).fill(Number.NaN);
    return this.#remembered;
  }
}
