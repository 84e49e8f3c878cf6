import { doubleZero } from "./double.js";
import { FRAME, FRAME_HEADER_BYTES, frameName, type FrameView } from "./http2-frames.js";
import { WireError } from "./wire-error.js";

export interface FrameReaderOptions {
  readonly maxFrameBytes: number;
  readonly onFrame: (frame: FrameView) => void;
  /**
   * Called behind each DATA frame that lay whole in a chunk: may take more of `chunk[at, end)` by itself, in whole frames.
   * Returns where the frames that it left begin.
   */
  readonly onDataRun?: ((chunk: Buffer, at: number, end: number, maxFrameBytes: number) => number) | undefined;
}

/**
 * Finds frames in received chunks. A frame that lies whole in a chunk is handed out where it lies; one that crosses a
 * chunk border is gathered first, so memory is one frame of the largest size allowed.
 * The view, one object reused for every frame, is valid only while `onFrame` runs.
 */
export class FrameReader {
  readonly #onFrame: (frame: FrameView) => void;
  readonly #onDataRun: FrameReaderOptions["onDataRun"];
  readonly #frame: FrameView;
  #maxFrameBytes: number;
  #carry = Buffer.alloc(0);
  #carried = 0;
  #receivedBytes = doubleZero;
  #stopped = false;

  constructor(options: FrameReaderOptions) {
    this.#maxFrameBytes = options.maxFrameBytes;
    this.#onFrame = options.onFrame;
    this.#onDataRun = options.onDataRun;
    this.#frame = { type: 0, flags: 0, streamId: 0, buffer: this.#carry, start: 0, end: 0, atByte: 0 };
  }

  /** Bytes taken so far, whether or not their frame is whole. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** Our SETTINGS_MAX_FRAME_SIZE. */
  set maxFrameBytes(bytes: number) {
    this.#maxFrameBytes = bytes;
  }

  /** Hand out no more frames; what is pushed later is dropped. */
  stop(): void {
    this.#stopped = true;
  }

  /** What an end of input here would cut off, or undefined between two frames. */
  get unfinished(): string | undefined {
    if (this.#carried === 0 || this.#stopped) return undefined;
    if (this.#carried < FRAME_HEADER_BYTES) return `${this.#carried} of ${FRAME_HEADER_BYTES} bytes of a frame header`;
    const length = this.#carry.readUIntBE(0, 3);
    return `${this.#carried - FRAME_HEADER_BYTES} of ${length} payload bytes of ${frameName(this.#carry[3] ?? 0)}`;
  }

  /** Takes `chunk[start, end)`. Throws WireError `FRAME_SIZE_ERROR` as soon as a header declares more than is allowed, and what `onFrame` throws. */
  push(chunk: Buffer, start = 0, end = chunk.length): void {
    let at = start;
    if (this.#carried > 0) at = this.#finishCarried(chunk, at, end);
    const base = this.#receivedBytes - start;
    this.#receivedBytes += end - start;
    const frame = this.#frame;
    while (end - at >= FRAME_HEADER_BYTES && !this.#stopped) {
      const length = ((chunk[at] as number) << 16) | ((chunk[at + 1] as number) << 8) | (chunk[at + 2] as number);
      if (length > this.#maxFrameBytes) throw this.#tooLong(length, base + at);
      const next = at + FRAME_HEADER_BYTES + length;
      if (next > end) break;
      frame.type = chunk[at + 3] as number;
      frame.flags = chunk[at + 4] as number;
      frame.streamId =
        (((chunk[at + 5] as number) & 0x7f) << 24) | ((chunk[at + 6] as number) << 16) | ((chunk[at + 7] as number) << 8) | (chunk[at + 8] as number);
      frame.buffer = chunk;
      frame.start = at + FRAME_HEADER_BYTES;
      frame.end = next;
      frame.atByte = base + at;
      at = next;
      const data = frame.type === FRAME.DATA;
      this.#onFrame(frame);
      if (data && this.#onDataRun !== undefined && !this.#stopped) at = this.#onDataRun(chunk, at, end, this.#maxFrameBytes);
    }
    if (at < end && !this.#stopped) this.#keep(chunk, at, end);
  }

  /** Completes the carried frame from the chunk's head and hands it out; returns where the chunk's own frames begin. */
  #finishCarried(chunk: Buffer, start: number, end: number): number {
    let at = this.#take(chunk, start, end, FRAME_HEADER_BYTES);
    const atByte = this.#receivedBytes + at - start - this.#carried;
    this.#checkCarriedLength(atByte);
    if (this.#carried < FRAME_HEADER_BYTES) return at;
    const carry = this.#carry;
    const length = carry.readUIntBE(0, 3);
    const whole = FRAME_HEADER_BYTES + length;
    at = this.#take(chunk, at, end, whole);
    if (this.#carried < whole) return at;
    this.#carried = 0;
    const frame = this.#frame;
    frame.type = carry[3] as number;
    frame.flags = carry[4] as number;
    frame.streamId = carry.readUInt32BE(5) & 0x7fffffff;
    frame.buffer = this.#carry;
    frame.start = FRAME_HEADER_BYTES;
    frame.end = whole;
    frame.atByte = atByte;
    if (!this.#stopped) this.#onFrame(frame);
    return at;
  }

  /** Moves bytes of the chunk into the carry until it holds `wanted`. */
  #take(chunk: Buffer, start: number, end: number, wanted: number): number {
    const missing = Math.min(wanted - this.#carried, end - start);
    if (missing <= 0) return start;
    this.#reserve(this.#carried + missing);
    chunk.copy(this.#carry, this.#carried, start, start + missing);
    this.#carried += missing;
    return start + missing;
  }

  #keep(chunk: Buffer, start: number, end: number): void {
    this.#reserve(end - start);
    chunk.copy(this.#carry, 0, start, end);
    this.#carried = end - start;
    this.#checkCarriedLength(this.#receivedBytes - this.#carried);
  }

  // Before the header is whole: a peer that speaks something else may say no more than this.
  #checkCarriedLength(atByte: number): void {
    if (this.#carried < 3) return;
    const length = this.#carry.readUIntBE(0, 3);
    if (length > this.#maxFrameBytes) throw this.#tooLong(length, atByte);
  }

  // Grows with what has come, never with what a header promises.
  #reserve(bytes: number): void {
    if (bytes <= this.#carry.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(1024, 2 ** Math.ceil(Math.log2(bytes))));
    this.#carry.copy(larger, 0, 0, this.#carried);
    this.#carry = larger;
  }

  #tooLong(length: number, atByte: number): WireError {
    this.#stopped = true;
    return new WireError("FRAME_SIZE_ERROR", {
      expected: `a frame of at most ${this.#maxFrameBytes} bytes (RFC 9113 4.2)`,
      actual: `one of ${length} bytes`,
      atByte,
    });
  }
}
