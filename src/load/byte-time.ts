import { BytePattern, type ByteWindow } from "./byte-tests.js";
import { createTimeReader } from "./entry-time.js";

/** `2026-01-01T00:00:00` */
const secondLength = 19;

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
    if (fraction < 2 || fraction > 10 || bytes[start + secondLength] !== 0x2e) {
      return Number.NaN;
    }
    let micros = 0;
    let scale = 100_000;
    for (let at = start + secondLength + 1; at < zoneAt; at++) {
      const digit = (bytes[at] as number) - 0x30;
      if (digit < 0 || digit > 9) {
        return Number.NaN;
      }
      micros += digit * scale;
      // From the seventh digit on the scale is 0: nanoseconds are cut.
      scale = (scale / 10) | 0;
    }
    return this.#secondMicros + micros;
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
