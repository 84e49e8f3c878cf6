import { randomBytes } from "node:crypto";
import type { DialledSocket, TlsOptions } from "./dial.js";
import { dial } from "./dial.js";
import type { HeaderField, ResponseHead } from "./http1-response.js";
import { ResponseBodyReader, ResponseHeadReader } from "./http1-response.js";
import { nowMicros } from "./wire-clock.js";
import type { ByteInlet, WebSocketConnectionOptions, WebSocketListener } from "./websocket-connection.js";
import { WebSocketConnection } from "./websocket-connection.js";
import type { UpgradeAgreement } from "./websocket-handshake.js";
import { requestFieldValue, upgradeRequestText, verifyUpgrade } from "./websocket-handshake.js";
import { WireError } from "./wire-error.js";

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
  /** What plain TCP reads into; connections may share one, for it is used only while a chunk is taken in. Default 64 KiB of its own. */
  readonly readBuffer?: Buffer | undefined;
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
 * `listener` hears the connection in place of `options`, of which nothing is then kept.
 */
export async function upgrade(options: UpgradeOptions, listener: WebSocketListener = options): Promise<UpgradeOutcome> {
  const { host, port, tls, signal } = options;
  const dialedAtMicros = nowMicros();
  const early: Buffer[] = [];
  const inlet: ByteInlet = { receiver: { receive: (chunk) => void early.push(Buffer.from(chunk)) } };
  const dialled = await dial({
    host,
    port,
    ...(tls === undefined ? {} : { tls }),
    connectTimeoutMs: options.timeoutMs,
    ...(signal === undefined ? {} : { signal }),
    ...(options.readBuffer === undefined ? {} : { readBuffer: options.readBuffer }),
    onChunk: chunksInto(inlet),
  });
  return new Promise((resolve, reject) => {
    const exchange = new UpgradeExchange({ options, listener, dialled, inlet, dialedAtMicros }, resolve, reject);
    exchange.start(early);
  });
}

/** Apart from the upgrade, which a long connection need not remember. */
function chunksInto(inlet: ByteInlet): (chunk: Buffer, bytes: number) => void {
  return (chunk, bytes) => inlet.receiver.receive(chunk.subarray(0, bytes), nowMicros());
}

class UpgradeExchange {
  private readonly options: UpgradeOptions;
  private readonly listener: WebSocketListener;
  private readonly dialled: DialledSocket;
  private readonly inlet: ByteInlet;
  private readonly dialedAtMicros: number;
  private readonly connectedAtMicros = nowMicros();
  private readonly resolve: (outcome: UpgradeOutcome) => void;
  private readonly reject: (error: WireError) => void;
  private readonly onAbort = (): void => this.fail("ABORTED", "the upgrade to be awaited", "its signal aborted", this.options.signal?.reason);
  private readonly onEnd = (): void => this.receiveEnd("FIN");
  private readonly onError = (error: NodeJS.ErrnoException): void => this.receiveEnd(error.code ?? error.message, error);
  private deadline: NodeJS.Timeout | undefined;
  private requestedAtMicros = 0;
  private requestKey: string | undefined;
  private bytesRead = 0;
  private interimResponses = 0;
  private reader: ResponseHeadReader;
  private refusal: { readonly head: ResponseHead; readonly body: ResponseBodyReader } | undefined;
  private settled = false;

  constructor(
    dialed: {
      readonly options: UpgradeOptions;
      readonly listener: WebSocketListener;
      readonly dialled: DialledSocket;
      readonly inlet: ByteInlet;
      readonly dialedAtMicros: number;
    },
    resolve: (outcome: UpgradeOutcome) => void,
    reject: (error: WireError) => void,
  ) {
    this.options = dialed.options;
    this.listener = dialed.listener;
    this.dialled = dialed.dialled;
    this.inlet = dialed.inlet;
    this.dialedAtMicros = dialed.dialedAtMicros;
    this.resolve = resolve;
    this.reject = reject;
    this.reader = this.newReader();
  }

  /** Sends the request; `early` is what the server said before it. */
  start(early: readonly Buffer[]): void {
    const { options, dialled, inlet } = this;
    const spentMs = (this.connectedAtMicros - this.dialedAtMicros) / 1000;
    this.deadline = setTimeout(() => this.expire(), Math.max(1, options.timeoutMs - spentMs));
    options.signal?.addEventListener("abort", this.onAbort, { once: true });
    dialled.stream.on("end", this.onEnd).on("error", this.onError);
    inlet.receiver = this;
    if (options.signal?.aborted === true) {
      this.onAbort();
      return;
    }
    const request = options.rawRequest ?? this.requestText();
    const text = typeof request === "string" ? request : Buffer.from(request).toString("latin1");
    this.requestKey = requestFieldValue(text, "sec-websocket-key");
    this.requestedAtMicros = nowMicros();
    if (request.length > 0) dialled.stream.write(request);
    for (const chunk of early) this.receive(chunk, this.requestedAtMicros);
    if (dialled.stream.destroyed || dialled.stream.readableEnded) this.receiveEnd("FIN");
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

  receive(chunk: Uint8Array, atMicros: number): void {
    let rest = chunk;
    try {
      while (!this.settled && this.refusal === undefined && rest.length > 0) {
        const result = this.reader.push(rest);
        const consumed = result?.consumed ?? rest.length;
        this.bytesRead += consumed;
        rest = rest.subarray(consumed);
        if (result !== undefined) this.receiveHead(result.head, this.bytesRead - this.reader.bytesRead, rest, atMicros);
      }
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.abandon(error);
    }
    if (this.refusal !== undefined && !this.settled) {
      this.refusal.body.push(rest);
      if (this.refusal.body.done) this.refuse(false, atMicros);
    }
  }

  private receiveHead(head: ResponseHead, headAtByte: number, rest: Uint8Array, atMicros: number): void {
    if (head.status === 101) {
      const offer = { key: this.requestKey, subprotocols: this.options.subprotocols ?? [], deflate: this.options.deflate ?? false };
      this.accept(head, verifyUpgrade(head, offer, headAtByte), rest, atMicros);
      return;
    }
    if (head.status >= 200) {
      this.refusal = { head, body: new ResponseBodyReader(head, this.options.maxResponseBodyBytes ?? 16384) };
      return;
    }
    this.interimResponses += 1;
    if (this.interimResponses > maxInterimResponses) {
      const expected = `at most ${maxInterimResponses} informational responses`;
      throw new WireError("TOO_MANY_INTERIM_RESPONSES", { expected, actual: `status ${head.status} once more`, atByte: headAtByte });
    }
    this.reader = this.newReader();
  }

  private accept(head: ResponseHead, agreement: UpgradeAgreement, rest: Uint8Array, atMicros: number): void {
    this.settle();
    const { dialled, inlet } = this;
    const connection = new WebSocketConnection(
      {
        dialled,
        inlet,
        tls: this.options.tls !== undefined,
        firstByte: this.bytesRead,
        deflate: agreement.deflate,
        rest: rest.length === 0 ? undefined : { chunk: Uint8Array.from(rest), atMicros },
      },
      this.options,
      this.listener,
    );
    this.resolve({
      kind: "accepted",
      response: { status: head.status, headers: head.headers, rawHead: head.rawHead },
      subprotocol: agreement.subprotocol,
      deflate: agreement.deflate !== undefined,
      connection,
      timing: this.timing(atMicros),
    });
  }

  private refuse(closedByServer: boolean, atMicros: number): void {
    const { head, body } = this.refusal!;
    const { status, headers, rawHead } = head;
    this.settle();
    this.dialled.stream.destroy();
    this.resolve({
      kind: "refused",
      response: { status, headers, rawHead, body: body.body, bodyComplete: body.isComplete(closedByServer) },
      closedByServer,
      timing: this.timing(atMicros),
    });
  }

  private timing(respondedAtMicros: number): UpgradeTiming {
    const { dialedAtMicros, connectedAtMicros, requestedAtMicros } = this;
    return { dialedAtMicros, connectedAtMicros, requestedAtMicros, respondedAtMicros };
  }

  private receiveEnd(how: string, cause?: Error): void {
    if (this.refusal !== undefined) this.refuse(true, nowMicros());
    else this.fail("CLOSED_BEFORE_RESPONSE", "a whole response head", `${how} after ${this.reader.bytesRead} bytes of it`, cause);
  }

  private expire(): void {
    if (this.refusal !== undefined) this.refuse(false, nowMicros());
    else this.fail("RESPONSE_TIMEOUT", `a whole response head within ${this.options.timeoutMs} ms of the dial`, `${this.reader.bytesRead} bytes of it`);
  }

  private fail(code: Uppercase<string>, expected: string, actual: string, cause?: unknown): void {
    this.abandon(new WireError(code, { expected, actual, atByte: this.bytesRead, cause }));
  }

  private abandon(error: WireError): void {
    if (this.settled) return;
    this.settle();
    this.dialled.stream.destroy();
    this.reject(error);
  }

  private settle(): void {
    this.settled = true;
    clearTimeout(this.deadline);
    this.inlet.receiver = nowhere;
    this.options.signal?.removeEventListener("abort", this.onAbort);
    this.dialled.stream.off("end", this.onEnd).off("error", this.onError);
  }
}

const nowhere: ByteInlet["receiver"] = { receive: () => undefined };
