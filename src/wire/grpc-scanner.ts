import { doubleZero } from "./double.js";
import { WireError } from "./wire-error.js";

/** Bytes before each message: the compressed flag and a 32-bit length. */
export const MESSAGE_PREFIX_BYTES = 5;

/** Of a stream that is idle nothing is kept. */
const nothing = Buffer.alloc(0);

export interface GrpcScannerOptions {
  /** Largest message, as sent; a longer one is refused as soon as its prefix is read. */
  readonly maxMessageBytes: number;
  /** Takes one message: `buffer[start, end)`, valid during the call only. `flag` is 0 or 1 (compressed). Called on the options, which are kept. */
  onMessage(buffer: Buffer, start: number, end: number, flag: number): void;
}

/**
 * Finds gRPC messages (length-prefixed, split and joined anywhere) in a stream's DATA. A message that lies whole in the
 * bytes pushed is handed out where it lies; one that crosses a border is gathered, in memory that grows with what has come.
 */
export class GrpcScanner {
  readonly #sink: GrpcScannerOptions;
  readonly #maxMessageBytes: number;
  #carry = nothing;
  #carried = 0;
  #pushedBytes = doubleZero;

  constructor(options: GrpcScannerOptions) {
    this.#sink = options;
    this.#maxMessageBytes = options.maxMessageBytes;
  }

  /** What an end of the stream here would cut off, or undefined between two messages. */
  get unfinished(): string | undefined {
    if (this.#carried === 0) return undefined;
    if (this.#carried < MESSAGE_PREFIX_BYTES) return `${this.#carried} of ${MESSAGE_PREFIX_BYTES} bytes of a message's prefix`;
    return `${this.#carried - MESSAGE_PREFIX_BYTES} of ${this.#carry.readUInt32BE(1)} message bytes`;
  }

  /** Bytes pushed so far. */
  get pushedBytes(): number {
    return this.#pushedBytes;
  }

  /** Takes `buffer[start, end)`. Throws WireError `BAD_MESSAGE_FLAG` or `MESSAGE_TOO_LONG` (its byte counts from the stream's first DATA byte), and what `onMessage` throws. */
  push(buffer: Buffer, start: number, end: number): void {
    let at = start;
    if (this.#carried > 0) {
      at = this.#finishCarried(buffer, at, end);
      if (this.#carried > 0) {
        this.#pushedBytes += end - start;
        return;
      }
    }
    while (end - at >= MESSAGE_PREFIX_BYTES) {
      const flag = buffer[at] as number;
      const length =
        (buffer[at + 1] as number) * 0x1000000 + (((buffer[at + 2] as number) << 16) | ((buffer[at + 3] as number) << 8) | (buffer[at + 4] as number));
      if (flag > 1 || length > this.#maxMessageBytes) this.#refuse(flag, length, this.#pushedBytes + at - start);
      const from = at + MESSAGE_PREFIX_BYTES;
      const next = from + length;
      if (next > end) break;
      at = next;
      this.#sink.onMessage(buffer, from, next, flag);
    }
    this.#pushedBytes += end - start;
    if (at < end) this.#take(buffer, at, end, end - at);
  }

  #finishCarried(buffer: Buffer, start: number, end: number): number {
    let at = this.#take(buffer, start, end, MESSAGE_PREFIX_BYTES);
    if (this.#carried < MESSAGE_PREFIX_BYTES) return at;
    const flag = this.#carry[0] as number;
    const length = this.#carry.readUInt32BE(1);
    if (flag > 1 || length > this.#maxMessageBytes) this.#refuse(flag, length, this.#pushedBytes + at - start - this.#carried);
    const whole = MESSAGE_PREFIX_BYTES + length;
    at = this.#take(buffer, at, end, whole);
    if (this.#carried < whole) return at;
    this.#carried = 0;
    this.#sink.onMessage(this.#carry, MESSAGE_PREFIX_BYTES, whole, flag);
    return at;
  }

  /** Moves bytes into the carry until it holds `wanted`; returns where the rest begins. */
  #take(buffer: Buffer, start: number, end: number, wanted: number): number {
    const bytes = Math.min(wanted - this.#carried, end - start);
    if (bytes <= 0) return start;
    const needed = this.#carried + bytes;
    if (needed > this.#carry.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(256, 2 ** Math.ceil(Math.log2(needed))));
      this.#carry.copy(larger, 0, 0, this.#carried);
      this.#carry = larger;
    }
    buffer.copy(this.#carry, this.#carried, start, start + bytes);
    this.#carried = needed;
    return start + bytes;
  }

  #refuse(flag: number, length: number, atByte: number): never {
    this.#carried = 0;
    if (flag > 1)
      throw new WireError("BAD_MESSAGE_FLAG", {
        expected: "a compressed flag of 0 or 1 (gRPC over HTTP/2, Length-Prefixed-Message)",
        actual: `${flag}`,
        atByte,
      });
    throw new WireError("MESSAGE_TOO_LONG", { expected: `a message of at most ${this.#maxMessageBytes} bytes`, actual: `${length} bytes`, atByte: atByte + 1 });
  }
}
