import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";

import type { Faults } from "./faults.js";

/** A certificate and its key, in PEM. */
export interface ServerTls {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

export interface ListenerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly tls: ServerTls | undefined;
  /** What is agreed on by ALPN where TLS is on. */
  readonly alpn: string;
  /** Whether a client that has sent its FIN is still talked to. */
  readonly allowHalfOpen: boolean;
  /** A connection that has not been vouched for by then is dropped. */
  readonly handshakeTimeoutMs: number;
  readonly faults: Faults;
  /** A connection, after its TLS handshake; `established` is to be called once the client has said something whole. */
  readonly onConnection: (socket: Socket, established: () => void) => void;
}

/** An open port and every connection made to it. */
export interface Listener {
  readonly port: number;
  /** Takes no more connections; resolves when the last one is gone. */
  close(): Promise<void>;
  /** Drops every connection at once. */
  destroyConnections(): void;
}

/** Listens on TCP or TLS (1.2 at least). Rejects with the error of the system if the port can't be had. */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const sockets = new Set<Socket>();
  const timers = new Map<string, NodeJS.Timeout>();
  const established = (peer: string): void => {
    clearTimeout(timers.get(peer));
    timers.delete(peer);
  };
  const track = (socket: Socket): void => {
    const peer = peerOf(socket);
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => {
      sockets.delete(socket);
      established(peer);
    });
  };
  const onSecured = (socket: Socket): void => {
    if (options.tls !== undefined) track(socket);
    const peer = peerOf(socket);
    options.onConnection(socket, () => established(peer));
  };
  const server = createServer(options, onSecured);
  server.prependListener("connection", (socket: Socket) => {
    track(socket);
    if (options.faults.has("silent-handshake-kept")) return;
    timers.set(
      peerOf(socket),
      setTimeout(() => socket.destroy(), options.handshakeTimeoutMs),
    );
  });
  await listening(server, options);
  return {
    port: (server.address() as AddressInfo).port,
    close: () => new Promise((resolve) => server.close(() => resolve())),
    destroyConnections: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function createServer(options: ListenerOptions, onConnection: (socket: Socket) => void): Server {
  const tcp = { allowHalfOpen: options.allowHalfOpen, noDelay: true };
  if (options.tls === undefined) return createTcpServer(tcp, onConnection);
  const old = options.faults.has("tls-1.1-allowed");
  const server = createTlsServer(
    {
      ...tcp,
      cert: options.tls.cert,
      key: options.tls.key,
      ALPNProtocols: options.faults.has("alpn-missing") ? [] : [options.alpn],
      minVersion: old ? "TLSv1.1" : "TLSv1.2",
      // OpenSSL 3 has TLS 1.1 only at security level 0.
      ...(old ? { ciphers: "DEFAULT@SECLEVEL=0" } : {}),
      handshakeTimeout: options.handshakeTimeoutMs,
    },
    onConnection,
  );
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  return server;
}

function listening(server: Server, options: ListenerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, 4096, () => {
      server.off("error", reject);
      server.on("error", () => undefined);
      resolve();
    });
  });
}

/** The same for a TCP socket and for the TLS socket over it. */
function peerOf(socket: Socket): string {
  return `${socket.remoteAddress ?? ""} ${socket.remotePort ?? 0}`;
}
