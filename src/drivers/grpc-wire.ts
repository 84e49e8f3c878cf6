import type { Connection, Driver, MonitorStream, OpenOptions, StreamEnd, StreamEvent } from "../core/stream.js";
import type { Target } from "../core/target.js";
import { openGrpcCall, type GrpcCall, type GrpcEnd } from "../wire/grpc-call.js";
import { grpcStatusName } from "../wire/grpc-status.js";
import type { Header } from "../wire/hpack.js";
import { connectHttp2, type FrameRecord, type Http2Connection } from "../wire/http2-connection.js";
import { errorCodeName, FLAG, FRAME, frameName } from "../wire/http2-frames.js";
import { nowMicros } from "../wire/wire-clock.js";
import { WireError } from "../wire/wire-error.js";
import { decodedEvent, grpcBindingOf } from "./grpc-binding.js";
import { wireTls } from "./tls.js";
import { unreachable } from "./unreachable.js";

type Listener = (event: StreamEvent) => void;

/** gRPC on our own HTTP/2 connection: pure resets, deadlines that only the server keeps, every frame reported. */
export const grpcWireDriver: Driver = {
  name: "grpc-wire",
  transport: "grpc",
  hides: [],
  floods: true,
  async connect(target, { timeoutMs, signal, flood }) {
    const frames = new FrameRouter();
    try {
      const http2 = await connectHttp2({
        host: target.host,
        port: target.port,
        connectTimeoutMs: timeoutMs,
        ...(flood === undefined
          ? { onFrame: (frame: FrameRecord) => frames.hear(frame) }
          : { settings: { INITIAL_WINDOW_SIZE: flood.windowBytes }, connectionWindowBytes: flood.windowBytes, readBuffer: bufferOf(flood.readBuffer) }),
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
  readonly #listeners = new Map<number, Listener>();
  /** Hears HEADERS that leave before their stream's number is known. */
  #opening: Listener | undefined;

  /** Runs `open`, whose frames on a stream not yet known go to the listener; returns what it returned. */
  during<T>(listener: Listener, open: () => T): T {
    this.#opening = listener;
    try {
      return open();
    } finally {
      this.#opening = undefined;
    }
  }

  add(streamId: number, listener: Listener): void {
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
      (this.#listeners.get(frame.streamId) ?? this.#opening)?.({ kind: "frame", atMicros, direction, ofMessage: true, describe });
      return;
    }
    // Its payload is gone when somebody asks.
    const text = describeFrame(frame);
    const event: StreamEvent = { kind: "frame", atMicros, direction, ofMessage: false, describe: () => text };
    if (frame.streamId === 0) {
      // Windows of the connection say nothing about one stream.
      if (frame.type !== FRAME.WINDOW_UPDATE) {
        for (const listener of this.#listeners.values()) {
          listener(event);
        }
      }
      return;
    }
    (this.#listeners.get(frame.streamId) ?? this.#opening)?.(event);
  }
}

class WireConnection implements Connection {
  readonly #target: Target;
  readonly #http2: Http2Connection;
  readonly #frames: FrameRouter;

  constructor(target: Target, http2: Http2Connection, frames: FrameRouter) {
    this.#target = target;
    this.#http2 = http2;
    this.#frames = frames;
  }

  async open(options: OpenOptions): Promise<MonitorStream> {
    try {
      return openStream(this.#target, this.#http2, this.#frames, options);
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

function openStream(target: Target, http2: Http2Connection, frames: FrameRouter, options: OpenOptions): MonitorStream {
  const { codec } = grpcBindingOf(target);
  const { events } = options;
  let over = false;
  const onEnd = (end: GrpcEnd): void => {
    over = true;
    events({ kind: "ended", atMicros: end.atMicros, end: streamEndOf(end) });
  };
  // Frames that follow the end (a reset of the server's own) come after the last event and are not told.
  const onFrame: Listener = (event) => {
    if (!over) {
      events(event);
    }
  };
  const { onMessageBytes } = options;
  const call = frames.during(onFrame, () =>
    openGrpcCall(http2, {
      path: target.path,
      metadata: [...target.headers, ...(options.headers ?? [])],
      ...(options.grpcTimeout === undefined ? {} : { grpcTimeout: options.grpcTimeout }),
      onInitialMetadata: (headers, atMicros) => events({ kind: "opened", atMicros, headers: joinHeaders(headers) }),
      ...(onMessageBytes === undefined
        ? { onMessage: (bytes: Buffer, atMicros: number) => events(decodedEvent(codec, bytes, atMicros, false)) }
        : { onMessageRange: onMessageBytes }),
      onEnd,
    }),
  );
  frames.add(call.stream.id, onFrame);
  const ended = call.ended.then((end) => {
    frames.remove(call.stream.id);
    return streamEndOf(end);
  });
  cancelOnAbort(call, options.signal);
  return {
    async send(message) {
      if (!(await call.send(codec.encode(message)))) {
        throw new Error("the stream has ended, or has too much waiting to be sent");
      }
    },
    async end() {
      await call.halfClose();
    },
    cancel: () => call.reset(),
    pause: () => call.pause(),
    resume: () => call.resume(),
    ended,
    lastInboundAtMicros: () => http2.lastInboundAtMicros,
  };
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
