import type { Duplex } from "node:stream";

import { dial, type DialledSocket, type TlsOptions } from "./dial.js";
import { HpackDecoder, HpackEncoder, type Header } from "./hpack.js";
import { ControlBudget } from "./http2-control-budget.js";
import { FrameReader } from "./http2-frame-reader.js";
import {
  CLIENT_PREFACE, DEFAULT_WINDOW_BYTES, encodeFrame, encodeGoawayPayload, encodeSettingsPayload, encodeUint32, ERROR_CODE, errorCodeName,
  FLAG, FRAME, frameError, frameName, LARGEST_STREAM_ID, LARGEST_WINDOW, unpad, type ErrorCodeName, type FrameToSend, type FrameView,
} from "./http2-frames.js";
import { initialSettings, readSettings, settingsById, type Http2Settings } from "./http2-settings.js";
import { StreamState, type Http2RequestOptions, type Http2Stream, type StreamHost } from "./http2-stream.js";
import { nowMicros } from "./wire-clock.js";
import { excerpt, WireError } from "./wire-error.js";

/** A frame that left or came. `payload` is a view, valid during the call only. */
export interface FrameRecord {
  readonly direction: "sent" | "received";
  /** -1 for bytes sent as they are. */
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
  /** When the chunk that completed it came, or when it was handed to the socket. */
  readonly atMicros: number;
  /** Offset of its first byte in its direction. */
  readonly atByte: number;
}

export interface Goaway {
  readonly lastStreamId: number;
  readonly code: number;
  /** Latin-1, at most 1 KiB of it. */
  readonly debug: string;
  readonly atMicros: number;
}

/** How a connection ended; the first cause counts. */
export interface Http2ConnectionEnd {
  readonly kind: "fin" | "rst" | "goaway" | "protocol-error" | "closed-locally" | "socket-error";
  /** One line for people. */
  readonly detail: string;
  /** For "protocol-error": the rule; its code is the error code that our GOAWAY carried. A cut-off frame is `TRUNCATED_FRAME`. */
  readonly error?: WireError;
  /** The last GOAWAY that the peer sent, whatever ended the connection. */
  readonly goaway?: Goaway;
  readonly atMicros: number;
}

export interface Http2ConnectOptions {
  readonly host: string;
  readonly port: number;
  /** TLS with ALPN h2; without it prior knowledge (h2c). */
  readonly tls?: TlsOptions;
  /** `:authority` for those who build headers; default host:port. */
  readonly authority?: string;
  /** Bound on TCP, TLS and the peer's first SETTINGS together. */
  readonly connectTimeoutMs: number;
  readonly signal?: AbortSignal;
  readonly socket?: Duplex;
  /** Our SETTINGS; ENABLE_PUSH 0 is added. Default: those of RFC 9113. */
  readonly settings?: Partial<Http2Settings>;
  /** The connection's receive window, default 1 MiB (RFC 9113's 65,535 is the least). */
  readonly connectionWindowBytes?: number;
  /** "auto" (default): windows are returned in batches of half a window, the connection's on receipt; "manual": only as granted. */
  readonly replenish?: "auto" | "manual";
  /** Largest header list, decoded, before its stream is refused; default 64 KiB. A quarter more of header block ends the connection. */
  readonly maxHeaderListBytes?: number;
  /** Most payload that may wait in one stream's queue for flow control, default 16 MiB. */
  readonly maxQueuedBytes?: number;
  /** Most bytes that may wait for a peer that does not read, default 4 MiB; more ends the connection. */
  readonly maxUnsentBytes?: number;
  readonly readBufferBytes?: number;
  /** Resolve when the preface is sent, not when the peer's SETTINGS are there. */
  readonly skipPeerSettings?: boolean;
  /** Sees every frame, before it takes effect; costs an object a frame. */
  readonly onFrame?: (frame: FrameRecord) => void;
  readonly onGoaway?: (goaway: Goaway) => void;
  /** A rule broken that costs no live stream: frames on streams that are closed, settings that a server may not send. */
  readonly onViolation?: (error: WireError) => void;
}

/** A client's HTTP/2 connection that hides nothing: see {@link connectHttp2}. */
export interface Http2Connection {
  readonly authority: string;
  readonly secure: boolean;
  readonly peerSettings: Readonly<Http2Settings>;
  readonly goaway: Goaway | undefined;
  /** Streams that count against the peer's MAX_CONCURRENT_STREAMS. */
  readonly openStreams: number;
  readonly bytesReceived: number;
  /** Time of the last chunk received; 0 before the first. */
  readonly lastInboundAtMicros: number;
  readonly receiveWindowBytes: number;
  /** Settles once, never rejects; every stream has ended before. */
  readonly closed: Promise<Http2ConnectionEnd>;
  /** Set when `closed` is. */
  readonly end: Http2ConnectionEnd | undefined;
  /** Sends HEADERS. Throws WireError `CONNECTION_CLOSED`, `GOAWAY_RECEIVED`, `TOO_MANY_STREAMS` or `STREAM_IDS_EXHAUSTED`; the middle two not with `force`. */
  request(headers: readonly Header[], options?: Http2RequestOptions): Http2Stream;
  /** Round trip in microseconds; undefined if there was no answer in time, or the connection ended. */
  ping(options: { readonly withinMs: number; readonly opaque?: Uint8Array }): Promise<number | undefined>;
  /** Sends SETTINGS; true once acknowledged, false if the connection ended first. */
  settings(settings: Partial<Http2Settings>): Promise<boolean>;
  /** Sends a frame as it is; nothing is booked for it. */
  sendFrame(frame: FrameToSend): void;
  /** Sends bytes as they are, at once, in a segment of their own where the socket has nothing waiting. */
  sendBytes(bytes: Uint8Array): void;
  /** WINDOW_UPDATE on the connection, for "manual". */
  grantConnection(bytes: number): void;
  /** Stops reading the socket: TCP pushes back on the peer, PING and SETTINGS go unanswered. */
  pauseReading(): void;
  resumeReading(): void;
  /** GOAWAY and FIN; what comes later is dropped. Resolves when the socket is released, at most 1 s later. */
  close(): Promise<void>;
  /** TCP RST. */
  destroy(): void;
  /** FIN and nothing else; we go on receiving. */
  endTcp(): void;
}

const FIRST_CONNECTION_WINDOW = 1024 * 1024;
const SOCKET_HIGH_WATER_BYTES = 256 * 1024;
const LINGER_MS = 1000;
const MAX_OUTSTANDING_PINGS = 64;
const REMEMBERED_STREAMS = 1024;

/**
 * Opens an HTTP/2 connection (RFC 9113), over TLS with ALPN or with prior knowledge, and waits for the peer's SETTINGS.
 * Rejects with WireError: `CONNECT_FAILED`, `CONNECT_TIMEOUT`, `CONNECT_ABORTED`, `TLS_FAILED`, `ALPN_MISMATCH`, `NOT_HTTP2`,
 * or what broke the connection before SETTINGS came.
 */
export async function connectHttp2(options: Http2ConnectOptions): Promise<Http2Connection> {
  const deadline = nowMicros() + options.connectTimeoutMs * 1000;
  const connection = new Connection(options);
  const { host, port, tls, signal, socket, readBufferBytes } = options;
  const dialled = await dial({
    host,
    port,
    ...(tls === undefined ? {} : { tls, alpn: "h2" }),
    ...(signal === undefined ? {} : { signal }),
    ...(socket === undefined ? {} : { socket }),
    ...(readBufferBytes === undefined ? {} : { readBufferBytes }),
    connectTimeoutMs: options.connectTimeoutMs,
    onChunk: (chunk, bytes) => connection.receive(chunk, bytes),
  });
  connection.start(dialled);
  if (options.skipPeerSettings) return connection;
  const failure = await connection.awaitPeerSettings(Math.max(0, (deadline - nowMicros()) / 1000), signal);
  if (failure === undefined) return connection;
  connection.destroy();
  throw failure;
}

interface PendingPing {
  readonly opaque: Buffer;
  readonly sentAtMicros: number;
  readonly settle: (rttMicros: number | undefined) => void;
}

class Connection implements Http2Connection, StreamHost {
  readonly authority: string;
  readonly secure: boolean;
  readonly peerSettings = initialSettings();
  readonly closed: Promise<Http2ConnectionEnd>;
  readonly maxQueuedBytes: number;
  end: Http2ConnectionEnd | undefined;
  goaway: Goaway | undefined;
  lastInboundAtMicros = 0;
  receiveWindowBytes = DEFAULT_WINDOW_BYTES;
  readonly #options: Http2ConnectOptions;
  readonly #settleClosed: (end: Http2ConnectionEnd) => void;
  readonly #maxHeaderListBytes: number;
  readonly #maxUnsentBytes: number;
  readonly #autoReplenish: boolean;
  readonly #windowBytes: number;
  readonly #reader: FrameReader;
  readonly #decoder: HpackDecoder;
  readonly #encoder = new HpackEncoder();
  readonly #budget = new ControlBudget();
  /** Our settings as they bind the peer: a raise from its sending on, a cut from its acknowledgement on. */
  readonly #ownSettings = initialSettings();
  readonly #unacknowledged: { readonly settings: Partial<Http2Settings>; readonly settle: (acknowledged: boolean) => void }[] = [];
  readonly #pings: PendingPing[] = [];
  readonly #streams = new Map<number, StreamState>();
  /** How the latest streams closed: frames that were under way when we reset are fine, frames after the peer's own end are not. */
  readonly #closedBy = new Map<number, "peer" | "us">();
  /** In the order in which they began to wait for the connection's window or the socket. */
  readonly #blocked = new Set<StreamState>();
  #lastStream: StreamState | undefined;
  #nextStreamId = 1;
  #socket: DialledSocket | undefined;
  #sendWindowBytes = DEFAULT_WINDOW_BYTES;
  #unreturnedBytes = 0;
  #earnedFrames = 0;
  #sentBytes = 0;
  #corked = false;
  #peerSettingsSeen = false;
  #onPeerSettings: (() => void) | undefined;
  #headerBlock: { readonly frame: FrameView; readonly parts: Buffer[]; bytes: number } | undefined;
  #linger: NodeJS.Timeout | undefined;

  constructor(options: Http2ConnectOptions) {
    this.#options = options;
    this.authority = options.authority ?? (options.host.includes(":") ? `[${options.host}]:${options.port}` : `${options.host}:${options.port}`);
    this.secure = options.tls !== undefined;
    this.maxQueuedBytes = options.maxQueuedBytes ?? 16 * 1024 * 1024;
    this.#maxUnsentBytes = options.maxUnsentBytes ?? 4 * 1024 * 1024;
    this.#maxHeaderListBytes = options.maxHeaderListBytes ?? 64 * 1024;
    this.#autoReplenish = options.replenish !== "manual";
    this.#windowBytes = Math.max(DEFAULT_WINDOW_BYTES, Math.min(LARGEST_WINDOW, options.connectionWindowBytes ?? FIRST_CONNECTION_WINDOW));
    this.#decoder = new HpackDecoder({ maxHeaderListBytes: this.#maxHeaderListBytes });
    this.#reader = new FrameReader({ maxFrameBytes: this.#ownSettings.MAX_FRAME_SIZE, onFrame: (frame) => this.#onFrame(frame) });
    let settle: (end: Http2ConnectionEnd) => void = () => {};
    this.closed = new Promise((resolve) => (settle = resolve));
    this.#settleClosed = settle;
  }

  get openStreams(): number {
    return this.#streams.size;
  }

  get bytesReceived(): number {
    return this.#reader.receivedBytes;
  }

  get initialReceiveWindow(): number {
    return this.#ownSettings.INITIAL_WINDOW_SIZE;
  }

  nowMicros(): number {
    return nowMicros();
  }

  /** Sends preface, SETTINGS and the connection's first WINDOW_UPDATE. */
  start(socket: DialledSocket): void {
    this.#socket = socket;
    const stream = socket.stream;
    stream.on("error", (error: NodeJS.ErrnoException) => this.#onSocketError(error));
    stream.on("end", () => this.#onFin());
    stream.on("close", () => {
      clearTimeout(this.#linger);
      this.#finish("socket-error", "the socket was closed");
    });
    stream.on("drain", () => this.#flushBlocked());
    this.#write(Buffer.from(CLIENT_PREFACE), undefined);
    void this.settings({ ENABLE_PUSH: 0, ...this.#options.settings });
    if (this.#windowBytes > DEFAULT_WINDOW_BYTES) this.grantConnection(this.#windowBytes - DEFAULT_WINDOW_BYTES);
  }

  async awaitPeerSettings(withinMs: number, signal: AbortSignal | undefined): Promise<WireError | undefined> {
    if (this.#peerSettingsSeen) return undefined;
    const expected = "the peer's SETTINGS (RFC 9113 3.4)";
    let timer: NodeJS.Timeout | undefined;
    let onAbort = (): void => {};
    try {
      return await Promise.race([
        new Promise<undefined>((resolve) => (this.#onPeerSettings = () => resolve(undefined))),
        this.closed.then((end) => end.error ?? new WireError("CONNECT_FAILED", { expected, actual: end.detail, atByte: this.bytesReceived })),
        new Promise<WireError>((resolve) => {
          const actual = `${this.bytesReceived} bytes and then silence`;
          timer = setTimeout(() => resolve(new WireError("CONNECT_TIMEOUT", { expected, actual, atByte: this.bytesReceived })), withinMs);
          onAbort = () => resolve(new WireError("CONNECT_ABORTED", { expected, actual: "an abort of the caller", atByte: -1 }));
          if (signal?.aborted) onAbort();
          signal?.addEventListener("abort", onAbort, { once: true });
        }),
      ]);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    }
  }

  // --- what the caller does ---------------------------------------------------------------------------------------

  request(headers: readonly Header[], options: Http2RequestOptions = {}): Http2Stream {
    this.#checkRequest(options.force ?? false);
    const id = this.#nextStreamId;
    this.#nextStreamId += 2;
    const stream = new StreamState(id, this, {
      ...options,
      replenish: options.replenish ?? (this.#autoReplenish ? "auto" : "manual"),
      sendWindowBytes: this.peerSettings.INITIAL_WINDOW_SIZE,
    });
    stream.localEnded = options.endStream ?? false;
    this.#streams.set(id, stream);
    this.sendHeaders(id, headers, options.endStream ? FLAG.END_STREAM : 0);
    return stream;
  }

  #checkRequest(force: boolean): void {
    const refuse = (code: Uppercase<string>, expected: string, actual: string): never => {
      throw new WireError(code, { expected, actual, atByte: this.bytesReceived });
    };
    if (this.end !== undefined) refuse("CONNECTION_CLOSED", "an open connection", this.end.detail);
    if (this.#nextStreamId > LARGEST_STREAM_ID) refuse("STREAM_IDS_EXHAUSTED", `a stream id up to ${LARGEST_STREAM_ID}`, `${this.#nextStreamId}`);
    if (force) return;
    if (this.goaway !== undefined) refuse("GOAWAY_RECEIVED", "no GOAWAY before a request", `GOAWAY ${errorCodeName(this.goaway.code)}`);
    const limit = this.peerSettings.MAX_CONCURRENT_STREAMS;
    if (this.#streams.size >= limit) refuse("TOO_MANY_STREAMS", `at most ${limit} streams, as the peer's SETTINGS say`, `${this.#streams.size} open ones`);
  }

  ping(options: { readonly withinMs: number; readonly opaque?: Uint8Array }): Promise<number | undefined> {
    if (this.end !== undefined || this.#pings.length >= MAX_OUTSTANDING_PINGS) return Promise.resolve(undefined);
    const opaque = Buffer.alloc(8);
    if (options.opaque === undefined) opaque.writeDoubleBE(performance.now());
    else opaque.set(options.opaque.subarray(0, 8));
    return new Promise((resolve) => {
      const settle = (rttMicros: number | undefined): void => {
        clearTimeout(timer);
        const at = this.#pings.indexOf(pending);
        if (at >= 0) this.#pings.splice(at, 1);
        resolve(rttMicros);
      };
      const timer = setTimeout(() => settle(undefined), options.withinMs);
      const pending: PendingPing = { opaque, sentAtMicros: nowMicros(), settle };
      this.#pings.push(pending);
      this.send({ type: FRAME.PING, payload: opaque });
    });
  }

  settings(settings: Partial<Http2Settings>): Promise<boolean> {
    if (this.end !== undefined) return Promise.resolve(false);
    this.#bindPeer(settings, "raise");
    return new Promise((settle) => {
      this.#unacknowledged.push({ settings, settle });
      this.send({ type: FRAME.SETTINGS, payload: encodeSettingsPayload(settingsById(settings)) });
    });
  }

  sendFrame(frame: FrameToSend): void {
    this.send(frame);
  }

  sendBytes(bytes: Uint8Array): void {
    this.#uncork();
    this.#write(Buffer.from(bytes), undefined);
    this.#uncork();
  }

  grantConnection(bytes: number): void {
    this.receiveWindowBytes += bytes;
    this.send({ type: FRAME.WINDOW_UPDATE, payload: encodeUint32(bytes) });
  }

  pauseReading(): void {
    this.#socket?.stream.pause();
  }

  resumeReading(): void {
    this.#socket?.stream.resume();
  }

  close(): Promise<void> {
    const stream = this.#socket?.stream;
    if (stream === undefined || stream.closed) return Promise.resolve();
    const released = new Promise<void>((resolve) => stream.once("close", () => resolve()));
    if (this.end === undefined) {
      this.send({ type: FRAME.GOAWAY, payload: encodeGoawayPayload(0, ERROR_CODE.NO_ERROR) });
      this.#finish("closed-locally", "closed by the client");
    }
    this.#drop();
    return released;
  }

  destroy(): void {
    this.#finish("closed-locally", "reset by the client");
    this.#socket?.reset();
  }

  endTcp(): void {
    this.#uncork();
    this.#socket?.stream.end();
  }

  // --- sending ----------------------------------------------------------------------------------------------------

  send(frame: FrameToSend): void {
    this.#earnedFrames += frame.type === FRAME.HEADERS || (frame.type === FRAME.DATA && frame.payload?.length) ? 4 : 0;
    this.#write(encodeFrame(frame), frame);
  }

  sendHeaders(streamId: number, headers: readonly Header[], flags: number): void {
    const block = this.#encoder.encode(headers);
    const limit = this.peerSettings.MAX_FRAME_SIZE;
    let at = Math.min(block.length, limit);
    const endHeaders = at === block.length ? FLAG.END_HEADERS : 0;
    this.send({ type: FRAME.HEADERS, flags: flags | endHeaders, streamId, payload: block.subarray(0, at) });
    while (at < block.length) {
      const until = Math.min(block.length, at + limit);
      this.send({ type: FRAME.CONTINUATION, flags: until === block.length ? FLAG.END_HEADERS : 0, streamId, payload: block.subarray(at, until) });
      at = until;
    }
  }

  flush(stream: StreamState): void {
    while (stream.queue.length > 0) {
      const socket = this.#socket?.stream;
      if (socket === undefined || this.end !== undefined) return;
      const head = stream.queue[0];
      const waiting = head === undefined ? 0 : head.data.length - head.sent;
      const allowed = Math.min(waiting, this.peerSettings.MAX_FRAME_SIZE, this.#sendWindowBytes, stream.sendWindowBytes);
      if (waiting > 0 && allowed <= 0) {
        // A stream whose own window is shut waits for its own WINDOW_UPDATE.
        if (stream.sendWindowBytes > 0) this.#blocked.add(stream);
        return;
      }
      if (socket.writableLength >= SOCKET_HIGH_WATER_BYTES) {
        this.#blocked.add(stream);
        return;
      }
      this.#sendWindowBytes -= allowed;
      stream.sendQueued(allowed);
    }
  }

  #flushBlocked(): void {
    const blocked = [...this.#blocked];
    this.#blocked.clear();
    for (const stream of blocked) this.flush(stream);
  }

  release(stream: StreamState, by: "peer" | "us"): void {
    this.#streams.delete(stream.id);
    this.#blocked.delete(stream);
    if (this.#lastStream === stream) this.#lastStream = undefined;
    this.#closedBy.set(stream.id, by);
    if (this.#closedBy.size <= REMEMBERED_STREAMS) return;
    for (const oldest of this.#closedBy.keys()) {
      this.#closedBy.delete(oldest);
      break;
    }
  }

  #write(bytes: Buffer, frame: FrameToSend | undefined): void {
    const stream = this.#socket?.stream;
    if (stream === undefined || stream.destroyed || stream.writableEnded) return;
    // Frames of one turn leave in one segment.
    if (!this.#corked) {
      this.#corked = true;
      stream.cork();
      process.nextTick(() => this.#uncork());
    }
    stream.write(bytes);
    if (this.#options.onFrame !== undefined) {
      this.#options.onFrame({
        direction: "sent",
        type: frame?.type ?? -1,
        flags: frame?.flags ?? 0,
        streamId: frame?.streamId ?? 0,
        payload: frame === undefined ? bytes : bytes.subarray(9),
        atMicros: nowMicros(),
        atByte: this.#sentBytes,
      });
    }
    this.#sentBytes += bytes.length;
  }

  #uncork(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#socket?.stream.uncork();
  }

  // --- receiving --------------------------------------------------------------------------------------------------

  /** A chunk from the socket; `chunk[0, bytes)` is not kept. */
  receive(chunk: Buffer, bytes: number): void {
    this.lastInboundAtMicros = nowMicros();
    if (this.end !== undefined) return;
    try {
      this.#reader.push(chunk, 0, bytes);
    } catch (error) {
      if (!(error instanceof WireError)) {
        this.destroy();
        throw error;
      }
      this.#fail(this.#peerSettingsSeen ? error : notHttp2(chunk, bytes, error));
    }
  }

  #onFrame(frame: FrameView): void {
    if (this.#options.onFrame !== undefined) this.#recordReceived(frame);
    if (frame.type === FRAME.DATA && this.#headerBlock === undefined && this.#peerSettingsSeen) {
      this.#onData(frame);
      return;
    }
    if (!this.#peerSettingsSeen && (frame.type !== FRAME.SETTINGS || (frame.flags & FLAG.ACK) !== 0)) {
      throw frameError("PROTOCOL_ERROR", frame, "SETTINGS first (RFC 9113 3.4)", frameName(frame.type));
    }
    if (this.#headerBlock !== undefined && (frame.type !== FRAME.CONTINUATION || frame.streamId !== this.#headerBlock.frame.streamId)) {
      throw frameError("PROTOCOL_ERROR", frame, `CONTINUATION on stream ${this.#headerBlock.frame.streamId} (RFC 9113 6.10)`, frameName(frame.type));
    }
    this.#onOtherFrame(frame);
  }

  #onData(frame: FrameView): void {
    const bytes = frame.end - frame.start;
    if (bytes > this.receiveWindowBytes) {
      throw frameError("FLOW_CONTROL_ERROR", frame, `at most ${this.receiveWindowBytes} bytes in the connection's window (RFC 9113 6.9.1)`, `${bytes} bytes`);
    }
    this.receiveWindowBytes -= bytes;
    this.#unreturnedBytes += bytes;
    let stream = this.#lastStream;
    if (stream === undefined || stream.id !== frame.streamId) {
      stream = this.#streams.get(frame.streamId);
      this.#lastStream = stream;
    }
    if (bytes === 0) this.#spend(frame);
    else this.#earnedFrames += bytes / 64;
    if (stream === undefined) this.#onAbsentStream(frame);
    else {
      try {
        stream.receiveData(frame, this.lastInboundAtMicros);
      } catch (error) {
        this.#failStream(stream, error);
      }
    }
    if (this.#autoReplenish && this.#unreturnedBytes >= this.#windowBytes >>> 1) this.#returnWindow();
  }

  #onOtherFrame(frame: FrameView): void {
    switch (frame.type) {
      case FRAME.DATA:
        return this.#onData(frame);
      case FRAME.HEADERS:
        return this.#onHeaders(frame);
      case FRAME.CONTINUATION:
        return this.#onContinuation(frame);
      case FRAME.RST_STREAM:
        return this.#onReset(frame);
      case FRAME.SETTINGS:
        return this.#onSettings(frame);
      case FRAME.PING:
        return this.#onPing(frame);
      case FRAME.GOAWAY:
        return this.#onGoaway(frame);
      case FRAME.WINDOW_UPDATE:
        return this.#onWindowUpdate(frame);
      case FRAME.PUSH_PROMISE:
        throw frameError("PROTOCOL_ERROR", frame, "no PUSH_PROMISE, as ENABLE_PUSH is 0 (RFC 9113 8.4)", "one");
      default:
        // PRIORITY is obsolete, other types are extensions: both are to be ignored (RFC 9113 sections 5.3.2 and 5.5).
        return this.#spend(frame);
    }
  }

  #onHeaders(frame: FrameView): void {
    if (frame.streamId === 0) throw frameError("PROTOCOL_ERROR", frame, "a stream (RFC 9113 6.2)", "stream 0");
    if (frame.streamId % 2 === 0 || frame.streamId >= this.#nextStreamId) {
      throw frameError("PROTOCOL_ERROR", frame, "a stream that we opened (RFC 9113 5.1)", `idle stream ${frame.streamId}`);
    }
    const { start, end } = unpad(frame);
    const priorityBytes = (frame.flags & FLAG.PRIORITY) === 0 ? 0 : 5;
    if (end - start < priorityBytes) throw frameError("FRAME_SIZE_ERROR", frame, "5 bytes of priority (RFC 9113 6.2)", `${end - start}`);
    const block = frame.buffer.subarray(start + priorityBytes, end);
    if ((frame.flags & FLAG.END_HEADERS) !== 0) {
      this.#onHeaderBlock(block, frame, frame.atByte + 9);
      return;
    }
    this.#headerBlock = { frame: { ...frame }, parts: [Buffer.from(block)], bytes: block.length };
  }

  #onContinuation(frame: FrameView): void {
    const gathered = this.#headerBlock;
    if (gathered === undefined) throw frameError("PROTOCOL_ERROR", frame, "HEADERS before CONTINUATION (RFC 9113 6.10)", "none");
    this.#spend(frame);
    gathered.bytes += frame.end - frame.start;
    const limit = Math.ceil(this.#maxHeaderListBytes * 1.25) + 1024;
    if (gathered.bytes > limit) throw frameError("ENHANCE_YOUR_CALM", frame, `a header block of at most ${limit} bytes`, `${gathered.bytes} and more`);
    if (frame.end > frame.start) gathered.parts.push(Buffer.from(frame.buffer.subarray(frame.start, frame.end)));
    if ((frame.flags & FLAG.END_HEADERS) === 0) return;
    this.#headerBlock = undefined;
    this.#onHeaderBlock(Buffer.concat(gathered.parts), gathered.frame, gathered.frame.atByte + 9);
  }

  #onHeaderBlock(block: Buffer, frame: FrameView, atByte: number): void {
    const { headers, listBytes } = this.#decoder.decode(block, atByte);
    const stream = this.#streams.get(frame.streamId);
    if (stream === undefined) return this.#onAbsentStream(frame);
    try {
      if (listBytes > this.#maxHeaderListBytes) {
        throw frameError("ENHANCE_YOUR_CALM", frame, `a header list of at most ${this.#maxHeaderListBytes} bytes`, `${listBytes} bytes`);
      }
      stream.receiveHeaders(headers, frame, this.lastInboundAtMicros);
    } catch (error) {
      this.#failStream(stream, error);
    }
  }

  #onReset(frame: FrameView): void {
    this.#checkLength(frame, 4);
    if (frame.streamId === 0) throw frameError("PROTOCOL_ERROR", frame, "a stream (RFC 9113 6.4)", "stream 0");
    if (frame.streamId % 2 === 0 || frame.streamId >= this.#nextStreamId) {
      throw frameError("PROTOCOL_ERROR", frame, "a stream that is not idle (RFC 9113 6.4)", `idle stream ${frame.streamId}`);
    }
    const stream = this.#streams.get(frame.streamId);
    if (stream === undefined) this.#spend(frame);
    else stream.receiveReset(frame.buffer.readUInt32BE(frame.start), this.lastInboundAtMicros);
  }

  #onSettings(frame: FrameView): void {
    if (frame.streamId !== 0) throw frameError("PROTOCOL_ERROR", frame, "SETTINGS on stream 0 (RFC 9113 6.5)", `stream ${frame.streamId}`);
    this.#spend(frame);
    if ((frame.flags & FLAG.ACK) !== 0) {
      this.#checkLength(frame, 0);
      const acknowledged = this.#unacknowledged.shift();
      if (acknowledged === undefined) return;
      this.#bindPeer(acknowledged.settings, "cut");
      acknowledged.settle(true);
      return;
    }
    const settings = readSettings(frame);
    if (settings.ENABLE_PUSH === 1) {
      this.#options.onViolation?.(frameError("PROTOCOL_ERROR", frame, "no ENABLE_PUSH 1 from a server (RFC 9113 6.5.2)", "1"));
    }
    const windowChange = (settings.INITIAL_WINDOW_SIZE ?? this.peerSettings.INITIAL_WINDOW_SIZE) - this.peerSettings.INITIAL_WINDOW_SIZE;
    Object.assign(this.peerSettings, settings);
    if (settings.HEADER_TABLE_SIZE !== undefined) this.#encoder.setPeerTableLimit(settings.HEADER_TABLE_SIZE);
    this.send({ type: FRAME.SETTINGS, flags: FLAG.ACK });
    if (!this.#peerSettingsSeen) {
      this.#peerSettingsSeen = true;
      this.#onPeerSettings?.();
    }
    if (windowChange === 0) return;
    for (const stream of this.#streams.values()) {
      if (stream.sendWindowBytes + windowChange > LARGEST_WINDOW) {
        throw frameError("FLOW_CONTROL_ERROR", frame, `windows of at most ${LARGEST_WINDOW} (RFC 9113 6.9.2)`, `${stream.sendWindowBytes + windowChange} on stream ${stream.id}`);
      }
      stream.sendWindowBytes += windowChange;
      this.flush(stream);
    }
  }

  #onPing(frame: FrameView): void {
    this.#checkLength(frame, 8);
    if (frame.streamId !== 0) throw frameError("PROTOCOL_ERROR", frame, "PING on stream 0 (RFC 9113 6.7)", `stream ${frame.streamId}`);
    const opaque = frame.buffer.subarray(frame.start, frame.end);
    this.#spend(frame);
    if ((frame.flags & FLAG.ACK) === 0) {
      this.send({ type: FRAME.PING, flags: FLAG.ACK, payload: opaque });
      return;
    }
    const pending = this.#pings.find((ping) => ping.opaque.equals(opaque));
    pending?.settle(this.lastInboundAtMicros - pending.sentAtMicros);
  }

  #onGoaway(frame: FrameView): void {
    if (frame.streamId !== 0) throw frameError("PROTOCOL_ERROR", frame, "GOAWAY on stream 0 (RFC 9113 6.8)", `stream ${frame.streamId}`);
    if (frame.end - frame.start < 8) throw frameError("FRAME_SIZE_ERROR", frame, "8 bytes or more (RFC 9113 6.8)", `${frame.end - frame.start}`);
    this.#spend(frame);
    const atMicros = this.lastInboundAtMicros;
    const lastStreamId = frame.buffer.readUInt32BE(frame.start) & 0x7fffffff;
    const code = frame.buffer.readUInt32BE(frame.start + 4);
    const debug = frame.buffer.toString("latin1", frame.start + 8, Math.min(frame.end, frame.start + 8 + 1024));
    this.goaway = { lastStreamId, code, debug, atMicros };
    this.#options.onGoaway?.(this.goaway);
    for (const stream of [...this.#streams.values()]) {
      if (stream.id > lastStreamId) stream.abandon({ kind: "refused-by-goaway", code, atMicros });
    }
  }

  #onWindowUpdate(frame: FrameView): void {
    this.#checkLength(frame, 4);
    this.#spend(frame);
    const increment = frame.buffer.readUInt32BE(frame.start) & 0x7fffffff;
    if (frame.streamId !== 0) {
      const stream = this.#streams.get(frame.streamId);
      if (stream === undefined) {
        if (frame.streamId % 2 === 0 || frame.streamId >= this.#nextStreamId) {
          throw frameError("PROTOCOL_ERROR", frame, "a stream that is not idle (RFC 9113 5.1)", `idle stream ${frame.streamId}`);
        }
        return;
      }
      try {
        stream.receiveWindow(increment, frame, this.lastInboundAtMicros);
      } catch (error) {
        this.#failStream(stream, error);
      }
      return;
    }
    if (increment === 0) throw frameError("PROTOCOL_ERROR", frame, "an increment above 0 (RFC 9113 6.9)", "0");
    if (this.#sendWindowBytes + increment > LARGEST_WINDOW) {
      throw frameError("FLOW_CONTROL_ERROR", frame, `a window of at most ${LARGEST_WINDOW} (RFC 9113 6.9.1)`, `${this.#sendWindowBytes} + ${increment}`);
    }
    this.#sendWindowBytes += increment;
    this.#flushBlocked();
  }

  /** DATA or HEADERS for a stream that is not there. */
  #onAbsentStream(frame: FrameView): void {
    if (frame.streamId === 0) throw frameError("PROTOCOL_ERROR", frame, "a stream (RFC 9113 6.1)", "stream 0");
    if (frame.streamId % 2 === 0 || frame.streamId >= this.#nextStreamId) {
      throw frameError("PROTOCOL_ERROR", frame, "a stream that we opened (RFC 9113 5.1)", `idle stream ${frame.streamId}`);
    }
    this.#spend(frame);
    if (this.#closedBy.get(frame.streamId) === "peer") {
      this.#options.onViolation?.(frameError("STREAM_CLOSED", frame, "nothing after END_STREAM or RST_STREAM (RFC 9113 5.1)", frameName(frame.type)));
    }
  }

  /** Our settings take hold: larger limits at once, smaller ones when the peer has acknowledged them. */
  #bindPeer(settings: Partial<Http2Settings>, step: "raise" | "cut"): void {
    const own = this.#ownSettings;
    const takesHold = (name: keyof Http2Settings): boolean => {
      const value = settings[name];
      return value !== undefined && (step === "raise" ? value > own[name] : value < own[name]) && !this.#supersededLater(name, step);
    };
    const table = settings.HEADER_TABLE_SIZE;
    if (table !== undefined && takesHold("HEADER_TABLE_SIZE")) this.#decoder.setTableLimit((own.HEADER_TABLE_SIZE = table));
    const frameBytes = settings.MAX_FRAME_SIZE;
    if (frameBytes !== undefined && takesHold("MAX_FRAME_SIZE")) this.#reader.maxFrameBytes = own.MAX_FRAME_SIZE = frameBytes;
    const window = settings.INITIAL_WINDOW_SIZE;
    if (window !== undefined && takesHold("INITIAL_WINDOW_SIZE")) {
      for (const stream of this.#streams.values()) stream.receiveWindowBytes += window - own.INITIAL_WINDOW_SIZE;
      own.INITIAL_WINDOW_SIZE = window;
    }
  }

  // A cut that a later SETTINGS takes back never binds: the later one was booked when it was sent.
  #supersededLater(name: keyof Http2Settings, step: "raise" | "cut"): boolean {
    return step === "cut" && this.#unacknowledged.some((later) => later.settings[name] !== undefined);
  }

  #recordReceived(frame: FrameView): void {
    this.#options.onFrame?.({
      direction: "received",
      type: frame.type,
      flags: frame.flags,
      streamId: frame.streamId,
      payload: frame.buffer.subarray(frame.start, frame.end),
      atMicros: this.lastInboundAtMicros,
      atByte: frame.atByte,
    });
  }

  #returnWindow(): void {
    const bytes = this.#unreturnedBytes;
    this.#unreturnedBytes = 0;
    this.grantConnection(bytes);
  }

  #checkLength(frame: FrameView, bytes: number): void {
    if (frame.end - frame.start !== bytes) throw frameError("FRAME_SIZE_ERROR", frame, `a payload of ${bytes} bytes (RFC 9113 6)`, `${frame.end - frame.start}`);
  }

  /** Charges a frame that carries no message, and checks that what we answer gets away. */
  #spend(frame: FrameView): void {
    if (!this.#budget.spend(this.lastInboundAtMicros, this.#earnedFrames)) {
      throw frameError("ENHANCE_YOUR_CALM", frame, "fewer frames without a message", "a flood of them");
    }
    const unsent = this.#socket?.stream.writableLength ?? 0;
    if (unsent > this.#maxUnsentBytes) {
      throw frameError("ENHANCE_YOUR_CALM", frame, "a peer that reads our answers", `${unsent} bytes that it leaves unread`);
    }
  }

  // --- ending -----------------------------------------------------------------------------------------------------

  #failStream(stream: StreamState, error: unknown): void {
    if (!(error instanceof WireError)) throw error;
    stream.fail(error, this.lastInboundAtMicros);
  }

  #fail(error: WireError): void {
    const code = ERROR_CODE[error.code as ErrorCodeName] ?? ERROR_CODE.PROTOCOL_ERROR;
    this.send({ type: FRAME.GOAWAY, payload: encodeGoawayPayload(0, code, Buffer.from(error.expected, "latin1")) });
    this.#finish("protocol-error", error.message, error);
    this.#drop();
  }

  #onFin(): void {
    const unfinished = this.#reader.unfinished;
    if (unfinished !== undefined && this.end === undefined) {
      const error = new WireError("TRUNCATED_FRAME", { expected: "whole frames before FIN", actual: `FIN after ${unfinished}`, atByte: this.bytesReceived });
      this.#finish("protocol-error", error.message, error);
    } else if (this.goaway === undefined) this.#finish("fin", "the peer closed the TCP connection");
    else this.#finish("goaway", `GOAWAY ${errorCodeName(this.goaway.code)}, then the peer closed the TCP connection`);
    this.#drop();
  }

  #onSocketError(error: NodeJS.ErrnoException): void {
    if (error.code === "ECONNRESET" || error.code === "EPIPE") this.#finish("rst", `the peer reset the TCP connection (${error.code})`);
    else this.#finish("socket-error", error.message);
  }

  #finish(kind: Http2ConnectionEnd["kind"], detail: string, error?: WireError): void {
    if (this.end !== undefined) return;
    const atMicros = nowMicros();
    const goaway = this.goaway;
    const end = { kind, detail, atMicros, ...(error === undefined ? {} : { error }), ...(goaway === undefined ? {} : { goaway }) };
    this.end = end;
    this.#reader.stop();
    this.#headerBlock = undefined;
    for (const stream of [...this.#streams.values()]) stream.abandon({ kind: "connection", end, atMicros });
    for (const ping of [...this.#pings]) ping.settle(undefined);
    for (const pending of this.#unacknowledged.splice(0)) pending.settle(false);
    this.#settleClosed(end);
  }

  /** FIN, and an end to the socket even if the peer never answers it. */
  #drop(): void {
    const stream = this.#socket?.stream;
    if (stream === undefined || stream.destroyed) return;
    this.#uncork();
    stream.resume();
    stream.end();
    if (stream.readableEnded) {
      stream.once("finish", () => stream.destroy());
      if (stream.writableFinished) stream.destroy();
    } else stream.once("end", () => stream.destroy());
    this.#linger ??= setTimeout(() => stream.destroy(), LINGER_MS);
  }
}

function notHttp2(chunk: Buffer, bytes: number, error: WireError): WireError {
  return new WireError("NOT_HTTP2", { expected: error.expected, actual: excerpt(chunk.subarray(0, bytes)), atByte: 0, cause: error });
}
