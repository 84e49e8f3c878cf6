import type { Duplex } from "node:stream";

import { FrameSplitter, FrameTap } from "./frame-tap.js";

/** A WebSocket frame with its payload in the clear (RFC 6455 §5.2). */
export interface WebSocketFrame {
  readonly fin: boolean;
  /** RSV1 to RSV3 as they stand in the first byte. */
  readonly rsv: number;
  readonly opcode: number;
  readonly masked: boolean;
  readonly payload: Buffer;
}

export const webSocketOpcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** A fault below the WebSocket library, for one connection. A frame that is not returned is swallowed. */
export interface WebSocketFrameFault {
  readonly inbound?: (frame: WebSocketFrame, tap: FrameTap) => readonly WebSocketFrame[];
  readonly outbound?: (frame: WebSocketFrame, tap: FrameTap) => readonly WebSocketFrame[];
  /** What the server gets of one read. */
  readonly read?: (chunk: Buffer) => Buffer;
  /** Whether the connection stays when the server closes it; asked with the side whose Close came first, if any came. */
  readonly keepsConnection?: (firstClose: "client" | "server" | undefined) => boolean;
}

/** Puts faults between an upgraded connection and the WebSocket library. The bytes that came with the upgrade must have been put back. */
export function tapWebSocket(connection: Duplex, faults: readonly WebSocketFrameFault[]): Duplex {
  const tap = new FrameTap(connection);
  const inbound = new FrameSplitter(frameBytes);
  const outbound = new FrameSplitter(frameBytes);
  let firstClose: "client" | "server" | undefined;
  let upgraded = false;
  const passAll = (frames: readonly Buffer[], direction: "inbound" | "outbound"): Buffer => {
    const passed = frames.flatMap((bytes) => {
      const decoded = decodeFrame(bytes);
      if (decoded.opcode === webSocketOpcode.close) firstClose ??= direction === "inbound" ? "client" : "server";
      let current: readonly WebSocketFrame[] = [decoded];
      for (const fault of faults) {
        const step = fault[direction];
        if (step !== undefined) current = current.flatMap((frame) => step(frame, tap));
      }
      return current.map(encodeFrame);
    });
    return Buffer.concat(passed);
  };
  tap.follow({
    inbound: (chunk) => passAll(inbound.push(faults.reduce((bytes, fault) => fault.read?.(bytes) ?? bytes, chunk)), "inbound"),
    outbound(chunk): Buffer {
      if (upgraded) return passAll(outbound.push(chunk), "outbound");
      // The first thing written is the whole head of the 101.
      upgraded = true;
      return chunk;
    },
    endsConnection: () => !faults.some((fault) => fault.keepsConnection?.(firstClose) ?? false),
  });
  return tap;
}

function decodeFrame(bytes: Buffer): WebSocketFrame {
  const first = bytes[0] ?? 0;
  const second = bytes[1] ?? 0;
  const masked = second >= 0x80;
  const start = headerBytes(second);
  const payload = Buffer.from(bytes.subarray(start));
  if (masked) for (let at = 0; at < payload.length; at++) payload[at] = (payload[at] ?? 0) ^ (bytes[start - 4 + (at % 4)] ?? 0);
  return { fin: first >= 0x80, rsv: first & 0x70, opcode: first & 0x0f, masked, payload };
}

/** Encodes a frame; a masked one with a key of zeros. */
export function encodeFrame(frame: WebSocketFrame): Buffer {
  const { length } = frame.payload;
  const mask = frame.masked ? 0x80 : 0;
  const first = (frame.fin ? 0x80 : 0) | frame.rsv | frame.opcode;
  let header = Buffer.from([first, mask | length]);
  if (length > 0xffff) {
    header = Buffer.alloc(10);
    header.writeBigUInt64BE(BigInt(length), 2);
    header.set([first, mask | 127]);
  } else if (length > 125) header = Buffer.from([first, mask | 126, length >> 8, length & 0xff]);
  return Buffer.concat([header, Buffer.alloc(frame.masked ? 4 : 0), frame.payload]);
}

function headerBytes(second: number): number {
  const short = second & 0x7f;
  return 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + (second >= 0x80 ? 4 : 0);
}

function frameBytes(held: Buffer): number | undefined {
  const second = held[1];
  if (second === undefined || held.length < headerBytes(second)) return undefined;
  const short = second & 0x7f;
  const length = short === 126 ? held.readUInt16BE(2) : short === 127 ? Number(held.readBigUInt64BE(2)) : short;
  return headerBytes(second) + length;
}
