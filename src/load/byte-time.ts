import { BytePattern, type ByteWindow, fourDigits } from "./byte-tests.js";
import { createTimeReader } from "../core/date-time.js";
import { doubleZero } from "../core/double.js";

/** `2026-01-01T00:00:00` */
const secondLength = 19;
const fractionAt = secondLength + 1;
/** Dot and nine digits. */
const longestFraction = 10;

/**
 * Reads RFC 3339 times where they lie.
 * Entries come in time order and in one zone, so all but the fraction is nearly always that of the last one and only compared.
 */
export class ByteTime {
  /** The time read last, in microseconds since the Unix epoch. Kept here: a number that is returned is made into an object. */
  micros = Number.NaN;
  /** The bytes of the last second, as doubles at 0, 8 and 11: text in ASCII never makes one that does not equal itself. */
  #begin = Number.NaN;
  #middle = Number.NaN;
  #finish = Number.NaN;
  #secondMicros = doubleZero;
  /** The zone's last byte, and all of it where it is longer than `Z`. */
  #zoneLength = 0;
  #zoneEnd = 0;
  #zone = new BytePattern(new Uint8Array(0));
  readonly #read = createTimeReader();

  /** Whether a time lies there. */
  read(window: ByteWindow, start: number, end: number): boolean {
    const { bytes, view } = window;
    const zoneAt = end - this.#zoneLength;
    const fraction = zoneAt - start - secondLength;
    if (
      fraction < 0 ||
      view.getFloat64(start + 11, true) !== this.#finish ||
      view.getFloat64(start + 8, true) !== this.#middle ||
      view.getFloat64(start, true) !== this.#begin ||
      bytes[end - 1] !== this.#zoneEnd ||
      (this.#zoneLength > 1 && !this.#zone.at(window, zoneAt))
    ) {
      return this.#readWhole(window, start, end);
    }
    if (fraction === 0) {
      this.micros = this.#secondMicros;
      return true;
    }
    if (fraction < 2 || fraction > longestFraction || bytes[start + secondLength] !== 0x2e) {
      return false;
    }
    if (fraction > 6) {
      // Six digits or more: what follows the sixth does not count.
      const first = fourDigits(view, start + fractionAt);
      const fifth = (bytes[start + fractionAt + 4] as number) - 0x30;
      const sixth = (bytes[start + fractionAt + 5] as number) - 0x30;
      this.micros = this.#secondMicros + (first * 100 + fifth * 10 + sixth);
      return (first | fifth | sixth | (9 - fifth) | (9 - sixth)) >= 0;
    }
    const digits = readDigits(bytes, start + fractionAt, zoneAt);
    this.micros = this.#secondMicros + digits;
    return digits >= 0;
  }

  #readWhole(window: ByteWindow, start: number, end: number): boolean {
    const text = window.bytes.toString("latin1", start, end);
    const micros = this.#read(text);
    const zone = /(?:[Zz]|[+-]\d\d:\d\d)$/.exec(text)?.[0];
    if (!Number.isNaN(micros) && zone !== undefined) {
      this.#begin = window.view.getFloat64(start, true);
      this.#middle = window.view.getFloat64(start + 8, true);
      this.#finish = window.view.getFloat64(start + 11, true);
      this.#secondMicros = this.#read(text.slice(0, secondLength) + zone);
      this.#zoneLength = zone.length;
      this.#zoneEnd = zone.charCodeAt(zone.length - 1);
      this.#zone = new BytePattern(Buffer.from(zone, "latin1"));
    }
    this.micros = micros;
    return !Number.isNaN(micros);
  }
}

/** Microseconds of a fraction of any number of digits, those beyond the sixth cut off; negative where one is no digit. */
function readDigits(bytes: Buffer, start: number, end: number): number {
  let micros = 0;
  let scale = 100_000;
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] as number) - 0x30;
    if (digit < 0 || digit > 9) {
      return -1;
    }
    micros += digit * scale;
    scale = (scale / 10) | 0;
  }
  return micros;
}
