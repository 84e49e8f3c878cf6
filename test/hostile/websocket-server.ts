import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { matches, readJsonFilter, type Filter } from "../../src/reference/filter.js";
import { levels, type EntryInput, type LogEntry } from "../../src/reference/log-entry.js";
import { encodeClosePayload, encodeFrame, FrameDecoder, opcodes, type Frame, type FrameToSend } from "../../src/wire/websocket-frames.js";
import { acceptKey, requestFieldValue } from "../../src/wire/websocket-handshake.js";
import type { Surroundings } from "./behaviour.js";
import { Line } from "./line.js";

/** Where a hostile server leaves the honest path; what is left out is done honestly. */
export interface WebSocketScript {
  /** In place of reading the request. */
  readonly onAccept?: (peer: WebSocketPeer) => void;
  /** In place of the 101, for upgrades of the monitor's path. */
  readonly onUpgrade?: (peer: WebSocketPeer) => void;
  /** After the 101. */
  readonly afterUpgrade?: (peer: WebSocketPeer) => void;
  /** In place of listening to a filter, which `listen` does; `count` from 1. */
  readonly onFilter?: (peer: WebSocketPeer, count: number, listen: () => void) => void;
  /** In place of sending an entry; `count` from 1. */
  readonly onEntry?: (peer: WebSocketPeer, json: Buffer, count: number) => void;
  /** In place of Close 1000 and FIN after the client's `null`. */
  readonly onEnd?: (peer: WebSocketPeer) => void;
  /** In place of answering the client's Close. */
  readonly onClose?: (peer: WebSocketPeer, code: number) => void;
  /** In place of answering a ping. */
  readonly onPing?: (peer: WebSocketPeer, payload: Buffer) => void;
  /** In place of the producer and the probe. */
  readonly onPlainRequest?: (peer: WebSocketPeer) => void;
}

const mostPayloadBytes = 65_536;
const mostBacklogBytes = 1024 * 1024;

/** A monitor over WebSocket by hand, with the producer and the probe beside it; honest but for its script. */
export class WebSocketPeer {
  readonly line: Line;
  readonly script: WebSocketScript;
  readonly surroundings: Surroundings;
  /** The request head, once it is there. */
  request = "";
  #unread: Buffer = Buffer.alloc(0);
  #decoder: FrameDecoder | undefined;
  #filter: Filter | undefined;
  #filters = 0;
  #entries = 0;
  #counted = false;
  #reads = false;
  #text: Buffer[] = [];
  readonly #reader = { offer: (entry: LogEntry): void => this.#offer(entry) };

  constructor(socket: Socket, script: WebSocketScript, surroundings: Surroundings) {
    this.line = new Line(socket);
    this.script = script;
    this.surroundings = surroundings;
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("end", () => {
      this.forget();
      socket.end();
    });
    socket.on("close", () => this.forget());
  }

  start(): void {
    if (this.script.onAccept === undefined) {
      this.readRequest();
    } else {
      this.script.onAccept(this);
    }
  }

  /** Takes the request, as it came or as soon as it comes. */
  readRequest(): void {
    this.#reads = true;
    this.#lookForRequest();
  }

  /** The honest 101, with `more` header lines. */
  upgrade(more: readonly string[] = []): void {
    this.line.write(this.acceptance(more));
    this.beginFrames();
  }

  acceptance(more: readonly string[] = [], accept = acceptKey(requestFieldValue(this.request, "sec-websocket-key") ?? "")): string {
    return ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", `Sec-WebSocket-Accept: ${accept}`, ...more, "", ""].join("\r\n");
  }

  /** From here on frames are read. */
  beginFrames(): void {
    this.#counted = true;
    this.surroundings.streams.count += 1;
    this.#decoder = new FrameDecoder({ onHeader: () => true, onFrame: (frame) => this.#hear(frame) }, { maxPayloadBytes: mostPayloadBytes });
    this.script.afterUpgrade?.(this);
  }

  frame(frame: FrameToSend): void {
    this.line.write(encodeFrame({ mask: false, ...frame }));
  }

  text(payload: string | Uint8Array): void {
    this.frame({ opcode: opcodes.text, payload });
  }

  close(code?: number, reason = ""): void {
    this.frame({ opcode: opcodes.close, payload: encodeClosePayload(code, reason) });
  }

  /** An answer to a plain request, after which TCP ends. */
  answer(status: string, body = "", more: readonly string[] = []): void {
    this.line.write([`HTTP/1.1 ${status}`, ...more, `Content-Length: ${Buffer.byteLength(body)}`, "Connection: close", "", body].join("\r\n"));
    this.line.fin();
  }

  /** Releases the stream. */
  forget(): void {
    this.surroundings.log.detach(this.#reader);
    if (this.#counted) {
      this.#counted = false;
      this.surroundings.streams.count -= 1;
    }
  }

  /** The honest end: Close, FIN. */
  finish(code: number): void {
    this.close(code);
    this.forget();
    this.line.fin();
  }

  #receive(chunk: Buffer): void {
    if (this.#decoder !== undefined) {
      try {
        this.#decoder.push(chunk);
      } catch {
        this.finish(1009);
      }
      return;
    }
    this.#unread = Buffer.concat([this.#unread, chunk]);
    this.#lookForRequest();
  }

  #lookForRequest(): void {
    const end = this.#unread.indexOf("\r\n\r\n");
    if (this.#reads && end >= 0) {
      this.#respond(end + 4);
    }
  }

  #respond(headBytes: number): void {
    this.request = this.#unread.subarray(0, headBytes).toString("latin1");
    const isUpgrade = /^GET \/logs\/monitor[ ?]/.test(this.request) && requestFieldValue(this.request, "upgrade")?.toLowerCase() === "websocket";
    if (!isUpgrade) {
      if (this.script.onPlainRequest === undefined) {
        handOver(this);
      } else {
        this.script.onPlainRequest(this);
      }
      return;
    }
    const rest = this.#unread.subarray(headBytes);
    this.#unread = Buffer.alloc(0);
    if (this.script.onUpgrade === undefined) {
      this.upgrade();
    } else {
      this.script.onUpgrade(this);
    }
    if (rest.length > 0) {
      this.#receive(Buffer.from(rest));
    }
  }

  /** What was read and not understood, for whoever takes the socket over. */
  takeUnread(): Buffer {
    const unread = this.#unread;
    this.#unread = Buffer.alloc(0);
    this.line.socket.removeAllListeners("data");
    return unread;
  }

  #hear(frame: Frame): void {
    switch (frame.opcode) {
      case opcodes.ping:
        if (this.script.onPing === undefined) {
          this.frame({ opcode: opcodes.pong, payload: frame.payload });
        } else {
          this.script.onPing(this, Buffer.from(frame.payload));
        }
        return;
      case opcodes.close: {
        const code = frame.payload.length >= 2 ? Buffer.from(frame.payload).readUInt16BE(0) : 1000;
        if (this.script.onClose === undefined) {
          this.finish(code);
        } else {
          this.script.onClose(this, code);
        }
        return;
      }
      case opcodes.text:
      case opcodes.continuation:
        this.#text.push(Buffer.from(frame.payload));
        if (frame.fin) {
          const text = Buffer.concat(this.#text).toString("utf8");
          this.#text = [];
          this.#takeText(text);
        }
        return;
      case opcodes.pong:
        return;
      default:
        this.finish(1003);
    }
  }

  #listen(filter: Filter): void {
    if (this.#filter === undefined) {
      this.surroundings.log.attach(this.#reader);
    }
    this.#filter = filter;
  }

  #takeText(text: string): void {
    const reading = readJsonFilter(text);
    if (reading.kind === "end") {
      if (this.script.onEnd === undefined) {
        this.finish(1000);
      } else {
        this.script.onEnd(this);
      }
      return;
    }
    if (reading.kind !== "filter") {
      this.finish(reading.kind === "invalid" ? 1008 : 1007);
      return;
    }
    this.#filters += 1;
    const listen = (): void => this.#listen(reading.filter);
    if (this.script.onFilter === undefined) {
      listen();
    } else {
      this.script.onFilter(this, this.#filters, listen);
    }
  }

  #offer(entry: LogEntry): void {
    if (this.#filter === undefined || !matches(this.#filter, entry)) {
      return;
    }
    this.#entries += 1;
    if (this.line.backlogBytes > mostBacklogBytes) {
      this.finish(1013);
    } else if (this.script.onEntry === undefined) {
      this.text(entry.json);
    } else {
      this.script.onEntry(this, entry.json, this.#entries);
    }
  }
}

/** Gives a plain request to node's own HTTP server, which reads bodies and keeps connections as it should. */
function handOver(peer: WebSocketPeer): void {
  const { socket } = peer.line;
  const unread = peer.takeUnread();
  const server = createServer((request, response) => void answerPlain(peer.surroundings, request, response));
  server.emit("connection", socket);
  socket.unshift(unread);
}

/** The producer `POST /logs` and the probe `GET /stats`, as the default contract has them. */
export async function answerPlain(surroundings: Surroundings, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      chunks.push(chunk);
    }
    if (request.method === "POST" && request.url === "/logs") {
      const batch = JSON.parse(Buffer.concat(chunks).toString("utf8")) as EntryInput[];
      if (!Array.isArray(batch) || batch.length === 0 || batch.some((one) => !levels.includes(one.level))) {
        response.writeHead(400).end();
        return;
      }
      response.writeHead(202, { "content-type": "application/json" }).end(JSON.stringify(surroundings.log.append(batch)));
      return;
    }
    if (request.method === "GET" && request.url === "/stats") {
      const stats = { open_streams: surroundings.streams.count, rss_bytes: 100_000_000 };
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(stats));
      return;
    }
    response.writeHead(404).end();
  } catch {
    response.destroy();
  }
}
