import { doubleZero } from "./double.js";
import type { Header } from "./hpack.js";
import type { Http2StreamEnd } from "./http2-ends.js";
import {
  encodeUint32,
  ERROR_CODE,
  FLAG,
  FRAME,
  FRAME_HEADER_BYTES,
  frameError,
  LARGEST_WINDOW,
  unpad,
  type ErrorCodeName,
  type FrameToSend,
  type FrameView,
} from "./http2-frames.js";
import { readResponseHead } from "./http2-header-rules.js";
import type { WireError } from "./wire-error.js";

/** What the peer did to a stream, in wire order. */
export type Http2StreamEvent =
  | {
      readonly kind: "headers";
      readonly headers: readonly Header[];
      readonly status: number | undefined;
      readonly informational: boolean;
      readonly trailing: boolean;
      readonly endStream: boolean;
      readonly atMicros: number;
      readonly atByte: number;
    }
  /** `data` is a view, valid during the call only. One event is one DATA frame. */
  | { readonly kind: "data"; readonly data: Buffer; readonly endStream: boolean; readonly atMicros: number; readonly atByte: number }
  /** May come after "ended": a server that ends early should still reset (RFC 9113 section 8.1). */
  | { readonly kind: "reset"; readonly code: number; readonly atMicros: number }
  | { readonly kind: "window"; readonly availableBytes: number; readonly atMicros: number }
  | { readonly kind: "ended"; readonly end: Http2StreamEnd };

/** Hears a stream; its methods are called on it, synchronously, in wire order. */
export interface Http2StreamListener {
  onEvent?(event: Http2StreamEvent): void;
  /** Takes DATA in place of "data" events, without an object for each: `buffer[start, end)`, valid during the call only. */
  onDataRange?(buffer: Buffer, start: number, end: number, endStream: boolean): void;
}

export interface Http2RequestOptions extends Http2StreamListener {
  /** END_STREAM on the HEADERS. */
  readonly endStream?: boolean;
  /** This stream's receive window, where it is to be larger than our INITIAL_WINDOW_SIZE: a WINDOW_UPDATE follows the HEADERS. */
  readonly windowBytes?: number;
  /** Who returns this stream's window; default: as the connection. */
  readonly replenish?: "auto" | "manual";
  /** Open it although GOAWAY or MAX_CONCURRENT_STREAMS forbids. */
  readonly force?: boolean;
}

/** One request on an HTTP/2 connection. */
export interface Http2Stream {
  readonly id: number;
  /** Settles once, never rejects; everything that came before has been delivered. */
  readonly ended: Promise<Http2StreamEnd>;
  /** Set when `ended` is. */
  readonly end: Http2StreamEnd | undefined;
  /** What flow control lets us send now; negative after a shrunken INITIAL_WINDOW_SIZE or a forced frame. */
  readonly sendWindowBytes: number;
  /** What the peer may still send. */
  readonly receiveWindowBytes: number;
  /** Payload bytes written but held back by flow control. */
  readonly queuedBytes: number;
  /**
   * Sends DATA in frames of at most the peer's MAX_FRAME_SIZE, as both windows allow. True once flow control took all of it;
   * false if the stream ended first, or if more than the connection's `maxQueuedBytes` would wait. `data` must not change until then.
   */
  write(data: Uint8Array, options?: { readonly endStream?: boolean }): Promise<boolean>;
  /** Sends one DATA frame at once, exactly as given, whatever window, state or MAX_FRAME_SIZE say. */
  writeFrame(data: Uint8Array, options?: { readonly endStream?: boolean; readonly paddingBytes?: number }): void;
  /** Sends trailers (a HEADERS frame with END_STREAM). */
  writeTrailers(headers: readonly Header[]): void;
  /** Sends RST_STREAM and nothing else; a no-op on a stream that is closed both ways. Default CANCEL. */
  reset(code?: number): void;
  /** WINDOW_UPDATE, for "manual". */
  grant(bytes: number): void;
  /** Stops returning this stream's window ("auto"): what the window still holds is delivered. */
  pause(): void;
  /** Returns what was held back and goes on. */
  resume(): void;
}

/** What a stream needs of its connection. */
export interface StreamHost {
  /** Our INITIAL_WINDOW_SIZE. */
  readonly initialReceiveWindow: number;
  readonly maxQueuedBytes: number;
  sendFrame(frame: FrameToSend): void;
  sendHeaders(streamId: number, headers: readonly Header[], flags: number): void;
  flush(stream: StreamState): void;
  /** Both halves are closed: no more frames are routed to the stream. */
  release(stream: StreamState, by: "peer" | "us"): void;
  nowMicros(): number;
}

/** What frames may hold: each, and all together by the connection's window. */
export interface DataRunLimits {
  readonly maxFrameBytes: number;
  readonly windowBytes: number;
}

interface QueuedWrite {
  readonly data: Uint8Array;
  sent: number;
  readonly endStream: boolean;
  readonly settle: (taken: boolean) => void;
}

/** What an open stream needs of its request; the rest of it need not be kept. */
export interface StreamTerms {
  readonly listener: Http2StreamListener;
  readonly replenish: "auto" | "manual";
  readonly sendWindowBytes: number;
  /** As {@link Http2RequestOptions.windowBytes}; 0 where none was asked for. */
  readonly windowBytes: number;
}

/** The connection's side of {@link Http2Stream}. */
export class StreamState implements Http2Stream {
  readonly id: number;
  end: Http2StreamEnd | undefined;
  sendWindowBytes: number;
  receiveWindowBytes: number;
  queuedBytes = 0;
  /** Never empty: an idle stream has none. */
  queue: QueuedWrite[] | undefined;
  /** Bytes that the last `receiveDataRun` took. */
  runBytes = 0;
  remoteEnded = false;
  localEnded = false;
  readonly #host: StreamHost;
  readonly #listener: Http2StreamListener;
  readonly #replenish: "auto" | "manual";
  readonly #windowBytes: number;
  #ended: Promise<Http2StreamEnd> | undefined;
  #settleEnded: ((end: Http2StreamEnd) => void) | undefined;
  /** Received and not yet returned to the peer's window. */
  #unreturnedBytes = 0;
  #paused = false;
  /** A write with END_STREAM waits or has gone: nothing may be queued behind it. */
  #endQueued = false;
  #responded = false;
  #dataBytes = doubleZero;
  #contentLength: number | undefined;
  #released = false;

  constructor(id: number, host: StreamHost, terms: StreamTerms) {
    this.id = id;
    this.#host = host;
    this.#listener = terms.listener;
    this.#replenish = terms.replenish;
    this.#windowBytes = terms.windowBytes;
    this.sendWindowBytes = terms.sendWindowBytes;
    this.receiveWindowBytes = host.initialReceiveWindow;
  }

  /** Made when it is first asked for: most streams are never awaited. */
  get ended(): Promise<Http2StreamEnd> {
    const { end } = this;
    return (this.#ended ??= end === undefined ? new Promise((resolve) => (this.#settleEnded = resolve)) : Promise.resolve(end));
  }

  write(data: Uint8Array, options: { readonly endStream?: boolean } = {}): Promise<boolean> {
    if (this.#endQueued || this.localEnded || this.#released || this.queuedBytes + data.length > this.#host.maxQueuedBytes) return Promise.resolve(false);
    const endStream = options.endStream ?? false;
    this.#endQueued = endStream;
    return new Promise((settle) => {
      const write: QueuedWrite = { data, sent: 0, endStream, settle };
      this.queuedBytes += data.length;
      if (this.queue !== undefined) {
        this.queue.push(write);
        return;
      }
      this.queue = [write];
      this.#host.flush(this);
    });
  }

  /** Sends one frame of the queue's head, at most `bytes` of payload; the host has checked the windows. */
  sendQueued(bytes: number): void {
    const { queue } = this;
    const head = queue?.[0];
    if (queue === undefined || head === undefined) return;
    const until = Math.min(head.data.length, head.sent + bytes);
    const last = until === head.data.length;
    const payload = head.data.subarray(head.sent, until);
    this.sendWindowBytes -= payload.length;
    this.queuedBytes -= payload.length;
    head.sent = until;
    this.#host.sendFrame({ type: FRAME.DATA, flags: last && head.endStream ? FLAG.END_STREAM : 0, streamId: this.id, payload });
    if (!last) return;
    if (queue.length === 1) this.queue = undefined;
    else queue.shift();
    if (head.endStream) this.#endLocally();
    head.settle(true);
  }

  writeFrame(data: Uint8Array, options: { readonly endStream?: boolean; readonly paddingBytes?: number } = {}): void {
    const padding = options.paddingBytes;
    const flags = (options.endStream ? FLAG.END_STREAM : 0) | (padding === undefined ? 0 : FLAG.PADDED);
    const payload = padding === undefined ? data : Buffer.concat([Buffer.from([padding]), data, Buffer.alloc(padding)]);
    this.sendWindowBytes -= payload.length;
    this.#host.sendFrame({ type: FRAME.DATA, flags, streamId: this.id, payload });
    if (options.endStream) this.#endLocally();
  }

  writeTrailers(headers: readonly Header[]): void {
    this.#host.sendHeaders(this.id, headers, FLAG.END_STREAM);
    this.#endLocally();
  }

  reset(code: number = ERROR_CODE.CANCEL): void {
    if (this.#released) return;
    this.#host.sendFrame({ type: FRAME.RST_STREAM, streamId: this.id, payload: encodeUint32(code) });
    this.#release("us");
    this.#finish({ kind: "reset-locally", code, atMicros: this.#host.nowMicros() });
  }

  grant(bytes: number): void {
    this.receiveWindowBytes += bytes;
    this.#host.sendFrame({ type: FRAME.WINDOW_UPDATE, streamId: this.id, payload: encodeUint32(bytes) });
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#returnWindow(1);
  }

  /** A DATA frame for this stream. Throws WireError for a stream error. */
  receiveData(frame: FrameView, atMicros: number): void {
    const charged = frame.end - frame.start;
    if (this.remoteEnded) throw frameError("STREAM_CLOSED", frame, "nothing after END_STREAM (RFC 9113 5.1)", "DATA");
    if (!this.#responded) throw frameError("PROTOCOL_ERROR", frame, "HEADERS before DATA (RFC 9113 8.1)", "DATA");
    if (charged > this.receiveWindowBytes) {
      throw frameError("FLOW_CONTROL_ERROR", frame, `at most ${this.receiveWindowBytes} bytes in the stream's window (RFC 9113 6.9.1)`, `${charged} bytes`);
    }
    this.receiveWindowBytes -= charged;
    this.#unreturnedBytes += charged;
    let start = frame.start;
    let end = frame.end;
    if ((frame.flags & FLAG.PADDED) !== 0) ({ start, end } = unpad(frame));
    this.#dataBytes += end - start;
    const endStream = (frame.flags & FLAG.END_STREAM) !== 0;
    if (endStream) this.#checkContentLength(frame);
    const listener = this.#listener;
    if (listener.onDataRange !== undefined) listener.onDataRange(frame.buffer, start, end, endStream);
    else listener.onEvent?.({ kind: "data", data: frame.buffer.subarray(start, end), endStream, atMicros, atByte: frame.atByte });
    if (endStream) this.#endRemotely(atMicros);
    else this.#replenishAfterData();
  }

  /**
   * Takes whole frames from `chunk[at, end)` as long as they are plain DATA of this stream: no flags, not empty, and within the limits.
   * Whatever else comes is left to `receiveData`. Returns where it stopped; `runBytes` is what it took.
   */
  receiveDataRun(chunk: Buffer, at: number, end: number, { maxFrameBytes, windowBytes }: DataRunLimits): number {
    this.runBytes = 0;
    const listener = this.#listener;
    if (listener.onDataRange === undefined || this.remoteEnded || !this.#responded) return at;
    const { id } = this;
    let room = Math.min(windowBytes, this.receiveWindowBytes);
    const before = room;
    while (end - at >= FRAME_HEADER_BYTES) {
      const length = ((chunk[at] as number) << 16) | ((chunk[at + 1] as number) << 8) | (chunk[at + 2] as number);
      const typeAndFlags = (chunk[at + 3] as number) | (chunk[at + 4] as number);
      const streamId = ((chunk[at + 5] as number) << 24) | ((chunk[at + 6] as number) << 16) | ((chunk[at + 7] as number) << 8) | (chunk[at + 8] as number);
      const start = at + FRAME_HEADER_BYTES;
      const next = start + length;
      if (typeAndFlags !== 0 || streamId !== id || next > end || length === 0 || length > maxFrameBytes || length > room) break;
      room -= length;
      at = next;
      listener.onDataRange(chunk, start, next, false);
      if (this.end !== undefined) break;
    }
    const bytes = before - room;
    if (bytes === 0) return at;
    this.runBytes = bytes;
    this.receiveWindowBytes -= bytes;
    this.#unreturnedBytes += bytes;
    this.#dataBytes += bytes;
    this.#replenishAfterData();
    return at;
  }

  /** A whole header block. Throws WireError for a stream error. */
  receiveHeaders(headers: readonly Header[], frame: FrameView, atMicros: number): void {
    if (this.remoteEnded) throw frameError("STREAM_CLOSED", frame, "nothing after END_STREAM (RFC 9113 5.1)", "HEADERS");
    const endStream = (frame.flags & FLAG.END_STREAM) !== 0;
    const trailing = this.#responded;
    const head = readResponseHead(headers, trailing);
    if (head.kind === "malformed") throw frameError("PROTOCOL_ERROR", frame, head.expected, head.actual);
    const status = head.kind === "response" ? head.status : undefined;
    const informational = status !== undefined && status < 200;
    if (trailing && !endStream) throw frameError("PROTOCOL_ERROR", frame, "END_STREAM with trailers (RFC 9113 8.1)", "none");
    if (informational && endStream) throw frameError("PROTOCOL_ERROR", frame, "a final response before END_STREAM (RFC 9113 8.1)", `${status}`);
    if (head.kind === "response" && !informational) {
      this.#responded = true;
      this.#contentLength = head.contentLength;
    }
    // A length may stand on a response that has no body to count (RFC 9110 section 8.6).
    if (endStream && trailing) this.#checkContentLength(frame);
    this.#listener.onEvent?.({ kind: "headers", headers, status, informational, trailing, endStream, atMicros, atByte: frame.atByte });
    if (endStream) this.#endRemotely(atMicros);
  }

  receiveReset(code: number, atMicros: number): void {
    this.#release("peer");
    this.#listener.onEvent?.({ kind: "reset", code, atMicros });
    this.#finish({ kind: "reset", code, atMicros });
  }

  /** A WINDOW_UPDATE. Throws WireError for a stream error. */
  receiveWindow(increment: number, frame: FrameView, atMicros: number): void {
    if (increment === 0) throw frameError("PROTOCOL_ERROR", frame, "an increment above 0 (RFC 9113 6.9)", "0");
    if (this.sendWindowBytes + increment > LARGEST_WINDOW) {
      throw frameError("FLOW_CONTROL_ERROR", frame, `a window of at most ${LARGEST_WINDOW} (RFC 9113 6.9.1)`, `${this.sendWindowBytes} + ${increment}`);
    }
    this.sendWindowBytes += increment;
    this.#listener.onEvent?.({ kind: "window", availableBytes: this.sendWindowBytes, atMicros });
    this.#host.flush(this);
  }

  /** The peer broke a rule on this stream: reset it, and end it with the error. */
  fail(error: WireError, atMicros: number): void {
    if (!this.#released) {
      this.#host.sendFrame({
        type: FRAME.RST_STREAM,
        streamId: this.id,
        payload: encodeUint32(ERROR_CODE[error.code as ErrorCodeName] ?? ERROR_CODE.PROTOCOL_ERROR),
      });
      this.#release("us");
    }
    this.#finish({ kind: "protocol-error", error, atMicros });
  }

  /** GOAWAY or the connection's end. */
  abandon(end: Http2StreamEnd): void {
    this.#release("peer");
    this.#finish(end);
  }

  #checkContentLength(frame: FrameView): void {
    if (this.#contentLength !== undefined && this.#contentLength !== this.#dataBytes) {
      throw frameError("PROTOCOL_ERROR", frame, `${this.#contentLength} bytes, as content-length says (RFC 9113 8.1.1)`, `${this.#dataBytes} bytes`);
    }
  }

  #returnWindow(fromBytes: number): void {
    const bytes = this.#unreturnedBytes;
    if (bytes < fromBytes || this.remoteEnded || this.#released) return;
    this.#unreturnedBytes = 0;
    this.grant(bytes);
  }

  #replenishAfterData(): void {
    if (this.#paused || this.#replenish !== "auto") return;
    this.#returnWindow(Math.max(1, this.#host.initialReceiveWindow >>> 1, this.#windowBytes >>> 1));
  }

  #endRemotely(atMicros: number): void {
    this.remoteEnded = true;
    if (this.localEnded) this.#release("peer");
    this.#finish({ kind: "end-stream", atMicros });
  }

  #endLocally(): void {
    this.localEnded = true;
    if (this.remoteEnded) this.#release("peer");
  }

  #release(by: "peer" | "us"): void {
    if (this.#released) return;
    this.#released = true;
    this.#host.release(this, by);
    const queue = this.queue;
    this.queue = undefined;
    this.queuedBytes = 0;
    for (const write of queue ?? []) write.settle(false);
  }

  #finish(end: Http2StreamEnd): void {
    if (this.end !== undefined) return;
    this.end = end;
    this.#listener.onEvent?.({ kind: "ended", end });
    this.#settleEnded?.(end);
  }
}
