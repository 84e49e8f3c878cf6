import { doubleZero } from "./double.js";
import type { Frame, FrameHeader } from "./websocket-frames.js";
import { headerLength, opcodes, parseHeader } from "./websocket-frames.js";
import { headerViolations } from "./websocket-violations.js";
import { WireError } from "./wire-error.js";

/** They are kept, and their methods called on them. */
export interface WebSocketScannerOptions {
  /** Largest message, and frame; a longer one is refused at the header that makes it so. */
  readonly maxMessageBytes: number;
  /** Takes one message: `buffer[start, end)`, valid during the call only; `opcode` is text or binary. Text is not checked to be UTF-8. */
  onMessage(buffer: Uint8Array, start: number, end: number, opcode: number): void;
  /** Takes one control frame, in order with the messages; its payload is a copy. */
  onControl(frame: Frame): void;
}

/** The largest gather buffer that is kept for the next message. */
const keptGatherBytes = 65536;

/**
 * Finds the messages in the bytes of a server without extensions. A message that lies in one frame, whole in the bytes pushed, is handed out where
 * it lies, and nothing is allocated for it; one in fragments, or across a border, is gathered in a buffer that is used again. What breaks
 * RFC 6455 §5 is thrown as a {@link WireError}, and the scanner is of no use after that.
 */
export class WebSocketScanner {
  readonly #sink: WebSocketScannerOptions;
  readonly #maxMessageBytes: number;
  readonly #maxFastBytes: number;
  /** Offset on the connection of `buffer[0]` of the current push. */
  #base = doubleZero;
  /** The bytes of a header that is not whole; what is allocated late is not there for an idle stream. */
  #headerPart: Uint8Array | undefined;
  #headerPartBytes = 0;
  /** The frame whose payload is coming. */
  #frame: FrameHeader | undefined;
  #payloadLeft = 0;
  /** Opcode of the message begun, 0 where there is none. */
  #messageOpcode = 0;
  #gather: Uint8Array | undefined;
  #gathered = 0;
  #control: Uint8Array | undefined;
  #controlBytes = 0;
  #closeReceived = false;
  #stopped = false;

  /** `firstByte` is the offset on the connection of the first byte to be pushed; default 0. */
  constructor(options: WebSocketScannerOptions, firstByte = 0) {
    this.#sink = options;
    this.#maxMessageBytes = options.maxMessageBytes;
    this.#maxFastBytes = Math.min(options.maxMessageBytes, 65535);
    this.#base = firstByte;
  }

  /** Takes `buffer[start, end)`, by default all of it. Throws a WireError, and what the callbacks throw. */
  push(buffer: Uint8Array, start = 0, end = buffer.length): void {
    this.#base -= start;
    let at = start;
    while (at < end && !this.#stopped) {
      if (this.#frame === undefined && this.#headerPartBytes === 0 && this.#messageOpcode === 0 && !this.#closeReceived) {
        at = this.#takeWhole(buffer, at, end);
        if (at === end) break;
      }
      at = this.#frame === undefined ? this.#takeHeader(buffer, at, end) : this.#takePayload(this.#frame, buffer, at, end);
    }
    this.#base += end;
  }

  /** No more bytes come: the error where they stop inside a frame or a message. */
  finish(): WireError | undefined {
    if (this.#stopped) return undefined;
    const atByte = this.#base;
    if (this.#frame !== undefined || this.#headerPartBytes > 0) {
      const actual =
        this.#frame === undefined
          ? `${this.#headerPartBytes} bytes of its header`
          : `all but ${this.#payloadLeft} of its ${this.#frame.payloadBytes} payload bytes`;
      return new WireError("TRUNCATED_FRAME", { expected: "a whole frame before the end of the stream", actual, atByte });
    }
    if (this.#messageOpcode === 0) return undefined;
    return new WireError("TRUNCATED_MESSAGE", { expected: "the last fragment before the end of the stream", actual: "FIN", atByte });
  }

  /** Ignores everything from here on. */
  stop(): void {
    this.#stopped = true;
  }

  /** Hands out whole one-frame messages; returns where the first other thing starts, or `end`. */
  #takeWhole(buffer: Uint8Array, start: number, end: number): number {
    const sink = this.#sink;
    const maxBytes = this.#maxFastBytes;
    const last = end - 2;
    let at = start;
    while (at <= last) {
      const first = buffer[at]!;
      if (first !== 0x81 && first !== 0x82) return at;
      let length = buffer[at + 1]!;
      let from = at + 2;
      if (length === 126) {
        if (at + 4 > end) return at;
        length = (buffer[from]! << 8) | buffer[from + 1]!;
        from += 2;
        if (length < 126) return at;
      } else if (length > 126) return at;
      const next = from + length;
      if (next > end || length > maxBytes) return at;
      at = next;
      sink.onMessage(buffer, from, next, first & 0xf);
      if (this.#stopped) return end;
    }
    return at;
  }

  #takeHeader(buffer: Uint8Array, start: number, end: number): number {
    const part = (this.#headerPart ??= new Uint8Array(14));
    let at = start;
    while (at < end) {
      part[this.#headerPartBytes] = buffer[at]!;
      this.#headerPartBytes += 1;
      at += 1;
      if (this.#headerPartBytes < 2 || this.#headerPartBytes < headerLength(part[1]!)) continue;
      const header = parseHeader(part, this.#headerPartBytes, this.#base + at - this.#headerPartBytes);
      this.#headerPartBytes = 0;
      this.#startFrame(header);
      return at;
    }
    return at;
  }

  #startFrame(header: FrameHeader): void {
    const [violation] = headerViolations(header, { messageOpen: this.#messageOpcode !== 0, closeReceived: this.#closeReceived, deflate: false });
    if (violation !== undefined) this.#fail(violation);
    const isControl = header.opcode >= opcodes.close;
    const total = isControl ? header.payloadBytes : this.#gathered + header.payloadBytes;
    if (total > this.#maxMessageBytes) {
      const expected = `a message of at most ${this.#maxMessageBytes} bytes`;
      const code = header.opcode === opcodes.continuation ? "MESSAGE_TOO_LONG" : "FRAME_TOO_LONG";
      this.#fail(new WireError(code, { expected, actual: `${total} declared`, atByte: header.atByte }));
    }
    if (!isControl && header.opcode !== opcodes.continuation) this.#messageOpcode = header.opcode;
    this.#payloadLeft = header.payloadBytes;
    this.#frame = header;
    if (header.payloadBytes === 0) this.#finishFrame(header);
  }

  #takePayload(frame: FrameHeader, buffer: Uint8Array, start: number, end: number): number {
    const next = Math.min(end, start + this.#payloadLeft);
    this.#payloadLeft -= next - start;
    if (frame.opcode >= opcodes.close) {
      (this.#control ??= new Uint8Array(125)).set(buffer.subarray(start, next), this.#controlBytes);
      this.#controlBytes += next - start;
    } else this.#gatherBytes(buffer, start, next);
    if (this.#payloadLeft === 0) this.#finishFrame(frame);
    return next;
  }

  #finishFrame(frame: FrameHeader): void {
    this.#frame = undefined;
    if (frame.opcode >= opcodes.close) {
      const payload = this.#control === undefined ? new Uint8Array(0) : this.#control.slice(0, this.#controlBytes);
      this.#controlBytes = 0;
      if (frame.opcode === opcodes.close) this.#closeReceived = true;
      this.#sink.onControl({ ...frame, payload });
    } else if (frame.fin) {
      const opcode = this.#messageOpcode;
      const bytes = this.#gathered;
      const gather = this.#gather ?? emptyGather;
      this.#messageOpcode = 0;
      this.#gathered = 0;
      if (gather.length > keptGatherBytes) this.#gather = undefined;
      this.#sink.onMessage(gather, 0, bytes, opcode);
    }
  }

  /** Memory follows the bytes that came, not the length that was declared. */
  #gatherBytes(buffer: Uint8Array, start: number, end: number): void {
    const needed = this.#gathered + end - start;
    let gather = this.#gather;
    if (gather === undefined || needed > gather.length) {
      const larger = new Uint8Array(Math.max(256, 2 ** Math.ceil(Math.log2(needed))));
      if (gather !== undefined) larger.set(gather.subarray(0, this.#gathered));
      this.#gather = larger;
      gather = larger;
    }
    gather.set(buffer.subarray(start, end), this.#gathered);
    this.#gathered = needed;
  }

  #fail(error: WireError): never {
    this.#stopped = true;
    throw error;
  }
}

const emptyGather = new Uint8Array(0);
