import { constants, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";

import { endings, grpcStatus, type Ending } from "./ending.js";
import type { BulkWriter } from "./fast-source.js";
import { readProtobufFilter } from "./filter.js";
import { MessageReader, statusHeaders } from "./grpc-framing.js";
import { readCallRequest } from "./grpc-request.js";
import { encodeGrpcMessage, type Encoded } from "./log-entry.js";
import type { Http2Bypass } from "./http2-bypass.js";
import type { MonitorService } from "./service.js";
import type { Outlet, Subscription } from "./subscription.js";

/** The longest delay that a timer takes; a deadline beyond it is no deadline. */
const LONGEST_TIMER_MS = 0x7fffffff;

/** How long an ended call may wait for its reader to take what was handed over before; then it is reset. */
const LINGER_MS = 30_000;

/** The same for a deadline, which is said by a reset if the status can't get out at once. */
const DEADLINE_LINGER_MS = 200;

/** What a deadline is reported as by a fault. */
const contextError: Ending = { status: grpcStatus.unknown, closeCode: 1011, detail: "context deadline exceeded" };

/** How often is looked whether the trailers have left. */
const TRAILERS_POLL_MS = 1;

/** Serves one HTTP/2 request: a monitor call, or the refusal of anything else. */
export function serveGrpcCall(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, service: MonitorService, bypass: Http2Bypass | undefined): void {
  stream.on("error", () => undefined);
  // A client that is gone before its headers were handled is no call.
  if (stream.destroyed) return;
  const request = readCallRequest(headers, { token: service.token, faults: service.faults });
  if (request.kind === "not-grpc") {
    respondOnly(stream, { ":status": request.httpStatus });
    return;
  }
  if (request.kind === "refused") {
    refuse(stream, request.ending, service);
    return;
  }
  if (service.isFull) {
    refuse(stream, endings.tooManyStreams, service);
    return;
  }
  const call = new GrpcCall(stream, service, bypass);
  call.serve(request);
}

function refuse(stream: ServerHttp2Stream, ending: Ending, service: MonitorService): void {
  if (service.faults.has("entry-before-auth") && ending.status === grpcStatus.unauthenticated) {
    refuseAfterEntry(stream, ending);
    return;
  }
  const contentType = service.faults.has("trailers-only-without-type") ? {} : { "content-type": "application/grpc" };
  respondOnly(stream, { ":status": 200, ...contentType, "grpc-accept-encoding": "identity,gzip", ...statusHeaders(ending) });
}

function refuseAfterEntry(stream: ServerHttp2Stream, ending: Ending): void {
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.once("wantTrailers", () => stream.sendTrailers(statusHeaders(ending)));
  stream.end(encodeGrpcMessage({ sequence: 1, time: new Date().toISOString(), level: "info", source: "alpha", message: "before" }));
}

function respondOnly(stream: ServerHttp2Stream, headers: Record<string, string | number>): void {
  stream.resume();
  stream.respond(headers, { endStream: true });
  // The response is whole, the request may not be: the client is told to stop (RFC 9113 §8.1). A reset at once would overtake headers that are still queued.
  setImmediate(() => stream.close(constants.NGHTTP2_NO_ERROR));
}

class GrpcCall implements Outlet {
  readonly transport = "grpc";
  readonly connection: object;
  readonly streamId: number;
  readonly bulk: BulkWriter | undefined;
  readonly #stream: ServerHttp2Stream;
  readonly #session: ServerHttp2Session | undefined;
  readonly #service: MonitorService;
  readonly #subscription: Subscription;
  #responded = false;
  #clientEnded = false;
  #deadline: NodeJS.Timeout | undefined;
  #linger: NodeJS.Timeout | undefined;

  constructor(stream: ServerHttp2Stream, service: MonitorService, bypass: Http2Bypass | undefined) {
    this.#stream = stream;
    this.#service = service;
    this.#session = stream.session as ServerHttp2Session | undefined;
    this.connection = stream.session ?? stream;
    const streamId = stream.id ?? 0;
    this.streamId = streamId;
    this.bulk = bypass && {
      streamId,
      room: () => bypass.room(streamId),
      onRoom: (tell) => bypass.onRoom(streamId, tell),
      write: (frames, payloadBytes, done) => bypass.write(streamId, frames, payloadBytes, done),
    };
    this.#subscription = service.open(this);
  }

  serve(request: { readonly gzip: boolean; readonly timeoutMs: number | undefined }): void {
    const stream = this.#stream;
    const { faults, limits } = this.#service;
    const flagIgnored = faults.has("compressed-flag-ignored") || faults.has("unknown-encoding-read-as-plain");
    const reader = new MessageReader({ limitBytes: limits.filterBytes, gzip: request.gzip, flagIgnored });
    if (!faults.has("headers-late")) this.#respond();
    this.#startDeadline(request.timeoutMs);
    stream.on("data", (chunk: Buffer) => this.#read(reader, chunk));
    stream.on("end", () => this.#readEnd(reader));
    stream.on("drain", () => this.#subscription.resume());
    stream.on("close", () => {
      clearTimeout(this.#deadline);
      clearTimeout(this.#linger);
      this.#close();
    });
  }

  #respond(): void {
    if (this.#responded) return;
    this.#responded = true;
    this.#stream.respond({ ":status": 200, "content-type": "application/grpc", "grpc-accept-encoding": "identity,gzip" }, { waitForTrailers: true });
  }

  #close(): void {
    const session = this.#session;
    const lost = session === undefined || session.destroyed || session.closed;
    if (!lost && !this.#subscription.over && this.#service.faults.has("goaway-on-cancel")) {
      // Not from within a stream's own close: the library would never come out of it.
      setImmediate(() => session.destroy(undefined, constants.NGHTTP2_INTERNAL_ERROR));
    }
    this.#subscription.gone(lost ? "lost" : "cancelled");
  }

  write(message: Encoded, left?: () => void): boolean {
    const stream = this.#stream;
    if (stream.destroyed || stream.closed || stream.writableEnded) return true;
    this.#respond();
    if (stream.writableCorked === 0) {
      // Entries of one batch leave in one write of the transport.
      stream.cork();
      process.nextTick(() => stream.uncork());
    }
    return stream.write(message.grpcMessage, left);
  }

  pendingBytes(): number {
    return this.#stream.writableLength;
  }

  finish(ending: Ending): void {
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return;
    this.#respond();
    stream.once("wantTrailers", () => {
      stream.sendTrailers(this.#trailers(ending));
      if (!this.#service.faults.has("early-end-without-reset")) this.#stopClientAfterTrailers();
    });
    stream.end();
    const lingerMs = ending.status === endings.deadline.status ? DEADLINE_LINGER_MS : LINGER_MS;
    this.#linger = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), lingerMs);
  }

  #trailers(ending: Ending): Record<string, string> {
    const { faults } = this.#service;
    // No trailers at all are an empty DATA frame with END_STREAM.
    if (faults.has("ok-without-trailers") && ending.status === grpcStatus.ok) return {};
    const headers = statusHeaders(ending);
    // Header values are sent as Latin-1: this is the UTF-8 as it is, less what no header may hold.
    if (faults.has("message-in-raw-utf8")) headers["grpc-message"] = Buffer.from(ending.detail.replace(/\s/g, " ")).toString("latin1");
    return headers;
  }

  /** A client that still sends is told to stop (RFC 9113 §8.1), after the trailers: a reset would overtake them in the library's queue. */
  #stopClientAfterTrailers(): void {
    const stream = this.#stream;
    if (this.#clientEnded || stream.closed || stream.destroyed) return;
    if (stream.state.localClose === 1) stream.close(constants.NGHTTP2_NO_ERROR);
    else setTimeout(() => this.#stopClientAfterTrailers(), TRAILERS_POLL_MS);
  }

  #startDeadline(requestedMs: number | undefined): void {
    const { faults } = this.#service;
    const timeoutMs = requestedMs ?? (faults.has("deadline-by-default") ? 1000 : undefined);
    if (timeoutMs === undefined || timeoutMs > LONGEST_TIMER_MS || faults.has("deadline-ignored")) return;
    const ending = faults.has("deadline-as-unknown") ? contextError : endings.deadline;
    // Timers may fire up to a millisecond early; a deadline must not.
    const delayMs = faults.has("deadline-early") ? timeoutMs / 2 : Math.ceil(timeoutMs) + 1;
    this.#deadline = setTimeout(() => this.#subscription.finish(ending), delayMs);
  }

  #read(reader: MessageReader, chunk: Buffer): void {
    if (this.#subscription.over) return;
    const readings = reader.push(chunk);
    if (this.#service.faults.has("frame-is-message")) {
      readings.splice(1);
      reader.forget();
    }
    for (const reading of readings) {
      if (reading.kind === "refused") this.#subscription.finish(reading.ending);
      else this.#subscription.receive(readProtobufFilter(reading.bytes));
    }
  }

  #readEnd(reader: MessageReader): void {
    // A reset ends the readable side as well, but it is no half-close.
    if (this.#stream.closed || this.#stream.aborted) return;
    this.#clientEnded = true;
    if (reader.partial) this.#subscription.finish(endings.truncated);
    else this.#subscription.end();
  }
}
