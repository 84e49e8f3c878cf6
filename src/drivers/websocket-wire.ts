import type { WebSocketBinding } from "../core/contract.js";
import type { Connection, Driver, MonitorStream, OpenOptions, StreamEnd, StreamEvent } from "../core/stream.js";
import type { Target } from "../core/target.js";
import type { HeaderField } from "../wire/http1-response.js";
import type { WebSocketConnection, WebSocketEnd, WebSocketEvent } from "../wire/websocket-connection.js";
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

  async open(given: OpenOptions): Promise<MonitorStream> {
    const options = { ...given, events: untilEnded(given.events) };
    const binding = websocketBindingOf(this.#target);
    const outcome = await this.#upgrade(binding, options);
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
    void connection.ended.then(() => this.#open.delete(connection));
    options.events({ kind: "opened", atMicros: timing.respondedAtMicros, headers: joinHeaders(outcome.response.headers), dial });
    return openStream(connection, binding, options);
  }

  async close(): Promise<void> {
    const open = [...this.#open];
    for (const connection of open) {
      connection.destroy();
    }
    await Promise.all(open.map((connection) => connection.ended));
  }

  /** A WireError is what the server did instead of answering; that nobody answers is a rejection. */
  async #upgrade(binding: WebSocketBinding, options: OpenOptions): Promise<UpgradeOutcome | WireError> {
    const target = this.#target;
    const signals = [this.#signal, options.signal].filter((signal) => signal !== undefined);
    try {
      return await upgrade({
        host: target.host,
        port: target.port,
        path: target.path,
        tls: target.tls === undefined ? undefined : wireTls(target.tls),
        headers: upgradeHeaders(target, binding, options),
        subprotocols: binding.subprotocols,
        timeoutMs: this.#timeoutMs,
        closeWithinMs,
        signal: signals.length > 1 ? AbortSignal.any(signals) : signals[0],
        ...(this.#readBuffer === undefined
          ? {
              onFrame: (direction: "sent" | "received", frame: Frame, atMicros: number) => options.events(frameEvent(frame, direction, atMicros)),
            }
          : { readBuffer: this.#readBuffer, scan: scanInto(options.messageBytes) }),
      });
    } catch (thrown) {
      if (thrown instanceof WireError && (options.signal?.aborted === true || !/^(CONNECT_|TLS_|NOT_HTTP)/.test(thrown.code))) {
        return thrown;
      }
      throw unreachable(target, thrown);
    }
  }
}

/** Lets nothing through behind the end: the closing handshake still makes frames. */
function untilEnded(events: OpenOptions["events"]): OpenOptions["events"] {
  let over = false;
  return (event) => {
    if (over) {
      return;
    }
    over = event.kind === "ended";
    events(event);
  };
}

function endAtOnce(options: OpenOptions, end: StreamEnd, atMicros: number): MonitorStream {
  options.events({ kind: "ended", atMicros, end });
  return endedStream(end);
}

function openStream(connection: WebSocketConnection, binding: WebSocketBinding, options: OpenOptions): MonitorStream {
  const { codec, endText } = binding;
  const opcode = codec.form === "text" ? opcodes.text : opcodes.binary;
  const { events, signal } = options;
  let end: StreamEnd | undefined;
  let endSent = false;
  let cancelled: string | undefined;
  let settle: (end: StreamEnd) => void = () => undefined;
  const ended = new Promise<StreamEnd>((resolve) => (settle = resolve));
  const finish = (how: StreamEnd, atMicros: number): void => {
    if (end !== undefined) {
      return;
    }
    end = how;
    signal?.removeEventListener("abort", onAbort);
    events({ kind: "ended", atMicros, end });
    settle(end);
  };
  const cancel = (why: string): void => {
    if (end === undefined) {
      cancelled = why;
      connection.destroy();
    }
  };
  const onAbort = (): void => cancel("cancelled by its signal");
  connection.onEvent = (event: WebSocketEvent) => {
    if (end !== undefined) {
      return;
    }
    switch (event.kind) {
      case "message":
        events(decodedEvent(codec, event.bytes, event.atMicros, event.type === "text"));
        return;
      case "close":
        finish(endOfClose(event.code, event.reason), event.atMicros);
        return;
      case "violation":
        finish({ kind: "lost", native: event.error.code, cause: event.error.message }, event.atMicros);
        return;
      case "fin":
      case "rst":
        finish(lostEnd(event.kind === "fin" ? "the server ended TCP without a Close frame" : `the connection was reset (${event.cause})`), event.atMicros);
        return;
      case "ping":
      case "pong":
    }
  };
  void connection.ended.then((how: WebSocketEnd) => finish(lostEnd(cancelled ?? localCause(how)), how.tcpEndedAtMicros));
  if (signal?.aborted === true) {
    onAbort();
  }
  signal?.addEventListener("abort", onAbort, { once: true });
  return {
    async send(message) {
      if (end !== undefined || !(await connection.sendFrame({ opcode, payload: codec.encode(message) }))) {
        throw new Error("the stream has ended");
      }
    },
    async end() {
      if (end !== undefined || endSent) {
        return;
      }
      endSent = true;
      await (endText === undefined ? connection.sendClose(1000) : connection.sendText(endText));
    },
    cancel: () => cancel("cancelled by us"),
    pause: () => connection.pause(),
    resume: () => connection.resume(),
    ended,
    lastInboundAtMicros: () => connection.lastInboundAtMicros,
  };
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

function scanInto(messages: OpenOptions["messageBytes"]): ((buffer: Uint8Array, start: number, end: number) => void) | undefined {
  return messages === undefined ? undefined : (buffer, start, end) => messages.take(buffer, start, end);
}
