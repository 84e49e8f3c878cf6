import protobuf from "protobufjs";
import type { Message, MessageCodec, ProtobufField } from "../core/contract.js";
import { didYouMean } from "../core/suggest.js";
import { plainDefaultsOf, readMessage, RecentText, type ReaderField, type ReaderType } from "./protobuf-reader.js";
import { wellKnownType } from "./well-known-types.js";

/** Names of an enum that an error lists. */
const mostEnumNames = 20;

/** How fields of type bytes appear in messages. */
export type BytesForm = "base64" | "text";

/** A codec that writes one message type and reads another; field names are those of the .proto. */
export function createProtobufCodec(writes: protobuf.Type, reads: protobuf.Type, bytes: BytesForm): MessageCodec {
  const reader = readerFor(reads);
  const bytesText = bytes === "base64" ? toBase64 : toText;
  return {
    form: "binary",
    encode: (message) => encodeMessage(writes, message, bytes),
    decode: (input, start, end) => readMessage(reader, input, bytesText, start, end),
  };
}

/** The fields of a message type, as a compiled reader needs them. */
export function protobufFieldsOf(type: protobuf.Type): readonly ProtobufField[] {
  return type.fieldsArray.map(protobufFieldOf);
}

/** One field, as a compiled reader needs it. */
export function protobufFieldOf(field: protobuf.Field): ProtobufField {
  field.resolve();
  // On the wire a map is a list of messages; what is read of it is neither a list nor a scalar.
  return field.map
    ? { name: field.name, number: field.id, type: "message", repeated: false }
    : { name: field.name, number: field.id, type: kindOf(field), repeated: field.repeated };
}

/**
 * Encodes a message given in the contract's words.
 * @throws UnencodableError when a field is unknown or its value does not fit its type.
 */
function encodeMessage(type: protobuf.Type, message: Message, bytes: BytesForm): Uint8Array {
  return type.encode(toProtobuf(type, message, bytes, "")).finish();
}

function toProtobuf(type: protobuf.Type, message: Message, bytes: BytesForm, prefix: string): protobuf.Message {
  const properties: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(message)) {
    if (value === undefined || value === null) {
      continue;
    }
    const field = type.fields[name];
    const place = `${prefix}${name}`;
    if (field === undefined) {
      throw new UnencodableError(place, `${nameOf(type)} has no field "${place}"`);
    }
    field.resolve();
    properties[name] = fieldToProtobuf(field, value, bytes, place);
  }
  return type.create(properties);
}

/** A message that its type cannot hold; `place` is the path to the offending field, joined by dots. */
export class UnencodableError extends Error {
  readonly place: string;

  constructor(place: string, message: string) {
    super(message);
    this.place = place;
  }
}

function fieldToProtobuf(field: protobuf.Field, value: unknown, bytes: BytesForm, place: string): unknown {
  if (isMapField(field)) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new UnencodableError(place, `"${place}" is a map, not ${describe(value)}`);
    }
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, singleToProtobuf(field, inner, bytes, `${place}.${key}`)]));
  }
  if (field.repeated) {
    if (!Array.isArray(value)) {
      throw new UnencodableError(place, `"${place}" is a list, not ${describe(value)}`);
    }
    return value.map((inner, index) => singleToProtobuf(field, inner, bytes, `${place}.${index}`));
  }
  return singleToProtobuf(field, value, bytes, place);
}

function singleToProtobuf(field: protobuf.Field, value: unknown, bytes: BytesForm, place: string): unknown {
  const refuse = (example?: string): never => {
    throw new UnencodableError(place, `"${place}" is of type ${field.type}${example === undefined ? "" : ` (${example})`}, not ${describe(value)}`);
  };
  const resolved = field.resolvedType;
  if (resolved instanceof protobuf.Type) {
    const known = wellKnownType(resolved.fullName);
    const isMapping = typeof value === "object" && value !== null && !Array.isArray(value);
    const fields = isMapping ? (value as Message) : known?.fromPlain(value);
    return fields === undefined ? refuse(known?.example) : toProtobuf(resolved, fields, bytes, `${place}.`);
  }
  if (resolved instanceof protobuf.Enum) {
    const number = typeof value === "string" ? resolved.values[value] : value;
    return typeof number === "number" && Number.isInteger(number) ? number : refuseEnum(resolved, value, place);
  }
  switch (field.type) {
    case "string":
      return typeof value === "string" ? value : refuse();
    case "bool":
      return typeof value === "boolean" ? value : refuse();
    case "bytes":
      return typeof value === "string" ? fromText(value, bytes) : refuse();
    case "double":
    case "float":
      return typeof value === "number" ? value : refuse();
    default:
      return integer(field.type, value) ?? refuse();
  }
}

function refuseEnum(type: protobuf.Enum, value: unknown, place: string): never {
  const names = Object.keys(type.values);
  const [name] = type.fullName.split(".").slice(-1);
  const near = typeof value === "string" ? didYouMean(value, names) : "";
  const known = `${names.slice(0, mostEnumNames).join(", ")}${names.length > mostEnumNames ? ", …" : ""}`;
  throw new UnencodableError(place, `"${place}" is of type ${name ?? "enum"}, not ${describe(value)}.${near} Its values: ${known}`);
}

function integer(type: string, value: unknown): unknown {
  if (typeof value !== "number" && typeof value !== "bigint" && !(typeof value === "string" && /^-?\d+$/.test(value))) {
    return undefined;
  }
  if (typeof value === "number" && !Number.isSafeInteger(value)) {
    return undefined;
  }
  const whole = BigInt(value);
  const bits = type.endsWith("64") ? 64 : 32;
  const unsigned = type.startsWith("u") || type.startsWith("fixed");
  if (whole !== (unsigned ? BigInt.asUintN(bits, whole) : BigInt.asIntN(bits, whole))) {
    return undefined;
  }
  if (bits === 32) {
    return Number(whole);
  }
  const raw = BigInt.asUintN(64, whole);
  // The shape that the writer takes without the optional `long` package.
  return { low: Number(raw & 0xffff_ffffn) | 0, high: Number(raw >> 32n) | 0, unsigned };
}

function readerFor(root: protobuf.Type): ReaderType {
  const known = new Map<protobuf.Type, ReaderType>();
  const make = (type: protobuf.Type): ReaderType => {
    const existing = known.get(type);
    if (existing !== undefined) {
      return existing;
    }
    const fields = new Map<number, ReaderField>();
    const reader: { -readonly [K in keyof ReaderType]: ReaderType[K] } = { name: nameOf(type), fields, toPlain: wellKnownType(type.fullName)?.toPlain };
    known.set(type, reader);
    for (const field of type.fieldsArray) {
      field.resolve();
      fields.set(field.id, readerField(field, make));
    }
    reader.plainDefaults = plainDefaultsOf(reader);
    return reader;
  };
  return make(root);
}

function readerField(field: protobuf.Field, make: (type: protobuf.Type) => ReaderType): ReaderField {
  const resolved = field.resolvedType;
  const rivals = (field.partOf?.oneof ?? []).filter((name) => name !== field.name);
  const type = kindOf(field);
  const recent = type === "string" ? new RecentText() : undefined;
  const base = { name: field.name, type, repeated: field.repeated || field.map, presence: hasPresence(field), rivals, recent };
  if (isMapField(field)) {
    return { ...base, type: "message", map: true, message: () => mapEntryType(field, make) };
  }
  if (resolved instanceof protobuf.Type) {
    return { ...base, message: () => make(resolved) };
  }
  return resolved instanceof protobuf.Enum ? { ...base, enumNames: namesOf(resolved) } : base;
}

/** A map field's own part; the library's declaration of MapField does not extend Field under exact optional types. */
interface MapField {
  readonly name: string;
  readonly keyType: string;
  readonly type: string;
  readonly resolvedType: protobuf.ReflectionObject | null;
}

function isMapField(field: protobuf.Field): field is protobuf.Field & MapField {
  return (field as object) instanceof protobuf.MapField;
}

function mapEntryType(field: protobuf.Field & MapField, make: (type: protobuf.Type) => ReaderType): ReaderType {
  const resolved = field.resolvedType;
  const value: ReaderField = {
    name: "value",
    type: kindOf(field),
    repeated: false,
    presence: false,
    rivals: [],
    ...(resolved instanceof protobuf.Type ? { message: () => make(resolved) } : {}),
    ...(resolved instanceof protobuf.Enum ? { enumNames: namesOf(resolved) } : {}),
  };
  const key: ReaderField = { name: "key", type: field.keyType, repeated: false, presence: false, rivals: [] };
  return {
    name: `${field.name} entry`,
    fields: new Map([
      [1, key],
      [2, value],
    ]),
  };
}

function namesOf(type: protobuf.Enum): ReadonlyMap<number, string> {
  // With aliases the first name of a number is its name.
  const names = new Map<number, string>();
  for (const [name, number] of Object.entries(type.values)) {
    if (!names.has(number)) {
      names.set(number, name);
    }
  }
  return names;
}

function kindOf(field: protobuf.Field): string {
  return field.resolvedType instanceof protobuf.Type ? "message" : field.resolvedType instanceof protobuf.Enum ? "enum" : field.type;
}

function hasPresence(field: protobuf.Field): boolean {
  if (field.repeated || field.map) {
    return false;
  }
  // Declared as a boolean; the library gives whatever made it so.
  return field.resolvedType instanceof protobuf.Type || !!(field.hasPresence as unknown);
}

function nameOf(type: protobuf.Type): string {
  return type.fullName.replace(/^\./, "");
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

function toText(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function fromText(text: string, bytes: BytesForm): Uint8Array {
  return Buffer.from(text, bytes === "base64" ? "base64" : "utf8");
}

function describe(value: unknown): string {
  return Array.isArray(value) ? "a list" : typeof value === "object" ? "a mapping" : (JSON.stringify(value) ?? String(value));
}
