import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";

import { endings, invalidFilter, malformedFilter, type Ending } from "./ending.js";
import { readProtobufFilter } from "./filter.js";
import { MessageReader, statusHeaders } from "./grpc-framing.js";
import { readCallRequest } from "./grpc-request.js";
import type { Encoded } from "./log-entry.js";
import type { MonitorService } from "./service.js";
import type { Outlet, Subscription } from "./subscription.js";

/** The longest delay that a timer takes; a deadline beyond it is no deadline. */
const LONGEST_TIMER_MS = 0x7fffffff;

/** How long an ended call may wait for its reader to take what was handed over before; then it is reset. */
const LINGER_MS = 30_000;

/** The same for a deadline, which is said by a reset if the status can't get out at once. */
const DEADLINE_LINGER_MS = 200;

/** How often is looked whether the trailers have left. */
const TRAILERS_POLL_MS = 1;

/** Serves one HTTP/2 request: a monitor call, or the refusal of anything else. */
export function serveGrpcCall(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, service: MonitorService): void {
  stream.on("error", () => undefined);
  const request = readCallRequest(headers, { token: service.token, faults: service.faults });
  if (request.kind === "not-grpc") {
    respondOnly(stream, { ":status": request.httpStatus });
    return;
  }
  if (request.kind === "refused") {
    refuse(stream, request.ending, service);
    return;
  }
  const call = new GrpcCall(stream, service);
  call.serve(request);
}

function refuse(stream: ServerHttp2Stream, ending: Ending, service: MonitorService): void {
  const contentType = service.faults.has("trailers-only-bare") ? {} : { "content-type": "application/grpc" };
  respondOnly(stream, { ":status": 200, ...contentType, "grpc-accept-encoding": "identity,gzip", ...statusHeaders(ending) });
}

function respondOnly(stream: ServerHttp2Stream, headers: Record<string, string | number>): void {
  stream.resume();
  stream.respond(headers, { endStream: true });
  // The response is whole, the request may not be: the client is told to stop (RFC 9113 §8.1).
  stream.close(constants.NGHTTP2_NO_ERROR);
}

class GrpcCall implements Outlet {
  readonly transport = "grpc";
  readonly connection: object;
  readonly streamId: number;
  readonly #stream: ServerHttp2Stream;
  readonly #service: MonitorService;
  readonly #subscription: Subscription;
  #clientEnded = false;
  #deadline: NodeJS.Timeout | undefined;
  #linger: NodeJS.Timeout | undefined;

  constructor(stream: ServerHttp2Stream, service: MonitorService) {
    this.#stream = stream;
    this.#service = service;
    this.connection = stream.session ?? stream;
    this.streamId = stream.id ?? 0;
    this.#subscription = service.open(this);
  }

  serve(request: { readonly gzip: boolean; readonly timeoutMs: number | undefined }): void {
    const stream = this.#stream;
    const reader = new MessageReader({ limitBytes: this.#service.limits.filterBytes, gzip: request.gzip });
    stream.respond(
      { ":status": 200, "content-type": "application/grpc", "grpc-accept-encoding": "identity,gzip" },
      { waitForTrailers: true },
    );
    this.#startDeadline(request.timeoutMs);
    stream.on("data", (chunk: Buffer) => this.#read(reader, chunk));
    stream.on("end", () => this.#readEnd(reader));
    stream.on("drain", () => this.#subscription.resume());
    stream.on("close", () => {
      clearTimeout(this.#deadline);
      clearTimeout(this.#linger);
      this.#subscription.gone(stream.rstCode === constants.NGHTTP2_NO_ERROR ? "lost" : "cancelled");
    });
  }

  write(message: Encoded): boolean {
    const stream = this.#stream;
    if (stream.destroyed || stream.closed || stream.writableEnded) return true;
    if (stream.writableCorked === 0) {
      // Entries of one batch leave in one write of the transport.
      stream.cork();
      process.nextTick(() => stream.uncork());
    }
    return stream.write(message.grpcMessage);
  }

  finish(ending: Ending): void {
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return;
    stream.once("wantTrailers", () => {
      stream.sendTrailers(statusHeaders(ending));
      this.#stopClientAfterTrailers();
    });
    stream.end();
    const lingerMs = ending.status === endings.deadline.status ? DEADLINE_LINGER_MS : LINGER_MS;
    this.#linger = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), lingerMs);
  }

  /** A client that still sends is told to stop (RFC 9113 §8.1), after the trailers: a reset would overtake them in the library's queue. */
  #stopClientAfterTrailers(): void {
    const stream = this.#stream;
    if (this.#clientEnded || stream.closed || stream.destroyed) return;
    if (stream.state.localClose === 1) stream.close(constants.NGHTTP2_NO_ERROR);
    else setTimeout(() => this.#stopClientAfterTrailers(), TRAILERS_POLL_MS);
  }

  #startDeadline(timeoutMs: number | undefined): void {
    if (timeoutMs === undefined || timeoutMs > LONGEST_TIMER_MS) return;
    // Timers may fire up to a millisecond early; a deadline must not.
    this.#deadline = setTimeout(() => this.#subscription.finish(endings.deadline), Math.ceil(timeoutMs) + 1);
  }

  #read(reader: MessageReader, chunk: Buffer): void {
    if (this.#subscription.over) return;
    for (const reading of reader.push(chunk)) {
      if (reading.kind === "refused") this.#subscription.finish(reading.ending);
      else this.#readMessage(reading.bytes);
    }
  }

  #readMessage(bytes: Buffer): void {
    const reading = readProtobufFilter(bytes);
    if (reading.kind === "filter") this.#subscription.accept(reading.filter);
    else if (reading.kind === "invalid") this.#subscription.finish(invalidFilter(reading.detail));
    else if (reading.kind === "malformed") this.#subscription.finish(malformedFilter(reading.detail));
  }

  #readEnd(reader: MessageReader): void {
    // A reset ends the readable side as well, but it is no half-close.
    if (this.#stream.closed || this.#stream.aborted) return;
    this.#clientEnded = true;
    if (reader.partial) this.#subscription.finish(endings.truncated);
    else this.#subscription.end();
  }
}
