import { doubleZero } from "./double.js";
import { HpackDecoder, type Header } from "./hpack.js";
import { ControlBudget } from "./http2-control-budget.js";
import { FrameReader } from "./http2-frame-reader.js";
import { DEFAULT_MAX_FRAME_BYTES, FLAG, FRAME, FRAME_HEADER_BYTES, frameError, frameName, unpad, type FrameView } from "./http2-frames.js";
import { readSettings, type Http2Settings } from "./http2-settings.js";
import { excerpt, WireError } from "./wire-error.js";

/** What a frame means to the connection, once its own form is right. Views are valid during the call only. */
export interface FrameHandler {
  /** Every frame, before it is looked at. */
  readonly onFrame: ((frame: FrameView) => void) | undefined;
  /** The stream may be absent. */
  onData(frame: FrameView): void;
  /** Takes DATA frames that follow one on the same stream; returns where those that it left begin. Not called where `onFrame` is to see every frame. */
  onDataRun(chunk: Buffer, at: number, end: number, maxFrameBytes: number): number;
  /** `frame` is the HEADERS frame; a list over the limit is cut and `listBytes` tells. The stream may be absent. */
  onHeaders(headers: readonly Header[], listBytes: number, frame: FrameView): void;
  onReset(frame: FrameView, code: number): void;
  onSettings(settings: Partial<Http2Settings>, frame: FrameView): void;
  onSettingsAck(): void;
  onPing(opaque: Buffer): void;
  onPingAck(opaque: Buffer): void;
  onGoaway(lastStreamId: number, code: number, debug: string): void;
  onWindowUpdate(increment: number, frame: FrameView): void;
  /** Answers to the peer that it has not read. */
  readonly unsentBytes: number;
  /** Frames that the traffic so far allows the peer beyond the budget's own rate. */
  readonly earnedFrames: number;
}

export interface InboundOptions {
  readonly maxHeaderListBytes: number;
  readonly maxUnsentBytes: number;
  readonly handler: FrameHandler;
}

/** The receiving half of a connection: finds frames, checks each one's form, decodes header blocks, and charges floods. */
export class Inbound {
  readonly #reader: FrameReader;
  readonly #decoder: HpackDecoder;
  readonly #handler: FrameHandler;
  readonly #budget = new ControlBudget();
  readonly #maxUnsentBytes: number;
  readonly #maxHeaderBlockBytes: number;
  /** When the chunk at hand came. */
  #atMicros = doubleZero;
  #settingsSeen = false;
  /** Holds after the first frame, which is SETTINGS and short: a reply in another protocol would pass for a huge frame. */
  #maxFrameBytes = DEFAULT_MAX_FRAME_BYTES;
  #headerBlock: { readonly frame: FrameView; readonly parts: Buffer[]; bytes: number } | undefined;

  constructor(options: InboundOptions) {
    this.#handler = options.handler;
    this.#maxUnsentBytes = options.maxUnsentBytes;
    // A block may be a little longer than its list: size updates, padded integers, Huffman codes of rare bytes.
    this.#maxHeaderBlockBytes = Math.ceil(options.maxHeaderListBytes * 1.25) + 1024;
    this.#decoder = new HpackDecoder({ maxHeaderListBytes: options.maxHeaderListBytes });
    this.#reader = new FrameReader({
      maxFrameBytes: DEFAULT_MAX_FRAME_BYTES,
      onFrame: (frame) => this.#onFrame(frame),
      onDataRun: options.handler.onFrame === undefined ? (chunk, at, end, max) => options.handler.onDataRun(chunk, at, end, max) : undefined,
    });
  }

  get receivedBytes(): number {
    return this.#reader.receivedBytes;
  }

  /** What an end of input here would cut off. */
  get unfinished(): string | undefined {
    return this.#headerBlock === undefined ? this.#reader.unfinished : "a header block without END_HEADERS";
  }

  set maxFrameBytes(bytes: number) {
    this.#maxFrameBytes = bytes;
    if (this.#settingsSeen) this.#reader.maxFrameBytes = bytes;
  }

  setTableLimit(bytes: number): void {
    this.#decoder.setTableLimit(bytes);
  }

  /** Takes a chunk. Throws WireError for a connection error, after which nothing more may be pushed. */
  push(chunk: Buffer, bytes: number, atMicros: number): void {
    this.#atMicros = atMicros;
    try {
      this.#reader.push(chunk, 0, bytes);
    } catch (error) {
      throw this.#settingsSeen ? error : notHttp2(error, chunk.subarray(0, bytes));
    }
  }

  stop(): void {
    this.#reader.stop();
    this.#headerBlock = undefined;
  }

  /** Charges a frame that carries no message, and checks that what we answer gets away. Throws WireError `ENHANCE_YOUR_CALM`. */
  charge(frame: FrameView): void {
    if (!this.#budget.spend(this.#atMicros, this.#handler.earnedFrames)) {
      throw frameError("ENHANCE_YOUR_CALM", frame, "fewer frames without a message", "a flood of them");
    }
    const unsent = this.#handler.unsentBytes;
    if (unsent > this.#maxUnsentBytes) throw frameError("ENHANCE_YOUR_CALM", frame, "a peer that reads our answers", `${unsent} bytes that it leaves unread`);
  }

  #onFrame(frame: FrameView): void {
    if (this.#handler.onFrame !== undefined) this.#handler.onFrame(frame);
    if (!this.#settingsSeen && (frame.type !== FRAME.SETTINGS || (frame.flags & FLAG.ACK) !== 0)) {
      throw frameError("PROTOCOL_ERROR", frame, "SETTINGS first (RFC 9113 3.4)", frameName(frame.type));
    }
    const gathered = this.#headerBlock;
    if (gathered !== undefined && (frame.type !== FRAME.CONTINUATION || frame.streamId !== gathered.frame.streamId)) {
      throw frameError(
        "PROTOCOL_ERROR",
        frame,
        `CONTINUATION on stream ${gathered.frame.streamId} (RFC 9113 6.10)`,
        `${frameName(frame.type)} on stream ${frame.streamId}`,
      );
    }
    if (frame.type === FRAME.DATA) this.#handler.onData(frame);
    else this.#onOtherFrame(frame);
  }

  #onOtherFrame(frame: FrameView): void {
    const { buffer, start, end } = frame;
    switch (frame.type) {
      case FRAME.HEADERS:
        return this.#onHeaders(frame);
      case FRAME.CONTINUATION:
        return this.#onContinuation(frame);
      case FRAME.RST_STREAM:
        needLength(frame, 4);
        needStream(frame);
        return this.#handler.onReset(frame, buffer.readUInt32BE(start));
      case FRAME.SETTINGS:
        return this.#onSettings(frame);
      case FRAME.PING:
        return this.#onPing(frame);
      case FRAME.GOAWAY:
        needStreamZero(frame);
        if (end - start < 8) throw frameError("FRAME_SIZE_ERROR", frame, "8 bytes or more (RFC 9113 6.8)", `${end - start}`);
        this.charge(frame);
        return this.#handler.onGoaway(
          buffer.readUInt32BE(start) & 0x7fffffff,
          buffer.readUInt32BE(start + 4),
          buffer.toString("latin1", start + 8, Math.min(end, start + 8 + 1024)),
        );
      case FRAME.WINDOW_UPDATE:
        needLength(frame, 4);
        this.charge(frame);
        return this.#handler.onWindowUpdate(buffer.readUInt32BE(start) & 0x7fffffff, frame);
      case FRAME.PUSH_PROMISE:
        throw frameError("PROTOCOL_ERROR", frame, "no PUSH_PROMISE, as ENABLE_PUSH is 0 (RFC 9113 8.4)", "one");
      default:
        // PRIORITY is obsolete, other types are extensions: both are to be ignored (RFC 9113 sections 5.3.2 and 5.5).
        return this.charge(frame);
    }
  }

  #onHeaders(frame: FrameView): void {
    needStream(frame);
    const { start, end } = unpad(frame);
    const priorityBytes = (frame.flags & FLAG.PRIORITY) === 0 ? 0 : 5;
    if (end - start < priorityBytes) throw frameError("FRAME_SIZE_ERROR", frame, "5 bytes of priority (RFC 9113 6.2)", `${end - start}`);
    const block = frame.buffer.subarray(start + priorityBytes, end);
    if ((frame.flags & FLAG.END_HEADERS) === 0) this.#headerBlock = { frame: { ...frame }, parts: [Buffer.from(block)], bytes: block.length };
    else this.#decode(block, frame);
  }

  #onContinuation(frame: FrameView): void {
    const gathered = this.#headerBlock;
    if (gathered === undefined) throw frameError("PROTOCOL_ERROR", frame, "HEADERS before CONTINUATION (RFC 9113 6.10)", "none");
    this.charge(frame);
    gathered.bytes += frame.end - frame.start;
    if (gathered.bytes > this.#maxHeaderBlockBytes) {
      throw frameError("ENHANCE_YOUR_CALM", frame, `a header block of at most ${this.#maxHeaderBlockBytes} bytes`, `${gathered.bytes} and more`);
    }
    if (frame.end > frame.start) gathered.parts.push(Buffer.from(frame.buffer.subarray(frame.start, frame.end)));
    if ((frame.flags & FLAG.END_HEADERS) === 0) return;
    this.#headerBlock = undefined;
    this.#decode(Buffer.concat(gathered.parts), gathered.frame);
  }

  #decode(block: Buffer, frame: FrameView): void {
    const { headers, listBytes } = this.#decoder.decode(block, frame.atByte + FRAME_HEADER_BYTES);
    this.#handler.onHeaders(headers, listBytes, frame);
  }

  #onSettings(frame: FrameView): void {
    needStreamZero(frame);
    this.charge(frame);
    if ((frame.flags & FLAG.ACK) === 0) {
      this.#settingsSeen = true;
      this.#reader.maxFrameBytes = this.#maxFrameBytes;
      this.#handler.onSettings(readSettings(frame), frame);
      return;
    }
    needLength(frame, 0);
    this.#handler.onSettingsAck();
  }

  #onPing(frame: FrameView): void {
    needLength(frame, 8);
    needStreamZero(frame);
    this.charge(frame);
    const opaque = frame.buffer.subarray(frame.start, frame.end);
    if ((frame.flags & FLAG.ACK) === 0) this.#handler.onPing(opaque);
    else this.#handler.onPingAck(opaque);
  }
}

/** An error on the first frame of a peer that may speak something else. */
function notHttp2(error: unknown, bytes: Buffer): unknown {
  if (!(error instanceof WireError) || error.code !== "FRAME_SIZE_ERROR") return error;
  return new WireError("NOT_HTTP2", { expected: "an HTTP/2 SETTINGS frame (RFC 9113 3.4)", actual: excerpt(bytes), atByte: error.atByte, cause: error });
}

function needLength(frame: FrameView, bytes: number): void {
  if (frame.end - frame.start !== bytes) throw frameError("FRAME_SIZE_ERROR", frame, `a payload of ${bytes} bytes (RFC 9113 6)`, `${frame.end - frame.start}`);
}

function needStream(frame: FrameView): void {
  if (frame.streamId === 0) throw frameError("PROTOCOL_ERROR", frame, "a stream (RFC 9113 6)", "stream 0");
}

function needStreamZero(frame: FrameView): void {
  if (frame.streamId !== 0) throw frameError("PROTOCOL_ERROR", frame, "stream 0 (RFC 9113 6)", `stream ${frame.streamId}`);
}
