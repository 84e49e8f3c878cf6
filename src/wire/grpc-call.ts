import { decodePercent, encodeMessage, encodeMetadata, gunzipMessage, type MetadataEntry } from "./grpc-messages.js";
import { GrpcScanner, type GrpcScannerOptions } from "./grpc-scanner.js";
import { GRPC_STATUS, grpcStatusName, statusOfHttp, statusOfReset } from "./grpc-status.js";
import type { Header } from "./hpack.js";
import type { Http2Connection } from "./http2-connection.js";
import { describeStreamEnd, type Http2StreamEnd } from "./http2-ends.js";
import { ERROR_CODE, errorCodeName } from "./http2-frames.js";
import type { Http2Stream, Http2StreamEvent, Http2StreamListener } from "./http2-stream.js";
import { WireError } from "./wire-error.js";

/** How a call ended: the status a client reports, and what it rests on. */
export interface GrpcEnd {
  readonly status: number;
  /** `grpc-message`, percent-decoded; without one a line of our own. */
  readonly message: string;
  /** `grpc-message` as sent. */
  readonly rawMessage: string | undefined;
  /** As sent; those of a trailers-only response too. */
  readonly trailers: readonly Header[];
  /** The response was one HEADERS frame with END_STREAM. */
  readonly trailersOnly: boolean;
  /**
   * What `status` rests on: the peer's own grpc-status ("trailers"), RST_STREAM, the HTTP status or content-type, the
   * connection's end, HTTP/2 or gRPC rules that the peer broke, a message that cannot be read, or our own reset.
   */
  readonly source: "trailers" | "reset" | "http-status" | "connection" | "protocol-error" | "decode-error" | "cancelled-locally";
  /** `grpc-status` as sent, also where `status` rests on something else. */
  readonly rawStatus: string | undefined;
  readonly resetCode: number | undefined;
  readonly httpStatus: number | undefined;
  readonly error: WireError | undefined;
  /** One line for people. */
  readonly detail: string;
  readonly atMicros: number;
}

/** Hears a call; its methods are called on it, synchronously, in wire order. */
export interface GrpcCallListener {
  onInitialMetadata?(headers: readonly Header[], atMicros: number): void;
  /** One message, decompressed; the bytes are the caller's to keep. */
  onMessage?(message: Buffer, atMicros: number): void;
  /** For load, in place of `onMessage`: takes `buffer[start, end)`, valid during the call only, no copy and no object for each. */
  readonly messageRanges?: { take(buffer: Buffer, start: number, end: number): void } | undefined;
  onEnd?(end: GrpcEnd): void;
  /** Everything on the stream but DATA; RST_STREAM may still come after the end. */
  onStreamEvent?(event: Http2StreamEvent): void;
}

export interface GrpcCallOptions extends GrpcCallListener {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly metadata?: readonly MetadataEntry[];
  /** `grpc-timeout` as it is, say "250m"; the server alone enforces it. */
  readonly grpcTimeout?: string;
  /** `grpc-encoding` of what we send; with "gzip" messages are compressed unless `send` says otherwise. Default: no header. */
  readonly encoding?: string;
  /** `grpc-accept-encoding`, default "identity,gzip". */
  readonly acceptEncoding?: string;
  /** Default "application/grpc". */
  readonly contentType?: string;
  readonly authority?: string;
  /** The whole header list, in place of all of the above. */
  readonly rawHeaders?: readonly Header[];
  /** Largest message received, also once decompressed; default 16 MiB. */
  readonly maxMessageBytes?: number;
  /** END_STREAM on the HEADERS: a call that sends nothing. */
  readonly endStream?: boolean;
  readonly force?: boolean;
  /** As for any request: a receive window beyond our INITIAL_WINDOW_SIZE, and who returns it. */
  readonly windowBytes?: number;
  readonly replenish?: "auto" | "manual";
  /** Whether a call that the server ended before our half-close is reset with NO_ERROR, as grpc-go does; default "reset". */
  readonly afterEnd?: "reset" | "leave";
}

/** A gRPC call (gRPC over HTTP/2) with no deadline, retry or queue of its own. */
export interface GrpcCall {
  readonly stream: Http2Stream;
  /** The response headers; undefined where the call ended without (trailers-only, reset …), or where they came and `onInitialMetadata` took them. */
  readonly initialMetadata: Promise<readonly Header[] | undefined>;
  /** Settles once, never rejects; every message that came before has been delivered. */
  readonly ended: Promise<GrpcEnd>;
  /** Sends one message, in one DATA frame where MAX_FRAME_SIZE and windows allow. True once flow control took it, false if the call ended first. */
  send(message: Uint8Array, options?: { readonly endStream?: boolean; readonly compress?: boolean; readonly flagByte?: number }): Promise<boolean>;
  /** Sends DATA payload as it is: half a message, several, or none. */
  sendRaw(bytes: Uint8Array, options?: { readonly endStream?: boolean }): Promise<boolean>;
  /** Empty DATA with END_STREAM. */
  halfClose(): Promise<boolean>;
  /** RST_STREAM and nothing else, default CANCEL. */
  reset(code?: number): void;
  /** Stops returning the stream's window; what it still holds is delivered. */
  pause(): void;
  resume(): void;
}

const DEFAULT_MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

/**
 * Starts a call: sends HEADERS, never awaits the answer. Throws as {@link Http2Connection.request} does.
 * `listener` hears the call in place of `options`, of which nothing is then kept.
 */
export function openGrpcCall(connection: Http2Connection, options: GrpcCallOptions, listener: GrpcCallListener = options): GrpcCall {
  return new Call(connection, options, listener);
}

/** The header list that `options` stand for. */
export function grpcRequestHeaders(connection: Http2Connection, options: GrpcCallOptions): Header[] {
  const headers: Header[] = [
    [":method", "POST"],
    [":scheme", connection.secure ? "https" : "http"],
    [":path", options.path],
    [":authority", options.authority ?? connection.authority],
    ["te", "trailers"],
    ["content-type", options.contentType ?? "application/grpc"],
    ["grpc-accept-encoding", options.acceptEncoding ?? "identity,gzip"],
  ];
  if (options.encoding !== undefined) headers.push(["grpc-encoding", options.encoding]);
  if (options.grpcTimeout !== undefined) headers.push(["grpc-timeout", options.grpcTimeout]);
  return [...headers, ...encodeMetadata(options.metadata ?? [])];
}

/** No trailers came; thousands of calls share it. */
const noHeaders: readonly Header[] = [];

/** It listens to its stream and its scanner itself, and makes a promise when one is asked for: there may be thousands of calls. */
class Call implements GrpcCall, Http2StreamListener, GrpcScannerOptions {
  readonly stream: Http2Stream;
  readonly maxMessageBytes: number;
  readonly #connection: Http2Connection;
  readonly #listener: GrpcCallListener;
  readonly #ranges: GrpcCallListener["messageRanges"];
  readonly #scanner: GrpcScanner;
  readonly #compress: boolean;
  readonly #resetAfterEnd: boolean;
  #initialHeaders: readonly Header[] | undefined;
  #initialMetadata: Promise<readonly Header[] | undefined> | undefined;
  #settleMetadata: ((headers: readonly Header[] | undefined) => void) | undefined;
  #end: GrpcEnd | undefined;
  #ended: Promise<GrpcEnd> | undefined;
  #settleEnded: ((end: GrpcEnd) => void) | undefined;
  #httpStatus: number | undefined;
  #responseEncoding = "identity";
  #trailers = noHeaders;
  #trailersOnly = false;
  #metadataCame = false;

  constructor(connection: Http2Connection, options: GrpcCallOptions, listener: GrpcCallListener) {
    this.#connection = connection;
    this.#listener = listener;
    this.#ranges = listener.messageRanges;
    this.maxMessageBytes = options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES;
    this.#compress = options.encoding === "gzip";
    this.#resetAfterEnd = options.afterEnd !== "leave";
    this.#scanner = new GrpcScanner(this);
    const request = {
      endStream: options.endStream ?? false,
      force: options.force ?? false,
      ...(options.windowBytes === undefined ? {} : { windowBytes: options.windowBytes }),
      ...(options.replenish === undefined ? {} : { replenish: options.replenish }),
    };
    this.stream = connection.request(options.rawHeaders ?? grpcRequestHeaders(connection, options), request, this);
  }

  get initialMetadata(): Promise<readonly Header[] | undefined> {
    const settled = this.#metadataCame || this.#end !== undefined;
    return (this.#initialMetadata ??= settled ? Promise.resolve(this.#initialHeaders) : new Promise((resolve) => (this.#settleMetadata = resolve)));
  }

  get ended(): Promise<GrpcEnd> {
    const end = this.#end;
    return (this.#ended ??= end === undefined ? new Promise((resolve) => (this.#settleEnded = resolve)) : Promise.resolve(end));
  }

  send(message: Uint8Array, options: { readonly endStream?: boolean; readonly compress?: boolean; readonly flagByte?: number } = {}): Promise<boolean> {
    const compress = options.compress ?? this.#compress;
    return this.stream.write(encodeMessage(message, { ...options, compress }), { endStream: options.endStream ?? false });
  }

  sendRaw(bytes: Uint8Array, options: { readonly endStream?: boolean } = {}): Promise<boolean> {
    return this.stream.write(bytes, options);
  }

  halfClose(): Promise<boolean> {
    return this.stream.write(new Uint8Array(0), { endStream: true });
  }

  reset(code: number = ERROR_CODE.CANCEL): void {
    this.stream.reset(code);
  }

  pause(): void {
    this.stream.pause();
  }

  resume(): void {
    this.stream.resume();
  }

  onDataRange(buffer: Buffer, start: number, end: number): void {
    if (this.#end !== undefined) return;
    try {
      this.#scanner.push(buffer, start, end);
    } catch (error) {
      this.#onUnreadable(error);
    }
  }

  onMessage(buffer: Buffer, start: number, end: number, flag: number): void {
    const ranges = this.#ranges;
    if (flag === 0 && ranges !== undefined) ranges.take(buffer, start, end);
    else this.#onWholeMessage(buffer.subarray(start, end), flag);
  }

  #onWholeMessage(payload: Buffer, flag: number): void {
    // After a message that could not be read, the rest of its DATA frame does not count.
    if (this.#end !== undefined) return;
    const message = flag === 0 ? Buffer.from(payload) : this.#decompress(payload);
    if (this.#ranges !== undefined) this.#ranges.take(message, 0, message.length);
    else this.#listener.onMessage?.(message, this.#connection.lastInboundAtMicros);
  }

  #decompress(payload: Buffer): Buffer {
    const atByte = this.#scanner.pushedBytes;
    if (this.#responseEncoding === "gzip") return gunzipMessage(payload, this.maxMessageBytes, atByte);
    throw new WireError("BAD_COMPRESSION", {
      expected: "a compressed message only after grpc-encoding: gzip (gRPC over HTTP/2, Compressed-Flag)",
      actual: `grpc-encoding ${this.#responseEncoding}`,
      atByte,
    });
  }

  #onUnreadable(error: unknown): void {
    if (!(error instanceof WireError)) throw error;
    const status = error.code === "MESSAGE_TOO_LONG" ? GRPC_STATUS.RESOURCE_EXHAUSTED : GRPC_STATUS.INTERNAL;
    this.#finish({ status, source: "decode-error", error, detail: error.message });
    this.stream.reset();
  }

  onEvent(event: Http2StreamEvent): void {
    this.#listener.onStreamEvent?.(event);
    if (event.kind === "headers") this.#onHeaders(event);
    if (event.kind === "ended") this.#onStreamEnd(event.end);
  }

  #onHeaders(event: Extract<Http2StreamEvent, { kind: "headers" }>): void {
    if (event.informational) return;
    if (event.trailing) {
      this.#trailers = event.headers;
      return;
    }
    this.#httpStatus = event.status;
    if (event.endStream) {
      this.#trailers = event.headers;
      this.#trailersOnly = true;
      return;
    }
    this.#responseEncoding = headerValue(event.headers, "grpc-encoding") ?? "identity";
    const contentType = headerValue(event.headers, "content-type") ?? "none";
    if (event.status === 200 && isGrpcContentType(contentType)) {
      this.#metadataCame = true;
      this.#settleMetadata?.(event.headers);
      if (this.#listener.onInitialMetadata === undefined) this.#initialHeaders = event.headers;
      else this.#listener.onInitialMetadata(event.headers, event.atMicros);
      return;
    }
    // Not gRPC: its body says nothing that we could read, and might never end.
    const detail = `HTTP status ${event.status} with content-type ${contentType}`;
    this.#finish({ status: statusOfHttp(event.status ?? 0), source: "http-status", detail });
    this.stream.reset();
  }

  #onStreamEnd(end: Http2StreamEnd): void {
    const detail = describeStreamEnd(end);
    switch (end.kind) {
      case "end-stream":
        this.#onEndStream();
        // In a microtask, so that a reset of the server's own in the same chunk is seen first.
        if (this.#resetAfterEnd) queueMicrotask(() => this.stream.reset(ERROR_CODE.NO_ERROR));
        return;
      case "reset":
        return this.#finish({ status: statusOfReset(end.code), source: "reset", resetCode: end.code, detail });
      case "reset-locally":
        return this.#finish({ status: GRPC_STATUS.CANCELLED, source: "cancelled-locally", detail });
      case "protocol-error":
        return this.#finish({ status: GRPC_STATUS.INTERNAL, source: "protocol-error", error: end.error, detail });
      case "refused-by-goaway":
        return this.#finish({ status: GRPC_STATUS.UNAVAILABLE, source: "connection", detail });
      case "connection":
        return this.#finish({
          status: GRPC_STATUS.UNAVAILABLE,
          source: "connection",
          ...(end.end.error === undefined ? {} : { error: end.end.error }),
          detail,
        });
    }
  }

  #onEndStream(): void {
    const unfinished = this.#scanner.unfinished;
    if (unfinished !== undefined) {
      const error = new WireError("TRUNCATED_MESSAGE", {
        expected: "whole messages before the end of the stream",
        actual: `the end after ${unfinished}`,
        atByte: this.#scanner.pushedBytes,
      });
      this.#finish({ status: GRPC_STATUS.INTERNAL, source: "decode-error", error, detail: error.message });
      return;
    }
    const raw = headerValue(this.#trailers, "grpc-status");
    if (raw !== undefined && /^[0-9]{1,9}$/.test(raw)) {
      const status = Number(raw);
      this.#finish({ status, source: "trailers", detail: grpcStatusName(status) });
      return;
    }
    if (this.#trailersOnly && (this.#httpStatus !== 200 || raw === undefined)) {
      this.#finish({ status: statusOfHttp(this.#httpStatus ?? 0), source: "http-status", detail: `HTTP status ${this.#httpStatus} without grpc-status` });
      return;
    }
    const actual = raw === undefined ? "none" : JSON.stringify(raw);
    const error = new WireError("BAD_GRPC_STATUS", { expected: "a decimal grpc-status in trailers (gRPC over HTTP/2, Responses)", actual, atByte: -1 });
    this.#finish({ status: GRPC_STATUS.UNKNOWN, source: "protocol-error", error, detail: error.message });
  }

  #finish(cause: Pick<GrpcEnd, "status" | "source" | "detail"> & { readonly resetCode?: number; readonly error?: WireError }): void {
    if (this.#end !== undefined) return;
    const rawMessage = headerValue(this.#trailers, "grpc-message");
    const end: GrpcEnd = {
      message: rawMessage === undefined ? (cause.source === "trailers" ? "" : cause.detail) : decodePercent(rawMessage),
      rawMessage,
      trailers: this.#trailers,
      trailersOnly: this.#trailersOnly,
      rawStatus: headerValue(this.#trailers, "grpc-status"),
      resetCode: undefined,
      httpStatus: this.#httpStatus,
      error: undefined,
      atMicros: this.stream.end?.atMicros ?? this.#connection.lastInboundAtMicros,
      ...cause,
    };
    this.#end = end;
    if (!this.#metadataCame) this.#settleMetadata?.(undefined);
    this.#listener.onEnd?.(end);
    this.#settleEnded?.(end);
  }
}

/** The first value of a header, or undefined. */
export function headerValue(headers: readonly Header[], name: string): string | undefined {
  return headers.find((header) => header[0] === name)?.[1];
}

// "application/grpc", alone or followed by +codec or ;parameters; not "application/grpc-web".
function isGrpcContentType(value: string): boolean {
  return /^application\/grpc($|[+;\s])/i.test(value);
}

/** One line that says how a call ended, with the RST_STREAM code where there was one. */
export function describeGrpcEnd(end: GrpcEnd): string {
  const reset = end.resetCode === undefined ? "" : ` by RST_STREAM ${errorCodeName(end.resetCode)}`;
  const message = end.message === "" || end.message === end.detail ? "" : `: ${end.message}`;
  return `${grpcStatusName(end.status)} (${end.source}${reset})${message}`;
}
