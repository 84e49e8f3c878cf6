import type { Message, MessageCodec } from "../core/contract.js";
import type { Connection, Driver, MonitorStream, OpenOptions, StreamEnd, StreamEvent } from "../core/stream.js";
import type { Target } from "../core/target.js";
import { openGrpcCall, type GrpcCall, type GrpcCallListener, type GrpcCallOptions, type GrpcEnd } from "../wire/grpc-call.js";
import { grpcStatusName } from "../wire/grpc-status.js";
import type { Header } from "../wire/hpack.js";
import { connectHttp2, type FrameRecord, type Http2Connection } from "../wire/http2-connection.js";
import { errorCodeName, FLAG, FRAME, frameName } from "../wire/http2-frames.js";
import { nowMicros } from "../wire/wire-clock.js";
import { WireError } from "../wire/wire-error.js";
import { decodedEvent, grpcBindingOf } from "./grpc-binding.js";
import { wireTls } from "./tls.js";
import { unreachable } from "./unreachable.js";

interface FrameListener {
  onFrame(event: StreamEvent): void;
}

/** gRPC on our own HTTP/2 connection: pure resets, deadlines that only the server keeps, every frame reported. */
export const grpcWireDriver: Driver = {
  name: "grpc-wire",
  transport: "grpc",
  hides: [],
  floods: true,
  async connect(target, { timeoutMs, signal, flood }) {
    const frames = flood === undefined ? new FrameRouter() : undefined;
    try {
      const http2 = await connectHttp2({
        host: target.host,
        port: target.port,
        connectTimeoutMs: timeoutMs,
        ...(frames === undefined ? {} : { onFrame: (frame: FrameRecord) => frames.hear(frame) }),
        ...(flood === undefined
          ? {}
          : {
              settings: { INITIAL_WINDOW_SIZE: flood.windowBytes },
              connectionWindowBytes: flood.connectionWindowBytes,
              readBuffer: bufferOf(flood.readBuffer),
            }),
        ...(target.tls === undefined ? {} : { tls: wireTls(target.tls) }),
        ...(signal === undefined ? {} : { signal }),
      });
      return new WireConnection(target, http2, frames);
    } catch (thrown) {
      throw unreachable(target, thrown);
    }
  },
};

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** Gives each frame to the stream that it belongs to, and those of the connection to all. */
class FrameRouter {
  readonly #listeners = new Map<number, FrameListener>();
  /** Hears HEADERS that leave before their stream's number is known. */
  #opening: FrameListener | undefined;

  /** Runs `open`, whose frames on a stream not yet known go to the listener; returns what it returned. */
  during<T>(listener: FrameListener, open: () => T): T {
    this.#opening = listener;
    try {
      return open();
    } finally {
      this.#opening = undefined;
    }
  }

  add(streamId: number, listener: FrameListener): void {
    this.#listeners.set(streamId, listener);
  }

  remove(streamId: number): void {
    this.#listeners.delete(streamId);
  }

  hear(frame: FrameRecord): void {
    if (this.#listeners.size === 0 && this.#opening === undefined) {
      return;
    }
    const { atMicros, direction } = frame;
    if (frame.type === FRAME.DATA) {
      const { flags } = frame;
      const bytes = frame.payload.length;
      const describe = (): string => `DATA ${bytes} bytes${(flags & FLAG.END_STREAM) === 0 ? "" : " END_STREAM"}`;
      (this.#listeners.get(frame.streamId) ?? this.#opening)?.onFrame({ kind: "frame", atMicros, direction, ofMessage: true, describe });
      return;
    }
    // Its payload is gone when somebody asks.
    const text = describeFrame(frame);
    const event: StreamEvent = { kind: "frame", atMicros, direction, ofMessage: false, describe: () => text };
    if (frame.streamId === 0) {
      // Windows of the connection say nothing about one stream.
      if (frame.type !== FRAME.WINDOW_UPDATE) {
        for (const listener of this.#listeners.values()) {
          listener.onFrame(event);
        }
      }
      return;
    }
    (this.#listeners.get(frame.streamId) ?? this.#opening)?.onFrame(event);
  }
}

class WireConnection implements Connection {
  readonly #target: Target;
  readonly #http2: Http2Connection;
  /** Undefined where frames are not reported. */
  readonly #frames: FrameRouter | undefined;

  constructor(target: Target, http2: Http2Connection, frames: FrameRouter | undefined) {
    this.#target = target;
    this.#http2 = http2;
    this.#frames = frames;
  }

  async open(options: OpenOptions): Promise<MonitorStream> {
    try {
      return new WireStream(this.#target, this.#http2, this.#frames, options);
    } catch (thrown) {
      if (!(thrown instanceof WireError)) {
        throw thrown;
      }
      // No stream could be had of a connection that did exist: the server's doing, so it is an end and no rejection.
      const end: StreamEnd = { kind: "lost", native: "UNAVAILABLE", cause: thrown.actual };
      options.events({ kind: "ended", atMicros: nowMicros(), end });
      return endedStream(end);
    }
  }

  close(): Promise<void> {
    return this.#http2.close();
  }
}

/** It listens to its call itself: of an idle stream little more than this is kept. */
class WireStream implements MonitorStream, GrpcCallListener, FrameListener {
  readonly ended: Promise<StreamEnd>;
  readonly messageRanges: OpenOptions["messageBytes"];
  readonly #http2: Http2Connection;
  readonly #codec: MessageCodec;
  readonly #events: OpenOptions["events"];
  readonly #call: GrpcCall;
  #settleEnded!: (end: StreamEnd) => void;
  #over = false;

  constructor(target: Target, http2: Http2Connection, frames: FrameRouter | undefined, options: OpenOptions) {
    this.#http2 = http2;
    this.#codec = grpcBindingOf(target).codec;
    this.#events = options.events;
    this.messageRanges = options.messageBytes;
    this.ended = new Promise((resolve) => (this.#settleEnded = resolve));
    const request = {
      path: target.path,
      metadata: [...target.headers, ...(options.headers ?? [])],
      ...(options.grpcTimeout === undefined ? {} : { grpcTimeout: options.grpcTimeout }),
    };
    this.#call = frames === undefined ? openGrpcCall(http2, request, this) : openWatched(http2, frames, request, this);
    cancelOnAbort(this.#call, options.signal);
  }

  async send(message: Message): Promise<void> {
    if (!(await this.#call.send(this.#codec.encode(message)))) {
      throw new Error("the stream has ended, or has too much waiting to be sent");
    }
  }

  async end(): Promise<void> {
    await this.#call.halfClose();
  }

  cancel(): void {
    this.#call.reset();
  }

  pause(): void {
    this.#call.pause();
  }

  resume(): void {
    this.#call.resume();
  }

  lastInboundAtMicros(): number {
    return this.#http2.lastInboundAtMicros;
  }

  /** Frames that follow the end (a reset of the server's own) come after the last event and are not told. */
  onFrame(event: StreamEvent): void {
    if (!this.#over) {
      this.#events(event);
    }
  }

  onInitialMetadata(headers: readonly Header[], atMicros: number): void {
    this.#events({ kind: "opened", atMicros, headers: joinHeaders(headers) });
  }

  onMessage(bytes: Buffer, atMicros: number): void {
    this.#events(decodedEvent(this.#codec, bytes, atMicros, false));
  }

  onEnd(grpcEnd: GrpcEnd): void {
    this.#over = true;
    const end = streamEndOf(grpcEnd);
    this.#events({ kind: "ended", atMicros: grpcEnd.atMicros, end });
    this.#settleEnded(end);
  }
}

function openWatched(http2: Http2Connection, frames: FrameRouter, request: GrpcCallOptions, listener: GrpcCallListener & FrameListener): GrpcCall {
  const call = frames.during(listener, () => openGrpcCall(http2, request, listener));
  const { id } = call.stream;
  frames.add(id, listener);
  void call.ended.then(() => frames.remove(id));
  return call;
}

function cancelOnAbort(call: GrpcCall, signal: AbortSignal | undefined): void {
  if (signal === undefined) {
    return;
  }
  const abort = (): void => call.reset();
  if (signal.aborted) {
    abort();
    return;
  }
  signal.addEventListener("abort", abort, { once: true });
  void call.ended.then(() => signal.removeEventListener("abort", abort));
}

function endedStream(end: StreamEnd): MonitorStream {
  return {
    send: () => Promise.reject(new Error("the stream has ended")),
    end: () => Promise.resolve(),
    cancel: () => undefined,
    pause: () => undefined,
    resume: () => undefined,
    ended: Promise.resolve(end),
  };
}

/** A call's end in the words that both transports share. */
function streamEndOf(end: GrpcEnd): StreamEnd {
  switch (end.source) {
    case "trailers":
      return end.status === 0
        ? { kind: "completed", native: "OK" }
        : { kind: "rejected", native: grpcStatusName(end.status), code: end.status, detail: end.message };
    case "reset":
      return { kind: "rejected", native: `RST_STREAM ${errorCodeName(end.resetCode ?? 0)}`, code: end.status, detail: "" };
    case "http-status":
      return { kind: "rejected", native: `${grpcStatusName(end.status)} (HTTP ${end.httpStatus ?? "?"})`, code: end.status, detail: end.detail };
    case "connection":
    case "protocol-error":
    case "decode-error":
    case "cancelled-locally":
      return { kind: "lost", native: grpcStatusName(end.status), cause: end.detail };
  }
}

function joinHeaders(headers: readonly Header[]): Readonly<Record<string, string>> {
  const joined = new Map<string, string>();
  for (const [name, value] of headers) {
    const before = joined.get(name);
    joined.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return Object.fromEntries(joined);
}

function describeFrame(frame: FrameRecord): string {
  if (frame.type < 0) {
    return `${frame.payload.length} raw bytes`;
  }
  const flags = [
    ...(frame.type === FRAME.HEADERS && (frame.flags & FLAG.END_STREAM) !== 0 ? ["END_STREAM"] : []),
    ...((frame.type === FRAME.SETTINGS || frame.type === FRAME.PING) && (frame.flags & FLAG.ACK) !== 0 ? ["ACK"] : []),
  ];
  return [frameName(frame.type), detailOf(frame), ...flags].filter((part) => part !== "").join(" ");
}

function detailOf(frame: FrameRecord): string {
  const { payload } = frame;
  switch (frame.type) {
    case FRAME.RST_STREAM:
      return payload.length === 4 ? errorCodeName(payload.readUInt32BE(0)) : `${payload.length} bytes`;
    case FRAME.GOAWAY:
      return payload.length >= 8 ? `${errorCodeName(payload.readUInt32BE(4))} last stream ${payload.readUInt32BE(0) & 0x7fff_ffff}` : `${payload.length} bytes`;
    case FRAME.WINDOW_UPDATE:
      return payload.length === 4 ? `+${payload.readUInt32BE(0) & 0x7fff_ffff}` : `${payload.length} bytes`;
    case FRAME.PING:
      return "";
    default:
      return `${payload.length} bytes`;
  }
}
