import { createHash } from "node:crypto";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";

import { HpackEncoder } from "../../src/wire/hpack.js";
import { FrameReader } from "../../src/wire/http2-frame-reader.js";
import {
  CLIENT_PREFACE,
  DEFAULT_WINDOW_BYTES,
  encodeFrame,
  encodeSettingsPayload,
  encodeUint32,
  FLAG,
  FRAME,
  SETTING,
  settingsEntries,
  type FrameView,
} from "../../src/wire/http2-frames.js";
import type { SourcePorts } from "../contest.js";
import { grpcBlock, jsonBlock, type EntryBlock, type FloodShape } from "./flood-entries.js";

export interface FloodOptions extends FloodShape {
  readonly transport: "grpc" | "ws";
  /** Sequences as JSON strings. */
  readonly quoted?: boolean;
  /** Entries a second on each stream, in ticks of a millisecond; 0: none; undefined: as many as the client takes. */
  readonly rate?: number;
  readonly tls?: { readonly key: string; readonly cert: string };
}

/** Entries of a block: about 260 KB on the wire. */
const blockEntries = 1600;
/** A client's filter is only awaited, never read: every entry is from alpha and holds "needle". */
const blocksUnderWay = 3;

/** A server of the default contract that sends entries as fast as the client takes them, and understands nothing else. */
export async function startFlood(options: FloodOptions): Promise<SourcePorts> {
  const tally: Tally = { written: 0 };
  const serve = (socket: Socket): void => {
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    if (options.transport === "grpc") {
      new GrpcFlood(socket, options, tally).start();
    } else {
      awaitUpgrade(socket, options, tally);
    }
  };
  const server =
    options.tls === undefined
      ? createServer(serve)
      : createTlsServer({ ...options.tls, ALPNProtocols: options.transport === "grpc" ? ["h2"] : ["http/1.1"] }, serve);
  const counter = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.end(String(tally.written));
  });
  return { port: await listen(server), count: await listen(counter) };
}

/** Entries that sockets took, on all streams. */
interface Tally {
  written: number;
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port)));
}

/** Blocks that go round: one is stamped again only when the socket has let go of it. */
class BlockRing {
  readonly #blocks: EntryBlock[];
  readonly #make: () => EntryBlock;

  constructor(make: () => EntryBlock) {
    this.#make = make;
    this.#blocks = [];
  }

  take(): EntryBlock {
    return this.#blocks.pop() ?? this.#make();
  }

  give(block: EntryBlock): void {
    this.#blocks.push(block);
  }
}

class GrpcFlood {
  readonly #socket: Socket;
  readonly #options: FloodOptions;
  readonly #tally: Tally;
  readonly #ring: BlockRing;
  readonly #streams = new Map<number, { window: number; next: bigint; begun: boolean }>();
  #initialWindow = DEFAULT_WINDOW_BYTES;
  #window = DEFAULT_WINDOW_BYTES;
  #underWay = 0;
  #turn = 0;

  constructor(socket: Socket, options: FloodOptions, tally: Tally) {
    this.#socket = socket;
    this.#options = options;
    this.#tally = tally;
    const entries = options.rate === undefined ? blockEntries : Math.max(1, Math.round(options.rate / 1000));
    this.#ring = new BlockRing(() => grpcBlock(entries, options));
  }

  start(): void {
    const reader = new FrameReader({ maxFrameBytes: 2 ** 24, onFrame: (frame) => this.#onFrame(frame) });
    let preface = CLIENT_PREFACE.length;
    this.#socket.on("data", (chunk: Buffer) => {
      const skipped = Math.min(preface, chunk.length);
      preface -= skipped;
      reader.push(chunk, skipped, chunk.length);
    });
    this.#socket.write(encodeFrame({ type: FRAME.SETTINGS, payload: encodeSettingsPayload(new Map([[SETTING.MAX_CONCURRENT_STREAMS, 10_000]])) }));
    if (this.#options.rate !== undefined && this.#options.rate > 0) {
      const timer = setInterval(() => this.#tick(), 1);
      this.#socket.once("close", () => clearInterval(timer));
    }
  }

  #onFrame(frame: FrameView): void {
    const { type, flags, streamId, buffer, start, end } = frame;
    if (type === FRAME.SETTINGS && (flags & FLAG.ACK) === 0) {
      for (const [id, value] of settingsEntries(frame)) {
        if (id === SETTING.INITIAL_WINDOW_SIZE) {
          for (const stream of this.#streams.values()) {
            stream.window += value - this.#initialWindow;
          }
          this.#initialWindow = value;
        }
      }
      this.#socket.write(encodeFrame({ type: FRAME.SETTINGS, flags: FLAG.ACK }));
    } else if (type === FRAME.PING && (flags & FLAG.ACK) === 0) {
      this.#socket.write(encodeFrame({ type: FRAME.PING, flags: FLAG.ACK, payload: buffer.subarray(start, end) }));
    } else if (type === FRAME.WINDOW_UPDATE) {
      const increment = buffer.readUInt32BE(start);
      const stream = this.#streams.get(streamId);
      if (streamId === 0) {
        this.#window += increment;
      } else if (stream !== undefined) {
        stream.window += increment;
      }
    } else if (type === FRAME.HEADERS) {
      this.#streams.set(streamId, { window: this.#initialWindow, next: this.#options.base + 1n, begun: false });
      this.#respond(
        streamId,
        [
          [":status", "200"],
          ["content-type", "application/grpc"],
        ],
        FLAG.END_HEADERS,
      );
    } else if (type === FRAME.DATA) {
      const stream = this.#streams.get(streamId);
      if (stream !== undefined) {
        stream.begun = true;
      }
      if ((flags & FLAG.END_STREAM) !== 0 && this.#streams.delete(streamId)) {
        this.#respond(streamId, [["grpc-status", "0"]], FLAG.END_HEADERS | FLAG.END_STREAM);
      }
      if (end > start) {
        this.#socket.write(encodeFrame({ type: FRAME.WINDOW_UPDATE, payload: encodeUint32(end - start) }));
      }
    } else if (type === FRAME.RST_STREAM) {
      this.#streams.delete(streamId);
    }
    if (this.#options.rate === undefined) {
      this.#pump();
    }
  }

  #respond(streamId: number, headers: [string, string][], flags: number): void {
    this.#socket.write(encodeFrame({ type: FRAME.HEADERS, flags, streamId, payload: new HpackEncoder().encode(headers) }));
  }

  #tick(): void {
    for (const id of this.#streams.keys()) {
      this.#send(id);
    }
  }

  #pump(): void {
    while (this.#underWay < blocksUnderWay) {
      const ids = [...this.#streams].filter(([, { begun }]) => begun).map(([id]) => id);
      const sent = ids.some((_, i) => {
        const turn = (this.#turn + i) % ids.length;
        if (!this.#send(ids[turn] ?? 0)) {
          return false;
        }
        this.#turn = turn + 1;
        return true;
      });
      if (!sent) {
        return;
      }
    }
  }

  #send(id: number): boolean {
    const stream = this.#streams.get(id);
    if (stream === undefined || !stream.begun || this.#socket.destroyed) {
      return false;
    }
    const block = this.#ring.take();
    // A client with narrow windows gets what fits.
    const entries = Math.min(block.entries, Math.floor(Math.min(stream.window, this.#window) / (block.payloadBytes / block.entries)));
    if (entries <= 0) {
      this.#ring.give(block);
      return false;
    }
    const payloadBytes = (block.payloadBytes / block.entries) * entries;
    stream.window -= payloadBytes;
    this.#window -= payloadBytes;
    block.stamp(stream.next, id);
    stream.next += BigInt(entries);
    this.#underWay++;
    this.#socket.write(block.bytes.subarray(0, (block.bytes.length / block.entries) * entries), () => {
      this.#underWay--;
      this.#tally.written += entries;
      this.#ring.give(block);
      if (this.#options.rate === undefined) {
        this.#pump();
      }
    });
    return true;
  }
}

function awaitUpgrade(socket: Socket, options: FloodOptions, tally: Tally): void {
  let head = "";
  socket.on("data", function onHead(chunk: Buffer) {
    head += chunk.toString("latin1");
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) {
      return;
    }
    if (!/^upgrade: *websocket/im.test(head)) {
      socket.end("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      return;
    }
    const key = /sec-websocket-key: *(\S+)/i.exec(head)?.[1] ?? "";
    const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
    socket.off("data", onHead);
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
    // The first frame is the filter; whatever comes later ends the stream.
    socket.once("data", () => {
      flood(socket, options, tally);
      socket.on("data", () => socket.end(Buffer.from([0x88, 2, 3, 0xe8])));
    });
  });
}

function flood(socket: Socket, options: FloodOptions, tally: Tally): void {
  if (options.rate === 0) {
    return;
  }
  const entries = options.rate === undefined ? blockEntries : Math.max(1, Math.round(options.rate / 1000));
  const ring = new BlockRing(() => jsonBlock(entries, options, options.quoted === true));
  let next = options.base + 1n;
  const state = { underWay: 0 };
  const send = (): void => {
    const block = ring.take();
    block.stamp(next, 0);
    next += BigInt(block.entries);
    state.underWay++;
    socket.write(block.bytes, () => {
      state.underWay--;
      tally.written += block.entries;
      ring.give(block);
      if (options.rate === undefined) {
        pump();
      }
    });
  };
  const pump = (): void => {
    while (state.underWay < blocksUnderWay && socket.writable) {
      send();
    }
  };
  if (options.rate === undefined) {
    pump();
    return;
  }
  const timer = setInterval(() => socket.writable && state.underWay < blocksUnderWay && send(), 1);
  socket.once("close", () => clearInterval(timer));
}
