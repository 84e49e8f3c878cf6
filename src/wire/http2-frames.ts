import { WireError } from "./wire-error.js";

/** What an HTTP/2 client sends first (RFC 9113 section 3.4). */
export const CLIENT_PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

export const FRAME_HEADER_BYTES = 9;
export const LARGEST_WINDOW = 2 ** 31 - 1;
export const LARGEST_STREAM_ID = 2 ** 31 - 1;
export const DEFAULT_WINDOW_BYTES = 65_535;
export const DEFAULT_MAX_FRAME_BYTES = 16_384;

/** Frame types of RFC 9113 section 6. */
export const FRAME = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

/** Frame flags of RFC 9113 section 6; ACK and END_STREAM share a bit on different types. */
export const FLAG = { ACK: 0x1, END_STREAM: 0x1, END_HEADERS: 0x4, PADDED: 0x8, PRIORITY: 0x20 } as const;

/** Error codes of RFC 9113 section 7. */
export const ERROR_CODE = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  SETTINGS_TIMEOUT: 4,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  CONNECT_ERROR: 10,
  ENHANCE_YOUR_CALM: 11,
  INADEQUATE_SECURITY: 12,
  HTTP_1_1_REQUIRED: 13,
} as const;

/** Settings identifiers of RFC 9113 section 6.5.2. */
export const SETTING = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
} as const;

export type ErrorCodeName = keyof typeof ERROR_CODE;
export type SettingName = keyof typeof SETTING;

/** The name of a frame type, or `type 0x..` for one that RFC 9113 does not know. */
export function frameName(type: number): string {
  return nameOf(FRAME, type) ?? `type 0x${type.toString(16)}`;
}

/** The name of an error code, or `error code N` for one that RFC 9113 does not know. */
export function errorCodeName(code: number): string {
  return nameOf(ERROR_CODE, code) ?? `error code ${code}`;
}

function nameOf(table: Readonly<Record<string, number>>, value: number): string | undefined {
  return Object.keys(table).find((name) => table[name] === value);
}

/** A frame to send; nothing is checked, so an illegal one is encoded as asked. `length` overrides the declared length. */
export interface FrameToSend {
  readonly type: number;
  readonly flags?: number;
  readonly streamId?: number;
  readonly payload?: Uint8Array;
  readonly length?: number;
}

/** One frame as bytes: the 9-byte header (RFC 9113 section 4.1) and the payload in one buffer. */
export function encodeFrame(frame: FrameToSend): Buffer {
  const payload = frame.payload;
  const bytes = payload === undefined ? 0 : payload.length;
  const out = Buffer.allocUnsafe(FRAME_HEADER_BYTES + bytes);
  out.writeUIntBE(frame.length ?? bytes, 0, 3);
  out[3] = frame.type;
  out[4] = frame.flags ?? 0;
  out.writeUInt32BE(frame.streamId ?? 0, 5);
  if (payload !== undefined) out.set(payload, FRAME_HEADER_BYTES);
  return out;
}

/** A WINDOW_UPDATE or RST_STREAM payload: one 32-bit number. */
export function encodeUint32(value: number): Buffer {
  const out = Buffer.allocUnsafe(4);
  out.writeUInt32BE(value);
  return out;
}

export function encodeGoawayPayload(lastStreamId: number, code: number, debug: Uint8Array = new Uint8Array(0)): Buffer {
  const out = Buffer.allocUnsafe(8 + debug.length);
  out.writeUInt32BE(lastStreamId, 0);
  out.writeUInt32BE(code, 4);
  out.set(debug, 8);
  return out;
}

/** Settings by identifier, so that unknown and illegal ones can be sent too. */
export function encodeSettingsPayload(settings: ReadonlyMap<number, number>): Buffer {
  const out = Buffer.allocUnsafe(settings.size * 6);
  let at = 0;
  for (const [id, value] of settings) {
    out.writeUInt16BE(id, at);
    out.writeUInt32BE(value, at + 2);
    at += 6;
  }
  return out;
}

/** A received frame's place: `start` and `end` bound the payload in `buffer`, `atByte` is the offset of its header in the connection. */
export interface FrameView {
  type: number;
  flags: number;
  streamId: number;
  buffer: Buffer;
  start: number;
  end: number;
  atByte: number;
}

/** Padding and its length byte: what a DATA frame carries beside payload. */
export function paddingBytes(frame: FrameView): number {
  return (frame.flags & FLAG.PADDED) === 0 || frame.end === frame.start ? 0 : 1 + (frame.buffer[frame.start] ?? 0);
}

/** Payload bounds of a DATA, HEADERS or PUSH_PROMISE frame without its padding; throws WireError `PROTOCOL_ERROR` where the padding is too long. */
export function unpad(frame: FrameView): { start: number; end: number } {
  if ((frame.flags & FLAG.PADDED) === 0) return { start: frame.start, end: frame.end };
  if (frame.end === frame.start) throw frameError("FRAME_SIZE_ERROR", frame, "a pad length byte (RFC 9113 6.1)", "an empty payload");
  const padding = frame.buffer[frame.start] ?? 0;
  const start = frame.start + 1;
  const end = frame.end - padding;
  if (end < start)
    throw frameError("PROTOCOL_ERROR", frame, "padding shorter than the payload (RFC 9113 6.1)", `${padding} bytes of padding in ${frame.end - frame.start}`);
  return { start, end };
}

/** A violation of the frame's own rules; `code` is the RFC 9113 error that answers it. */
export function frameError(code: ErrorCodeName, frame: FrameView, expected: string, actual: string): WireError {
  const where = frame.streamId === 0 ? "" : ` on stream ${frame.streamId}`;
  return new WireError(code, { expected, actual: `${actual}, in ${frameName(frame.type)}${where}`, atByte: frame.atByte });
}

/** Entries of a SETTINGS payload in wire order; the caller has checked that the length is a multiple of 6. */
export function* settingsEntries(frame: FrameView): Generator<readonly [id: number, value: number]> {
  for (let at = frame.start; at + 6 <= frame.end; at += 6) yield [frame.buffer.readUInt16BE(at), frame.buffer.readUInt32BE(at + 2)];
}
