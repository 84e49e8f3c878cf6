import type { ByteScan } from "./byte-scan.js";

/** Reads several bytes at once at any offset of the buffer at hand; one DataView for each buffer in a row. */
export class ByteWindow {
  readonly scan: ByteScan | undefined;
  bytes: Buffer = Buffer.alloc(0);
  view: DataView = new DataView(new ArrayBuffer(0));
  /** Where the buffer at hand begins for `scan`; -1: it cannot be searched by it. */
  address = -1;

  constructor(scan?: ByteScan) {
    this.scan = scan;
  }

  /** Makes a buffer the one at hand; offsets count from its start. */
  use(buffer: Buffer): void {
    if (buffer !== this.bytes) {
      this.bytes = buffer;
      this.view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
      this.address = this.scan?.addressOf(buffer) ?? -1;
    }
  }
}

/**
 * Bytes that are looked for, prepared to be compared eight at a time. Eight bytes are compared as a double, which is exact unless they are
 * one that does not equal itself, or a zero, which has two forms; patterns with such bytes, and shorter ones, are compared four at a time,
 * and those of less than four one by one.
 */
export class BytePattern {
  readonly bytes: Buffer;
  readonly length: number;
  /** Where eight bytes are compared; the last may overlap the one before. */
  readonly #offsets: Int32Array;
  readonly #doubles: Float64Array;
  /** Where four bytes are compared. */
  readonly #fourOffsets: Int32Array;
  readonly #fours: Int32Array;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes);
    this.length = bytes.length;
    const offsets = offsetsOf(this.length, 8);
    const doubles = offsets.map((offset) => this.bytes.readDoubleLE(offset));
    const exact = doubles.every((double) => double === double && double !== 0);
    this.#offsets = Int32Array.from(exact ? offsets : []);
    this.#doubles = Float64Array.from(exact ? doubles : []);
    const fours = offsetsOf(this.length, 4);
    this.#fourOffsets = Int32Array.from(fours);
    this.#fours = Int32Array.from(fours.map((offset) => this.bytes.readInt32LE(offset)));
  }

  /** Whether the pattern lies at an offset; the caller has made sure that so many bytes are there. */
  at(window: ByteWindow, offset: number): boolean {
    const offsets = this.#offsets;
    const count = offsets.length;
    if (count === 0) {
      return this.#short(window, offset);
    }
    const doubles = this.#doubles;
    const { view } = window;
    for (let i = 0; i < count; i++) {
      if (view.getFloat64(offset + (offsets[i] as number), true) !== doubles[i]) {
        return false;
      }
    }
    return true;
  }

  #short(window: ByteWindow, offset: number): boolean {
    const fourOffsets = this.#fourOffsets;
    const count = fourOffsets.length;
    if (count > 0) {
      const fours = this.#fours;
      const { view } = window;
      for (let i = 0; i < count; i++) {
        if (view.getInt32(offset + (fourOffsets[i] as number), true) !== fours[i]) {
          return false;
        }
      }
      return true;
    }
    const { bytes, length } = this;
    const { bytes: given } = window;
    for (let i = 0; i < length; i++) {
      if (given[offset + i] !== bytes[i]) {
        return false;
      }
    }
    return true;
  }
}

/** Offsets at which so many bytes at a time cover a length; none when it is shorter. */
function offsetsOf(length: number, step: number): number[] {
  const offsets = Array.from({ length: Math.floor(length / step) }, (_, i) => i * step);
  return length >= step && length % step !== 0 ? [...offsets, length - step] : offsets;
}

/** The value of the four decimal digits at an offset; negative when one of them is no digit. Two digits are handled in each half of a word. */
export function fourDigits(view: DataView, offset: number): number {
  const digits = (view.getInt32(offset, true) - 0x30303030) | 0;
  // A byte above 9 overflows into its top bit when 0x76 is added; one below 0 has it set already.
  if (((digits | (digits + 0x76767676)) & 0x80808080) !== 0) {
    return -1;
  }
  const pairs = (digits & 0x00ff00ff) * 10 + ((digits >>> 8) & 0x00ff00ff);
  return (pairs & 0xffff) * 100 + (pairs >>> 16);
}

/** A condition on one field of an entry, given as its bytes. */
export interface ByteTest {
  /** Index of the field among those that the reader keeps. */
  readonly slot: number;
  test(window: ByteWindow, start: number, end: number): boolean;
}

/** The field is one of a few values. */
export class IsOneOf implements ByteTest {
  readonly slot: number;
  readonly #patterns: readonly BytePattern[];

  constructor(slot: number, values: readonly string[]) {
    this.slot = slot;
    this.#patterns = values.map((value) => new BytePattern(Buffer.from(value, "utf8")));
  }

  test(window: ByteWindow, start: number, end: number): boolean {
    const length = end - start;
    const patterns = this.#patterns;
    for (let i = 0; i < patterns.length; i++) {
      const pattern = patterns[i] as BytePattern;
      if (pattern.length === length && pattern.at(window, start)) {
        return true;
      }
    }
    return false;
  }
}

/** The field begins with a text. */
export class StartsWith implements ByteTest {
  readonly slot: number;
  readonly #pattern: BytePattern;

  constructor(slot: number, text: string) {
    this.slot = slot;
    this.#pattern = new BytePattern(Buffer.from(text, "utf8"));
  }

  test(window: ByteWindow, start: number, end: number): boolean {
    return end - start >= this.#pattern.length && this.#pattern.at(window, start);
  }
}

const pairSlots = 4096;

/** Where a pair of bytes is looked up: a table this small stays near; pairs that share a slot only shorten the skip. */
function pairSlot(pair: number): number {
  return (pair ^ (pair >> 4)) & (pairSlots - 1);
}

/** The field contains a text. Outside the thread's read buffer by Horspool's search on pairs of bytes, which skips nearly the text's own length at each look. */
export class Contains implements ByteTest {
  readonly slot: number;
  readonly #pattern: BytePattern;
  /** Where the text lies for the window's scan; -1: it is not there. */
  readonly #needle: number;
  readonly #find: ByteScan["find"];
  /** How far to go on after a pair of bytes that does not end the text; shorter texts are compared at each place. */
  readonly #shifts: Uint8Array | undefined;
  readonly #afterLastPair: number;

  /** @param scan of the windows that will be tested */
  constructor(slot: number, text: string, scan?: ByteScan) {
    this.slot = slot;
    const bytes = Buffer.from(text, "utf8");
    this.#pattern = new BytePattern(bytes);
    this.#needle = scan?.keep(bytes) ?? -1;
    this.#find = scan?.find ?? (() => -1);
    const { length } = bytes;
    if (length < 3) {
      this.#shifts = undefined;
      this.#afterLastPair = 1;
      return;
    }
    const farthest = Math.min(length - 1, 255);
    const shifts = new Uint8Array(pairSlots).fill(farthest);
    for (let i = 0; i < length - 2; i++) {
      shifts[pairSlot(bytes.readUInt16LE(i))] = Math.min(length - 2 - i, farthest);
    }
    const last = pairSlot(bytes.readUInt16LE(length - 2));
    this.#shifts = shifts;
    this.#afterLastPair = shifts[last] ?? 1;
    shifts[last] = 0;
  }

  test(window: ByteWindow, start: number, end: number): boolean {
    const { length } = this.#pattern;
    if (window.address >= 0 && this.#needle >= 0) {
      return this.#find(window.address + start, window.address + end, this.#needle, length) >= 0;
    }
    const shifts = this.#shifts;
    if (shifts === undefined) {
      return this.#testShort(window, start, end);
    }
    const { view } = window;
    let at = start + length - 2;
    while (at + 2 <= end) {
      const shift = shifts[pairSlot(view.getUint16(at, true))] as number;
      if (shift !== 0) {
        at += shift;
      } else if (this.#pattern.at(window, at + 2 - length)) {
        return true;
      } else {
        at += this.#afterLastPair;
      }
    }
    return false;
  }

  #testShort(window: ByteWindow, start: number, end: number): boolean {
    for (let at = start; at + this.#pattern.length <= end; at++) {
      if (this.#pattern.at(window, at)) {
        return true;
      }
    }
    return false;
  }
}
