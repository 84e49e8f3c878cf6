import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { connect, isIP } from "node:net";
import type { SecureVersion } from "node:tls";
import { connect as connectTls } from "node:tls";
import type { HeaderField, ResponseHead } from "./http1-response.js";
import { ResponseBodyReader, ResponseHeadReader } from "./http1-response.js";
import { WebSocketConnection, nowMicros } from "./websocket-connection.js";
import type { WebSocketConnectionOptions } from "./websocket-connection.js";
import type { UpgradeAgreement } from "./websocket-handshake.js";
import { requestFieldValue, upgradeRequestText, verifyUpgrade } from "./websocket-handshake.js";
import { WireError } from "./wire-error.js";

/** What node:tls takes, as far as checks vary it. */
export interface TlsOptions {
  /** PEM of the authorities trusted; default those of Node. */
  readonly ca?: string | Buffer | readonly (string | Buffer)[] | undefined;
  /** PEM of a client certificate and its key. */
  readonly cert?: string | Buffer | undefined;
  readonly key?: string | Buffer | undefined;
  /** Default `host`, unless that is an address. */
  readonly servername?: string | undefined;
  /** Default true. */
  readonly rejectUnauthorized?: boolean | undefined;
  readonly minVersion?: SecureVersion | undefined;
  readonly maxVersion?: SecureVersion | undefined;
  /** Needed to speak versions before 1.2 ("DEFAULT@SECLEVEL=0"). */
  readonly ciphers?: string | undefined;
  /** Default none. */
  readonly alpnProtocols?: readonly string[] | undefined;
}

export interface UpgradeOptions extends WebSocketConnectionOptions {
  readonly host: string;
  readonly port: number;
  /** With its query. */
  readonly path: string;
  /** Absent: plain TCP. */
  readonly tls?: TlsOptions | undefined;
  /** Default `host`, with the port where it is not the scheme's own. */
  readonly hostHeader?: string | undefined;
  /** Added in this order; one with the name of a header of ours replaces it, and null takes it away. */
  readonly headers?: readonly (readonly [name: string, value: string | null])[] | undefined;
  /** Sent in place of the whole request; its Sec-WebSocket-Key, if it has one, is what the accept key must answer. Empty: nothing is sent. */
  readonly rawRequest?: string | Uint8Array | undefined;
  /** Sec-WebSocket-Key as sent; default 16 random bytes. */
  readonly key?: string | undefined;
  /** Sec-WebSocket-Version; default "13". */
  readonly version?: string | undefined;
  readonly subprotocols?: readonly string[] | undefined;
  /** Offer permessage-deflate; default false. */
  readonly deflate?: boolean | undefined;
  /** From the dial to the whole response. */
  readonly timeoutMs: number;
  /** Aborts the upgrade; without effect on the connection that came of it. */
  readonly signal?: AbortSignal | undefined;
  /** Default 16384. */
  readonly maxResponseHeadBytes?: number | undefined;
  /** Of a refusal, what is kept of its body; default 16384. */
  readonly maxResponseBodyBytes?: number | undefined;
}

/** `performance.now()` in microseconds. */
export interface UpgradeTiming {
  readonly dialedAtMicros: number;
  /** TCP, and TLS where there is one, stand. */
  readonly connectedAtMicros: number;
  readonly requestedAtMicros: number;
  /** The chunk that ended the response: its head, or of a refusal its body. */
  readonly respondedAtMicros: number;
}

export interface UpgradeResponse {
  readonly status: number;
  readonly headers: readonly HeaderField[];
  readonly rawHead: string;
}

export type UpgradeOutcome =
  | {
      readonly kind: "accepted";
      readonly response: UpgradeResponse;
      readonly subprotocol: string | undefined;
      readonly deflate: boolean;
      /** Silent until control has returned to the event loop: listeners set up before that miss nothing. */
      readonly connection: WebSocketConnection;
      readonly timing: UpgradeTiming;
    }
  | {
      readonly kind: "refused";
      /** `bodyComplete`: false where it broke off, was longer than kept, or did not end in time. */
      readonly response: UpgradeResponse & { readonly body: Buffer; readonly bodyComplete: boolean };
      /** The server ended TCP by itself before the response was whole or with it. */
      readonly closedByServer: boolean;
      readonly timing: UpgradeTiming;
    };

/** Informational responses (100, 103) before the answer that counts; more is a flood. */
const maxInterimResponses = 8;

/**
 * Dials and asks for a WebSocket (RFC 6455 §4.1). Any whole HTTP answer but 101 is "refused"; anything else that goes wrong rejects with a
 * {@link WireError}, whose `atByte` counts from the first byte of the response, and leaves no socket behind.
 */
export function upgrade(options: UpgradeOptions): Promise<UpgradeOutcome> {
  return new Promise((resolve, reject) => new UpgradeAttempt(options, resolve, reject));
}

class UpgradeAttempt {
  private readonly options: UpgradeOptions;
  private readonly resolve: (outcome: UpgradeOutcome) => void;
  private readonly reject: (error: WireError) => void;
  private readonly tcpSocket: Socket;
  private readonly socket: Socket;
  private readonly deadline: NodeJS.Timeout;
  private readonly dialedAtMicros = nowMicros();
  private readonly onAbort = (): void => this.fail("ABORTED", "the upgrade to be awaited", "its signal aborted", this.options.signal?.reason);
  private readonly onData = (chunk: Buffer): void => this.receive(chunk, nowMicros());
  private readonly onEnd = (): void => this.receiveEnd();
  private readonly onError = (error: NodeJS.ErrnoException): void => this.receiveError(error);
  private stage: "tcp" | "tls" | "response" | "body" | "settled" = "tcp";
  private connectedAtMicros = 0;
  private requestedAtMicros = 0;
  private bytesRead = 0;
  private interimResponses = 0;
  private reader: ResponseHeadReader;
  private head: ResponseHead | undefined;
  private body: ResponseBodyReader | undefined;
  private requestKey: string | undefined;

  constructor(options: UpgradeOptions, resolve: (outcome: UpgradeOutcome) => void, reject: (error: WireError) => void) {
    this.options = options;
    this.resolve = resolve;
    this.reject = reject;
    this.reader = this.newReader();
    this.deadline = setTimeout(() => this.expire(), options.timeoutMs);
    this.tcpSocket = connect({ host: options.host, port: options.port, noDelay: true, allowHalfOpen: true });
    this.socket = options.tls === undefined ? this.tcpSocket : this.secure(options.tls);
    this.tcpSocket.once("connect", () => (options.tls === undefined ? this.request() : this.enter("tls")));
    this.socket.on("data", this.onData).on("end", this.onEnd).on("error", this.onError);
    if (this.tcpSocket !== this.socket) this.tcpSocket.on("error", this.onError);
    if (options.signal?.aborted === true) this.onAbort();
    else options.signal?.addEventListener("abort", this.onAbort, { once: true });
  }

  private secure(tls: TlsOptions): Socket {
    const { alpnProtocols, ca, ...rest } = tls;

    const defined = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
    const socket = connectTls({
      ...(isIP(this.options.host) !== 0 ? {} : { servername: this.options.host }),
      ...defined,
      ...(ca === undefined ? {} : { ca: Array.isArray(ca) ? [...(ca as readonly (string | Buffer)[])] : (ca as string | Buffer) }),
      ...(alpnProtocols === undefined ? {} : { ALPNProtocols: [...alpnProtocols] }),
      host: this.options.host,
      socket: this.tcpSocket,
    });
    socket.allowHalfOpen = true;
    socket.once("secureConnect", () => this.request());
    return socket;
  }

  private enter(stage: "tls"): void {
    if (this.stage === "tcp") this.stage = stage;
  }

  private request(): void {
    if (this.stage === "settled") return;
    const { options } = this;
    this.stage = "response";
    this.connectedAtMicros = nowMicros();
    const request = options.rawRequest ?? this.requestText();
    const text = typeof request === "string" ? request : Buffer.from(request).toString("latin1");
    this.requestKey = requestFieldValue(text, "sec-websocket-key");
    this.requestedAtMicros = nowMicros();
    if (request.length > 0) this.socket.write(request);
  }

  private requestText(): string {
    const { host, port, tls, path, version, subprotocols, deflate, headers, hostHeader } = this.options;
    const hostText = host.includes(":") ? `[${host}]` : host;
    const isDefaultPort = port === (tls === undefined ? 80 : 443);
    return upgradeRequestText({
      host: hostHeader ?? (isDefaultPort ? hostText : `${hostText}:${port}`),
      path,
      key: this.options.key ?? randomBytes(16).toString("base64"),
      ...(version === undefined ? {} : { version }),
      ...(subprotocols === undefined ? {} : { subprotocols }),
      ...(deflate === undefined ? {} : { deflate }),
      ...(headers === undefined ? {} : { headers }),
    });
  }

  private newReader(): ResponseHeadReader {
    return new ResponseHeadReader(this.options.maxResponseHeadBytes ?? 16384, this.bytesRead);
  }

  private receive(chunk: Buffer, atMicros: number): void {
    let rest: Uint8Array = chunk;
    try {
      while (this.stage === "response" && rest.length > 0) {
        const result = this.reader.push(rest);
        if (result === undefined) {
          this.bytesRead += rest.length;
          return;
        }
        const headAtByte = this.bytesRead + result.consumed - this.reader.bytesRead;
        this.bytesRead += result.consumed;
        rest = rest.subarray(result.consumed);
        this.receiveHead(result.head, headAtByte, rest, atMicros);
      }
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.settle();
      this.socket.destroy();
      this.reject(error);
      return;
    }
    if (this.stage === "body") this.receiveBody(rest, atMicros);
  }

  private receiveHead(head: ResponseHead, headAtByte: number, rest: Uint8Array, atMicros: number): void {
    if (head.status === 101) {
      const offer = { key: this.requestKey, subprotocols: this.options.subprotocols ?? [], deflate: this.options.deflate ?? false };
      this.accept(head, verifyUpgrade(head, offer, headAtByte), rest, atMicros);
      return;
    }
    if (head.status < 200) {
      this.interimResponses += 1;
      if (this.interimResponses > maxInterimResponses) {
        const expected = `at most ${maxInterimResponses} informational responses`;
        throw new WireError("TOO_MANY_INTERIM_RESPONSES", { expected, actual: `status ${head.status} once more`, atByte: headAtByte });
      }
      this.reader = this.newReader();
      return;
    }
    this.head = head;
    this.body = new ResponseBodyReader(head, this.options.maxResponseBodyBytes ?? 16384);
    this.stage = "body";
  }

  private accept(head: ResponseHead, agreement: UpgradeAgreement, rest: Uint8Array, atMicros: number): void {
    this.settle();
    const { socket, tcpSocket } = this;
    const upgraded = { socket, tcpSocket, firstByte: this.bytesRead, deflate: agreement.deflate, rest: { chunk: rest, atMicros } };
    const connection = new WebSocketConnection(upgraded, this.options);
    this.resolve({
      kind: "accepted",
      response: { status: head.status, headers: head.headers, rawHead: head.rawHead },
      subprotocol: agreement.subprotocol,
      deflate: agreement.deflate !== undefined,
      connection,
      timing: this.timing(atMicros),
    });
  }

  private receiveBody(chunk: Uint8Array, atMicros: number): void {
    this.body!.push(chunk);
    if (this.body!.done) this.refuse(false, atMicros);
  }

  private refuse(closedByServer: boolean, atMicros: number): void {
    const { status, headers, rawHead } = this.head!;
    const { body } = this.body!;
    const bodyComplete = this.body!.isComplete(closedByServer);
    this.settle();
    this.socket.destroy();
    this.resolve({ kind: "refused", response: { status, headers, rawHead, body, bodyComplete }, closedByServer, timing: this.timing(atMicros) });
  }

  private timing(respondedAtMicros: number): UpgradeTiming {
    return {
      dialedAtMicros: this.dialedAtMicros,
      connectedAtMicros: this.connectedAtMicros,
      requestedAtMicros: this.requestedAtMicros,
      respondedAtMicros,
    };
  }

  private receiveEnd(): void {
    if (this.stage === "body") this.refuse(true, nowMicros());
    else if (this.stage === "tls") this.fail("TLS_FAILED", "a TLS handshake", "FIN");
    else this.fail("CLOSED_BEFORE_RESPONSE", "a whole response head", `FIN after ${this.reader.bytesRead} bytes of it`);
  }

  private receiveError(error: NodeJS.ErrnoException): void {
    const cause = error.code ?? error.message;
    if (this.stage === "body") this.refuse(true, nowMicros());
    else if (this.stage === "tcp") this.fail("CONNECT_FAILED", `a TCP connection to ${this.options.host}:${this.options.port}`, cause, error);
    else if (this.stage === "tls") this.fail("TLS_FAILED", "a TLS handshake", `${cause}: ${error.message}`, error);
    else this.fail("CLOSED_BEFORE_RESPONSE", "a whole response head", `${cause} after ${this.reader.bytesRead} bytes of it`, error);
  }

  private expire(): void {
    const within = `within ${this.options.timeoutMs} ms`;
    if (this.stage === "body") this.refuse(false, nowMicros());
    else if (this.stage === "tcp") this.fail("CONNECT_TIMEOUT", `a TCP connection to ${this.options.host}:${this.options.port} ${within}`, "no answer");
    else if (this.stage === "tls") this.fail("TLS_TIMEOUT", `a TLS handshake ${within} of the dial`, "silence");
    else this.fail("RESPONSE_TIMEOUT", `a whole response head ${within} of the dial`, `${this.reader.bytesRead} bytes of it`);
  }

  private fail(code: Uppercase<string>, expected: string, actual: string, cause?: unknown): void {
    if (this.stage === "settled") return;
    const atByte = this.stage === "response" ? this.bytesRead : -1;
    this.settle();
    this.socket.destroy();
    this.tcpSocket.destroy();
    this.reject(new WireError(code, { expected, actual, atByte, cause }));
  }

  private settle(): void {
    this.stage = "settled";
    clearTimeout(this.deadline);
    this.options.signal?.removeEventListener("abort", this.onAbort);
    this.socket.off("data", this.onData).off("end", this.onEnd).off("error", this.onError);
    if (this.tcpSocket !== this.socket) this.tcpSocket.off("error", this.onError);
    // A destroyed socket may still report an error that nobody needs.
    this.socket.on("error", ignore);
    if (this.tcpSocket !== this.socket) this.tcpSocket.on("error", ignore);
  }
}

function ignore(): void {}
