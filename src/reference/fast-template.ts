import type { Filter } from "./filter.js";
import { encodeGrpcMessage, levels, type Level } from "./log-entry.js";
import { encodeFrame as encodeHttp2Frame, http2Type } from "./http2-tap.js";
import type { Transport } from "./subscription.js";
import { encodeFrame as encodeWebSocketFrame, webSocketOpcode } from "./websocket-tap.js";

/** Frames of a chunk: the sequences of one begin at a multiple of it, so that their low digits (decimal, or of 7 bits) never change. */
export const framesPerChunk = { grpc: 1024, websocket: 1000 } as const satisfies Record<Transport, number>;

/** The first sequence of a stream: a chunk is never of mixed widths. */
export const firstSequence = { grpc: 16_384, websocket: 100_000 } as const satisfies Record<Transport, number>;

/** A row of frames of equal size, each with one entry that a filter lets through. */
export interface FastTemplate {
  readonly transport: Transport;
  readonly bytes: Buffer;
  readonly frameBytes: number;
  /** Of a frame, what HTTP/2 windows count. */
  readonly payloadBytes: number;
  /** Where a frame has the digits of its sequence, and how many. */
  readonly sequenceAt: number;
  readonly sequenceDigits: number;
  /** Where a frame has its time; always {@link TIME_CHARACTERS}. */
  readonly timeAt: number;
}

/** What a copy of a template holds at the moment, so that only what differs is written. */
export interface Stamp {
  readonly sequence: number;
  readonly time: string;
}

const SOURCES = ["alpha", "beta", "gamma"];
const TIME_CHARACTERS = 27;
const NO_TIME = "0000-00-00T00:00:00.000000Z";

/** Bytes of an entry's message: an entry is then about 150 bytes of protobuf, or 200 of JSON. */
const TEXT_BYTES = 100;
const LONGEST_NAMES = "alpha".length + "debug".length;

/** How many digits, decimal or of 7 bits, a sequence has. */
export function digitsOf(transport: Transport, sequence: number): number {
  return transport === "websocket" ? String(sequence).length : Math.floor(Math.log2(sequence) / 7) + 1;
}

/** Builds the frames for a filter and a sequence; undefined where no entry of the default sources can match. Takes about a millisecond. */
export function buildTemplate(transport: Transport, filter: Filter, sequence: number): FastTemplate | undefined {
  const kinds = kindsFor(filter);
  if (kinds.length === 0) return undefined;
  const count = framesPerChunk[transport];
  const frames: Buffer[] = [];
  for (let index = 0; index < count; index++) {
    const kind = kinds[index % kinds.length] ?? kinds[0];
    if (kind === undefined) return undefined;
    frames.push(encode(transport, { ...kind, sequence: sequence + index, contains: filter.contains ?? "", worker: index % 10 }));
  }
  const [first] = frames;
  if (first === undefined || frames.some((frame) => frame.length !== first.length)) throw new Error("frames of a chunk differ in size");
  return {
    transport,
    bytes: Buffer.concat(frames),
    frameBytes: first.length,
    payloadBytes: transport === "grpc" ? first.length - 9 : first.length,
    // The tag of the field is before the protobuf number, the name before the JSON one.
    sequenceAt: transport === "grpc" ? 9 + 5 + 1 : first.indexOf('"sequence":') + '"sequence":'.length,
    sequenceDigits: digitsOf(transport, sequence),
    timeAt: first.indexOf(NO_TIME),
  };
}

/** Makes a copy hold the entries from a sequence on, written at a time; the sequence has as many digits as the template's. */
export function stamp(bytes: Buffer, template: FastTemplate, held: Stamp, wanted: Stamp): void {
  stampTime(bytes, template, held.time, wanted.time);
  if (template.transport === "grpc") stampVarints(bytes, template, wanted.sequence);
  else stampDecimals(bytes, template, held.sequence, wanted.sequence);
}

export const unstamped = (sequence: number): Stamp => ({ sequence, time: NO_TIME });

function stampTime(bytes: Buffer, template: FastTemplate, held: string, wanted: string): void {
  const from = firstDifference(held, wanted);
  const text = Buffer.from(wanted, "latin1");
  for (let at = template.timeAt; at < bytes.length; at += template.frameBytes) {
    for (let index = from; index < TIME_CHARACTERS; index++) bytes[at + index] = text[index] as number;
  }
}

/** All digits but the last three are the same throughout a chunk. */
function stampDecimals(bytes: Buffer, template: FastTemplate, held: number, wanted: number): void {
  const digits = String(wanted);
  const from = firstDifference(String(held), digits);
  const to = digits.length - 3;
  const text = Buffer.from(digits, "latin1");
  for (let at = template.sequenceAt; at < bytes.length; at += template.frameBytes) {
    for (let index = from; index < to; index++) bytes[at + index] = text[index] as number;
  }
}

/** The lowest group of seven bits never changes; the next one is the same for 128 frames in a row, and so are those above. */
function stampVarints(bytes: Buffer, template: FastTemplate, wanted: number): void {
  const { frameBytes, sequenceAt, sequenceDigits } = template;
  const groups = new Uint8Array(sequenceDigits);
  for (let block = 0; block * 128 * frameBytes < bytes.length; block++) {
    let rest = Math.floor(wanted / 128) + block;
    for (let digit = 1; digit < sequenceDigits; digit++) {
      groups[digit] = (rest % 128) | (digit === sequenceDigits - 1 ? 0 : 0x80);
      rest = Math.floor(rest / 128);
    }
    const start = block * 128 * frameBytes + sequenceAt;
    const end = Math.min(start + 128 * frameBytes, bytes.length);
    for (let at = start; at < end; at += frameBytes) {
      for (let digit = 1; digit < sequenceDigits; digit++) bytes[at + digit] = groups[digit] as number;
    }
  }
}

function firstDifference(one: string, other: string): number {
  let index = 0;
  while (index < other.length && one[index] === other[index]) index++;
  return index;
}

interface Kind {
  readonly source: string;
  readonly level: Level;
}

function kindsFor(filter: Filter): Kind[] {
  const sources = SOURCES.filter((source) => filter.sources?.includes(source) ?? true);
  const allowed = levels.slice(filter.minLevel === undefined ? 0 : levels.indexOf(filter.minLevel));
  return sources.flatMap((source) => allowed.map((level) => ({ source, level })));
}

interface FastEntry extends Kind {
  readonly sequence: number;
  readonly contains: string;
  readonly worker: number;
}

function encode(transport: Transport, entry: FastEntry): Buffer {
  const { contains, source, level, worker } = entry;
  const text = `${contains}${contains === "" ? "" : " "}request served by worker ${worker} in 12 ms`;
  const bytes = Buffer.byteLength(text);
  // Names differ in length; frames must not. So that a length prefix does not either, the text stays on one side of 128 bytes.
  const spare = LONGEST_NAMES - source.length - level.length;
  const wanted = Math.max(TEXT_BYTES, bytes);
  const even = wanted < 128 && wanted + LONGEST_NAMES >= 128 ? 128 : wanted;
  const padded = text + ".".repeat(even + spare - bytes);
  return transport === "grpc" ? encodeGrpc(entry, padded) : encodeJson(entry, padded);
}

function encodeGrpc(entry: FastEntry, text: string): Buffer {
  const { sequence, level, source } = entry;
  const message = encodeGrpcMessage({ sequence, time: NO_TIME, level, source, message: text });
  return encodeHttp2Frame({ type: http2Type.data, flags: 0, streamId: 0, payload: message });
}

function encodeJson(entry: FastEntry, text: string): Buffer {
  const { sequence, level, source } = entry;
  const json = JSON.stringify({ sequence, time: NO_TIME, level, source, message: text });
  return encodeWebSocketFrame({ fin: true, rsv: 0, opcode: webSocketOpcode.text, masked: false, payload: Buffer.from(json) });
}
