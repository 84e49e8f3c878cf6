import type { Filter, Message } from "../core/contract.js";
import { HarnessError, messageOf } from "../core/errors.js";
import type { MonitorStream, StreamEnd, StreamEvent } from "../core/stream.js";
import { fail, notApplicable } from "../core/verdict.js";
import { describeGrpcEnd, openGrpcCall, type GrpcCall, type GrpcCallOptions, type GrpcEnd } from "../wire/grpc-call.js";
import { encodeMessage } from "../wire/grpc-messages.js";
import { grpcStatusName } from "../wire/grpc-status.js";
import type { Header } from "../wire/hpack.js";
import { connectHttp2, type Http2ConnectOptions, type Http2Connection } from "../wire/http2-connection.js";
import { errorCodeName, FRAME, frameName } from "../wire/http2-frames.js";
import type { Http2StreamEvent } from "../wire/http2-stream.js";
import { WireError } from "../wire/wire-error.js";
import { oneLine, type Conversation } from "./conversation.js";
import { rootsOfNoEnd } from "./roots.js";
import type { Session } from "./session.js";

/** A gRPC stream of which a check sees and sends every frame. */
export interface GrpcExchange {
  /** Entries, waits and barriers work on it as on any conversation. */
  readonly conversation: Conversation;
  readonly call: GrpcCall;
  readonly connection: Http2Connection;
  /** Response headers with the time at which they came; undefined before. */
  readonly headers: { readonly list: readonly Header[]; readonly atMicros: number; readonly endStream: boolean } | undefined;
  /** Trailers, or the only headers; undefined before the end. */
  readonly end: GrpcEnd | undefined;
  /** RST_STREAM frames received, also after the end. */
  readonly resets: readonly { readonly code: number; readonly atMicros: number }[];
}

/** A server that takes no connection for so long is gone, and not just behind with what other checks asked of it, or with its machine. */
const connectTimeoutMs = 15_000;

export type ConnectChanges = Partial<Omit<Http2ConnectOptions, "tls">> & { readonly tls?: Partial<NonNullable<Http2ConnectOptions["tls"]>> };

/** Dials an HTTP/2 connection to the target, its frames in the timeline; closed with the session. */
export async function connectGrpc(session: Session, changes: ConnectChanges = {}): Promise<Http2Connection> {
  const { target } = session;
  const { tls: tlsChanges, onFrame, ...rest } = changes;
  const tls =
    target.tls === undefined
      ? undefined
      : {
          ...(target.tls.ca === undefined ? {} : { ca: target.tls.ca }),
          ...(target.tls.cert === undefined ? {} : { cert: target.tls.cert }),
          ...(target.tls.key === undefined ? {} : { key: target.tls.key }),
          ...(target.tls.servername === undefined ? {} : { servername: target.tls.servername }),
          rejectUnauthorized: target.tls.insecure !== true,
          ...tlsChanges,
        };
  try {
    const connection = await connectHttp2({
      host: target.host,
      port: target.port,
      ...(tls === undefined ? {} : { tls }),
      connectTimeoutMs,
      ...rest,
      onFrame: (frame) => {
        if (frame.type !== FRAME.DATA && frame.type !== FRAME.WINDOW_UPDATE) {
          const name = frame.type < 0 ? "bytes" : frameName(frame.type);
          const code = frame.type === FRAME.RST_STREAM && frame.payload.length === 4 ? ` ${errorCodeName(frame.payload.readUInt32BE(0))}` : "";
          session.record(
            {
              stream: `h2/${frame.streamId}`,
              direction: frame.direction,
              what: `${name}${code}${(frame.flags & 1) === 1 && frame.type === FRAME.HEADERS ? " END_STREAM" : ""}`,
            },
            frame.atMicros,
          );
        }
        onFrame?.(frame);
      },
    });
    session.defer(() => {
      connection.destroy();
    });
    return connection;
  } catch (thrown) {
    if (thrown instanceof WireError) {
      throw new HarnessError("unreachable", `${target.url}: ${thrown.message}`, { place: target.url });
    }
    throw thrown;
  }
}

export type CallChanges = Partial<GrpcCallOptions> & { readonly connection?: Http2Connection; readonly connect?: ConnectChanges };

/** Starts a call of the contract's method whose frames are all in the check's hands. */
export async function openGrpc(session: Session, changes: CallChanges = {}): Promise<GrpcExchange> {
  const codec = session.contract.grpc?.codec;
  if (codec === undefined) {
    notApplicable("the contract describes no gRPC monitor");
  }
  const { connection: shared, connect, metadata, ...rest } = changes;
  const connection = shared ?? (await connectGrpc(session, connect));
  const resets: { readonly code: number; readonly atMicros: number }[] = [];
  let headers: GrpcExchange["headers"];
  let end: GrpcEnd | undefined;
  const held: StreamEvent[] = [];
  let hear = (event: StreamEvent): void => void held.push(event);

  const onStreamEvent = (event: Http2StreamEvent): void => {
    if (event.kind === "headers" && !event.informational && headers === undefined) {
      headers = { list: event.headers, atMicros: event.atMicros, endStream: event.endStream };
      if (!event.endStream) {
        hear({ kind: "opened", atMicros: event.atMicros, headers: Object.fromEntries(event.headers) });
      }
    } else if (event.kind === "reset") {
      resets.push({ code: event.code, atMicros: event.atMicros });
    }
    session.waiter.poke();
  };
  const call = startCall(connection, {
    path: session.target.path,
    metadata: [...session.target.headers, ...(metadata ?? [])],
    ...rest,
    onStreamEvent: (event) => {
      onStreamEvent(event);
      rest.onStreamEvent?.(event);
    },
    onMessage: (bytes, atMicros) => {
      hear(decoded(codec, bytes, atMicros));
      rest.onMessage?.(bytes, atMicros);
    },
    onEnd: (ended) => {
      end = ended;
      hear({ kind: "ended", atMicros: ended.atMicros, end: streamEndOf(ended) });
      session.waiter.poke();
    },
  });
  const adopted = session.adopt(streamOver(call, session));
  hear = adopted.hear;
  for (const event of held) {
    hear(event);
  }
  return {
    conversation: adopted.conversation,
    call,
    connection,
    get headers() {
      return headers;
    },
    get end() {
      return end;
    },
    resets,
  };
}

/** A connection on which no further call can be made is the server's doing: it said GOAWAY, or ended it. */
function startCall(connection: Http2Connection, options: GrpcCallOptions): GrpcCall {
  try {
    return openGrpcCall(connection, options);
  } catch (thrown) {
    if (thrown instanceof WireError) {
      fail("the connection takes a further call", `${thrown.expected}: ${thrown.actual}`);
    }
    throw thrown;
  }
}

function decoded(codec: { decode(bytes: Uint8Array): Message }, bytes: Uint8Array, atMicros: number): StreamEvent {
  try {
    return { kind: "message", atMicros, message: codec.decode(bytes), bytes: bytes.length, text: false };
  } catch (thrown) {
    return { kind: "undecodable", atMicros, detail: messageOf(thrown), bytes: Uint8Array.from(bytes) };
  }
}

/** A call's end in the words that both transports share. */
export function streamEndOf(end: GrpcEnd): StreamEnd {
  if (end.source === "trailers" && end.status === 0) {
    return { kind: "completed", native: "OK" };
  }
  if (end.source === "connection" || end.source === "cancelled-locally") {
    return { kind: "lost", native: grpcStatusName(end.status), cause: end.detail };
  }
  if (end.source === "protocol-error" || end.source === "decode-error") {
    return { kind: "lost", native: grpcStatusName(end.status), cause: oneLine(end.detail, 160) };
  }
  const native = end.source === "reset" ? `RST_STREAM ${errorCodeName(end.resetCode ?? 0)}` : grpcStatusName(end.status);
  return { kind: "rejected", native, code: end.status, detail: end.message === end.detail ? "" : end.message };
}

function streamOver(call: GrpcCall, session: Session): MonitorStream {
  const codec = session.contract.grpc?.codec;
  return {
    async send(message) {
      if (!(await call.send(codec?.encode(message) ?? new Uint8Array(0)))) {
        throw new Error("the stream has ended");
      }
    },
    async end() {
      await call.halfClose();
    },
    cancel: () => call.reset(),
    pause: () => call.pause(),
    resume: () => call.resume(),
    ended: call.ended.then(streamEndOf),
  };
}

/** The bytes of the one message that a filter is, framed for gRPC. */
export function filterMessage(session: Session, filter: Filter): Buffer {
  return encodeMessage(filterBytes(session, filter));
}

/** The same without its five-byte prefix. */
export function filterBytes(session: Session, filter: Filter): Uint8Array {
  const messages = session.contract.opening(filter, 1);
  const [message] = messages;
  const codec = session.contract.grpc?.codec;
  if (message === undefined || messages.length !== 1 || codec === undefined) {
    notApplicable("the contract's filter is not one gRPC message");
  }
  return codec.encode(message);
}

/** The bytes of the messages that change one filter into another, framed for gRPC; `slot` is the new filter's number on its stream, from 2. */
export function updateMessages(session: Session, from: Filter, to: Filter, slot: number): Buffer {
  const codec = session.contract.grpc?.codec;
  if (codec === undefined) {
    notApplicable("the contract describes no gRPC monitor");
  }
  return Buffer.concat(session.contract.updating(from, to, slot).map((message) => encodeMessage(codec.encode(message))));
}

/** Awaits the call's end, or fails. */
export async function awaitStatus(session: Session, exchange: GrpcExchange, roots: readonly string[] = [], boundMs = session.bounds.endMs): Promise<GrpcEnd> {
  const end = await session.until(() => exchange.end, boundMs);
  if (end === undefined) {
    fail(`the call ends within ${boundMs} ms`, exchange.conversation.arrivals.length > 0 ? "it goes on" : "silence: it stays open", roots);
  }
  return end;
}

/** Awaits an end with status OK in trailers, or fails. */
export async function awaitOk(session: Session, exchange: GrpcExchange, boundMs = session.bounds.endMs): Promise<GrpcEnd> {
  const end = await awaitStatus(session, exchange, rootsOfNoEnd, boundMs);
  const accepted = session.contract.semantics.cleanEnd.grpcStatuses;
  if (end.source !== "trailers" || (end.status !== 0 && !accepted.includes(end.status))) {
    fail("status OK in trailers", describeGrpcEnd(end), rootsOfBadEnd(end));
  }
  return end;
}

function rootsOfBadEnd({ source }: GrpcEnd): readonly string[] {
  return source === "decode-error" ? ["eof/last-entry-whole"] : source === "protocol-error" ? ["eof/grpc-status-in-trailers"] : [];
}

/** Awaits an end that is anything but OK, or fails. */
export async function awaitNotOk(session: Session, exchange: GrpcExchange, what: string, boundMs = session.bounds.endMs): Promise<GrpcEnd> {
  const end = await awaitStatus(session, exchange, [], boundMs);
  if (end.status === 0) {
    fail(`a status other than OK after ${what}`, "OK, as if the stream had ended well");
  }
  return end;
}

export { describeGrpcEnd };
