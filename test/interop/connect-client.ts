// The client under test of connectrpc/conformance: cases on stdin, results on stdout, calls on our own HTTP/2 and gRPC alone.
import protobuf from "protobufjs";

import { openGrpcCall, type GrpcCall, type GrpcEnd } from "../../src/wire/grpc-call.js";
import { decodeBinaryValues } from "../../src/wire/grpc-messages.js";
import type { Header } from "../../src/wire/hpack.js";
import { connectHttp2, type Http2Connection } from "../../src/wire/http2-connection.js";

// The fields of connectrpc.conformance.v1 that a client needs; what it only hands on stays bytes.
const SCHEMA = `
  syntax = "proto3";
  message Header { string name = 1; repeated string value = 2; }
  message Any { string type_url = 1; bytes value = 2; }
  message TlsCreds { bytes cert = 1; bytes key = 2; }
  message Cancel { oneof timing { Any before_close_send = 1; uint32 after_close_send_ms = 2; uint32 after_num_responses = 3; } }
  message Case {
    string test_name = 1; uint32 compression = 5; string host = 6; uint32 port = 7; bytes server_tls_cert = 8; TlsCreds client_tls_creds = 9;
    uint32 message_receive_limit = 10; string service = 11; string method = 12; uint32 stream_type = 13; repeated Header request_headers = 15;
    repeated Any request_messages = 16; optional uint32 timeout_ms = 17; uint32 request_delay_ms = 18; Cancel cancel = 19;
  }
  message Error { int32 code = 1; optional string message = 2; repeated bytes details = 3; }
  message Outcome {
    repeated Header response_headers = 1; repeated bytes payloads = 2; Error error = 3; repeated Header response_trailers = 4; int32 num_unsent_requests = 5;
  }
  message Failure { string message = 1; }
  message Result { string test_name = 1; oneof result { Outcome response = 2; Failure error = 3; } }
  message RpcResponse { bytes payload = 1; }
  message RpcStatus { int32 code = 1; string message = 2; repeated bytes details = 3; }
`;

interface NamedValues {
  readonly name: string;
  readonly value: readonly string[];
}

interface Case {
  readonly testName: string;
  readonly compression: number;
  readonly host: string;
  readonly port: number;
  readonly serverTlsCert: Buffer;
  readonly clientTlsCreds: { readonly cert: Buffer; readonly key: Buffer } | null;
  readonly messageReceiveLimit: number;
  readonly service: string;
  readonly method: string;
  readonly streamType: number;
  readonly requestHeaders: readonly NamedValues[];
  readonly requestMessages: readonly { readonly value: Buffer }[];
  readonly timeoutMs?: number;
  readonly requestDelayMs: number;
  readonly cancel: { readonly timing?: string; readonly afterCloseSendMs: number; readonly afterNumResponses: number } | null;
}

interface Outcome {
  readonly responseHeaders: readonly NamedValues[];
  readonly payloads: readonly Uint8Array[];
  readonly error?: { readonly code: number; readonly message: string; readonly details: readonly Uint8Array[] };
  readonly responseTrailers: readonly NamedValues[];
  readonly numUnsentRequests: number;
}

const COMPRESSION_GZIP = 2;
const UNARY_RESPONSE_STREAM_TYPES = new Set([1, 2]);
const FULL_DUPLEX_BIDI = 5;
const AT_A_TIME = 8;

const root = protobuf.parse(SCHEMA).root;
const connections = new Map<string, Promise<Http2Connection>>();

function decode(type: string, bytes: Uint8Array): unknown {
  const messageType = root.lookupType(type);
  return messageType.toObject(messageType.decode(bytes), { defaults: true, arrays: true, oneofs: true, bytes: Buffer });
}

/** A connection is shared by all cases on one server, as clients do. */
async function connectionFor(one: Case): Promise<Http2Connection> {
  const key = `${one.host}:${one.port}:${one.clientTlsCreds === null}`;
  const known = await connections.get(key);
  if (known !== undefined && known.end === undefined && known.goaway === undefined) return known;
  const credentials = one.clientTlsCreds === null ? {} : { cert: one.clientTlsCreds.cert, key: one.clientTlsCreds.key };
  const tls = one.serverTlsCert.length === 0 ? {} : { tls: { ca: one.serverTlsCert, ...credentials } };
  const opened = connectHttp2({ host: one.host, port: one.port, connectTimeoutMs: 10_000, ...tls });
  connections.set(key, opened);
  return opened;
}

/** A received message is handed to whoever waits; a wait ends with the call too. */
class Responses {
  readonly payloads: Buffer[] = [];
  /** Why a message could not be decoded. */
  unreadable: string | undefined;
  #wake: () => void = () => {};
  #ended = false;

  add(message: Buffer): void {
    try {
      this.payloads.push((decode("RpcResponse", message) as { payload: Buffer }).payload);
    } catch (error) {
      this.unreadable = String(error);
    }
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** Resolves when there are `count`, or no more will come. */
  async reach(count: number): Promise<void> {
    while (this.payloads.length < count && !this.#ended) await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}

async function perform(one: Case): Promise<Outcome> {
  const connection = await connectionFor(one);
  const responses = new Responses();
  const cancelAfter = one.cancel?.timing === "afterNumResponses" ? one.cancel.afterNumResponses : Infinity;
  const call = openGrpcCall(connection, {
    path: `/${one.service || "connectrpc.conformance.v1.ConformanceService"}/${one.method}`,
    metadata: one.requestHeaders.flatMap(({ name, value }) => value.map((text) => [name.toLowerCase(), text] as const)),
    ...(one.compression === COMPRESSION_GZIP ? { encoding: "gzip" } : {}),
    ...(one.timeoutMs === undefined ? {} : { grpcTimeout: `${one.timeoutMs}m` }),
    ...(one.messageReceiveLimit === 0 ? {} : { maxMessageBytes: one.messageReceiveLimit }),
    onMessage: (message) => {
      responses.add(message);
      if (responses.payloads.length >= cancelAfter || responses.unreadable !== undefined) call.reset();
    },
    onEnd: () => responses.end(),
  });
  const deadline = endWithin(one.timeoutMs, call);
  const numUnsentRequests = await sendRequests(one, call, responses);
  if (one.cancel?.timing === "beforeCloseSend") call.reset();
  else await call.halfClose();
  if (one.cancel !== null && (one.cancel.timing === undefined || one.cancel.timing === "afterCloseSendMs")) {
    await delay(one.cancel.afterCloseSendMs);
    call.reset();
  }
  const end = await deadline;
  const headers = (await call.initialMetadata) ?? [];
  const error = callError(one, end, responses);
  return {
    responseHeaders: groupHeaders(headers),
    payloads: error !== undefined && UNARY_RESPONSE_STREAM_TYPES.has(one.streamType) ? [] : responses.payloads,
    ...(error === undefined ? {} : { error }),
    responseTrailers: groupHeaders(end.trailers),
    numUnsentRequests,
  };
}

/** Sends every request, in step with the responses where both sides alternate; returns how many could not be sent. */
async function sendRequests(one: Case, call: GrpcCall, responses: Responses): Promise<number> {
  let sent = 0;
  for (const request of one.requestMessages) {
    if (one.requestDelayMs > 0) await delay(one.requestDelayMs);
    if (!(await call.send(request.value))) return one.requestMessages.length - sent;
    sent += 1;
    if (one.streamType === FULL_DUPLEX_BIDI) await responses.reach(sent);
  }
  return 0;
}

/** The deadline is a client's business too, and not one of the call's: a reset when it is up, by either side, means that it has passed. */
async function endWithin(timeoutMs: number | undefined, call: GrpcCall): Promise<GrpcEnd> {
  if (timeoutMs === undefined) return call.ended;
  const startedAt = performance.now();
  const timer = setTimeout(() => call.reset(), timeoutMs);
  const end = await call.ended;
  clearTimeout(timer);
  const reset = end.source === "reset" || end.source === "cancelled-locally";
  return reset && performance.now() - startedAt > timeoutMs - 5 ? { ...end, status: 4, message: "the deadline has passed" } : end;
}

/** The error that a caller would see: the call's own, or one of a method that answers with exactly one message. */
function callError(one: Case, end: GrpcEnd, responses: Responses): Outcome["error"] {
  if (responses.unreadable !== undefined) return { code: 13, message: responses.unreadable, details: [] };
  if (end.status !== 0) {
    const header = end.trailers.find(([name]) => name === "grpc-status-details-bin")?.[1];
    const encoded = header === undefined ? undefined : decodeBinaryValues(header)[0];
    const details = encoded === undefined ? [] : (decode("RpcStatus", encoded) as { details: Buffer[] }).details;
    return { code: end.status, message: end.message, details };
  }
  const messages = responses.payloads.length;
  if (!UNARY_RESPONSE_STREAM_TYPES.has(one.streamType) || messages === 1) return undefined;
  return { code: 12, message: `one response message expected, got ${messages}`, details: [] };
}

function groupHeaders(headers: readonly Header[]): NamedValues[] {
  const byName = new Map<string, string[]>();
  for (const [name, value] of headers) if (!name.startsWith(":")) byName.set(name, [...(byName.get(name) ?? []), value]);
  return [...byName].map(([name, value]) => ({ name, value }));
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function writeResult(result: object): void {
  const type = root.lookupType("Result");
  const bytes = type.encode(type.fromObject(result)).finish();
  const prefix = Buffer.alloc(4);
  prefix.writeUInt32BE(bytes.length);
  process.stdout.write(Buffer.concat([prefix, bytes]));
}

async function* casesFrom(input: AsyncIterable<Buffer>): AsyncGenerator<Case> {
  let pending = Buffer.alloc(0);
  for await (const chunk of input) {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 4 && pending.length >= 4 + pending.readUInt32BE(0)) {
      const end = 4 + pending.readUInt32BE(0);
      yield decode("Case", pending.subarray(4, end)) as Case;
      pending = pending.subarray(end);
    }
  }
}

const running = new Set<Promise<void>>();
for await (const one of casesFrom(process.stdin)) {
  const run: Promise<void> = perform(one)
    .then(
      (response) => writeResult({ testName: one.testName, response }),
      (error: unknown) => writeResult({ testName: one.testName, error: { message: error instanceof Error ? (error.stack ?? error.message) : String(error) } }),
    )
    .finally(() => running.delete(run));
  running.add(run);
  if (running.size >= AT_A_TIME) await Promise.race(running);
}
await Promise.all(running);
for (const connection of connections.values()) await (await connection).close();
