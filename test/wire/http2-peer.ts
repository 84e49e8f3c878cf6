import type { Socket } from "node:net";

import { HpackEncoder, type Header } from "../../src/wire/hpack.js";
import { FrameReader } from "../../src/wire/http2-frame-reader.js";
import { CLIENT_PREFACE, encodeFrame, encodeSettingsPayload, FLAG, FRAME, type FrameToSend } from "../../src/wire/http2-frames.js";
import { startBytePeer, type BytePeer } from "./byte-peer.js";

/** A frame that the client sent, copied. */
export interface ClientFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** The server's end of one connection, played frame by frame, legal or not. */
export class PeerConnection {
  readonly socket: Socket;
  readonly received: ClientFrame[] = [];
  /** Do not answer the client's FIN with ours. */
  stayOpen = false;
  readonly #encoder = new HpackEncoder();
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    this.socket = socket;
    const reader = new FrameReader({
      maxFrameBytes: 2 ** 24,
      onFrame: ({ type, flags, streamId, buffer, start, end }) => {
        this.received.push({ type, flags, streamId, payload: Buffer.from(buffer.subarray(start, end)) });
        this.#wake();
      },
    });
    let prefaceBytes = CLIENT_PREFACE.length;
    socket.on("data", (chunk: Buffer) => {
      const skipped = Math.min(prefaceBytes, chunk.length);
      prefaceBytes -= skipped;
      reader.push(chunk, skipped, chunk.length);
    });
    socket.on("end", () => this.stayOpen || socket.end());
    socket.on("close", () => this.#wake());
  }

  send(...frames: readonly (FrameToSend | Uint8Array)[]): void {
    this.socket.write(Buffer.concat(frames.map((frame) => (frame instanceof Uint8Array ? frame : encodeFrame(frame)))));
  }

  settings(settings: readonly (readonly [id: number, value: number])[] = []): void {
    this.send({ type: FRAME.SETTINGS, payload: encodeSettingsPayload(new Map(settings)) }, { type: FRAME.SETTINGS, flags: FLAG.ACK });
  }

  block(headers: readonly Header[]): Buffer {
    return this.#encoder.encode(headers);
  }

  headers(streamId: number, headers: readonly Header[], flags = 0): void {
    this.send({ type: FRAME.HEADERS, flags: flags | FLAG.END_HEADERS, streamId, payload: this.block(headers) });
  }

  /** The first frame that fits, had or to come; undefined if the client leaves without. */
  async frame(fits: (frame: ClientFrame) => boolean): Promise<ClientFrame | undefined> {
    for (;;) {
      const found = this.received.find(fits);
      if (found !== undefined || this.socket.destroyed || this.socket.readableEnded) return found;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.socket.once("end", resolve);
      });
    }
  }

  request(streamId = 1): Promise<ClientFrame | undefined> {
    return this.frame((frame) => frame.type === FRAME.HEADERS && frame.streamId === streamId);
  }
}

/** A server that sends SETTINGS and an acknowledgement to every client and then plays `script`; with `silent` it sends nothing first. */
export function startHttp2Peer(script: (peer: PeerConnection) => void | Promise<void>, options: { readonly silent?: boolean } = {}): Promise<BytePeer> {
  return startBytePeer(async (socket) => {
    const peer = new PeerConnection(socket);
    if (!options.silent) peer.settings();
    await script(peer);
  });
}
