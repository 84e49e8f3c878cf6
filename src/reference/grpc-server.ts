import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { Duplex } from "node:stream";

import { serveGrpcCall } from "./grpc-call.js";
import { Http2Bypass } from "./http2-bypass.js";
import { tapHttp2 } from "./http2-tap.js";
import type { MonitorService } from "./service.js";

/** gRPC on connections that others accept: HTTP/2 with prior knowledge, or after ALPN. */
export interface GrpcServer {
  /** Serves a connection; `established` is called with the client's first SETTINGS. */
  serve(socket: Duplex, established: () => void): void;
  /** Sends GOAWAY on every connection; each closes with its last call. */
  goAway(): void;
}

/**
 * Node counts these against a client that only does what a conformance or load test has to do. The bound on resets
 * is an option of later versions; Node 20 ends a connection after 1,000 resets and 33 a second.
 */
const PATIENCE = {
  maxSessionInvalidFrames: 100_000,
  maxSessionRejectedStreams: 100_000,
  streamResetBurst: 1_000_000,
  streamResetRate: 1_000_000,
  /** Megabytes. */
  maxSessionMemory: 256,
};

/** Above this the library refuses no call. */
const NO_LIMIT = 0xffffffff;

export function createGrpcServer(service: MonitorService): GrpcServer {
  const { faults, limits } = service;
  const overLimitSwallowed = faults.has("calls-over-limit-swallowed");
  const sessions = new Set<ServerHttp2Session>();
  const http2: Http2Server = createServer({
    ...PATIENCE,
    settings: { maxConcurrentStreams: overLimitSwallowed ? NO_LIMIT : limits.maxConcurrentStreams, enablePush: false },
  });
  http2.on("session", (session) => {
    sessions.add(session);
    session.on("error", () => undefined);
    session.once("close", () => sessions.delete(session));
  });
  const bypasses = new WeakMap<object, Http2Bypass>();
  const calls = new WeakMap<object, number>();
  const overLimit = (stream: ServerHttp2Stream): boolean => {
    const connection = stream.session ?? stream;
    const open = calls.get(connection) ?? 0;
    if (open >= limits.maxConcurrentStreams) return true;
    calls.set(connection, open + 1);
    stream.once("close", () => calls.set(connection, (calls.get(connection) ?? 1) - 1));
    return false;
  };
  http2.on("stream", (stream, headers) => {
    if (!overLimitSwallowed || !overLimit(stream)) serveGrpcCall(stream, headers, service, bypasses.get(stream.session ?? stream));
  });
  return {
    serve(socket, established): void {
      const bypass = service.fast ? new Http2Bypass(socket) : undefined;
      const taps = faults.http2();
      const onSession = (session: ServerHttp2Session): void => {
        session.once("remoteSettings", established);
        if (bypass !== undefined) bypasses.set(session, bypass);
      };
      http2.once("session", onSession);
      http2.emit("connection", bypass?.duplex ?? (taps.length === 0 ? socket : tapHttp2(socket, taps)));
      http2.off("session", onSession);
    },
    goAway(): void {
      for (const session of sessions) session.close();
    },
  };
}
