import type { Message } from "../core/contract.js";

/** How one message type is read: its fields by number. */
export interface ReaderType {
  /** Full name, for errors. */
  readonly name: string;
  readonly fields: ReadonlyMap<number, ReaderField>;
  /** What a message holds before anything is read, where nothing in it is a list or a map: it is copied. Absent: it is made anew for each. */
  readonly plainDefaults?: Readonly<Record<string, unknown>> | undefined;
  /** What stands for a message of this type in the one that holds it; absent: the message itself. */
  readonly toPlain?: ((message: Message) => unknown) | undefined;
}

export interface ReaderField {
  readonly name: string;
  /** Protobuf scalar name, `enum` or `message`. */
  readonly type: string;
  readonly repeated: boolean;
  /** Set where absence differs from the default: the field is then left out instead of given its default. */
  readonly presence: boolean;
  /** Other fields of its oneof, which its arrival clears. */
  readonly rivals: readonly string[];
  /** The type of a message field, resolved late because types may contain themselves. */
  readonly message?: () => ReaderType;
  /** Names of an enum's values by number. */
  readonly enumNames?: ReadonlyMap<number, string>;
  /** A map is a repeated message of key and value on the wire. */
  readonly map?: boolean;
  /** Of a string field: what it held last. */
  readonly recent?: RecentText | undefined;
}

/** The last short text of a field: levels, sources and names come again and again, and comparing bytes costs less than making a string. */
export class RecentText {
  readonly #bytes = new Uint8Array(recentBytes);
  #length = -1;
  #text = "";

  /** The text of `input[start, stop)`, where it is the same as the last one. */
  of(input: Uint8Array, start: number, stop: number): string | undefined {
    const length = this.#length;
    if (stop - start !== length) {
      return undefined;
    }
    const bytes = this.#bytes;
    for (let i = 0; i < length; i++) {
      if (input[start + i] !== bytes[i]) {
        return undefined;
      }
    }
    return this.#text;
  }

  /** Keeps a text in ASCII, if it is short. */
  keep(text: string): string {
    const { length } = text;
    if (length <= recentBytes) {
      for (let i = 0; i < length; i++) {
        this.#bytes[i] = text.charCodeAt(i);
      }
      this.#length = length;
      this.#text = text;
    }
    return text;
  }
}

const deepest = 100;
const recentBytes = 24;

/**
 * Reads a protobuf message strictly: truncated input, invalid UTF-8, field number 0, unknown wire types, unbalanced groups,
 * varints beyond 10 bytes and nesting beyond 100 throw an Error that names the field and the byte. Unknown fields are skipped.
 * int64 and uint64 are numbers where safe, else decimal texts; bytes are given by `bytesText`; fields without presence that are absent get their default.
 */
export function readMessage(type: ReaderType, input: Uint8Array, bytesText: (bytes: Uint8Array) => string, start = 0, end = input.length): Message {
  try {
    return readFields(type, { input, at: start, bytesText }, end, 0, undefined);
  } catch (thrown) {
    if (start === 0) {
      throw thrown;
    }
    // Again, with places that count from the message's own start.
    return readMessage(type, input.subarray(start, end), bytesText);
  }
}

interface Cursor {
  readonly input: Uint8Array;
  readonly bytesText: (bytes: Uint8Array) => string;
  at: number;
}

/** For the few types that need one. */
function viewOf({ input }: Cursor): DataView {
  return new DataView(input.buffer, input.byteOffset, input.byteLength);
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function readFields(type: ReaderType, cursor: Cursor, end: number, depth: number, group: number | undefined): Message {
  if (depth > deepest) {
    throw new Error(`${type.name} is nested more than ${deepest} deep at byte ${cursor.at}`);
  }
  const message = type.plainDefaults === undefined ? defaultsOf(type) : { ...type.plainDefaults };
  while (cursor.at < end) {
    const tagAt = cursor.at;
    const short = cursor.input[tagAt] as number;
    let number = short >> 3;
    let wire = short & 7;
    if (short > 127) {
      const tag = Number(readVarint(cursor, end, type, undefined));
      number = Math.floor(tag / 8);
      wire = tag % 8;
    } else {
      cursor.at++;
    }
    if (number === 0 || number > 536_870_911) {
      throw new Error(`field number ${number} in ${type.name} at byte ${tagAt}`);
    }
    if (wire === 4) {
      if (number === group) {
        return message;
      }
      throw new Error(`an end of group ${number} that was not begun in ${type.name} at byte ${tagAt}`);
    }
    const field = type.fields.get(number);
    if (field === undefined || !readKnown(field, wire, number, message, cursor, end, depth, type)) {
      skip(wire, number, cursor, end, depth, type, tagAt);
    }
  }
  if (group !== undefined) {
    throw new Error(`group ${group} in ${type.name} is cut off at byte ${cursor.at}`);
  }
  return message;
}

/** What can be copied in place of making it, or undefined. */
export function plainDefaultsOf(type: ReaderType): Readonly<Record<string, unknown>> | undefined {
  return [...type.fields.values()].some(({ map, repeated }) => map === true || repeated) ? undefined : defaultsOf(type);
}

function defaultsOf(type: ReaderType): Record<string, unknown> {
  const message: Record<string, unknown> = {};
  for (const field of type.fields.values()) {
    if (field.map === true) {
      message[field.name] = {};
    } else if (field.repeated) {
      message[field.name] = [];
    } else if (!field.presence) {
      message[field.name] = defaultOf(field);
    }
  }
  return message;
}

function defaultOf(field: ReaderField): unknown {
  if (field.type === "enum") {
    return field.enumNames?.get(0) ?? 0;
  }
  return field.type === "string" || field.type === "bytes" ? "" : field.type === "bool" ? false : 0;
}

/** False when the wire type does not fit the field: such a field counts as unknown. */
function readKnown(
  field: ReaderField,
  wire: number,
  number: number,
  message: Record<string, unknown>,
  cursor: Cursor,
  end: number,
  depth: number,
  type: ReaderType,
): boolean {
  if (field.type === "message") {
    const inner = field.message?.();
    if (inner === undefined || (wire !== 2 && wire !== 3)) {
      return false;
    }
    const innerEnd = wire === 2 ? readLength(cursor, end, type, field) : end;
    const value = readFields(inner, cursor, innerEnd, depth + 1, wire === 3 ? number : undefined);
    if (inner.toPlain === undefined) {
      storeMessage(field, value, message);
    } else {
      store(field, inner.toPlain(value), message);
    }
    return true;
  }
  const fitting = wireTypeOf(field.type);
  if (wire === fitting) {
    store(field, readScalar(field, cursor, end, type), message);
    return true;
  }
  if (wire === 2 && field.repeated && fitting !== 2) {
    const packedEnd = readLength(cursor, end, type, field);
    while (cursor.at < packedEnd) {
      store(field, readScalar(field, cursor, packedEnd, type), message);
    }
    return true;
  }
  return false;
}

function store(field: ReaderField, value: unknown, message: Record<string, unknown>): void {
  if (field.rivals.length > 0) {
    for (const rival of field.rivals) {
      delete message[rival];
    }
  }
  if (field.repeated) {
    (message[field.name] as unknown[]).push(value);
  } else {
    message[field.name] = value;
  }
}

function storeMessage(field: ReaderField, value: Message, message: Record<string, unknown>): void {
  if (field.map === true) {
    const key = String(value["key"]);
    // Defined, not assigned: a peer may send "__proto__" as a key.
    Object.defineProperty(message[field.name], key, { value: value["value"], enumerable: true, configurable: true, writable: true });
    return;
  }
  const before = message[field.name];
  const merges = !field.repeated && typeof before === "object" && before !== null;
  // A message field that comes twice is merged.
  store(field, merges ? mergeMessages(before as Message, value) : value, message);
}

function mergeMessages(before: Message, after: Message): Message {
  const merged: Record<string, unknown> = { ...before };
  for (const [name, value] of Object.entries(after)) {
    const old = merged[name];
    if (Array.isArray(old) && Array.isArray(value)) {
      merged[name] = [...(old as unknown[]), ...(value as unknown[])];
    } else if (value !== "" && value !== 0 && value !== false) {
      merged[name] = value;
    }
  }
  return merged;
}

function wireTypeOf(type: string): number {
  switch (type) {
    case "double":
    case "fixed64":
    case "sfixed64":
      return 1;
    case "string":
    case "bytes":
      return 2;
    case "float":
    case "fixed32":
    case "sfixed32":
      return 5;
    default:
      return 0;
  }
}

function readScalar(field: ReaderField, cursor: Cursor, end: number, type: ReaderType): unknown {
  switch (field.type) {
    case "string": {
      const stop = readLength(cursor, end, type, field);
      const start = cursor.at;
      cursor.at = stop;
      const { recent } = field;
      const again = recent?.of(cursor.input, start, stop);
      if (again !== undefined) {
        return again;
      }
      const ascii = readAscii(cursor.input, start, stop);
      if (ascii !== undefined) {
        return recent === undefined ? ascii : recent.keep(ascii);
      }
      try {
        return utf8.decode(cursor.input.subarray(start, stop));
      } catch {
        throw new Error(`${nameOf(type, field)} is not UTF-8 (bytes ${start} to ${stop - 1})`);
      }
    }
    case "bytes": {
      const stop = readLength(cursor, end, type, field);
      const start = cursor.at;
      cursor.at = stop;
      return cursor.bytesText(cursor.input.subarray(start, stop));
    }
    case "double":
      return viewOf(cursor).getFloat64(advance(cursor, 8, end, type, field), true);
    case "float":
      return viewOf(cursor).getFloat32(advance(cursor, 4, end, type, field), true);
    case "fixed32":
      return viewOf(cursor).getUint32(advance(cursor, 4, end, type, field), true);
    case "sfixed32":
      return viewOf(cursor).getInt32(advance(cursor, 4, end, type, field), true);
    case "fixed64":
      return narrow(viewOf(cursor).getBigUint64(advance(cursor, 8, end, type, field), true));
    case "sfixed64":
      return narrow(viewOf(cursor).getBigInt64(advance(cursor, 8, end, type, field), true));
    default:
      return fromVarint(field, readVarint(cursor, end, type, field));
  }
}

/** Longer texts are decoded faster by the platform. */
const shortText = 128;

/** A short text of nothing but ASCII; undefined for any other. */
function readAscii(input: Uint8Array, start: number, stop: number): string | undefined {
  if (stop - start > shortText) {
    return undefined;
  }
  let bits = 0;
  for (let at = start; at < stop; at++) {
    bits |= input[at] as number;
  }
  return bits > 0x7f ? undefined : Buffer.prototype.latin1Slice.call(input, start, stop);
}

/** What is being read, for errors: a field, or the tag of one. */
function nameOf(type: ReaderType, field: ReaderField | number | undefined): string {
  return typeof field === "number" ? `unknown field ${field} of ${type.name}` : field === undefined ? `a field of ${type.name}` : `${type.name}.${field.name}`;
}

function fromVarint(field: ReaderField, varint: number | bigint): unknown {
  if (typeof varint === "number" && (varint < 2 ** 28 ? plainVarints : wideVarints).has(field.type)) {
    return varint;
  }
  const value = BigInt(varint);
  switch (field.type) {
    case "bool":
      return value !== 0n;
    case "uint32":
      return Number(BigInt.asUintN(32, value));
    case "int32":
      return Number(BigInt.asIntN(32, value));
    case "sint32": {
      const raw = BigInt.asUintN(32, value);
      return Number((raw >> 1n) ^ -(raw & 1n));
    }
    case "int64":
      return narrow(BigInt.asIntN(64, value));
    case "sint64":
      return narrow((value >> 1n) ^ -(value & 1n));
    case "enum": {
      const number = Number(BigInt.asIntN(32, value));
      return field.enumNames?.get(number) ?? number;
    }
    default:
      return narrow(value);
  }
}

/** Types whose varint, where it is a number, is the value itself; all of them where it is of 28 bits at most. */
const wideVarints: ReadonlySet<string> = new Set(["int64", "uint64"]);
const plainVarints: ReadonlySet<string> = new Set(["int32", "uint32", ...wideVarints]);

function narrow(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}

/** An unsigned 64-bit varint: a number when it has at most 7 bytes, which spares a bigint for nearly all. */
function readVarint(cursor: Cursor, end: number, type: ReaderType, field: ReaderField | number | undefined): number | bigint {
  const start = cursor.at;
  let low = 0;
  for (let shift = 0; shift < 28; shift += 7) {
    const byte = nextByte(cursor, end, type, field);
    low |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      return low;
    }
  }
  let exact = low;
  for (let weight = 2 ** 28; weight < 2 ** 49; weight *= 2 ** 7) {
    const byte = nextByte(cursor, end, type, field);
    exact += (byte & 0x7f) * weight;
    if (byte < 0x80) {
      return exact;
    }
  }
  let value = BigInt(exact);
  for (let shift = 49n; shift < 70n; shift += 7n) {
    const byte = nextByte(cursor, end, type, field);
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) {
      return BigInt.asUintN(64, value);
    }
  }
  throw new Error(`${nameOf(type, field)} has a varint of more than 10 bytes at byte ${start}`);
}

function nextByte(cursor: Cursor, end: number, type: ReaderType, field: ReaderField | number | undefined): number {
  if (cursor.at >= end) {
    throw new Error(`${nameOf(type, field)} is cut off at byte ${end}`);
  }
  return cursor.input[cursor.at++] ?? 0;
}

/** Reads a length and returns the offset at which what it announces ends. */
function readLength(cursor: Cursor, end: number, type: ReaderType, field: ReaderField | number): number {
  const lengthAt = cursor.at;
  const length = readVarint(cursor, end, type, field);
  if (length > end - cursor.at) {
    throw new Error(`${nameOf(type, field)} announces ${length} bytes at byte ${lengthAt}, but ${end - cursor.at} are left`);
  }
  return cursor.at + Number(length);
}

function advance(cursor: Cursor, bytes: number, end: number, type: ReaderType, field: ReaderField | number): number {
  const start = cursor.at;
  if (end - start < bytes) {
    throw new Error(`${nameOf(type, field)} is cut off at byte ${end}`);
  }
  cursor.at = start + bytes;
  return start;
}

function skip(wire: number, number: number, cursor: Cursor, end: number, depth: number, type: ReaderType, tagAt: number): void {
  switch (wire) {
    case 0:
      readVarint(cursor, end, type, number);
      return;
    case 1:
      advance(cursor, 8, end, type, number);
      return;
    case 2:
      cursor.at = readLength(cursor, end, type, number);
      return;
    case 3:
      readFields({ name: `${type.name} group ${number}`, fields: new Map() }, cursor, end, depth + 1, number);
      return;
    case 5:
      advance(cursor, 4, end, type, number);
      return;
    default:
      throw new Error(`wire type ${wire} of field ${number} in ${type.name} at byte ${tagAt}`);
  }
}
