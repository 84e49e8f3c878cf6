import { randomFillSync } from "node:crypto";
import { WireError } from "./wire-error.js";

/** RFC 6455 §5.2; every other value is reserved. */
export const opcodes = { continuation: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const;

/** The bit of permessage-deflate (RFC 7692 §6) in {@link FrameHeader.rsv}. */
export const rsv1 = 0b100;

export interface FrameHeader {
  readonly fin: boolean;
  /** RSV1-3 as a number 0-7, RSV1 highest. */
  readonly rsv: number;
  readonly opcode: number;
  readonly maskKey: Uint8Array | undefined;
  readonly payloadBytes: number;
  /** 2-14: more than the payload's length needs where the peer chose a longer form than it must. */
  readonly headerBytes: number;
  /** Where its first byte lies in the bytes that the decoder was given, from 0 or the decoder's `firstByte`. */
  readonly atByte: number;
}

export interface Frame extends FrameHeader {
  /** Unmasked. Lies in the chunk that was pushed where the frame came whole in it, else in memory of its own. */
  readonly payload: Uint8Array;
}

/** A frame to encode: as illegal as asked for. */
export interface FrameToSend {
  /** Default true. */
  readonly fin?: boolean;
  /** RSV1-3 as a number 0-7, RSV1 highest; default 0. */
  readonly rsv?: number;
  /** 0-15. */
  readonly opcode: number;
  /** true (default): a random key; false: unmasked; bytes: this key, of 4 bytes. */
  readonly mask?: boolean | Uint8Array;
  /** Text is sent as UTF-8; default empty. */
  readonly payload?: Uint8Array | string;
  /** The length that the header claims, where it is not the payload's. */
  readonly declaredLength?: number | bigint;
  /** Bits of the length field, where it is not the shortest that fits. */
  readonly lengthBits?: 7 | 16 | 64;
}

/** The bytes of one frame, header and payload in one piece; `payload` itself is left as it is. */
export function encodeFrame(frame: FrameToSend): Buffer {
  const payload = typeof frame.payload === "string" ? Buffer.from(frame.payload, "utf8") : (frame.payload ?? new Uint8Array(0));
  const length = BigInt(frame.declaredLength ?? payload.length);
  const lengthBits = frame.lengthBits ?? (length < 126n ? 7 : length < 65536n ? 16 : 64);
  const mask = frame.mask ?? true;
  const lengthEnd = lengthBits === 7 ? 2 : lengthBits === 16 ? 4 : 10;
  const headerBytes = lengthEnd + (mask === false ? 0 : 4);
  const bytes = Buffer.allocUnsafe(headerBytes + payload.length);
  bytes[0] = ((frame.fin ?? true) ? 0x80 : 0) | (((frame.rsv ?? 0) & 7) << 4) | (frame.opcode & 0xf);
  const maskBit = mask === false ? 0 : 0x80;
  if (lengthBits === 7) bytes[1] = maskBit | Number(length & 0x7fn);
  else if (lengthBits === 16) {
    bytes[1] = maskBit | 126;
    bytes.writeUInt16BE(Number(length & 0xffffn), 2);
  } else {
    bytes[1] = maskBit | 127;
    bytes.writeBigUInt64BE(BigInt.asUintN(64, length), 2);
  }
  bytes.set(payload, headerBytes);
  if (mask !== false) {
    const key = bytes.subarray(lengthEnd, headerBytes);
    // RFC 6455 §5.3: unpredictable, or a cache on the way could be poisoned.
    if (mask === true) randomFillSync(key);
    else key.set(mask.subarray(0, 4));
    applyMask(bytes.subarray(headerBytes), key);
  }
  return bytes;
}

/** Masks, or unmasks, in place (RFC 6455 §5.3). */
export function applyMask(bytes: Uint8Array, key: Uint8Array): void {
  const k0 = key[0]!;
  const k1 = key[1]!;
  const k2 = key[2]!;
  const k3 = key[3]!;
  let index = 0;
  for (const end = bytes.length - 3; index < end; index += 4) {
    bytes[index]! ^= k0;
    bytes[index + 1]! ^= k1;
    bytes[index + 2]! ^= k2;
    bytes[index + 3]! ^= k3;
  }
  if (index < bytes.length) bytes[index]! ^= k0;
  if (index + 1 < bytes.length) bytes[index + 1]! ^= k1;
  if (index + 2 < bytes.length) bytes[index + 2]! ^= k2;
}

/** The payload of a Close frame (RFC 6455 §5.5.1); without a code it is empty, whatever the reason. */
export function encodeClosePayload(code?: number, reason = ""): Buffer {
  if (code === undefined) return Buffer.alloc(0);
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
  payload.writeUInt16BE(code & 0xffff, 0);
  payload.write(reason, 2, "utf8");
  return payload;
}

/** Whether a Close frame may carry this code: RFC 6455 §7.4 and the IANA registry (1012-1014); not 1004-1006 and 1015. */
export function isSendableCloseCode(code: number): boolean {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

const empty = new Uint8Array(0);

/** Hears what a {@link FrameDecoder} finds, in order, on the stack of `push`. */
export interface FrameSink {
  /** A header is whole; its payload may be far away. False stops the decoder for good: it ignores what follows. */
  onHeader(header: FrameHeader): boolean;
  onFrame(frame: Frame): void;
}

export interface FrameDecoderOptions {
  /** A longer frame is a FRAME_TOO_LONG before any of its payload is kept. */
  readonly maxPayloadBytes: number;
  /** Offset of the first pushed byte, for `atByte`; default 0. */
  readonly firstByte?: number;
}

/** Cuts a byte stream into frames, wherever the chunks break. Keeps at most one frame, and memory only for what has come of it. */
export class FrameDecoder {
  private readonly sink: FrameSink;
  private readonly maxPayloadBytes: number;
  private readonly headerPart = new Uint8Array(14);
  private headerPartBytes = 0;
  private header: FrameHeader | undefined;
  private payload: Uint8Array = empty;
  private payloadFilled = 0;
  private position: number;
  private stopped = false;

  constructor(sink: FrameSink, options: FrameDecoderOptions) {
    this.sink = sink;
    this.maxPayloadBytes = options.maxPayloadBytes;
    this.position = options.firstByte ?? 0;
  }

  /** Takes the next bytes; throws a {@link WireError} where their framing cannot be followed, and ignores all bytes after that. Unmasks payloads in place. */
  push(chunk: Uint8Array): void {
    let offset = 0;
    while (offset < chunk.length && !this.stopped) {
      offset = this.header === undefined ? this.readHeader(chunk, offset) : this.readPayload(this.header, chunk, offset);
    }
    this.position += chunk.length - offset;
  }

  /** No more bytes come: the error where they stop inside a frame. */
  finish(): WireError | undefined {
    if (this.stopped || (this.header === undefined && this.headerPartBytes === 0)) return undefined;
    const header = this.header;
    const actual = header === undefined ? `${this.headerPartBytes} bytes of its header` : `${this.payloadFilled} of its ${header.payloadBytes} payload bytes`;
    return new WireError("TRUNCATED_FRAME", { expected: "a whole frame before the end of the stream", actual, atByte: this.position });
  }

  /** Ignores everything from here on. */
  stop(): void {
    this.stopped = true;
  }

  private readHeader(chunk: Uint8Array, start: number): number {
    let offset = start;
    // A header is 2-14 bytes: going through a small copy costs little and makes every split the same.
    while (offset < chunk.length) {
      this.headerPart[this.headerPartBytes] = chunk[offset]!;
      this.headerPartBytes += 1;
      offset += 1;
      if (this.headerPartBytes >= 2 && this.headerPartBytes === headerLength(this.headerPart[1]!)) {
        this.position += offset - start;
        this.startFrame(chunk, offset);
        return offset;
      }
    }
    this.position += offset - start;
    return offset;
  }

  private startFrame(chunk: Uint8Array, offset: number): void {
    const header = parseHeader(this.headerPart, this.headerPartBytes, this.position - this.headerPartBytes);
    this.headerPartBytes = 0;
    if (!this.sink.onHeader(header)) {
      this.stopped = true;
      return;
    }
    if (header.payloadBytes > this.maxPayloadBytes) {
      this.stopped = true;
      throw new WireError("FRAME_TOO_LONG", {
        expected: `a frame of at most ${this.maxPayloadBytes} payload bytes`,
        actual: `${header.payloadBytes} declared`,
        atByte: header.atByte,
      });
    }
    this.payloadFilled = 0;
    const available = chunk.length - offset;
    if (header.payloadBytes === 0) this.emit(header, empty);
    else {
      this.header = header;
      // A declared length is a claim: memory follows the bytes that came.
      if (available < header.payloadBytes) this.payload = new Uint8Array(Math.min(header.payloadBytes, Math.max(4096, available * 2)));
    }
  }

  private readPayload(header: FrameHeader, chunk: Uint8Array, offset: number): number {
    const take = Math.min(header.payloadBytes - this.payloadFilled, chunk.length - offset);
    const part = chunk.subarray(offset, offset + take);
    this.position += take;
    if (take === header.payloadBytes) this.emit(header, part);
    else {
      const needed = this.payloadFilled + take;
      if (needed > this.payload.length) this.growPayload(Math.min(header.payloadBytes, Math.max(needed, this.payload.length * 2)));
      this.payload.set(part, this.payloadFilled);
      this.payloadFilled = needed;
      if (needed === header.payloadBytes) this.emit(header, this.payload.subarray(0, needed));
    }
    return offset + take;
  }

  private growPayload(bytes: number): void {
    const grown = new Uint8Array(bytes);
    grown.set(this.payload.subarray(0, this.payloadFilled));
    this.payload = grown;
  }

  private emit(header: FrameHeader, payload: Uint8Array): void {
    this.header = undefined;
    this.payload = empty;
    if (header.maskKey !== undefined) applyMask(payload, header.maskKey);
    const { fin, rsv, opcode, maskKey, payloadBytes, headerBytes, atByte } = header;
    this.sink.onFrame({ fin, rsv, opcode, maskKey, payloadBytes, headerBytes, atByte, payload });
  }
}

/** Bytes of the header whose second byte this is. */
export function headerLength(secondByte: number): number {
  const length = secondByte & 0x7f;
  return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + (secondByte >= 0x80 ? 4 : 0);
}

/** The header in `bytes[0, headerBytes)`. */
export function parseHeader(bytes: Uint8Array, headerBytes: number, atByte: number): FrameHeader {
  const first = bytes[0]!;
  const second = bytes[1]!;
  const short = second & 0x7f;
  const payloadBytes = short < 126 ? short : short === 126 ? bytes[2]! * 256 + bytes[3]! : longLength(bytes);
  const maskKey = second >= 0x80 ? bytes.slice(headerBytes - 4, headerBytes) : undefined;
  return { fin: first >= 0x80, rsv: (first >> 4) & 7, opcode: first & 0xf, maskKey, payloadBytes, headerBytes, atByte };
}

/** Beyond 2^53 the last digits are rounded: such a length is refused in any case. */
function longLength(bytes: Uint8Array): number {
  let length = 0;
  for (let index = 2; index < 10; index += 1) length = length * 256 + bytes[index]!;
  return length;
}
