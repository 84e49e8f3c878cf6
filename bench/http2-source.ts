import { createServer, type AddressInfo, type Socket } from "node:net";

import { encodeMessage } from "../src/wire/grpc-messages.js";
import { HpackEncoder } from "../src/wire/hpack.js";
import { FrameReader } from "../src/wire/http2-frame-reader.js";
import {
  CLIENT_PREFACE,
  DEFAULT_WINDOW_BYTES,
  encodeFrame,
  FLAG,
  FRAME,
  FRAME_HEADER_BYTES,
  SETTING,
  settingsEntries,
  type FrameView,
} from "../src/wire/http2-frames.js";

/** How 150-byte gRPC messages lie in DATA frames: one each, as grpc-go sends them, or packed into full frames. */
export type Shape = "single" | "packed";

export const MESSAGE_BYTES = 150;
const PAYLOAD_BYTES = { single: 5 + MESSAGE_BYTES, packed: 16_384 } as const;

/** What a shape costs on the wire, frame headers counted. */
export function wireBytesPerMessage(shape: Shape): number {
  const payload = PAYLOAD_BYTES[shape];
  return ((payload + FRAME_HEADER_BYTES) / payload) * (5 + MESSAGE_BYTES);
}

/** DATA frames on stream 1, about 256 KiB, that begin and end between two messages, so that they can be sent over and over. */
export function dataFrames(shape: Shape): { readonly bytes: Buffer; readonly payloadBytes: number; readonly messages: number } {
  const payloadBytes = PAYLOAD_BYTES[shape];
  const messages = shape === "single" ? 1600 : payloadBytes;
  const message = encodeMessage(Buffer.alloc(MESSAGE_BYTES, "m"));
  const stream = Buffer.concat(Array.from({ length: messages }, () => message));
  const frames: Buffer[] = [];
  for (let at = 0; at < stream.length; at += payloadBytes) {
    frames.push(encodeFrame({ type: FRAME.DATA, streamId: 1, payload: stream.subarray(at, at + payloadBytes) }));
  }
  return { bytes: Buffer.concat(frames), payloadBytes, messages };
}

/** A server that answers the first request of each connection with messages, as fast as the client's windows allow, until it leaves. Resolves with the port. */
export function startHttp2Source(shape: Shape): Promise<number> {
  const frames = dataFrames(shape);
  const server = createServer({ noDelay: true }, (socket) => new Source(socket, frames));
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}

class Source {
  readonly #socket: Socket;
  readonly #frames: ReturnType<typeof dataFrames>;
  #connectionWindow = DEFAULT_WINDOW_BYTES;
  #streamWindow = DEFAULT_WINDOW_BYTES;
  #requested = false;
  #at = 0;

  constructor(socket: Socket, frames: ReturnType<typeof dataFrames>) {
    this.#socket = socket;
    this.#frames = frames;
    const reader = new FrameReader({ maxFrameBytes: 2 ** 24, onFrame: (frame) => this.#onFrame(frame) });
    let prefaceBytes = CLIENT_PREFACE.length;
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      const skipped = Math.min(prefaceBytes, chunk.length);
      prefaceBytes -= skipped;
      reader.push(chunk, skipped, chunk.length);
    });
    socket.on("drain", () => this.#pump());
    socket.write(encodeFrame({ type: FRAME.SETTINGS }));
  }

  #onFrame(frame: FrameView): void {
    const ack = (frame.flags & FLAG.ACK) !== 0;
    if (frame.type === FRAME.SETTINGS && !ack) {
      for (const [id, value] of settingsEntries(frame)) if (id === SETTING.INITIAL_WINDOW_SIZE) this.#streamWindow += value - DEFAULT_WINDOW_BYTES;
      this.#socket.write(encodeFrame({ type: FRAME.SETTINGS, flags: FLAG.ACK }));
    }
    if (frame.type === FRAME.PING && !ack)
      this.#socket.write(encodeFrame({ type: FRAME.PING, flags: FLAG.ACK, payload: frame.buffer.subarray(frame.start, frame.end) }));
    if (frame.type === FRAME.WINDOW_UPDATE) {
      const increment = frame.buffer.readUInt32BE(frame.start);
      if (frame.streamId === 0) this.#connectionWindow += increment;
      else this.#streamWindow += increment;
    }
    if (frame.type === FRAME.HEADERS && !this.#requested) {
      this.#requested = true;
      const payload = new HpackEncoder().encode([
        [":status", "200"],
        ["content-type", "application/grpc"],
      ]);
      this.#socket.write(encodeFrame({ type: FRAME.HEADERS, flags: FLAG.END_HEADERS, streamId: frame.streamId, payload }));
    }
    this.#pump();
  }

  #pump(): void {
    const { bytes, payloadBytes } = this.#frames;
    const frameBytes = payloadBytes + FRAME_HEADER_BYTES;
    while (this.#requested && !this.#socket.writableNeedDrain && !this.#socket.destroyed) {
      const allowed = Math.floor(Math.min(this.#connectionWindow, this.#streamWindow) / payloadBytes);
      const until = Math.min(bytes.length, this.#at + allowed * frameBytes);
      const count = Math.ceil((until - this.#at) / frameBytes);
      if (count === 0) return;
      this.#connectionWindow -= count * payloadBytes;
      this.#streamWindow -= count * payloadBytes;
      this.#socket.write(bytes.subarray(this.#at, until));
      this.#at = until === bytes.length ? 0 : until;
    }
  }
}
