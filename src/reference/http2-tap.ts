import type { Duplex } from "node:stream";

import { FrameSplitter, FrameTap } from "./frame-tap.js";

/** An HTTP/2 frame (RFC 9113 §4.1). */
export interface Http2Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** The frame types that faults look at. */
export const http2Type = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7, windowUpdate: 8, continuation: 9 } as const;

export const END_STREAM = 1;
export const ACK = 1;

/** A fault below HTTP/2, for one connection: what becomes of each frame. A frame that is not returned is swallowed. */
export interface Http2FrameFault {
  readonly inbound?: (frame: Http2Frame, tap: FrameTap) => readonly Http2Frame[];
  readonly outbound?: (frame: Http2Frame, tap: FrameTap) => readonly Http2Frame[];
  /** Frames for the server right after the client's preface. */
  readonly opening?: readonly Http2Frame[];
  /** Stands before all: what the server gets of one read. */
  readonly read?: (chunk: Buffer) => Buffer;
}

/** Bytes that a client sends before its first frame (RFC 9113 §3.4). */
export const PREFACE_BYTES = 24;
const HEADER_BYTES = 9;

/** Puts faults between a connection and the HTTP/2 library. */
export function tapHttp2(connection: Duplex, faults: readonly Http2FrameFault[]): Duplex {
  const tap = new FrameTap(connection);
  const inbound = new FrameSplitter(frameBytes);
  const outbound = new FrameSplitter(frameBytes);
  let prefaceLeft = PREFACE_BYTES;
  const passAll = (frames: readonly Buffer[], direction: "inbound" | "outbound"): Buffer => {
    const passed = frames.flatMap((bytes) => {
      let current: readonly Http2Frame[] = [decodeFrame(bytes)];
      for (const fault of faults) {
        const step = fault[direction];
        if (step !== undefined) current = current.flatMap((frame) => step(frame, tap));
      }
      return current.map(encodeFrame);
    });
    return Buffer.concat(passed);
  };
  tap.follow({
    inbound(chunk): Buffer {
      const read = faults.reduce((bytes, fault) => fault.read?.(bytes) ?? bytes, chunk);
      if (prefaceLeft === 0) return passAll(inbound.push(read), "inbound");
      const preface = read.subarray(0, prefaceLeft);
      prefaceLeft -= preface.length;
      const rest = read.subarray(preface.length);
      const frames = passAll(inbound.push(rest), "inbound");
      // The client's SETTINGS must come first: what a fault adds follows them.
      const opening = prefaceLeft === 0 ? faults.flatMap((fault) => fault.opening ?? []).map(encodeFrame) : [];
      if (opening.length > 0) setImmediate(() => tap.feed(Buffer.concat(opening)));
      return Buffer.concat([preface, frames]);
    },
    outbound: (chunk) => passAll(outbound.push(chunk), "outbound"),
    endsConnection: () => true,
  });
  return tap;
}

export function encodeFrame(frame: Http2Frame): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUIntBE(frame.payload.length, 0, 3);
  header[3] = frame.type;
  header[4] = frame.flags;
  header.writeUInt32BE(frame.streamId, 5);
  return Buffer.concat([header, frame.payload]);
}

export function decodeFrame(bytes: Buffer): Http2Frame {
  return {
    type: bytes[3] ?? 0,
    flags: bytes[4] ?? 0,
    streamId: bytes.readUInt32BE(5) & 0x7fffffff,
    payload: bytes.subarray(HEADER_BYTES),
  };
}

/** Size of the first frame; undefined while its header is incomplete. */
export function frameBytes(held: Buffer): number | undefined {
  return held.length < HEADER_BYTES ? undefined : HEADER_BYTES + held.readUIntBE(0, 3);
}
