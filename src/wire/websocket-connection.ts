import { doubleZero } from "./double.js";
import type { Duplex } from "node:stream";
import type { DialledSocket } from "./dial.js";
import { drainBeforeDestroy } from "./drain-before-destroy.js";
import { nowMicros } from "./wire-clock.js";
import { deflateMessage } from "./websocket-deflate.js";
import type { CloseRecord, WebSocketConnectionOptions, WebSocketEnd, WebSocketEvent, WebSocketListener } from "./websocket-events.js";
import type { Frame, FrameToSend } from "./websocket-frames.js";
import { encodeClosePayload, encodeFrame, opcodes, rsv1 } from "./websocket-frames.js";
import type { DeflateParameters } from "./websocket-handshake.js";
import type { Receiver } from "./websocket-receiver.js";
import { FrameReceiver } from "./websocket-receiver.js";
import { WebSocketScanner, type WebSocketScannerOptions } from "./websocket-scanner.js";
import { closeCodeFor, parseClosePayload } from "./websocket-violations.js";
import { WireError } from "./wire-error.js";

export type { CloseRecord, WebSocketConnectionOptions, WebSocketEnd, WebSocketEvent, WebSocketListener } from "./websocket-events.js";

/** Where a dialled socket's bytes go: to the handshake first, then to the connection. `chunk` is reused after the call. */
export interface ByteInlet {
  receiver: { receive(chunk: Uint8Array, atMicros: number): void };
}

/** What the upgrade hands over. */
export interface UpgradedSocket {
  readonly dialled: DialledSocket;
  readonly inlet: ByteInlet;
  readonly tls: boolean;
  /** Bytes of the connection read so far. */
  readonly firstByte: number;
  readonly deflate: DeflateParameters | undefined;
  /** What was read behind the response head, and when. */
  readonly rest: { readonly chunk: Uint8Array; readonly atMicros: number } | undefined;
}

/** Bytes of pongs that a server may leave unread before only its latest ping is answered (RFC 6455 §5.5.3 allows that). */
const maxQueuedPongBytes = 65536;

/** Most connections have none; thousands share it. */
const noViolations: readonly WireError[] = [];

/** A client's side of a WebSocket after the 101: sends anything, hides nothing. It listens to its scanner itself: there may be thousands. */
export class WebSocketConnection implements WebSocketScannerOptions {
  /** In place of the listener's. */
  onEvent: ((event: WebSocketEvent) => void) | undefined;
  /** Largest message. */
  readonly maxMessageBytes: number;
  autoPong: boolean;
  autoCloseReply: boolean;
  bytesReceived = doubleZero;
  /** Since the upgrade. */
  bytesSent = 0;
  /** Control frames alone where messages are scanned. */
  framesReceived = 0;
  lastInboundAtMicros = nowMicros();
  /** Set when `ended` is. */
  end: WebSocketEnd | undefined;

  private readonly socket: Duplex;
  private readonly dialled: DialledSocket;
  private readonly tls: boolean;
  private readonly listener: WebSocketListener;
  private readonly ranges: WebSocketListener["messageRanges"];
  private readonly observes: boolean;
  private readonly closeWithinMs: number;
  private readonly receiver: Receiver;
  private readonly deflate: DeflateParameters | undefined;
  private violated: WireError[] | undefined;
  private endedPromise: Promise<WebSocketEnd> | undefined;
  private settleEnd: ((end: WebSocketEnd) => void) | undefined;
  private closeReceived: CloseRecord | undefined;
  private closeSent: CloseRecord | undefined;
  private tcpEnd: { readonly by: WebSocketEnd["tcp"]; readonly atMicros: number } | undefined;
  private socketError: { readonly code: string; readonly atMicros: number } | undefined;
  private failed = false;
  private paused = false;
  /** Nothing is told before control has returned to the event loop: what comes until then is held. */
  private started = false;
  private held: UpgradedSocket["rest"];
  private endHeld = false;
  private chunkAtMicros = doubleZero;
  private pingToAnswer: Uint8Array | undefined;
  private closeTimer: NodeJS.Timeout | undefined;

  /** `listener` hears it in place of `options`, of which nothing is then kept. */
  constructor(upgraded: UpgradedSocket, options: WebSocketConnectionOptions, listener: WebSocketListener = options) {
    this.dialled = upgraded.dialled;
    this.socket = upgraded.dialled.stream;
    this.tls = upgraded.tls;
    this.listener = listener;
    this.ranges = listener.messageRanges;
    this.observes = options.violations === "observe";
    this.closeWithinMs = options.closeWithinMs ?? 5000;
    this.maxMessageBytes = options.maxMessageBytes ?? 16 * 1024 * 1024;
    this.autoPong = options.autoPong ?? true;
    this.autoCloseReply = options.autoCloseReply ?? true;
    this.bytesReceived = upgraded.firstByte;
    this.deflate = upgraded.deflate;
    this.receiver = this.ranges === undefined ? this.createReceiver(upgraded.firstByte) : new WebSocketScanner(this, upgraded.firstByte);
    upgraded.inlet.receiver = this;
    this.socket.on("end", () => this.receiveEnd());
    this.socket.on("close", () => this.finish());
    drainBeforeDestroy(this.socket, (error) => (this.socketError ??= { code: error.code ?? error.message, atMicros: nowMicros() }));
    this.held = upgraded.rest;
    // Whoever awaits the upgrade can listen, or pause, before the first event.
    this.socket.pause();
    setImmediate(() => {
      if (!this.paused) this.resume();
    });
  }

  /** Settles when the socket is closed; never rejects. */
  get ended(): Promise<WebSocketEnd> {
    const { end } = this;
    return (this.endedPromise ??= end === undefined ? new Promise((resolve) => (this.settleEnd = resolve)) : Promise.resolve(end));
  }

  /** The first 100, in order. */
  get violations(): readonly WireError[] {
    return this.violated ?? noViolations;
  }

  /** Bytes sent that the operating system has not taken. */
  get queuedBytes(): number {
    return this.socket.writableLength;
  }

  /** Resolves true once the operating system took the bytes (awaiting it is back-pressure), false if the connection was gone; never rejects. */
  sendText(text: string): Promise<boolean> {
    return this.sendMessage(opcodes.text, Buffer.from(text, "utf8"));
  }

  /** Like {@link sendText}. */
  sendBinary(bytes: Uint8Array): Promise<boolean> {
    return this.sendMessage(opcodes.binary, bytes);
  }

  sendPing(payload: Uint8Array | string = ""): Promise<boolean> {
    return this.sendFrame({ opcode: opcodes.ping, payload });
  }

  sendPong(payload: Uint8Array | string = ""): Promise<boolean> {
    return this.sendFrame({ opcode: opcodes.pong, payload });
  }

  /** Sends a Close frame, without payload where no code is given; the server has `closeWithinMs` from then on. */
  sendClose(code?: number, reason?: string): Promise<boolean> {
    return this.sendFrame({ opcode: opcodes.close, payload: encodeClosePayload(code, reason) });
  }

  /** Sends one frame as it is, legal or not. */
  sendFrame(frame: FrameToSend): Promise<boolean> {
    const bytes = encodeFrame(frame);
    const atMicros = nowMicros();
    if (frame.opcode === opcodes.close) this.noteCloseSent(frame, atMicros);
    this.listener.onFrame?.("sent", sentFrame(frame, bytes, this.bytesSent), atMicros);
    return this.sendBytes(bytes);
  }

  /** Sends bytes as they are. */
  sendBytes(bytes: Uint8Array): Promise<boolean> {
    if (!this.socket.writable) return Promise.resolve(false);
    this.bytesSent += bytes.length;
    return new Promise((resolve) => {
      this.socket.write(bytes, (error) => resolve(error === undefined || error === null));
    });
  }

  /** Stops reading the socket, so that TCP's window closes; what was read already is still delivered. */
  pause(): void {
    if (this.failed) return;
    this.paused = true;
    this.socket.pause();
  }

  resume(): void {
    this.paused = false;
    this.receiveHeld();
    if (!this.paused) this.socket.resume();
  }

  /** Sends FIN behind what was sent, without a Close frame. */
  endTcp(): void {
    this.noteTcpEnd("local");
    this.socket.end();
    this.startCloseTimer();
  }

  /** Sends a TCP reset at once. */
  destroy(): void {
    this.noteTcpEnd("local");
    this.reset();
  }

  /** A chunk from the socket, which is not kept. */
  receive(chunk: Uint8Array, atMicros: number): void {
    // What is handed out must outlive the read buffer, unless it is scanned.
    this.receiveChunk(this.ranges === undefined ? Uint8Array.from(chunk) : chunk, atMicros);
  }

  /** From the scanner. */
  onMessage(buffer: Uint8Array, start: number, end: number, opcode: number): void {
    this.ranges?.take(buffer, start, end, opcode);
  }

  /** From the scanner. */
  onControl(frame: Frame): void {
    this.receiveFrame(frame);
    this.receiveControl(frame);
  }

  private createReceiver(firstByte: number): Receiver {
    const { maxMessageBytes, deflate } = this;
    return new FrameReceiver(
      {
        onFrame: (frame) => this.receiveFrame(frame),
        onControl: (frame) => this.receiveControl(frame),
        onMessage: (message) => {
          const { type, bytes, fragments } = message;
          if (this.mayTell) this.emit({ kind: "message", type, bytes, fragments, atMicros: this.chunkAtMicros });
        },
        onViolation: (error) => this.violate(error),
      },
      { maxMessageBytes, firstByte, deflate },
    );
  }

  /** What comes behind a Close frame is told to observers alone. */
  private get mayTell(): boolean {
    return this.closeReceived === undefined || this.observes;
  }

  private sendMessage(opcode: number, payload: Uint8Array): Promise<boolean> {
    const deflated = this.deflate === undefined ? undefined : deflateMessage(payload, this.deflate.clientMaxWindowBits);
    return this.sendFrame(deflated === undefined ? { opcode, payload } : { opcode, payload: deflated, rsv: rsv1 });
  }

  private receiveChunk(chunk: Uint8Array, atMicros: number): void {
    this.bytesReceived += chunk.length;
    this.lastInboundAtMicros = atMicros;
    this.chunkAtMicros = atMicros;
    try {
      this.receiver.push(chunk);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.report(error);
      this.fail(error);
    }
  }

  /** What came with the response head, before all that came after it. */
  private receiveHeld(): void {
    const { held, endHeld } = this;
    this.started = true;
    this.held = undefined;
    this.endHeld = false;
    if (held !== undefined) this.receiveChunk(held.chunk, held.atMicros);
    if (endHeld) this.receiveEnd();
  }

  private receiveFrame(frame: Frame): void {
    this.framesReceived += 1;
    this.listener.onFrame?.("received", frame, this.chunkAtMicros);
  }

  private receiveControl(frame: Frame): void {
    if (frame.opcode === opcodes.close) this.receiveClose(frame);
    else if (!this.mayTell) return;
    else if (frame.opcode === opcodes.ping) this.receivePing(frame);
    else if (frame.opcode === opcodes.pong) this.emit({ kind: "pong", payload: frame.payload, atMicros: this.chunkAtMicros });
  }

  private receivePing(frame: Frame): void {
    this.emit({ kind: "ping", payload: frame.payload, atMicros: this.chunkAtMicros });
    if (!this.autoPong || this.closeReceived !== undefined) return;
    if (this.socket.writableLength <= maxQueuedPongBytes) void this.sendPong(frame.payload);
    else {
      if (this.pingToAnswer === undefined) this.socket.once("drain", () => this.answerHeldPing());
      this.pingToAnswer = frame.payload;
    }
  }

  private answerHeldPing(): void {
    const payload = this.pingToAnswer;
    this.pingToAnswer = undefined;
    if (payload !== undefined) void this.sendPong(payload);
  }

  private receiveClose(frame: Frame): void {
    if (this.closeReceived !== undefined) return;
    const { code, reason, violation } = parseClosePayload(frame.payload, frame.atByte + frame.headerBytes);
    this.closeReceived = { code, reason, atMicros: this.chunkAtMicros };
    const ok = violation === undefined || this.violate(violation);
    this.emit({ kind: "close", code, reason, payload: frame.payload, atMicros: this.chunkAtMicros });
    if (!ok) return;
    if (this.autoCloseReply && this.closeSent === undefined) void this.sendClose(code);
    this.startCloseTimer();
  }

  private receiveEnd(): void {
    if (!this.started) {
      this.endHeld = true;
      return;
    }
    const atMicros = nowMicros();
    const settle = (error?: NodeJS.ErrnoException | null): void => {
      if (error?.code === "ECONNRESET") this.receiveRst("ECONNRESET", atMicros);
      else this.receiveFin(atMicros);
    };
    // A reset right behind data is read like FIN; only a write, be it of nothing, tells them apart (after FIN and reset it fails with EPIPE).
    const canProbe = !this.tls && this.socket.writable && this.socket.writableLength === 0;
    if (canProbe) this.socket.write(new Uint8Array(0), settle);
    else settle();
  }

  private receiveFin(atMicros: number): void {
    this.chunkAtMicros = atMicros;
    const truncated = this.receiver.finish();
    this.noteTcpEnd("fin", atMicros);
    if (truncated !== undefined) this.report(truncated);
    this.emit({ kind: "fin", atMicros });
    this.socket.end();
    // What we still have to say may never be taken: the peer has FIN'd, not promised to read.
    this.startCloseTimer();
  }

  private receiveRst(cause: string, atMicros: number): void {
    this.noteTcpEnd("rst", atMicros);
    this.emit({ kind: "rst", cause, atMicros });
    this.socket.destroy();
  }

  /** Records a violation; false where it failed the connection. */
  private violate(error: WireError): boolean {
    this.report(error);
    if (this.observes) return true;
    this.fail(error);
    return false;
  }

  private report(error: WireError): void {
    this.violated ??= [];
    if (this.violated.length < 100) this.violated.push(error);
    this.emit({ kind: "violation", error, atMicros: this.chunkAtMicros });
  }

  /** RFC 6455 §7.1.7: says why, ends TCP, and hears no more. */
  private fail(error: WireError): void {
    if (this.failed) return;
    this.failed = true;
    this.receiver.stop();
    if (this.closeSent === undefined) void this.sendClose(closeCodeFor(error), error.code);
    this.noteTcpEnd("local");
    this.socket.end();
    this.socket.resume();
    this.startCloseTimer();
  }

  private emit(event: WebSocketEvent): void {
    if (this.onEvent === undefined) this.listener.onEvent?.(event);
    else this.onEvent(event);
  }

  private noteCloseSent(frame: FrameToSend, atMicros: number): void {
    const payload = typeof frame.payload === "string" ? Buffer.from(frame.payload) : (frame.payload ?? new Uint8Array(0));
    const { code, reason } = parseClosePayload(payload, 0);
    this.closeSent ??= { code, reason, atMicros };
    this.startCloseTimer();
  }

  private noteTcpEnd(by: WebSocketEnd["tcp"], atMicros = nowMicros()): void {
    this.tcpEnd ??= { by, atMicros };
  }

  private startCloseTimer(): void {
    if (this.socket.destroyed) return;
    this.closeTimer ??= setTimeout(() => {
      this.noteTcpEnd("timeout");
      this.reset();
    }, this.closeWithinMs);
  }

  private reset(): void {
    this.dialled.reset();
    this.socket.destroy();
  }

  private finish(): void {
    this.receiveHeld();
    clearTimeout(this.closeTimer);
    const { socketError } = this;
    if (this.tcpEnd === undefined && socketError !== undefined) {
      // EPIPE: the peer's FIN came first, and its reset answered our write.
      if (socketError.code === "EPIPE") this.receiveFin(socketError.atMicros);
      else this.receiveRst(socketError.code, socketError.atMicros);
      clearTimeout(this.closeTimer);
    }
    this.noteTcpEnd("local");
    const { closeReceived, closeSent, tcpEnd } = this;
    const violation = this.violations[0];
    const { by: tcp, atMicros: tcpEndedAtMicros } = tcpEnd!;
    const cleanClose = closeReceived !== undefined && closeSent !== undefined && tcp === "fin" && violation === undefined;
    const end: WebSocketEnd = { closeReceived, closeSent, tcp, tcpError: socketError?.code, tcpEndedAtMicros, violation, cleanClose };
    this.end = end;
    this.listener.onEnd?.(end);
    this.settleEnd?.(end);
  }
}

/** The frame that `bytes` claim to be, for those who watch. */
function sentFrame(frame: FrameToSend, bytes: Buffer, atByte: number): Frame {
  const payload = typeof frame.payload === "string" ? Buffer.from(frame.payload) : (frame.payload ?? new Uint8Array(0));
  const headerBytes = bytes.length - payload.length;
  const maskKey = frame.mask === false ? undefined : bytes.subarray(headerBytes - 4, headerBytes);
  const { fin = true, rsv = 0, opcode } = frame;
  return { fin, rsv, opcode, maskKey, payloadBytes: Number(frame.declaredLength ?? payload.length), headerBytes, atByte, payload };
}
