import { connect, type ClientHttp2Session, type ClientHttp2Stream, type OutgoingHttpHeaders } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { WebSocket, type ClientOptions } from "ws";

import type { ReferenceServer } from "../../src/reference/server.js";

/** An entry as a client sees it. */
export interface SeenEntry {
  readonly sequence: number;
  readonly time: string;
  readonly level: string;
  readonly source: string;
  readonly message: string;
}

/** Resolves once a condition holds; `poke` is called whenever it may have changed. Rejects after 5 s. */
export class Condition {
  readonly #waiting = new Set<() => void>();

  poke(): void {
    for (const check of [...this.#waiting]) check();
  }

  until(holds: () => boolean, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(check);
        reject(new Error(`not within 5 s: ${what}`));
      }, 5000);
      const check = (): void => {
        if (!holds()) return;
        clearTimeout(timer);
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
      check();
    });
  }
}

/** Polls for what has no event, such as the server's own counters. */
export async function eventually(holds: () => boolean, what: string): Promise<void> {
  const deadlineMs = performance.now() + 5000;
  while (!holds()) {
    if (performance.now() > deadlineMs) throw new Error(`not within 5 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A gRPC message with its prefix. */
export function framed(message: Buffer, flag = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

export interface FilterFields {
  readonly min_level?: string;
  readonly sources?: readonly string[];
  readonly contains?: string;
}

/** MonitorStreamingRequest, unframed. Strings may be up to 16 KiB less a byte. */
export function encodeFilter(filter: FilterFields): Buffer {
  const field = (number: number, text: string): Buffer => {
    const bytes = Buffer.from(text);
    const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 0x7f) | 0x80, bytes.length >> 7];
    return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), bytes]);
  };
  return Buffer.concat([
    ...(filter.min_level === undefined ? [] : [field(1, filter.min_level)]),
    ...(filter.sources ?? []).map((source) => field(2, source)),
    ...(filter.contains === undefined ? [] : [field(3, filter.contains)]),
  ]);
}

function decodeEntry(message: Buffer): SeenEntry {
  const texts = new Map<number, string>();
  let sequence = 0;
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const tag = varint();
    if (tag === 8) sequence = varint();
    else {
      const length = varint();
      texts.set(tag >> 3, message.toString("utf8", at, at + length));
      at += length;
    }
  }
  const text = (number: number): string => texts.get(number) ?? "";
  return { sequence, time: text(2), level: text(3), source: text(4), message: text(5) };
}

export interface GrpcOptions {
  readonly headers?: OutgoingHttpHeaders;
  readonly session?: ClientHttp2Session;
  readonly signal?: AbortSignal;
}

/** A monitor call on node:http2 that keeps all it has seen. */
export class GrpcClient {
  readonly entries: SeenEntry[] = [];
  readonly session: ClientHttp2Session;
  readonly stream: ClientHttp2Stream;
  headers: Record<string, unknown> | undefined;
  trailers: Record<string, unknown> | undefined;
  closed = false;
  readonly changed = new Condition();
  readonly #own: boolean;
  #held = Buffer.alloc(0);

  constructor(server: ReferenceServer, options: GrpcOptions = {}) {
    this.#own = options.session === undefined;
    this.session = options.session ?? connect(server.urls.http.replace(/\d+$/, String(server.grpcPort)), { rejectUnauthorized: false });
    this.session.setMaxListeners(0);
    this.session.on("error", () => undefined);
    this.stream = this.session.request(
      { ":method": "POST", ":path": "/logger.Logger/Monitor", "content-type": "application/grpc", te: "trailers", ...options.headers },
      { endStream: false, ...(options.signal === undefined ? {} : { signal: options.signal }) },
    );
    this.stream.on("error", () => undefined);
    this.stream.on("response", (headers) => this.#note(() => (this.headers = headers)));
    this.stream.on("trailers", (trailers) => this.#note(() => (this.trailers = trailers)));
    this.stream.on("close", () => this.#note(() => (this.closed = true)));
    this.stream.on("data", (chunk: Buffer) => this.#note(() => this.#read(chunk)));
  }

  send(filter: FilterFields): void {
    this.stream.write(framed(encodeFilter(filter)));
  }

  end(): void {
    this.stream.end();
  }

  /** The status, from the trailers or from a response of headers alone. */
  get status(): string | undefined {
    const value = this.trailers?.["grpc-status"] ?? this.headers?.["grpc-status"];
    return value === undefined ? undefined : String(value);
  }

  get statusMessage(): string {
    return String(this.trailers?.["grpc-message"] ?? this.headers?.["grpc-message"] ?? "");
  }

  seen(holds: (entry: SeenEntry) => boolean): Promise<void> {
    return this.changed.until(() => this.entries.some(holds), "the entry");
  }

  async ended(): Promise<void> {
    await this.changed.until(() => this.closed, "the end of the call");
  }

  close(): void {
    if (this.#own) this.session.destroy();
    else this.stream.destroy();
  }

  #note(change: () => void): void {
    change();
    this.changed.poke();
  }

  #read(chunk: Buffer): void {
    this.#held = Buffer.concat([this.#held, chunk]);
    while (this.#held.length >= 5 && this.#held.length >= 5 + this.#held.readUInt32BE(1)) {
      const end = 5 + this.#held.readUInt32BE(1);
      this.entries.push(decodeEntry(this.#held.subarray(5, end)));
      this.#held = this.#held.subarray(end);
    }
  }
}

/** A monitor stream on `ws` that keeps all it has seen. */
export class WebSocketClient {
  readonly entries: SeenEntry[] = [];
  readonly socket: WebSocket;
  open = false;
  closeCode: number | undefined;
  httpStatus: number | undefined;
  readonly changed = new Condition();

  constructor(server: ReferenceServer, options: ClientOptions = {}, protocols: readonly string[] = []) {
    this.socket = new WebSocket(`${server.urls.websocket}/logs/monitor`, [...protocols], { rejectUnauthorized: false, ...options });
    this.socket.on("error", () => undefined);
    this.socket.on("open", () => this.#note(() => (this.open = true)));
    this.socket.on("unexpected-response", (_request, response) => this.#note(() => (this.httpStatus = response.statusCode)));
    this.socket.on("close", (code) => this.#note(() => (this.closeCode = code)));
    this.socket.on("message", (data: Buffer) =>
      this.#note(() => {
        this.entries.push(JSON.parse(data.toString()) as SeenEntry);
      }),
    );
  }

  async opened(): Promise<this> {
    await this.changed.until(() => this.open, "the upgrade");
    return this;
  }

  send(filter: FilterFields): void {
    this.socket.send(JSON.stringify(filter));
  }

  end(): void {
    this.socket.send("null\n");
  }

  seen(holds: (entry: SeenEntry) => boolean): Promise<void> {
    return this.changed.until(() => this.entries.some(holds), "the entry");
  }

  async ended(): Promise<void> {
    await this.changed.until(() => this.closeCode !== undefined, "the close");
  }

  close(): void {
    this.socket.terminate();
  }

  #note(change: () => void): void {
    change();
    this.changed.poke();
  }
}

/** Either client, for what both transports do alike. */
export type Client = GrpcClient | WebSocketClient;

/** Opens a stream on each transport in turn. */
export const openers: Readonly<Record<"grpc" | "websocket", (server: ReferenceServer) => Promise<Client>>> = {
  grpc: (server) => Promise.resolve(new GrpcClient(server)),
  websocket: (server) => new WebSocketClient(server).opened(),
};

/** How a client saw its stream end: the gRPC status or the close code. */
export function endOf(client: Client): string | undefined {
  return client instanceof GrpcClient ? client.status : String(client.closeCode);
}

/** A TCP connection that keeps what it receives. */
export class RawClient {
  readonly socket: Socket;
  received = Buffer.alloc(0);
  ended = false;
  closed = false;
  readonly changed = new Condition();

  constructor(port: number, options: { readonly allowHalfOpen?: boolean } = {}) {
    this.socket = connectTcp({ port, host: "127.0.0.1", allowHalfOpen: options.allowHalfOpen ?? true });
    this.socket.on("error", () => undefined);
    this.socket.on("data", (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk]);
      this.changed.poke();
    });
    this.socket.on("end", () => {
      this.ended = true;
      this.changed.poke();
    });
    this.socket.on("close", () => {
      this.closed = true;
      this.changed.poke();
    });
  }

  write(bytes: string | Buffer): void {
    this.socket.write(bytes);
  }

  get text(): string {
    return this.received.toString("latin1");
  }

  async until(holds: () => boolean, what: string): Promise<void> {
    await this.changed.until(holds, what);
  }

  close(): void {
    this.socket.destroy();
  }
}

/** An opening handshake as text; a header set to undefined is left out. */
export function handshake(headers: Readonly<Record<string, string | undefined>> = {}, path = "/logs/monitor"): string {
  const all = {
    Host: "127.0.0.1",
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]));
  return [`GET ${path} HTTP/1.1`, ...lines, "", ""].join("\r\n");
}

/** A client's frame, masked with zeros; payloads up to 64 KiB less a byte. */
export function webSocketFrame(firstByte: number, payload: Buffer): Buffer {
  const length = payload.length < 126 ? [0x80 | payload.length] : [0x80 | 126, payload.length >> 8, payload.length & 0xff];
  return Buffer.concat([Buffer.from([firstByte, ...length, 0, 0, 0, 0]), payload]);
}

/** The frames of a server in a row of bytes; an incomplete last one is left out. */
export function webSocketFrames(bytes: Buffer): { readonly opcode: number; readonly payload: Buffer }[] {
  const frames: { readonly opcode: number; readonly payload: Buffer }[] = [];
  let at = 0;
  while (bytes.length >= at + 2) {
    const short = (bytes[at + 1] ?? 0) & 0x7f;
    const start = at + (short === 126 ? 4 : short === 127 ? 10 : 2);
    if (bytes.length < start) break;
    const length = short === 126 ? bytes.readUInt16BE(at + 2) : short === 127 ? Number(bytes.readBigUInt64BE(at + 2)) : short;
    if (bytes.length < start + length) break;
    frames.push({ opcode: (bytes[at] ?? 0) & 0x0f, payload: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return frames;
}

/** A WebSocket on raw TCP, upgraded. */
export async function rawWebSocket(server: ReferenceServer, options: { readonly allowHalfOpen?: boolean } = {}): Promise<RawClient> {
  const raw = new RawClient(server.httpPort, options);
  raw.write(handshake());
  await raw.until(() => raw.text.includes("\r\n\r\n"), "101");
  raw.received = raw.received.subarray(raw.received.indexOf("\r\n\r\n") + 4);
  return raw;
}

/** An HTTP/2 frame. */
export function http2Frame(type: number, flags: number, streamId: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, payload]);
}

export interface SeenFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** The HTTP/2 frames in a row of bytes; an incomplete last one is left out. */
export function http2Frames(bytes: Buffer): SeenFrame[] {
  const frames: SeenFrame[] = [];
  for (let at = 0; bytes.length >= at + 9 && bytes.length >= at + 9 + bytes.readUIntBE(at, 3);) {
    const end = at + 9 + bytes.readUIntBE(at, 3);
    frames.push({ type: bytes[at + 3] ?? 0, flags: bytes[at + 4] ?? 0, streamId: bytes.readUInt32BE(at + 5), payload: bytes.subarray(at + 9, end) });
    at = end;
  }
  return frames;
}

/** The header block of a monitor call, without Huffman code and without the dynamic table. */
export function callHeaders(extra: Readonly<Record<string, string>> = {}): Buffer {
  const all = {
    ":method": "POST",
    ":scheme": "http",
    ":path": "/logger.Logger/Monitor",
    ":authority": "127.0.0.1",
    "content-type": "application/grpc",
    te: "trailers",
    ...extra,
  };
  return Buffer.concat(
    Object.entries(all).map(([name, value]) =>
      Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]),
    ),
  );
}

/** HTTP/2 with prior knowledge on raw TCP: the preface and SETTINGS are sent, SETTINGS of the server are acknowledged by the caller. */
export function rawHttp2(server: ReferenceServer, settings: Buffer = Buffer.alloc(0)): RawClient {
  const raw = new RawClient(server.grpcPort);
  raw.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), http2Frame(4, 0, 0, settings)]));
  return raw;
}
