import type { Socket } from "node:net";
import { matches, readProtobufFilter, type Filter } from "../../src/reference/filter.js";
import type { LogEntry } from "../../src/reference/log-entry.js";
import { HpackDecoder, HpackEncoder, type Header } from "../../src/wire/hpack.js";
import { FrameReader } from "../../src/wire/http2-frame-reader.js";
import {
  CLIENT_PREFACE,
  encodeFrame,
  encodeSettingsPayload,
  encodeUint32,
  FLAG,
  FRAME,
  settingsEntries,
  unpad,
  type FrameToSend,
  type FrameView,
} from "../../src/wire/http2-frames.js";
import type { Surroundings } from "./behaviour.js";
import { Line } from "./line.js";

/** Where a hostile server leaves the honest path; what is left out is done honestly. */
export interface Http2Script {
  /** In place of SETTINGS. */
  readonly onAccept?: (peer: Http2Peer) => void;
  /** The server's first SETTINGS. */
  readonly settings?: readonly (readonly [id: number, value: number])[];
  /** After SETTINGS. */
  readonly afterSettings?: (peer: Http2Peer) => void;
  /** In place of the response headers. */
  readonly onRequest?: (call: Http2Call) => void;
  /** In place of listening to a filter, which `listen` does; `count` from 1. */
  readonly onFilter?: (call: Http2Call, count: number, listen: () => void) => void;
  /** In place of sending an entry; `count` from 1. */
  readonly onEntry?: (call: Http2Call, message: Buffer, count: number) => void;
  /** In place of status OK. */
  readonly onHalfClose?: (call: Http2Call) => void;
  /** In place of forgetting the stream. */
  readonly onReset?: (call: Http2Call) => void;
  /** In place of acknowledging a PING. */
  readonly onPing?: (peer: Http2Peer, payload: Buffer) => void;
  /** In place of acknowledging SETTINGS. */
  readonly onSettings?: (peer: Http2Peer) => void;
}

const mostMessageBytes = 65_536;
const mostWaitingBytes = 256 * 1024;
const responseHeaders: readonly Header[] = [
  [":status", "200"],
  ["content-type", "application/grpc"],
];

/** A monitor over HTTP/2 by hand, honest but for its script. */
export class Http2Peer {
  readonly line: Line;
  readonly script: Http2Script;
  readonly surroundings: Surroundings;
  readonly encoder = new HpackEncoder();
  readonly calls = new Map<number, Http2Call>();
  windowBytes = 65_535;
  initialWindowBytes = 65_535;
  readonly #decoder = new HpackDecoder({ maxHeaderListBytes: 65_536 });

  constructor(socket: Socket, script: Http2Script, surroundings: Surroundings) {
    this.line = new Line(socket);
    this.script = script;
    this.surroundings = surroundings;
    const reader = new FrameReader({ maxFrameBytes: 2 ** 24, onFrame: (frame) => this.#hear(frame) });
    let prefaceBytes = CLIENT_PREFACE.length;
    socket.on("data", (chunk: Buffer) => {
      const skipped = Math.min(prefaceBytes, chunk.length);
      prefaceBytes -= skipped;
      try {
        reader.push(chunk, skipped, chunk.length);
      } catch {
        // Checks send what no server understands.
        this.line.rst();
      }
    });
    socket.on("end", () => socket.end());
    socket.on("close", () => {
      for (const call of this.calls.values()) {
        call.forget();
      }
    });
  }

  start(): void {
    if (this.script.onAccept === undefined) {
      this.sendSettings();
    } else {
      this.script.onAccept(this);
    }
  }

  /** The honest first frames, and what the script has after them. */
  sendSettings(): void {
    this.send({ type: FRAME.SETTINGS, payload: encodeSettingsPayload(new Map(this.script.settings ?? [])) });
    this.script.afterSettings?.(this);
  }

  send(...frames: readonly (FrameToSend | Uint8Array)[]): void {
    this.line.write(Buffer.concat(frames.map((frame) => (frame instanceof Uint8Array ? frame : encodeFrame(frame)))));
  }

  /** Sends what windows let through, of all calls. */
  drain(): void {
    for (const call of this.calls.values()) {
      call.drain();
    }
  }

  #hear(frame: FrameView): void {
    const payload = frame.buffer.subarray(frame.start, frame.end);
    const call = this.calls.get(frame.streamId);
    switch (frame.type) {
      case FRAME.SETTINGS:
        if ((frame.flags & FLAG.ACK) === 0) {
          this.#takeSettings(frame);
        }
        return;
      case FRAME.PING:
        if ((frame.flags & FLAG.ACK) === 0) {
          const opaque = Buffer.from(payload);
          if (this.script.onPing === undefined) {
            this.send({ type: FRAME.PING, flags: FLAG.ACK, payload: opaque });
          } else {
            this.script.onPing(this, opaque);
          }
        }
        return;
      case FRAME.WINDOW_UPDATE:
        if (call !== undefined) {
          call.windowBytes += payload.readUInt32BE(0);
        } else if (frame.streamId === 0) {
          this.windowBytes += payload.readUInt32BE(0);
        }
        this.drain();
        return;
      case FRAME.RST_STREAM:
        if (call !== undefined) {
          call.forget();
          this.script.onReset?.(call);
        }
        return;
      case FRAME.HEADERS:
        this.#open(frame);
        return;
      case FRAME.DATA:
        this.#takeData(frame, call);
    }
  }

  #takeSettings(frame: FrameView): void {
    for (const [id, value] of settingsEntries(frame)) {
      if (id === 4) {
        for (const call of this.calls.values()) {
          call.windowBytes += value - this.initialWindowBytes;
        }
        this.initialWindowBytes = value;
      }
    }
    if (this.script.onSettings === undefined) {
      this.send({ type: FRAME.SETTINGS, flags: FLAG.ACK });
    } else {
      this.script.onSettings(this);
    }
  }

  #open(frame: FrameView): void {
    const { start, end } = unpad(frame);
    const { headers } = this.#decoder.decode(Buffer.from(frame.buffer.subarray(start, end)));
    if (this.calls.has(frame.streamId)) {
      return;
    }
    const path = headers.find(([name]) => name === ":path")?.[1] ?? "";
    const call = new Http2Call(this, frame.streamId, path);
    this.calls.set(frame.streamId, call);
    this.surroundings.streams.count += 1;
    if (this.script.onRequest === undefined) {
      call.answer();
    } else {
      this.script.onRequest(call);
    }
    if ((frame.flags & FLAG.END_STREAM) !== 0) {
      call.halfClosed();
    }
  }

  #takeData(frame: FrameView, call: Http2Call | undefined): void {
    const { start, end } = unpad(frame);
    const bytes = frame.end - frame.start;
    if (bytes > 0) {
      this.send({ type: FRAME.WINDOW_UPDATE, payload: encodeUint32(bytes) });
    }
    if (call === undefined) {
      return;
    }
    if (bytes > 0) {
      this.send({ type: FRAME.WINDOW_UPDATE, streamId: frame.streamId, payload: encodeUint32(bytes) });
    }
    call.take(frame.buffer.subarray(start, end));
    if ((frame.flags & FLAG.END_STREAM) !== 0) {
      call.halfClosed();
    }
  }
}

/** One stream of a peer. */
export class Http2Call {
  readonly peer: Http2Peer;
  readonly id: number;
  readonly path: string;
  windowBytes: number;
  #unread: Buffer = Buffer.alloc(0);
  #filter: Filter | undefined;
  #filters = 0;
  #entries = 0;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #over = false;
  readonly #reader = { offer: (entry: LogEntry): void => this.#offer(entry) };

  constructor(peer: Http2Peer, id: number, path: string) {
    this.peer = peer;
    this.id = id;
    this.path = path;
    this.windowBytes = peer.initialWindowBytes;
  }

  /** The honest answer to the request's headers. */
  answer(): void {
    if (this.path === "/logger.Logger/Monitor") {
      this.headers(responseHeaders);
    } else {
      this.headers([...responseHeaders, ["grpc-status", "12"]], FLAG.END_STREAM);
      this.forget();
    }
  }

  headers(list: readonly Header[], flags = 0): void {
    this.frame(FRAME.HEADERS, this.peer.encoder.encode(list), FLAG.END_HEADERS | flags);
  }

  frame(type: number, payload: Uint8Array = Buffer.alloc(0), flags = 0): void {
    this.peer.send({ type, flags, streamId: this.id, payload });
  }

  /** DATA regardless of windows. */
  data(payload: Uint8Array | string, flags = 0): void {
    this.frame(FRAME.DATA, typeof payload === "string" ? Buffer.from(payload) : payload, flags);
  }

  status(code: number | string, message = ""): void {
    this.headers([["grpc-status", String(code)], ...(message === "" ? [] : [["grpc-message", message] as const])], FLAG.END_STREAM);
    this.forget();
  }

  reset(code: number): void {
    this.frame(FRAME.RST_STREAM, encodeUint32(code));
    this.forget();
  }

  /** A message as flow control lets it. */
  send(message: Buffer): void {
    this.#waiting.push(message);
    this.#waitingBytes += message.length;
    if (this.#waitingBytes > mostWaitingBytes) {
      this.status(8, "too slow");
      return;
    }
    this.drain();
  }

  drain(): void {
    for (let [first] = this.#waiting; first !== undefined && !this.#over; [first] = this.#waiting) {
      const bytes = Math.min(first.length, this.windowBytes, this.peer.windowBytes, 16_384);
      if (bytes <= 0) {
        return;
      }
      this.windowBytes -= bytes;
      this.peer.windowBytes -= bytes;
      this.#waitingBytes -= bytes;
      this.data(first.subarray(0, bytes));
      if (bytes === first.length) {
        this.#waiting.shift();
      } else {
        this.#waiting[0] = first.subarray(bytes);
      }
    }
  }

  take(bytes: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, bytes]);
    while (this.#unread.length >= 5 && !this.#over) {
      const length = this.#unread.readUInt32BE(1);
      if (this.#unread[0] !== 0 || length > mostMessageBytes) {
        this.status(length > mostMessageBytes ? 8 : 12, "not taken");
        return;
      }
      if (this.#unread.length < 5 + length) {
        return;
      }
      const message = this.#unread.subarray(5, 5 + length);
      this.#unread = this.#unread.subarray(5 + length);
      this.#takeFilter(message);
    }
  }

  halfClosed(): void {
    if (this.#over) {
      return;
    }
    if (this.peer.script.onHalfClose === undefined) {
      this.status(this.#unread.length > 0 ? 13 : 0);
    } else {
      this.peer.script.onHalfClose(this);
    }
  }

  /** Releases the stream. */
  forget(): void {
    if (!this.#over) {
      this.#over = true;
      this.#waiting = [];
      this.peer.surroundings.streams.count -= 1;
      this.peer.surroundings.log.detach(this.#reader);
      this.peer.calls.delete(this.id);
    }
  }

  #listen(filter: Filter): void {
    if (this.#filter === undefined && !this.#over) {
      this.peer.surroundings.log.attach(this.#reader);
    }
    this.#filter = filter;
  }

  #takeFilter(message: Buffer): void {
    const reading = readProtobufFilter(message);
    if (reading.kind !== "filter") {
      this.status(reading.kind === "invalid" ? 3 : 13, "refused");
      return;
    }
    this.#filters += 1;
    const listen = (): void => this.#listen(reading.filter);
    const { onFilter } = this.peer.script;
    if (onFilter === undefined) {
      listen();
    } else {
      onFilter(this, this.#filters, listen);
    }
  }

  #offer(entry: LogEntry): void {
    if (this.#over || this.#filter === undefined || !matches(this.#filter, entry)) {
      return;
    }
    this.#entries += 1;
    const { onEntry } = this.peer.script;
    if (onEntry === undefined) {
      this.send(entry.grpcMessage);
    } else {
      onEntry(this, entry.grpcMessage, this.#entries);
    }
  }
}
