import { connect as connectTcp, isIP, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls, type ConnectionOptions, type SecureVersion, type TLSSocket } from "node:tls";

import { WireError } from "./wire-error.js";

/** TLS as the caller wants it; what is left out is Node's default (verification on). */
export interface TlsOptions {
  readonly ca?: string | Buffer | undefined;
  readonly cert?: string | Buffer | undefined;
  readonly key?: string | Buffer | undefined;
  /** SNI and the name that is verified; default: the host, unless it is an address. */
  readonly servername?: string | undefined;
  readonly rejectUnauthorized?: boolean | undefined;
  readonly minVersion?: SecureVersion | undefined;
  readonly maxVersion?: SecureVersion | undefined;
  /** OpenSSL's cipher list; versions before 1.2 need "DEFAULT@SECLEVEL=0". */
  readonly ciphers?: string | undefined;
}

export interface DialOptions {
  readonly host: string;
  readonly port: number;
  readonly tls?: TlsOptions;
  /** The protocol to agree on by ALPN over TLS; a peer that picks another, or none, is refused. */
  readonly alpn?: string;
  /** Bound on the whole dial, TLS handshake included. */
  readonly connectTimeoutMs: number;
  /** Ends the dial; no effect once it is through. */
  readonly signal?: AbortSignal;
  /** A connected stream to use in place of a dial; `host` and `tls` are then not looked at. */
  readonly socket?: Duplex;
  /** Size of the one buffer that plain TCP reads into, default 64 KiB. */
  readonly readBufferBytes?: number;
  /** That buffer itself; connections may share one, for it is in use only during `onChunk`. */
  readonly readBuffer?: Buffer;
  /** Called with every received chunk; `chunk` beyond `bytes` is stale, and all of it is reused after the call on plain TCP. */
  readonly onChunk: (chunk: Buffer, bytes: number) => void;
}

/** A connected byte stream. Its end and errors are the caller's to listen to; errors nobody listens to are swallowed. */
export interface DialledSocket {
  readonly stream: Duplex;
  /** Drops the connection with a TCP RST; an adopted stream that has none is destroyed. */
  reset(): void;
}

/**
 * Connects, over TLS where `tls` is given. Half-open is allowed: the peer's FIN does not close our side.
 * Rejects with WireError `CONNECT_FAILED`, `CONNECT_TIMEOUT`, `CONNECT_ABORTED`, `TLS_FAILED` or `ALPN_MISMATCH`, and leaves no socket behind.
 */
export function dial(options: DialOptions): Promise<DialledSocket> {
  if (options.socket !== undefined) return Promise.resolve(adopt(options.socket, options.onChunk));
  return new Promise((resolve, reject) => {
    const tcp = openTcp(options);
    let tls: TLSSocket | undefined;
    const settle = (error?: WireError): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", onAbort);
      tcp.off("error", onTcpError);
      tcp.on("error", ignore);
      const stream = tls ?? tcp;
      if (tls !== undefined) tls.off("error", onTlsError).off("end", onTlsEnd).on("error", ignore);
      if (error === undefined) {
        resolve(new DialledTcp(stream, tcp));
        return;
      }
      stream.destroy();
      tcp.destroy();
      reject(error);
    };
    const onTcpError = (error: Error): void => settle(dialError(tls === undefined ? "CONNECT_FAILED" : "TLS_FAILED", options, error.message, error));
    const onTlsError = (error: Error): void => settle(dialError("TLS_FAILED", options, error.message, error));
    const onTlsEnd = (): void => settle(dialError("TLS_FAILED", options, "the peer closed during the handshake"));
    const onAbort = (): void => settle(dialError("CONNECT_ABORTED", options, "an abort of the caller"));
    const timer = setTimeout(() => {
      const silent = tls === undefined ? "nothing" : "no end of the TLS handshake";
      settle(dialError("CONNECT_TIMEOUT", options, `${silent} in ${options.connectTimeoutMs} ms`));
    }, options.connectTimeoutMs);
    options.signal?.addEventListener("abort", onAbort, { once: true });
    tcp.on("error", onTcpError);
    if (options.signal?.aborted) {
      onAbort();
      return;
    }
    tcp.once("connect", () => {
      tcp.setNoDelay(true);
      if (options.tls === undefined) {
        settle();
        return;
      }
      tls = connectTls(tlsConnectionOptions(options, options.tls, tcp));
      tls.on("error", onTlsError).on("end", onTlsEnd);
      tls.once("secureConnect", () => {
        const agreed = tls?.alpnProtocol || "none";
        if (options.alpn !== undefined && agreed !== options.alpn) {
          settle(new WireError("ALPN_MISMATCH", { expected: `ALPN ${options.alpn}`, actual: agreed, atByte: -1 }));
          return;
        }
        tls?.on("data", (chunk: Buffer) => options.onChunk(chunk, chunk.length));
        settle();
      });
    });
  });
}

function openTcp(options: DialOptions): Socket {
  const { host, port } = options;
  if (options.tls !== undefined) return connectTcp({ host, port, allowHalfOpen: true });
  const { onChunk } = options;
  const onread = {
    buffer: options.readBuffer ?? Buffer.allocUnsafeSlow(options.readBufferBytes ?? 65_536),
    callback: (bytes: number, buffer: Uint8Array): boolean => {
      onChunk(buffer as Buffer, bytes);
      return true;
    },
  };
  return connectTcp({ host, port, allowHalfOpen: true, onread });
}

function tlsConnectionOptions(options: DialOptions, tls: TlsOptions, socket: Socket): ConnectionOptions {
  const servername = tls.servername ?? (isIP(options.host) === 0 ? options.host : undefined);
  // An undefined that is spelt out would take the place of Node's default: verification would be off.
  const given = Object.fromEntries(Object.entries(tls).filter(([, value]) => value !== undefined));
  return {
    ...given,
    socket,
    host: options.host,
    ...(servername === undefined ? {} : { servername }),
    ...(options.alpn === undefined ? {} : { ALPNProtocols: [options.alpn] }),
  };
}

/** Apart from the dial, whose listeners and timer a long connection need not remember. */
class DialledTcp implements DialledSocket {
  readonly stream: Duplex;
  readonly #tcp: Socket;

  constructor(stream: Duplex, tcp: Socket) {
    this.stream = stream;
    this.#tcp = tcp;
  }

  reset(): void {
    const { stream } = this;
    // While a FIN is on its way out the system refuses a reset, and node would then never close the socket.
    if (stream.writableEnded && !stream.writableFinished) this.#tcp.destroy();
    else this.#tcp.resetAndDestroy();
  }
}

function adopt(stream: Duplex, onChunk: DialOptions["onChunk"]): DialledSocket {
  stream.on("error", ignore);
  stream.on("data", (chunk: Buffer) => onChunk(chunk, chunk.length));
  const reset = (): void => {
    const tcp = stream as Partial<Socket>;
    if (typeof tcp.resetAndDestroy === "function" && !("encrypted" in stream)) tcp.resetAndDestroy();
    else stream.destroy();
  };
  return { stream, reset };
}

function dialError(code: Uppercase<string>, options: DialOptions, actual: string, cause?: Error): WireError {
  const how = options.tls === undefined ? "a TCP connection" : "a TLS connection";
  return new WireError(code, { expected: `${how} to ${options.host}:${options.port}`, actual, atByte: -1, cause });
}

function ignore(): void {}
