import type { Duplex } from "node:stream";

import { HpackEncoder, type Header } from "./hpack.js";
import {
  CLIENT_PREFACE,
  DEFAULT_WINDOW_BYTES,
  encodeFrame,
  FLAG,
  FRAME,
  FRAME_HEADER_BYTES,
  frameError,
  LARGEST_WINDOW,
  type FrameToSend,
  type FrameView,
} from "./http2-frames.js";
import type { Http2Settings } from "./http2-settings.js";
import type { StreamState } from "./http2-stream.js";
import { nowMicros } from "./wire-clock.js";

/** A frame that left or came. `payload` is a view, valid during the call only. */
export interface FrameRecord {
  readonly direction: "sent" | "received";
  /** -1 for bytes sent as they are. */
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
  /** When the chunk that completed it came, or when it was handed to the socket. */
  readonly atMicros: number;
  /** Offset of its first byte in its direction. */
  readonly atByte: number;
}

/** DATA waits while more than this waits in the socket: a peer that does not read is not fed from our memory. */
const SOCKET_HIGH_WATER_BYTES = 256 * 1024;

/** The sending half of a connection: frames into the socket, header blocks, and DATA as the peer's windows allow. */
export class Outbound {
  #sendWindowBytes = DEFAULT_WINDOW_BYTES;
  /** Frames that a peer may answer with a few of its own: HEADERS and DATA. */
  requestFrames = 0;
  readonly #peerSettings: Readonly<Http2Settings>;
  readonly #onFrame: ((frame: FrameRecord) => void) | undefined;
  readonly #encoder = new HpackEncoder();
  /** In the order in which they began to wait for the connection's window or the socket. */
  readonly #blocked = new Set<StreamState>();
  #socket: Duplex | undefined;
  #sentBytes = 0;
  #corked = false;

  constructor(peerSettings: Readonly<Http2Settings>, onFrame: ((frame: FrameRecord) => void) | undefined) {
    this.#peerSettings = peerSettings;
    this.#onFrame = onFrame;
  }

  /** Sends the client preface; frames sent before are lost. */
  start(socket: Duplex): void {
    this.#socket = socket;
    socket.on("drain", () => this.#flushBlocked());
    this.#write(Buffer.from(CLIENT_PREFACE), undefined);
  }

  /** Bytes that the socket has not taken. */
  get unsentBytes(): number {
    return this.#socket?.writableLength ?? 0;
  }

  setPeerTableLimit(bytes: number): void {
    this.#encoder.setPeerTableLimit(bytes);
  }

  send(frame: FrameToSend): void {
    if (frame.type === FRAME.HEADERS || (frame.type === FRAME.DATA && frame.payload?.length)) this.requestFrames += 1;
    this.#write(encodeFrame(frame), frame);
  }

  /** Bytes as they are, apart from frames before and after. */
  sendBytes(bytes: Uint8Array): void {
    this.uncork();
    this.#write(Buffer.from(bytes), undefined);
    this.uncork();
  }

  /** HEADERS, and CONTINUATION as the peer's MAX_FRAME_SIZE asks. */
  sendHeaders(streamId: number, headers: readonly Header[], flags: number): void {
    const block = this.#encoder.encode(headers);
    const limit = this.#peerSettings.MAX_FRAME_SIZE;
    let at = Math.min(block.length, limit);
    const endHeaders = at === block.length ? FLAG.END_HEADERS : 0;
    this.send({ type: FRAME.HEADERS, flags: flags | endHeaders, streamId, payload: block.subarray(0, at) });
    while (at < block.length) {
      const until = Math.min(block.length, at + limit);
      this.send({ type: FRAME.CONTINUATION, flags: until === block.length ? FLAG.END_HEADERS : 0, streamId, payload: block.subarray(at, until) });
      at = until;
    }
  }

  /** Sends what both windows and the socket allow of a stream's queue; the rest waits. */
  flush(stream: StreamState): void {
    for (let head = stream.queue?.[0]; head !== undefined; head = stream.queue?.[0]) {
      const waiting = head.data.length - head.sent;
      const allowed = Math.min(waiting, this.#peerSettings.MAX_FRAME_SIZE, this.#sendWindowBytes, stream.sendWindowBytes);
      if (waiting > 0 && allowed <= 0) {
        // A stream whose own window is shut is flushed by its own WINDOW_UPDATE.
        if (stream.sendWindowBytes > 0) this.#blocked.add(stream);
        return;
      }
      if (this.unsentBytes >= SOCKET_HIGH_WATER_BYTES) {
        this.#blocked.add(stream);
        return;
      }
      this.#sendWindowBytes -= allowed;
      stream.sendQueued(allowed);
    }
  }

  /** A WINDOW_UPDATE on the connection. Throws WireError for an increment that RFC 9113 forbids. */
  widen(increment: number, frame: FrameView): void {
    if (increment === 0) throw frameError("PROTOCOL_ERROR", frame, "an increment above 0 (RFC 9113 6.9)", "0");
    const window = this.#sendWindowBytes + increment;
    if (window > LARGEST_WINDOW) throw frameError("FLOW_CONTROL_ERROR", frame, `a window of at most ${LARGEST_WINDOW} (RFC 9113 6.9.1)`, `${window}`);
    this.#sendWindowBytes = window;
    this.#flushBlocked();
  }

  #flushBlocked(): void {
    const blocked = [...this.#blocked];
    this.#blocked.clear();
    for (const stream of blocked) this.flush(stream);
  }

  forget(stream: StreamState): void {
    this.#blocked.delete(stream);
  }

  /** Lets go what this turn has gathered. */
  uncork(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#socket?.uncork();
  }

  #write(bytes: Buffer, frame: FrameToSend | undefined): void {
    const socket = this.#socket;
    if (socket === undefined || socket.destroyed || socket.writableEnded) return;
    // Frames of one turn leave in one segment.
    if (!this.#corked) {
      this.#corked = true;
      socket.cork();
      process.nextTick(() => this.uncork());
    }
    socket.write(bytes);
    this.#onFrame?.({
      direction: "sent",
      type: frame?.type ?? -1,
      flags: frame?.flags ?? 0,
      streamId: frame?.streamId ?? 0,
      payload: frame === undefined ? bytes : bytes.subarray(FRAME_HEADER_BYTES),
      atMicros: nowMicros(),
      atByte: this.#sentBytes,
    });
    this.#sentBytes += bytes.length;
  }
}
