import type { Duplex } from "node:stream";

import { FrameSplitter, FrameTap } from "./frame-tap.js";
import { ACK, decodeFrame, END_STREAM, frameBytes, http2Type, PREFACE_BYTES, type Http2Frame } from "./http2-tap.js";

const INITIAL_WINDOW_SIZE = 4;
const DEFAULT_WINDOW = 65_535;

/**
 * DATA past the HTTP/2 library, on a connection that it serves: the library costs about a microsecond for each frame.
 * It answers calls and ends them, and sends no DATA itself; so the client's windows are kept here, and here only.
 */
export class Http2Bypass {
  /** What the library is to serve in place of the connection. */
  readonly duplex: Duplex;
  readonly #tap: FrameTap;
  readonly #streams = new Map<number, { window: number; answered: boolean; onRoom: () => void }>();
  #initialWindow = DEFAULT_WINDOW;
  #connectionWindow = DEFAULT_WINDOW;
  #prefaceLeft = PREFACE_BYTES;

  constructor(connection: Duplex) {
    this.#tap = new FrameTap(connection);
    this.duplex = this.#tap;
    const inbound = new FrameSplitter(frameBytes);
    const outbound = new FrameSplitter(frameBytes);
    this.#tap.follow({
      inbound: (chunk) => {
        const preface = chunk.subarray(0, this.#prefaceLeft);
        this.#prefaceLeft -= preface.length;
        const frames = inbound.push(chunk.subarray(preface.length));
        return Buffer.concat([preface, ...frames.filter((frame) => this.#hear(decodeFrame(frame)))]);
      },
      outbound: (chunk) => {
        for (const frame of outbound.push(chunk)) this.#overhear(decodeFrame(frame));
        return chunk;
      },
      endsConnection: () => true,
    });
  }

  /** Bytes of DATA that a call may send at the moment: none before its response headers have left. */
  room(streamId: number): number {
    const stream = this.#streams.get(streamId);
    return stream?.answered === true ? Math.max(0, Math.min(stream.window, this.#connectionWindow)) : 0;
  }

  /** To be told whenever there may be more room. */
  onRoom(streamId: number, tell: () => void): void {
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) stream.onRoom = tell;
  }

  /** Sends whole DATA frames; `payloadBytes` is what the windows count. `done` is called when the bytes may be changed. */
  write(streamId: number, frames: Buffer, payloadBytes: number, done: () => void): void {
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) stream.window -= payloadBytes;
    this.#connectionWindow -= payloadBytes;
    this.#tap.inject(frames, done);
  }

  /** A frame of the client; false: not for the library. */
  #hear(frame: Http2Frame): boolean {
    if (frame.type === http2Type.headers && !this.#streams.has(frame.streamId)) {
      this.#streams.set(frame.streamId, { window: this.#initialWindow, answered: false, onRoom: () => undefined });
    } else if (frame.type === http2Type.reset) this.#streams.delete(frame.streamId);
    else if (frame.type === http2Type.settings && (frame.flags & ACK) === 0) this.#takeSettings(frame.payload);
    else if (frame.type === http2Type.windowUpdate) {
      this.#takeUpdate(frame);
      return false;
    }
    return true;
  }

  #takeUpdate(frame: Http2Frame): void {
    const increment = frame.payload.readUInt32BE(0) & 0x7fffffff;
    const stream = this.#streams.get(frame.streamId);
    if (frame.streamId === 0) {
      this.#connectionWindow += increment;
      for (const each of this.#streams.values()) each.onRoom();
    } else if (stream !== undefined) {
      stream.window += increment;
      stream.onRoom();
    }
  }

  #takeSettings(payload: Buffer): void {
    for (let at = 0; at + 6 <= payload.length; at += 6) {
      if (payload.readUInt16BE(at) !== INITIAL_WINDOW_SIZE) continue;
      const size = payload.readUInt32BE(at + 2);
      for (const stream of this.#streams.values()) stream.window += size - this.#initialWindow;
      this.#initialWindow = size;
    }
    for (const stream of this.#streams.values()) stream.onRoom();
  }

  /** A frame of the library: a call is answered by its first HEADERS, and over with END_STREAM or a reset. */
  #overhear(frame: Http2Frame): void {
    const over = frame.type === http2Type.reset || ((frame.flags & END_STREAM) !== 0 && frame.type <= http2Type.headers);
    const stream = this.#streams.get(frame.streamId);
    if (over) this.#streams.delete(frame.streamId);
    else if (frame.type === http2Type.headers && stream !== undefined) {
      stream.answered = true;
      stream.onRoom();
    }
  }
}
