import { dial } from "./dial.js";
import type { Header } from "./hpack.js";
import type { Goaway, Http2ConnectionEnd } from "./http2-ends.js";
import { Http2Client } from "./http2-client.js";
import type { FrameToSend } from "./http2-frames.js";
import type { Http2ConnectOptions } from "./http2-options.js";
import type { Http2Settings } from "./http2-settings.js";
import type { Http2RequestOptions, Http2Stream, Http2StreamListener } from "./http2-stream.js";
import { nowMicros } from "./wire-clock.js";
import { WireError } from "./wire-error.js";

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
  /** What the peer may still send on all streams together. */
  readonly receiveWindowBytes: number;
  /** Settles once, never rejects; every stream has ended before. */
  readonly closed: Promise<Http2ConnectionEnd>;
  /** Set when `closed` is. */
  readonly end: Http2ConnectionEnd | undefined;
  /**
   * Sends HEADERS. Throws WireError `CONNECTION_CLOSED`, `STREAM_IDS_EXHAUSTED`, and without `force` `GOAWAY_RECEIVED` or `TOO_MANY_STREAMS`.
   * `listener` hears the stream in place of `options`, of which nothing is then kept.
   */
  request(headers: readonly Header[], options?: Http2RequestOptions, listener?: Http2StreamListener): Http2Stream;
  /** Round trip in microseconds; undefined if there was no answer in time, the connection ended, or 64 are under way. `opaque` is cut or filled to 8 bytes. */
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

/**
 * Opens an HTTP/2 connection (RFC 9113), over TLS with ALPN or with prior knowledge, and waits for the peer's SETTINGS.
 * Rejects with WireError: `CONNECT_FAILED`, `CONNECT_TIMEOUT`, `CONNECT_ABORTED`, `TLS_FAILED`, `ALPN_MISMATCH`, `NOT_HTTP2`,
 * or what broke the connection before SETTINGS came.
 */
export async function connectHttp2(options: Http2ConnectOptions): Promise<Http2Connection> {
  const deadline = nowMicros() + options.connectTimeoutMs * 1000;
  const connection = new Http2Client(options);
  const { host, port, connectTimeoutMs, tls, signal, socket, readBufferBytes, readBuffer } = options;
  const dialled = await dial({
    host,
    port,
    connectTimeoutMs,
    ...(tls === undefined ? {} : { tls, alpn: "h2" }),
    ...(signal === undefined ? {} : { signal }),
    ...(socket === undefined ? {} : { socket }),
    ...(readBufferBytes === undefined ? {} : { readBufferBytes }),
    ...(readBuffer === undefined ? {} : { readBuffer }),
    onChunk: (chunk, bytes) => connection.receive(chunk, bytes),
  });
  connection.start(dialled);
  if (options.skipPeerSettings) return connection;
  const failure = await awaitPeerSettings(connection, Math.max(0, (deadline - nowMicros()) / 1000), signal);
  if (failure === undefined) return connection;
  connection.destroy();
  throw failure;
}

/** Undefined once the peer's SETTINGS are there, else why they will not be. */
async function awaitPeerSettings(connection: Http2Client, withinMs: number, signal: AbortSignal | undefined): Promise<WireError | undefined> {
  const expected = "the peer's SETTINGS (RFC 9113 3.4)";
  let timer: NodeJS.Timeout | undefined;
  let onAbort = (): void => {};
  const givenUp = new Promise<WireError>((resolve) => {
    const giveUp = (code: Uppercase<string>, actual: string): void => resolve(new WireError(code, { expected, actual, atByte: connection.bytesReceived }));
    timer = setTimeout(() => giveUp("CONNECT_TIMEOUT", `${connection.bytesReceived} bytes and then silence`), withinMs);
    onAbort = () => giveUp("CONNECT_ABORTED", "an abort of the caller");
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
  });
  const ended = connection.closed.then(
    (end) => end.error ?? new WireError("CONNECT_FAILED", { expected, actual: end.detail, atByte: connection.bytesReceived }),
  );
  const failure = await Promise.race([connection.peerSettingsCame.then(() => undefined), ended, givenUp]);
  clearTimeout(timer);
  signal?.removeEventListener("abort", onAbort);
  return failure;
}

export type { FrameRecord } from "./http2-outbound.js";
export type { Http2ConnectOptions } from "./http2-options.js";
export type { Goaway, Http2ConnectionEnd } from "./http2-ends.js";
