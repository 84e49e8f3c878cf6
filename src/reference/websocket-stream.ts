import type { Duplex } from "node:stream";
import { WebSocket } from "ws";

import { endings, type Ending } from "./ending.js";
import type { BulkWriter } from "./fast-source.js";
import type { Encoded } from "./log-entry.js";
import type { MonitorService } from "./service.js";
import type { Outlet, Subscription } from "./subscription.js";

/** After our Close left, until the client must have answered: then our FIN is sent without it. */
const CLOSE_ANSWER_MS = 700;

/** After our FIN, until the socket is dropped. */
const FIN_ANSWER_MS = 250;

/** How long a Close may wait behind entries that the reader does not take. */
const LINGER_MS = 30_000;

/** Bound on what is handed to the socket before a pong waits; of waiting pings only the last is answered (RFC 6455 §5.5.3). */
const PONG_BUFFER_BYTES = 256 * 1024;

/** The largest reason of a Close frame (RFC 6455 §5.5). */
const REASON_LIMIT_BYTES = 123;

/** A WebSocket that tells when its closing handshake begins, whoever begins it: the library tells only of its end. */
export class MonitorWebSocket extends WebSocket {
  /** Called with the first Close, before it is answered or sent. */
  onClosing: (() => void) | undefined;
  /** The client's Close has come after ours. */
  answered = false;

  override close(code?: number, reason?: string | Buffer): void {
    // An empty Close of the client is answered by a normal one.
    this.#close(() => super.close(code ?? 1000, reason));
  }

  /** Sends an empty Close frame. */
  closeWithoutCode(): void {
    this.#close(() => super.close());
  }

  #close(close: () => void): void {
    const began = this.readyState === WebSocket.OPEN;
    this.answered = !began;
    close();
    if (began) this.onClosing?.();
  }
}

/** One monitor stream over a WebSocket. */
export class WebSocketStream implements Outlet {
  readonly transport = "websocket";
  readonly connection: object;
  readonly streamId = 1;
  readonly bulk: BulkWriter | undefined;
  readonly #webSocket: MonitorWebSocket;
  readonly #socket: Duplex;
  readonly #service: MonitorService;
  readonly #subscription: Subscription;
  #justEnded = false;
  #waitingPing: Buffer | undefined;
  #closeTimer: NodeJS.Timeout | undefined;

  constructor(webSocket: MonitorWebSocket, socket: Duplex, service: MonitorService) {
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.#service = service;
    this.connection = socket;
    this.bulk = service.fast ? bulkWriterOf(socket) : undefined;
    this.#subscription = service.open(this);
  }

  serve(): void {
    const webSocket = this.#webSocket;
    const socket = this.#socket;
    // Protocol errors: the library has sent the Close that they call for.
    webSocket.on("error", () => undefined);
    webSocket.onClosing = () => this.#closing();
    webSocket.on("message", (data: Buffer, isBinary: boolean) => this.#read(data, isBinary));
    webSocket.on("ping", (payload: Buffer) => this.#subscription.receivePing(payload, (answered) => this.#pong(answered)));
    socket.on("drain", () => {
      if (this.#waitingPing !== undefined) this.#pong(this.#waitingPing);
      this.#subscription.resume();
    });
    socket.once("end", () => {
      if (this.#justEnded && !webSocket.answered && this.#service.faults.has("broken-pipe-kills")) this.#service.crash();
      this.#subscription.gone("lost");
      this.#dropAfter(FIN_ANSWER_MS);
    });
    socket.once("close", () => {
      clearTimeout(this.#closeTimer);
      this.#subscription.gone("lost");
    });
  }

  write(message: Encoded, left?: () => void): boolean {
    if (this.#webSocket.readyState !== WebSocket.OPEN) return true;
    this.#webSocket.send(message.json, { binary: false }, left);
    return !this.#socket.writableNeedDrain;
  }

  pendingBytes(): number {
    return this.#socket.writableLength;
  }

  finish(ending: Ending): void {
    const { faults } = this.#service;
    const clean = ending.closeCode === endings.completed.closeCode;
    this.#justEnded = clean;
    // Whoever has seen the Close frame answers in a later turn of the loop.
    setImmediate(() => setImmediate(() => (this.#justEnded = false)));
    if (clean && faults.has("never-closes")) return;
    if (clean && faults.has("close-without-code")) this.#webSocket.closeWithoutCode();
    else this.#webSocket.close(ending.closeCode, truncateReason(ending.detail));
  }

  #read(data: Buffer, isBinary: boolean): void {
    if (this.#subscription.over) return;
    if (isBinary) {
      this.#subscription.finish(endings.binary);
      return;
    }
    this.#subscription.receiveText(data.toString("utf8"));
  }

  #pong(payload: Buffer): void {
    const wait = this.#socket.writableLength > PONG_BUFFER_BYTES;
    this.#waitingPing = wait ? payload : undefined;
    if (!wait && this.#webSocket.readyState === WebSocket.OPEN) this.#webSocket.pong(payload);
  }

  /** A Close was sent, or received and answered: sees to it that the socket closes, whatever the client does. */
  #closing(): void {
    this.#subscription.gone("closed");
    this.#dropAfter(LINGER_MS);
    this.#socket.write(Buffer.alloc(0), () => {
      if (this.#socket.destroyed) return;
      clearTimeout(this.#closeTimer);
      this.#closeTimer = setTimeout(() => {
        this.#socket.end();
        this.#dropAfter(FIN_ANSWER_MS);
      }, CLOSE_ANSWER_MS);
    });
  }

  #dropAfter(delayMs: number): void {
    clearTimeout(this.#closeTimer);
    this.#closeTimer = setTimeout(() => this.#socket.destroy(), delayMs);
  }
}

/** A WebSocket has no window but TCP's: a write that is not done yet is what holds the source back. */
function bulkWriterOf(socket: Duplex): BulkWriter {
  return {
    streamId: 1,
    room: () => (socket.writable ? Infinity : 0),
    onRoom: () => undefined,
    write: (frames, _payloadBytes, done) => void socket.write(frames, () => done()),
  };
}

/** A Close reason that fits: cut between two characters. */
function truncateReason(reason: string): Buffer {
  const bytes = Buffer.from(reason);
  let end = Math.min(bytes.length, REASON_LIMIT_BYTES);
  while (end < bytes.length && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}
