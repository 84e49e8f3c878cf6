import type { Message, WebSocketBinding } from "../core/contract.js";
import type { Connection, Driver, MonitorStream, OpenOptions, StreamEnd, StreamEvent } from "../core/stream.js";
import type { Target } from "../core/target.js";
import type { HeaderField } from "../wire/http1-response.js";
import type { WebSocketConnection, WebSocketEnd, WebSocketEvent, WebSocketListener } from "../wire/websocket-connection.js";
import { opcodes, type Frame } from "../wire/websocket-frames.js";
import { upgrade, type UpgradeOutcome } from "../wire/websocket-upgrade.js";
import { parseClosePayload } from "../wire/websocket-violations.js";
import { nowMicros } from "../wire/wire-clock.js";
import { WireError } from "../wire/wire-error.js";
import { decodedEvent } from "./grpc-binding.js";
import { wireTls } from "./tls.js";
import { unreachable } from "./unreachable.js";
import { endOfClose, endOfRefusal, endedStream, lostEnd, upgradeHeaders, websocketBindingOf } from "./websocket-binding.js";

/** How long a server may leave TCP open behind the closing handshake; the stream has ended before that. */
const closeWithinMs = 5000;

/** WebSocket on our own connection: every frame reported, what broke RFC 6455 named, a cancel that is a TCP reset. */
export const websocketWireDriver: Driver = {
  name: "websocket-wire",
  transport: "ws",
  hides: [],
  floods: true,
  connect(target, options) {
    return Promise.resolve(new WireConnection(target, options));
  },
};

/** Each stream is a connection of its own; this keeps count of them. */
class WireConnection implements Connection {
  readonly #target: Target;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #readBuffer: Buffer | undefined;
  readonly #open = new Set<WebSocketConnection>();

  constructor(target: Target, { timeoutMs, signal, flood }: Parameters<Driver["connect"]>[1]) {
    this.#target = target;
    this.#timeoutMs = timeoutMs;
    this.#signal = signal;
    this.#readBuffer = flood === undefined ? undefined : Buffer.from(flood.readBuffer.buffer, flood.readBuffer.byteOffset, flood.readBuffer.byteLength);
  }

  async open(options: OpenOptions): Promise<MonitorStream> {
    const binding = websocketBindingOf(this.#target);
    const stream = new WireStream(binding, options, this.#readBuffer !== undefined);
    const outcome = await this.#upgrade(binding, options, stream);
    if (outcome instanceof WireError) {
      return endAtOnce(options, lostEnd(outcome.message), nowMicros());
    }
    if (outcome.kind === "refused") {
      const { status, body } = outcome.response;
      return endAtOnce(options, endOfRefusal(status, body.toString("utf8")), outcome.timing.respondedAtMicros);
    }
    const { connection, timing } = outcome;
    const dial = { dialledAtMicros: timing.dialedAtMicros, connectedAtMicros: timing.connectedAtMicros, requestedAtMicros: timing.requestedAtMicros };
    this.#open.add(connection);
    options.events({ kind: "opened", atMicros: timing.respondedAtMicros, headers: joinHeaders(outcome.response.headers), dial });
    stream.start(connection, this.#open, options.signal);
    return stream;
  }

  async close(): Promise<void> {
    const open = [...this.#open];
    for (const connection of open) {
      connection.destroy();
    }
    await Promise.all(open.map((connection) => connection.ended));
  }

  /** A WireError is what the server did instead of answering; that nobody answers is a rejection. */
  async #upgrade(binding: WebSocketBinding, options: OpenOptions, listener: WebSocketListener): Promise<UpgradeOutcome | WireError> {
    const target = this.#target;
    const signals = [this.#signal, options.signal].filter((signal) => signal !== undefined);
    try {
      const request = {
        host: target.host,
        port: target.port,
        path: target.path,
        tls: target.tls === undefined ? undefined : wireTls(target.tls),
        headers: upgradeHeaders(target, binding, options),
        subprotocols: binding.subprotocols,
        timeoutMs: this.#timeoutMs,
        closeWithinMs,
        signal: signals.length > 1 ? AbortSignal.any(signals) : signals[0],
        readBuffer: this.#readBuffer,
      };
      return await upgrade(request, listener);
    } catch (thrown) {
      if (thrown instanceof WireError && (options.signal?.aborted === true || !/^(CONNECT_|TLS_|NOT_HTTP)/.test(thrown.code))) {
        return thrown;
      }
      throw unreachable(target, thrown);
    }
  }
}

function endAtOnce(options: OpenOptions, end: StreamEnd, atMicros: number): MonitorStream {
  options.events({ kind: "ended", atMicros, end });
  return endedStream(end);
}

/** It listens to its connection itself: of an idle stream little more than this is kept. */
class WireStream implements MonitorStream, WebSocketListener {
  readonly ended: Promise<StreamEnd>;
  readonly messageRanges: OpenOptions["messageBytes"];
  /** Undefined where frames are not reported. */
  readonly onFrame: WebSocketListener["onFrame"];
  readonly #binding: WebSocketBinding;
  readonly #events: OpenOptions["events"];
  #settleEnded!: (end: StreamEnd) => void;
  #connection: WebSocketConnection | undefined;
  /** The driver's open connections. */
  #open: Set<WebSocketConnection> | undefined;
  #how: StreamEnd | undefined;
  #endSent = false;
  #cancelled: string | undefined;
  #dropAbort: (() => void) | undefined;

  constructor(binding: WebSocketBinding, options: OpenOptions, flooded: boolean) {
    this.#binding = binding;
    this.#events = options.events;
    this.messageRanges = flooded ? options.messageBytes : undefined;
    // The closing handshake still makes frames behind the end.
    this.onFrame = flooded ? undefined : (direction, frame, atMicros) => this.#how === undefined && this.#events(frameEvent(frame, direction, atMicros));
    this.ended = new Promise((resolve) => (this.#settleEnded = resolve));
  }

  /** The upgrade was accepted. */
  start(connection: WebSocketConnection, open: Set<WebSocketConnection>, signal: AbortSignal | undefined): void {
    this.#connection = connection;
    this.#open = open;
    if (connection.end !== undefined) {
      this.onEnd(connection.end);
    }
    if (signal === undefined || this.#how !== undefined) {
      return;
    }
    const abort = (): void => this.#abandon("cancelled by its signal");
    if (signal.aborted) {
      abort();
      return;
    }
    signal.addEventListener("abort", abort, { once: true });
    this.#dropAbort = () => signal.removeEventListener("abort", abort);
  }

  async send(message: Message): Promise<void> {
    const { codec } = this.#binding;
    const opcode = codec.form === "text" ? opcodes.text : opcodes.binary;
    if (this.#how !== undefined || (await this.#connection?.sendFrame({ opcode, payload: codec.encode(message) })) !== true) {
      throw new Error("the stream has ended");
    }
  }

  async end(): Promise<void> {
    if (this.#how !== undefined || this.#endSent) {
      return;
    }
    this.#endSent = true;
    const { endText } = this.#binding;
    await (endText === undefined ? this.#connection?.sendClose(1000) : this.#connection?.sendText(endText));
  }

  cancel(): void {
    this.#abandon("cancelled by us");
  }

  pause(): void {
    this.#connection?.pause();
  }

  resume(): void {
    this.#connection?.resume();
  }

  lastInboundAtMicros(): number {
    return this.#connection?.lastInboundAtMicros ?? 0;
  }

  onEvent(event: WebSocketEvent): void {
    if (this.#connection === undefined || this.#how !== undefined) {
      return;
    }
    switch (event.kind) {
      case "message":
        this.#events(decodedEvent(this.#binding.codec, event.bytes, event.atMicros, event.type === "text"));
        return;
      case "close":
        this.#finish(endOfClose(event.code, event.reason), event.atMicros);
        return;
      case "violation":
        this.#finish({ kind: "lost", native: event.error.code, cause: event.error.message }, event.atMicros);
        return;
      case "fin":
      case "rst":
        this.#finish(
          lostEnd(event.kind === "fin" ? "the server ended TCP without a Close frame" : `the connection was reset (${event.cause})`),
          event.atMicros,
        );
        return;
      case "ping":
      case "pong":
    }
  }

  onEnd(how: WebSocketEnd): void {
    // A connection that ended before it was handed out is told of when it has been.
    if (this.#connection === undefined) {
      return;
    }
    this.#open?.delete(this.#connection);
    this.#finish(lostEnd(this.#cancelled ?? localCause(how)), how.tcpEndedAtMicros);
  }

  #abandon(why: string): void {
    if (this.#how === undefined) {
      this.#cancelled = why;
      this.#connection?.destroy();
    }
  }

  #finish(end: StreamEnd, atMicros: number): void {
    if (this.#how !== undefined) {
      return;
    }
    this.#how = end;
    this.#dropAbort?.();
    this.#events({ kind: "ended", atMicros, end });
    this.#settleEnded(end);
  }
}

function localCause(how: WebSocketEnd): string {
  return how.tcp === "timeout" ? `no Close frame and no end of TCP within ${closeWithinMs} ms of our Close frame` : "closed by us";
}

function joinHeaders(headers: readonly HeaderField[]): Readonly<Record<string, string>> {
  const joined = new Map<string, string>();
  for (const [name, value] of headers) {
    const key = name.toLowerCase();
    const before = joined.get(key);
    joined.set(key, before === undefined ? value : `${before}, ${value}`);
  }
  return Object.fromEntries(joined);
}

function frameEvent(frame: Frame, direction: "sent" | "received", atMicros: number): StreamEvent {
  return { kind: "frame", atMicros, direction, ofMessage: frame.opcode <= opcodes.binary, describe: () => describeFrame(frame) };
}

function describeFrame(frame: Frame): string {
  const { opcode, payload, payloadBytes } = frame;
  const size = `${payloadBytes} ${payloadBytes === 1 ? "byte" : "bytes"}`;
  const part = frame.fin ? "" : ", more to come";
  switch (opcode) {
    case opcodes.text:
      return `text ${size}${part}`;
    case opcodes.binary:
      return `binary ${size}${part}`;
    case opcodes.continuation:
      return `continuation ${size}${part}`;
    case opcodes.ping:
      return `ping ${size}`;
    case opcodes.pong:
      return `pong ${size}`;
    case opcodes.close: {
      const { code, reason } = parseClosePayload(payload, 0);
      return `Close ${code ?? "without code"}${reason === "" ? "" : ` ${reason}`}`;
    }
    default:
      return `opcode ${opcode} ${size}`;
  }
}
