import type { IncomingMessage } from "node:http";
import { isIPv6 } from "node:net";
import { WebSocket, type ClientOptions, type RawData } from "ws";
import type { WebSocketBinding } from "../core/contract.js";
import type { Connection, Driver, MonitorStream, OpenOptions, StreamEnd } from "../core/stream.js";
import type { Target } from "../core/target.js";
import { dial } from "../wire/dial.js";
import { nowMicros } from "../wire/wire-clock.js";
import { WireError } from "../wire/wire-error.js";
import { decodedEvent } from "./grpc-binding.js";
import { trustedAuthorities, wireTls } from "./tls.js";
import { unreachable } from "./unreachable.js";
import { endOfClose, endOfRefusal, endedStream, lostEnd, upgradeHeaders, websocketBindingOf } from "./websocket-binding.js";

/** Largest message received, as the wire driver has it. */
const maxMessageBytes = 16 * 1024 * 1024;
const maxRefusalBytes = 16384;

/** WebSocket through the library that Node users use: would a real client be happy? */
export const websocketDriver: Driver = {
  name: "websocket",
  transport: "ws",
  hides: [
    "frames: their borders, order and times",
    "what a server sends behind its Close frame",
    "whether TCP was ended by FIN or by a reset",
    "lengths written in too long a form",
    "when the Close frame came: the end is told once TCP is closed",
  ],
  connect(target, { timeoutMs, signal }) {
    return Promise.resolve(new LibraryConnection(target, timeoutMs, signal));
  },
};

/** Each stream is a connection of its own; this keeps count of them. */
class LibraryConnection implements Connection {
  readonly #target: Target;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #open = new Map<WebSocket, Promise<unknown>>();

  constructor(target: Target, timeoutMs: number, signal: AbortSignal | undefined) {
    this.#target = target;
    this.#timeoutMs = timeoutMs;
    this.#signal = signal;
  }

  async open(options: OpenOptions): Promise<MonitorStream> {
    const target = this.#target;
    const binding = websocketBindingOf(target);
    const socket = new WebSocket(urlOf(target), [...binding.subprotocols], clientOptions(target, binding, options, this.#timeoutMs));
    const signals = [this.#signal, options.signal].filter((signal) => signal !== undefined);
    const answer = await answerOf(socket, options, signals.length === 0 ? undefined : AbortSignal.any(signals));
    if (answer.kind === "open") {
      const stream = openStream(socket, binding, options);
      this.#open.set(socket, stream.ended);
      void stream.ended.then(() => this.#open.delete(socket));
      return stream;
    }
    if (answer.kind === "failed") {
      await this.#throwUnreachable(answer.error, options);
    }
    const end = answer.kind === "refused" ? answer.end : lostEnd(answer.error.message);
    options.events({ kind: "ended", atMicros: nowMicros(), end });
    return endedStream(end);
  }

  async close(): Promise<void> {
    const open = [...this.#open];
    for (const [socket] of open) {
      socket.terminate();
    }
    await Promise.all(open.map(([, ended]) => ended));
  }

  /** The library does not say what it met: our own dial looks again. Returns where TCP and TLS stand and HTTP is spoken. */
  async #throwUnreachable(error: NodeJS.ErrnoException, options: OpenOptions): Promise<void> {
    const target = this.#target;
    if (options.signal?.aborted === true) {
      return;
    }
    if (error.code?.startsWith("HPE_") === true) {
      throw unreachable(target, new WireError("NOT_HTTP", { expected: "a response in HTTP/1.1", actual: error.message, atByte: -1, cause: error }));
    }
    try {
      const { stream } = await dial({
        host: target.host,
        port: target.port,
        connectTimeoutMs: this.#timeoutMs,
        onChunk: () => undefined,
        ...(target.tls === undefined ? {} : { tls: wireTls(target.tls) }),
        ...(this.#signal === undefined ? {} : { signal: this.#signal }),
      });
      stream.destroy();
    } catch (thrown) {
      throw unreachable(target, thrown);
    }
  }
}

function urlOf(target: Target): string {
  const host = isIPv6(target.host) ? `[${target.host}]` : target.host;
  return `${target.tls === undefined ? "ws" : "wss"}://${host}:${target.port}${target.path}`;
}

function clientOptions(target: Target, binding: WebSocketBinding, options: OpenOptions, timeoutMs: number): ClientOptions {
  const headers: Record<string, string[]> = {};
  for (const [name, value] of upgradeHeaders(target, binding, options)) {
    (headers[name.toLowerCase()] ??= []).push(value);
  }
  // One value as text: node sends Host and Authorization so only.
  const fields = Object.fromEntries(Object.entries(headers).map(([name, values]) => [name, values.length === 1 ? values[0] : values]));
  const { tls } = target;
  const ca = tls === undefined ? undefined : trustedAuthorities(tls);
  return {
    headers: fields as Record<string, string>,
    handshakeTimeout: timeoutMs,
    maxPayload: maxMessageBytes,
    followRedirects: false,
    ...(tls === undefined ? {} : { rejectUnauthorized: tls.insecure !== true }),
    ...(ca === undefined ? {} : { ca }),
    ...(tls?.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls?.key === undefined ? {} : { key: tls.key }),
    ...(tls?.servername === undefined ? {} : { servername: tls.servername }),
  };
}

type Answer =
  | { readonly kind: "open" }
  | { readonly kind: "refused"; readonly end: StreamEnd }
  | { readonly kind: "failed"; readonly error: NodeJS.ErrnoException };

/** What came of the upgrade; `opened` is told here, for it must come before the first message. */
function answerOf(socket: WebSocket, options: OpenOptions, signal: AbortSignal | undefined): Promise<Answer> {
  return new Promise((resolve) => {
    const abort = (): void => socket.terminate();
    const settle = (answer: Answer): void => {
      signal?.removeEventListener("abort", abort);
      resolve(answer);
    };
    let headers: Readonly<Record<string, string>> = {};
    socket.once("upgrade", (response: IncomingMessage) => {
      headers = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : (value ?? "")]));
    });
    socket.once("open", () => {
      options.events({ kind: "opened", atMicros: nowMicros(), headers });
      // Nothing is read before the listeners are there.
      socket.pause();
      settle({ kind: "open" });
    });
    socket.once("unexpected-response", (_, response: IncomingMessage) => {
      void (async () => {
        settle({ kind: "refused", end: endOfRefusal(response.statusCode ?? 0, await readBody(response)) });
        socket.terminate();
      })();
    });
    // Stays: an error without a listener would end the process.
    socket.on("error", (error) => settle({ kind: "failed", error }));
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted === true) {
      abort();
    }
  });
}

async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response) {
      chunks.push(chunk as Buffer);
      bytes += (chunk as Buffer).length;
      if (bytes >= maxRefusalBytes) {
        break;
      }
    }
  } catch {
    // Broken off: what came of it has to do.
  }
  return Buffer.concat(chunks).subarray(0, maxRefusalBytes).toString("utf8");
}

function openStream(socket: WebSocket, binding: WebSocketBinding, options: OpenOptions): MonitorStream {
  const { codec, endText } = binding;
  const { events, signal } = options;
  const binary = codec.form === "binary";
  let end: StreamEnd | undefined;
  let endSent = false;
  let failure: string | undefined;
  const cancel = (why: string): void => {
    failure ??= why;
    socket.terminate();
  };
  const onAbort = (): void => cancel("cancelled by its signal");
  socket.on("message", (data: RawData, isBinary: boolean) => {
    if (end === undefined) {
      events(decodedEvent(codec, data as Buffer, nowMicros(), !isBinary));
    }
  });
  socket.on("error", (error) => (failure ??= error.message));
  const ended = new Promise<StreamEnd>((resolve) => {
    socket.once("close", (code: number, reason: Buffer) => {
      signal?.removeEventListener("abort", onAbort);
      end =
        code === 1006 || failure !== undefined ? lostEnd(failure ?? "the connection ended without a Close frame") : endOfClose(code, reason.toString("utf8"));
      events({ kind: "ended", atMicros: nowMicros(), end });
      resolve(end);
    });
  });
  if (signal?.aborted === true) {
    onAbort();
  }
  signal?.addEventListener("abort", onAbort, { once: true });
  socket.resume();
  return {
    send: (message) =>
      new Promise((resolve, reject) => {
        if (socket.readyState !== WebSocket.OPEN) {
          reject(new Error("the stream has ended"));
          return;
        }
        socket.send(codec.encode(message), { binary }, (error) => (error === undefined || error === null ? resolve() : reject(error)));
      }),
    async end() {
      if (endSent || socket.readyState !== WebSocket.OPEN) {
        return;
      }
      endSent = true;
      if (endText === undefined) {
        socket.close(1000);
      } else {
        // A failure shows as the end of the stream.
        await new Promise<void>((resolve) => socket.send(endText, () => resolve()));
      }
    },
    cancel: () => cancel("cancelled by us"),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    ended,
  };
}
