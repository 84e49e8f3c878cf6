import { doubleZero } from "./double.js";
import type { DialledSocket } from "./dial.js";
import { drainBeforeDestroy } from "./drain-before-destroy.js";
import type { Header } from "./hpack.js";
import type { Goaway, Http2ConnectionEnd } from "./http2-ends.js";
import {
  DEFAULT_WINDOW_BYTES,
  encodeGoawayPayload,
  encodeSettingsPayload,
  encodeUint32,
  ERROR_CODE,
  errorCodeName,
  FLAG,
  FRAME,
  frameError,
  frameName,
  LARGEST_WINDOW,
  paddingBytes,
  type ErrorCodeName,
  type FrameToSend,
  type FrameView,
} from "./http2-frames.js";
import { Inbound, type FrameHandler } from "./http2-inbound.js";
import type { Http2ConnectOptions } from "./http2-options.js";
import { Outbound } from "./http2-outbound.js";
import { OwnSettings } from "./http2-own-settings.js";
import { Pings } from "./http2-pings.js";
import { initialSettings, settingsById, type Http2Settings } from "./http2-settings.js";
import { StreamTable } from "./http2-stream-table.js";
import { StreamState, type Http2RequestOptions, type Http2Stream, type Http2StreamListener, type StreamHost } from "./http2-stream.js";
import { nowMicros } from "./wire-clock.js";
import { WireError } from "./wire-error.js";

const DEFAULT_CONNECTION_WINDOW = 1024 * 1024;
const LINGER_MS = 1000;
/** A peer may answer a message of ours with this many frames that carry none, and earns one by this much payload. */
const FRAMES_PER_REQUEST_FRAME = 4;
const PAYLOAD_BYTES_PER_FRAME = 64;

/** The one implementation of Http2Connection, whose interface documents it; start it with a connected socket. */
export class Http2Client implements StreamHost, FrameHandler {
  readonly authority: string;
  readonly secure: boolean;
  readonly peerSettings = initialSettings();
  /** Settles when the peer's first SETTINGS come; never, if they do not. */
  readonly peerSettingsCame: Promise<void>;
  readonly closed: Promise<Http2ConnectionEnd>;
  readonly maxQueuedBytes: number;
  readonly onFrame: ((frame: FrameView) => void) | undefined;
  end: Http2ConnectionEnd | undefined;
  goaway: Goaway | undefined;
  lastInboundAtMicros = doubleZero;
  receiveWindowBytes = DEFAULT_WINDOW_BYTES;
  readonly #options: Http2ConnectOptions;
  readonly #maxHeaderListBytes: number;
  readonly #autoReplenish: boolean;
  #windowBytes: number;
  readonly #inbound: Inbound;
  readonly #outbound: Outbound;
  readonly #own = new OwnSettings((limit, value, before) => this.#onOwnLimit(limit, value, before));
  readonly #pings = new Pings();
  readonly #streams = new StreamTable();
  #socket: DialledSocket | undefined;
  #unreturnedBytes = 0;
  #payloadBytes = doubleZero;
  #linger: NodeJS.Timeout | undefined;
  #settleClosed: (end: Http2ConnectionEnd) => void = () => {};
  #settlePeerSettings: () => void = () => {};

  constructor(options: Http2ConnectOptions) {
    this.#options = options;
    this.authority = options.authority ?? (options.host.includes(":") ? `[${options.host}]:${options.port}` : `${options.host}:${options.port}`);
    this.secure = options.tls !== undefined;
    this.maxQueuedBytes = options.maxQueuedBytes ?? 16 * 1024 * 1024;
    this.#maxHeaderListBytes = options.maxHeaderListBytes ?? 64 * 1024;
    this.#autoReplenish = options.replenish !== "manual";
    this.#windowBytes = Math.max(DEFAULT_WINDOW_BYTES, this.#wantedWindow());
    this.onFrame = options.onFrame === undefined ? undefined : (frame) => this.#recordReceived(frame);
    this.#outbound = new Outbound(this.peerSettings, options.onFrame);
    this.#inbound = new Inbound({ maxHeaderListBytes: this.#maxHeaderListBytes, maxUnsentBytes: options.maxUnsentBytes ?? 4 * 1024 * 1024, handler: this });
    this.closed = new Promise((resolve) => (this.#settleClosed = resolve));
    this.peerSettingsCame = new Promise((resolve) => (this.#settlePeerSettings = resolve));
  }

  get openStreams(): number {
    return this.#streams.size;
  }

  get bytesReceived(): number {
    return this.#inbound.receivedBytes;
  }

  get initialReceiveWindow(): number {
    return this.#own.values.INITIAL_WINDOW_SIZE;
  }

  get unsentBytes(): number {
    return this.#outbound.unsentBytes;
  }

  get earnedFrames(): number {
    return this.#outbound.requestFrames * FRAMES_PER_REQUEST_FRAME + this.#payloadBytes / PAYLOAD_BYTES_PER_FRAME;
  }

  nowMicros(): number {
    return nowMicros();
  }

  /** Sends preface, SETTINGS and the connection's first WINDOW_UPDATE. */
  start(socket: DialledSocket): void {
    this.#socket = socket;
    // The end is told by the event, after what the peer sent before it.
    drainBeforeDestroy(socket.stream, () => {});
    socket.stream.on("error", (error: NodeJS.ErrnoException) => this.#onSocketError(error));
    socket.stream.on("end", () => this.#onFin());
    socket.stream.on("close", () => {
      clearTimeout(this.#linger);
      this.#finish("socket-error", "the socket was closed");
    });
    this.#outbound.start(socket.stream);
    void this.settings({ ENABLE_PUSH: 0, ...this.#options.settings });
    if (this.#windowBytes > DEFAULT_WINDOW_BYTES) this.grantConnection(this.#windowBytes - DEFAULT_WINDOW_BYTES);
  }

  request(headers: readonly Header[], options: Http2RequestOptions = {}, listener: Http2StreamListener = options): Http2Stream {
    const refusal = this.#refusal(options.force ?? false);
    if (refusal !== undefined) throw refusal;
    const id = this.#streams.nextId ?? 0;
    const stream = new StreamState(id, this, {
      listener,
      replenish: options.replenish ?? (this.#autoReplenish ? "auto" : "manual"),
      windowBytes: options.windowBytes ?? 0,
      sendWindowBytes: this.peerSettings.INITIAL_WINDOW_SIZE,
    });
    stream.localEnded = options.endStream ?? false;
    this.#streams.add(stream);
    this.sendHeaders(id, headers, options.endStream ? FLAG.END_STREAM : 0);
    const more = (options.windowBytes ?? 0) - stream.receiveWindowBytes;
    if (more > 0) stream.grant(more);
    return stream;
  }

  #refusal(force: boolean): WireError | undefined {
    const refuse = (code: Uppercase<string>, expected: string, actual: string): WireError => new WireError(code, { expected, actual, atByte: -1 });
    if (this.end !== undefined) return refuse("CONNECTION_CLOSED", "an open connection", this.end.detail);
    if (this.#streams.nextId === undefined) return refuse("STREAM_IDS_EXHAUSTED", "a stream id that was not used", "none up to 2^31 - 1");
    if (force) return undefined;
    if (this.goaway !== undefined) return refuse("GOAWAY_RECEIVED", "no GOAWAY before a request", `GOAWAY ${errorCodeName(this.goaway.code)}`);
    const limit = this.peerSettings.MAX_CONCURRENT_STREAMS;
    return this.#streams.size < limit
      ? undefined
      : refuse("TOO_MANY_STREAMS", `at most ${limit} streams, as the peer's SETTINGS say`, `${limit} that are open`);
  }

  ping(options: { readonly withinMs: number; readonly opaque?: Uint8Array }): Promise<number | undefined> {
    if (this.end !== undefined) return Promise.resolve(undefined);
    return this.#pings.sending(options, nowMicros, (payload) => this.sendFrame({ type: FRAME.PING, payload }));
  }

  settings(settings: Partial<Http2Settings>): Promise<boolean> {
    if (this.end !== undefined) return Promise.resolve(false);
    const acknowledged = this.#own.sending(settings);
    this.sendFrame({ type: FRAME.SETTINGS, payload: encodeSettingsPayload(settingsById(settings)) });
    return acknowledged;
  }

  sendFrame(frame: FrameToSend): void {
    this.#outbound.send(frame);
  }

  sendBytes(bytes: Uint8Array): void {
    this.#outbound.sendBytes(bytes);
  }

  sendHeaders(streamId: number, headers: readonly Header[], flags: number): void {
    this.#outbound.sendHeaders(streamId, headers, flags);
  }

  flush(stream: StreamState): void {
    if (this.end === undefined) this.#outbound.flush(stream);
  }

  grantConnection(bytes: number): void {
    this.receiveWindowBytes += bytes;
    this.sendFrame({ type: FRAME.WINDOW_UPDATE, payload: encodeUint32(bytes) });
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
      this.sendFrame({ type: FRAME.GOAWAY, payload: encodeGoawayPayload(0, ERROR_CODE.NO_ERROR) });
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
    this.#outbound.uncork();
    this.#socket?.stream.end();
  }

  release(stream: StreamState, by: "peer" | "us"): void {
    this.#streams.remove(stream, by);
    this.#outbound.forget(stream);
  }

  /** A chunk from the socket; `chunk[0, bytes)` is not kept. */
  receive(chunk: Buffer, bytes: number): void {
    this.lastInboundAtMicros = nowMicros();
    if (this.end !== undefined) return;
    try {
      this.#inbound.push(chunk, bytes, this.lastInboundAtMicros);
    } catch (error) {
      if (!(error instanceof WireError)) {
        this.destroy();
        throw error;
      }
      this.#fail(error);
    }
  }

  onData(frame: FrameView): void {
    const bytes = frame.end - frame.start;
    if (bytes > this.receiveWindowBytes) {
      throw frameError("FLOW_CONTROL_ERROR", frame, `at most ${this.receiveWindowBytes} bytes in the connection's window (RFC 9113 6.9.1)`, `${bytes} bytes`);
    }
    this.receiveWindowBytes -= bytes;
    this.#unreturnedBytes += bytes;
    const payloadBytes = bytes - paddingBytes(frame);
    this.#payloadBytes += Math.max(0, payloadBytes);
    const stream = this.#streams.get(frame.streamId);
    if (payloadBytes <= 0) this.#inbound.charge(frame);
    if (stream === undefined) this.#onAbsentStream(frame);
    else {
      try {
        stream.receiveData(frame, this.lastInboundAtMicros);
      } catch (error) {
        this.#failStream(stream, error);
      }
    }
    this.#returnWindow();
  }

  onDataRun(chunk: Buffer, at: number, end: number, maxFrameBytes: number): number {
    const stream = this.#streams.latest;
    if (stream === undefined) return at;
    const next = stream.receiveDataRun(chunk, at, end, { maxFrameBytes, windowBytes: this.receiveWindowBytes });
    if (next === at) return at;
    const bytes = stream.runBytes;
    this.receiveWindowBytes -= bytes;
    this.#unreturnedBytes += bytes;
    this.#payloadBytes += bytes;
    this.#returnWindow();
    return next;
  }

  #returnWindow(): void {
    if (!this.#autoReplenish || this.#unreturnedBytes < this.#windowBytes >>> 1) return;
    const widerBytes = Math.max(0, this.#wantedWindow() - this.#windowBytes);
    const granted = this.#unreturnedBytes + widerBytes;
    this.#unreturnedBytes = 0;
    this.#windowBytes += widerBytes;
    this.grantConnection(granted);
  }

  #wantedWindow(): number {
    const { connectionWindowBytes: wanted = DEFAULT_CONNECTION_WINDOW } = this.#options;
    return Math.min(LARGEST_WINDOW, typeof wanted === "number" ? wanted : wanted());
  }

  onHeaders(headers: readonly Header[], listBytes: number, frame: FrameView): void {
    // A request earns more than its response and trailers; what could go on without end is 1xx.
    this.#inbound.charge(frame);
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

  onReset(frame: FrameView, code: number): void {
    const stream = this.#streams.get(frame.streamId);
    if (stream !== undefined) return stream.receiveReset(code, this.lastInboundAtMicros);
    this.#streams.refuseIdle(frame);
    this.#inbound.charge(frame);
  }

  onSettings(settings: Partial<Http2Settings>, frame: FrameView): void {
    if (settings.ENABLE_PUSH === 1) this.#options.onViolation?.(frameError("PROTOCOL_ERROR", frame, "no ENABLE_PUSH 1 from a server (RFC 9113 6.5.2)", "1"));
    const before = this.peerSettings.INITIAL_WINDOW_SIZE;
    Object.assign(this.peerSettings, settings);
    if (settings.HEADER_TABLE_SIZE !== undefined) this.#outbound.setPeerTableLimit(settings.HEADER_TABLE_SIZE);
    const change = this.peerSettings.INITIAL_WINDOW_SIZE - before;
    for (const stream of this.#streams.all()) {
      if (stream.sendWindowBytes + change > LARGEST_WINDOW) {
        throw frameError(
          "FLOW_CONTROL_ERROR",
          frame,
          `windows of at most ${LARGEST_WINDOW} (RFC 9113 6.9.2)`,
          `${stream.sendWindowBytes + change} on stream ${stream.id}`,
        );
      }
      stream.sendWindowBytes += change;
    }
    this.sendFrame({ type: FRAME.SETTINGS, flags: FLAG.ACK });
    this.#settlePeerSettings();
    if (change > 0) for (const stream of this.#streams.all()) this.flush(stream);
  }

  onSettingsAck(): void {
    this.#own.acknowledged();
  }

  onPing(opaque: Buffer): void {
    this.sendFrame({ type: FRAME.PING, flags: FLAG.ACK, payload: opaque });
  }

  onPingAck(opaque: Buffer): void {
    this.#pings.acknowledged(opaque, this.lastInboundAtMicros);
  }

  onGoaway(lastStreamId: number, code: number, debug: string): void {
    const atMicros = this.lastInboundAtMicros;
    this.goaway = { lastStreamId, code, debug, atMicros };
    this.#options.onGoaway?.(this.goaway);
    for (const stream of this.#streams.all()) {
      if (stream.id > lastStreamId) stream.abandon({ kind: "refused-by-goaway", code, atMicros });
    }
  }

  onWindowUpdate(increment: number, frame: FrameView): void {
    const stream = this.#streams.get(frame.streamId);
    if (stream !== undefined) {
      try {
        stream.receiveWindow(increment, frame, this.lastInboundAtMicros);
      } catch (error) {
        this.#failStream(stream, error);
      }
      return;
    }
    // One for a stream that has closed was under way (RFC 9113 section 5.1).
    if (frame.streamId !== 0) return this.#streams.refuseIdle(frame);
    this.#outbound.widen(increment, frame);
  }

  /** DATA or HEADERS for a stream that is not there. */
  #onAbsentStream(frame: FrameView): void {
    this.#streams.refuseIdle(frame);
    if (this.#streams.closedBy(frame.streamId) !== "peer") return;
    this.#options.onViolation?.(frameError("STREAM_CLOSED", frame, "nothing after END_STREAM or RST_STREAM (RFC 9113 5.1)", frameName(frame.type)));
  }

  #onOwnLimit(limit: keyof Http2Settings, value: number, before: number): void {
    if (limit === "HEADER_TABLE_SIZE") this.#inbound.setTableLimit(value);
    if (limit === "MAX_FRAME_SIZE") this.#inbound.maxFrameBytes = value;
    if (limit === "INITIAL_WINDOW_SIZE") for (const stream of this.#streams.all()) stream.receiveWindowBytes += value - before;
  }

  #recordReceived(frame: FrameView): void {
    const { type, flags, streamId, atByte } = frame;
    const payload = frame.buffer.subarray(frame.start, frame.end);
    this.#options.onFrame?.({ direction: "received", type, flags, streamId, payload, atMicros: this.lastInboundAtMicros, atByte });
  }

  #failStream(stream: StreamState, error: unknown): void {
    if (!(error instanceof WireError)) throw error;
    if (stream.end !== undefined) this.#options.onViolation?.(error);
    stream.fail(error, this.lastInboundAtMicros);
  }

  #fail(error: WireError): void {
    const code = ERROR_CODE[error.code as ErrorCodeName] ?? ERROR_CODE.PROTOCOL_ERROR;
    this.sendFrame({ type: FRAME.GOAWAY, payload: encodeGoawayPayload(0, code, Buffer.from(error.expected, "latin1")) });
    this.#finish("protocol-error", error.message, error);
    this.#drop();
  }

  #onFin(): void {
    const unfinished = this.#inbound.unfinished;
    if (unfinished !== undefined) {
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
    this.#inbound.stop();
    for (const stream of this.#streams.all()) stream.abandon({ kind: "connection", end, atMicros });
    this.#pings.abandon();
    this.#own.abandon();
    this.#settleClosed(end);
  }

  /** FIN, and an end to the socket even if the peer never answers it. */
  #drop(): void {
    const stream = this.#socket?.stream;
    if (stream === undefined || stream.destroyed) return;
    this.#outbound.uncork();
    stream.end();
    stream.resume();
    if (!stream.readableEnded) stream.once("end", () => stream.destroy());
    else if (stream.writableFinished) stream.destroy();
    else stream.once("finish", () => stream.destroy());
    this.#linger ??= setTimeout(() => stream.destroy(), LINGER_MS);
  }
}
