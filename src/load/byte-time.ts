import { BytePattern, type ByteWindow, fourDigits } from "./byte-tests.js";
import { createTimeReader } from "./entry-time.js";

/** `2026-01-01T00:00:00` */
const secondLength = 19;
const fractionAt = secondLength + 1;
/** Dot and nine digits: what most servers write. */
const longestFraction = 10;

/**
 * Reads RFC 3339 times where they lie, as microseconds since the Unix epoch; NaN for what it does not know.
 * Entries come in time order and in one zone, so all but the fraction is nearly always that of the last one and only compared.
 */
export class ByteTime {
  #second = new BytePattern(new Uint8Array(0));
  #zone = new BytePattern(new Uint8Array(0));
  #secondMicros = 0;
  readonly #read = createTimeReader();

  read(window: ByteWindow, start: number, end: number): number {
    const zoneAt = end - this.#zone.length;
    const fraction = zoneAt - start - secondLength;
    if (fraction < 0 || this.#second.length === 0 || !this.#second.at(window, start) || !this.#zone.at(window, zoneAt)) {
      return this.#readWhole(window, start, end);
    }
    if (fraction === 0) {
      return this.#secondMicros;
    }
    const { bytes } = window;
    if (fraction < 2 || fraction > longestFraction || bytes[start + secondLength] !== 0x2e) {
      return Number.NaN;
    }
    if (fraction === longestFraction) {
      const first = fourDigits(window.view, start + fractionAt);
      const second = fourDigits(window.view, start + fractionAt + 4);
      const last = (bytes[zoneAt - 1] as number) - 0x30;
      return (first | second | last | (9 - last)) < 0 ? Number.NaN : this.#secondMicros + first * 100 + ((second / 100) | 0);
    }
    return this.#secondMicros + readDigits(bytes, start + fractionAt, zoneAt);
  }

  #readWhole(window: ByteWindow, start: number, end: number): number {
    const text = window.bytes.toString("latin1", start, end);
    const micros = this.#read(text);
    const zone = /(?:[Zz]|[+-]\d\d:\d\d)$/.exec(text)?.[0];
    if (!Number.isNaN(micros) && zone !== undefined) {
      const second = text.slice(0, secondLength);
      this.#second = new BytePattern(Buffer.from(second, "latin1"));
      this.#zone = new BytePattern(Buffer.from(zone, "latin1"));
      this.#secondMicros = this.#read(second + zone);
    }
    return micros;
  }
}

/** Microseconds of a fraction of any number of digits, those beyond the sixth cut off; NaN where one is no digit. */
function readDigits(bytes: Buffer, start: number, end: number): number {
  let micros = 0;
  let scale = 100_000;
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] as number) - 0x30;
    if (digit < 0 || digit > 9) {
      return Number.NaN;
    }
    micros += digit * scale;
    scale = (scale / 10) | 0;
  }
  return micros;
}
