import { type ByteScan, foundAt, scanned, type ScannedLayout, type ScannedValue, wordsEach } from "./byte-scan.js";
import { BytePattern, ByteWindow, fourDigits } from "./byte-tests.js";
import { ByteTime } from "./byte-time.js";
import { type ByteFilter, type EntryReader, passes, type ReaderPlan } from "./entry-reader.js";
import { learnLayout, type LayoutField } from "./json-layout.js";

/** What lies before a value, and what the value is for. */
interface Step {
  readonly glue: BytePattern;
  /** The value is a string, and the glue ends with its opening quote. */
  readonly quoted: boolean;
  readonly role: number;
}

/** A layout of entries as it is followed. */
interface Layout {
  readonly steps: readonly Step[];
  /** For what lies in the thread's read buffer; undefined where there is no scan. */
  readonly scanned: ScannedLayout | undefined;
  /** Which of the scan's words hold the sequence; -1: none. */
  readonly sequenceWord: number;
  /** For each slot, which of the scan's words hold the place of its value. */
  readonly slotWords: Int32Array;
}

const skip = -1;
const sequenceRole = -2;

/** Layouts that are remembered; a server that uses more is read whole. */
const layoutLimit = 8;
const quote = 0x22;
const backslash = 0x5c;
const lowWeight = 1_000_000_000;

/**
 * Reads entries in JSON text. A server writes its fields in the same order with the same blanks, so the bytes between the values
 * are learnt from an entry and only compared from then on; reading stops at the last value that is needed.
 */
export class JsonReader implements EntryReader {
  sequence = Number.NaN;
  readonly #plan: ReaderPlan;
  readonly #window: ByteWindow;
  readonly #time = new ByteTime();
  readonly #starts: Int32Array;
  readonly #ends: Int32Array;
  readonly #slots: readonly string[];
  readonly #timeSlot: number;
  readonly #layouts: Layout[] = [];
  #latest: Layout = { steps: [], scanned: undefined, sequenceWord: -1, slotWords: new Int32Array(0) };
  #baseHigh = Number.NaN;
  /** How long the last sequence and time were: nearly always the next ones are as long. */
  #digits = 0;
  #timeLength = 0;

  constructor(plan: ReaderPlan, scan?: ByteScan) {
    this.#window = new ByteWindow(scan);
    this.#plan = plan;
    this.#slots = plan.time === undefined ? [...plan.kept] : [...plan.kept, plan.time];
    this.#starts = new Int32Array(this.#slots.length);
    this.#ends = new Int32Array(this.#slots.length);
    this.#timeSlot = plan.time === undefined ? -1 : this.#slots.length - 1;
  }

  read(buffer: Buffer, start: number, end: number): boolean {
    this.#window.use(buffer);
    if (!this.#follow(this.#latest, buffer, start, end) && !this.#tryOthers(buffer, start, end)) {
      return false;
    }
    return true;
  }

  get timeMicros(): number {
    return this.#time.micros;
  }

  matches(filter: ByteFilter): boolean {
    return passes(filter, this.#window, this.#starts, this.#ends);
  }

  relative(sequence: number | bigint | undefined): number {
    if (sequence === undefined) {
      return Number.NaN;
    }
    if (typeof sequence === "number") {
      const high = Math.floor(sequence / lowWeight);
      return this.#combine(high, sequence - high * lowWeight);
    }
    return this.#combine(Number(sequence / BigInt(lowWeight)), Number(sequence % BigInt(lowWeight)));
  }

  /** Reads along one layout; false as soon as something else lies there. */
  #follow(layout: Layout, buffer: Buffer, start: number, end: number): boolean {
    if (layout.scanned !== undefined && this.#window.address >= 0) {
      return this.#scan(layout, layout.scanned, start, end);
    }
    const { steps } = layout;
    let at = start;
    for (let i = 0; i < steps.length; i++) {
      const { glue, quoted, role } = steps[i] as Step;
      if (at + glue.length >= end || !glue.at(this.#window, at)) {
        return false;
      }
      at += glue.length;
      if (role === sequenceRole) {
        const from = at;
        at = this.#readDigits(buffer, at, end);
        if (at === from || !endsValue(buffer[at] as number, quoted)) {
          return false;
        }
      } else if (role === this.#timeSlot && role >= 0) {
        at = this.#readTime(buffer, at, end);
        if (at < 0) {
          return false;
        }
      } else {
        const from = at;
        at = quoted ? endOfString(this.#window, at, end, role === skip) : endOfBare(buffer, at, end);
        if (at < 0) {
          return false;
        }
        if (role >= 0) {
          this.#keep(role, from, at);
        }
      }
    }
    // What follows the last value is not compared, so that value's own end must be there.
    return steps.length > 0;
  }

  /** The same in one call of the scan. */
  #scan({ sequenceWord, slotWords }: Layout, { address, count, words }: ScannedLayout, start: number, end: number): boolean {
    const { scan, address: base } = this.#window;
    if ((scan as ByteScan).follow(base + start, base + end, address, count) < 0) {
      return false;
    }
    for (let slot = 0; slot < slotWords.length; slot++) {
      const word = slotWords[slot] as number;
      this.#starts[slot] = (words[word] as number) - base;
      this.#ends[slot] = (words[word + 1] as number) - base;
    }
    if (sequenceWord >= 0) {
      this.sequence = this.#combine((words[sequenceWord + 2] as number) * lowWeight + (words[sequenceWord + 1] as number), words[sequenceWord] as number);
    }
    const slot = this.#timeSlot;
    if (slot >= 0) {
      return this.#time.read(this.#window, this.#starts[slot] as number, this.#ends[slot] as number);
    }
    return true;
  }

  /** Another remembered layout, or a new one from this entry. */
  #tryOthers(buffer: Buffer, start: number, end: number): boolean {
    for (const layout of this.#layouts) {
      if (layout !== this.#latest && this.#follow(layout, buffer, start, end)) {
        this.#latest = layout;
        return true;
      }
    }
    if (this.#layouts.length >= layoutLimit) {
      return false;
    }
    const fields = learnLayout(buffer, start, end);
    const layout = fields === undefined ? undefined : this.#layoutOf(fields);
    if (layout === undefined || !this.#follow(layout, buffer, start, end)) {
      return false;
    }
    this.#layouts.push(layout);
    this.#latest = layout;
    return true;
  }

  /** The layout up to the last field that is needed; undefined when one is missing or of a kind that is not read here. */
  #layoutOf(fields: readonly LayoutField[]): Layout | undefined {
    const roles = fields.map(({ name }) =>
      name === this.#plan.sequence ? sequenceRole : name !== undefined && this.#slots.includes(name) ? this.#slots.lastIndexOf(name) : skip,
    );
    const needed = [...this.#slots.map((_, slot) => slot), ...(this.#plan.sequence === undefined ? [] : [sequenceRole])];
    if (needed.some((role) => roles.filter((other) => other === role).length !== 1)) {
      return undefined;
    }
    const last = roles.findLastIndex((role) => role !== skip);
    const used = fields.slice(0, Math.max(1, last + 1));
    const readable = used.every(({ kind }, i) => kind === "string" || (kind === "bare" && (roles[i] ?? skip) < 0));
    if (!readable || used.length === 0) {
      return undefined;
    }
    const foundOf = (role: number): number => (roles.includes(role) ? roles.indexOf(role) * wordsEach + foundAt : -1);
    return {
      steps: used.map(({ glue, kind }, i) => ({ glue: new BytePattern(glue), quoted: kind === "string", role: roles[i] ?? skip })),
      scanned: this.#window.scan?.keepLayout(used.map(({ glue, kind }, i): ScannedValue => ({ before: glue, kind: scannedKind(kind, roles[i] ?? skip) }))),
      sequenceWord: foundOf(sequenceRole),
      slotWords: Int32Array.from(this.#slots, (_, slot) => foundOf(slot)),
    };
  }

  /** The time in a string: every byte of it is looked at, so its closing quote is first taken to be where it was last time. @returns where the string ends, -1 when it holds no time */
  #readTime(buffer: Buffer, start: number, end: number): number {
    const expected = start + this.#timeLength;
    if (expected < end && buffer[expected] === quote) {
      if (this.#time.read(this.#window, start, expected)) {
        return this.#keep(this.#timeSlot, start, expected);
      }
    }
    const found = endOfString(this.#window, start, end, false);
    if (found < 0) {
      return -1;
    }
    this.#timeLength = found - start;
    return this.#time.read(this.#window, start, found) ? this.#keep(this.#timeSlot, start, found) : -1;
  }

  #keep(slot: number, start: number, end: number): number {
    this.#starts[slot] = start;
    this.#ends[slot] = end;
    return end;
  }

  /** Whole decimal digits, as the last nine and all before them: both are exact, whatever the size. @returns where they end, `start` when they cannot be read */
  #readDigits(buffer: Buffer, start: number, end: number): number {
    let at = start + this.#digits;
    if (at >= end || isDigit(buffer[at] as number)) {
      this.#digits = countDigits(buffer, start, end);
      at = start + this.#digits;
    }
    const length = at - start;
    if (length === 0 || length > 20 || at === end) {
      return start;
    }
    const split = length > 9 ? at - 9 : start;
    const high = split === start ? 0 : wholeDigits(this.#window, start, split);
    const low = wholeDigits(this.#window, split, at);
    if (high < 0 || low < 0) {
      // Fewer digits than the last time: they are counted anew, once.
      const counted = countDigits(buffer, start, end);
      const shorter = counted < length;
      this.#digits = counted;
      return shorter ? this.#readDigits(buffer, start, end) : start;
    }
    this.sequence = this.#combine(high, low);
    return at;
  }

  #combine(high: number, low: number): number {
    if (this.#baseHigh !== this.#baseHigh) {
      this.#baseHigh = high;
    }
    return (high - this.#baseHigh) * lowWeight + low;
  }
}

function countDigits(buffer: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && isDigit(buffer[at] as number)) {
    at++;
  }
  return at - start;
}

/** The value of so many digits; negative when one of them is none. */
function wholeDigits(window: ByteWindow, start: number, end: number): number {
  const { bytes, view } = window;
  let value = 0;
  let wrong = 0;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const four = fourDigits(view, at);
    wrong |= four;
    value = value * 10_000 + four;
  }
  for (; at < end; at++) {
    const digit = (bytes[at] as number) - 0x30;
    wrong |= digit | (9 - digit);
    value = value * 10 + digit;
  }
  return wrong < 0 ? -1 : value;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

/** Whether a byte may follow a whole number; a dot or an exponent may not. */
function endsValue(byte: number, quoted: boolean): boolean {
  return quoted ? byte === quote : byte === 0x2c || byte === 0x7d || byte <= 0x20;
}

function scannedKind(kind: LayoutField["kind"], role: number): ScannedValue["kind"] {
  if (role === sequenceRole) {
    return kind === "string" ? scanned.quotedDigits : scanned.digits;
  }
  if (kind !== "string") {
    return scanned.bare;
  }
  return role === skip ? scanned.anyString : scanned.text;
}

/** Where a string's closing quote lies; -1 when it does not end, or holds an escape though its bytes are wanted. Four bytes are looked at together. */
function endOfString({ bytes, view }: ByteWindow, start: number, end: number, escapes: boolean): number {
  let at = start;
  while (at + 4 <= end) {
    const found = marks(view.getInt32(at, true));
    if (found === 0) {
      at += 4;
      continue;
    }
    // The lowest mark is a true one.
    at += (31 - Math.clz32(found & -found)) >> 3;
    if (bytes[at] === quote) {
      return at;
    }
    if (!escapes) {
      return -1;
    }
    at += 2;
  }
  for (; at < end; at++) {
    if (bytes[at] === quote) {
      return at;
    }
    if (bytes[at] === backslash) {
      if (!escapes) {
        return -1;
      }
      at++;
    }
  }
  return -1;
}

/** The top bit of each of four bytes that is a quote or a backslash; above such a byte others may be marked too. */
function marks(four: number): number {
  const quotes = four ^ 0x22222222;
  const backslashes = four ^ 0x5c5c5c5c;
  // A byte that is zero borrows into its own top bit, which is masked where it was set before.
  return (((quotes - 0x01010101) & ~quotes) | ((backslashes - 0x01010101) & ~backslashes)) & 0x80808080;
}

/** Where a number, true, false or null ends; -1 when it does not. */
function endOfBare(buffer: Buffer, start: number, end: number): number {
  for (let at = start; at < end; at++) {
    const byte = buffer[at] as number;
    if (byte === 0x2c || byte === 0x7d || byte <= 0x20) {
      return at;
    }
  }
  return -1;
}
