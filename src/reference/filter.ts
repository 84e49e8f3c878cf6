import { levels, wellFormed, type Level, type LogEntry } from "./log-entry.js";
import { ProtobufError, readFields, readString } from "./protobuf.js";

/** The largest `contains`, in bytes of UTF-8. */
export const CONTAINS_LIMIT_BYTES = 256;

/** What a client asks for; an absent field is no constraint. */
export interface Filter {
  readonly minLevel?: Level;
  readonly sources?: readonly string[];
  readonly contains?: string;
}

/** What a received message turned out to be. */
export type FilterReading =
  | { readonly kind: "filter"; readonly filter: Filter }
  /** Well-formed, but not a filter that the contract allows; `tooLong`: what it would be but for its length. */
  | { readonly kind: "invalid"; readonly detail: string; readonly tooLong?: Filter }
  /** Not even a message of the encoding. */
  | { readonly kind: "malformed"; readonly detail: string }
  /** JSON `null`: the client will send no more. */
  | { readonly kind: "end" };

/** Whether a filter lets an entry through: every constraint must hold. */
export function matches(filter: Filter, entry: LogEntry): boolean {
  return matchesLevel(filter, entry) && matchesSource(filter, entry) && matchesText(filter, entry);
}

export function matchesLevel(filter: Filter, entry: LogEntry): boolean {
  return filter.minLevel === undefined || entry.rank >= levels.indexOf(filter.minLevel);
}

export function matchesSource(filter: Filter, entry: LogEntry): boolean {
  return filter.sources === undefined || filter.sources.includes(entry.source);
}

export function matchesText(filter: Filter, entry: LogEntry): boolean {
  return filter.contains === undefined || entry.message.includes(filter.contains);
}

/** Reads MonitorStreamingRequest; unknown fields and fields of another wire type are skipped, the last of a repeated scalar wins. */
export function readProtobufFilter(message: Buffer): FilterReading {
  let minLevel: string | undefined;
  let contains: string | undefined;
  const sources: string[] = [];
  try {
    for (const field of readFields(message)) {
      if (field.kind !== "bytes") continue;
      if (field.number === 1) minLevel = readString(field.bytes);
      else if (field.number === 2) sources.push(readString(field.bytes));
      else if (field.number === 3) contains = readString(field.bytes);
    }
  } catch (error) {
    if (error instanceof ProtobufError) return { kind: "malformed", detail: `malformed filter: ${error.message}` };
    throw error;
  }
  return validate(minLevel, sources, contains);
}

/** Reads the text of one WebSocket frame: an object is a filter, `null` the end, all else is refused. A null-valued field is an absent one. */
export function readJsonFilter(text: string): FilterReading {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: "malformed", detail: "malformed filter: not a JSON value" };
  }
  if (value === null) return { kind: "end" };
  if (typeof value !== "object" || Array.isArray(value)) {
    return { kind: "malformed", detail: "malformed filter: not a JSON object" };
  }
  const fields = new Map(Object.entries(value).filter(([, field]) => field !== null));
  const minLevel: unknown = fields.get("min_level");
  const sources: unknown = fields.get("sources") ?? [];
  const contains: unknown = fields.get("contains");
  if (!isOptionalString(minLevel)) return { kind: "malformed", detail: "malformed filter: min_level is not a string" };
  if (!isOptionalString(contains)) return { kind: "malformed", detail: "malformed filter: contains is not a string" };
  if (!isStringList(sources)) return { kind: "malformed", detail: "malformed filter: sources is not a list of strings" };
  return validate(minLevel, sources, contains);
}

function validate(minLevel: string | undefined, sources: readonly string[], contains: string | undefined): FilterReading {
  if (minLevel !== undefined && !isLevel(minLevel)) {
    return { kind: "invalid", detail: `invalid filter: min_level "${minLevel}" is none of ${levels.join(", ")}` };
  }
  const filter: Filter = {
    ...(minLevel === undefined ? {} : { minLevel }),
    ...(sources.length === 0 ? {} : { sources: sources.map(wellFormed) }),
    ...(contains === undefined ? {} : { contains: wellFormed(contains) }),
  };
  if (contains !== undefined && Buffer.byteLength(contains) > CONTAINS_LIMIT_BYTES) {
    return { kind: "invalid", detail: `invalid filter: contains is longer than ${CONTAINS_LIMIT_BYTES} bytes`, tooLong: filter };
  }
  return { kind: "filter", filter };
}

function isLevel(text: string): text is Level {
  return (levels as readonly string[]).includes(text);
}

function isOptionalString(value: unknown): value is string | undefined {
  return value === undefined || typeof value === "string";
}

function isStringList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
