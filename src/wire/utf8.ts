import { isUtf8 } from "node:buffer";

/** Checks UTF-8 that arrives in pieces cut anywhere (RFC 3629: no surrogates, no overlong forms, nothing above U+10FFFF). */
export class Utf8Checker {
  private remaining = 0;
  private lowest = 0x80;
  private highest = 0xbf;

  /** Index in `bytes` of the first byte that no UTF-8 text has there, or -1. After an index, only {@link reset} makes sense. */
  push(bytes: Uint8Array): number {
    let index = 0;
    while (index < bytes.length && this.remaining > 0) {
      if (!this.accept(bytes[index]!)) return index;
      index += 1;
    }
    const rest = index === 0 ? bytes : bytes.subarray(index);
    if (isUtf8(rest)) return -1;
    for (; index < bytes.length; index += 1) if (!this.accept(bytes[index]!)) return index;
    return -1;
  }

  /** Whether the text so far stops between characters; a message must. */
  get complete(): boolean {
    return this.remaining === 0;
  }

  reset(): void {
    this.remaining = 0;
    this.lowest = 0x80;
    this.highest = 0xbf;
  }

  private accept(byte: number): boolean {
    if (this.remaining > 0) {
      if (byte < this.lowest || byte > this.highest) return false;
      this.remaining -= 1;
      this.lowest = 0x80;
      this.highest = 0xbf;
      return true;
    }
    if (byte < 0x80) return true;
    if (byte < 0xc2 || byte > 0xf4) return false;
    this.remaining = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    // The second byte is where overlong forms, surrogates and the end of Unicode show.
    if (byte === 0xe0) this.lowest = 0xa0;
    else if (byte === 0xed) this.highest = 0x9f;
    else if (byte === 0xf0) this.lowest = 0x90;
    else if (byte === 0xf4) this.highest = 0x8f;
    return true;
  }
}
