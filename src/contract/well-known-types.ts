import type { Message } from "../core/contract.js";
import { createTimeReader } from "../core/date-time.js";

/** A protobuf type that JSON has a value of its own for, which contracts and entries use in place of its fields. */
export interface WellKnownType {
  /** The value of a message with these fields; the fields themselves where they say nothing that is allowed. */
  toPlain(fields: Message): unknown;
  /** The fields for a value; undefined when it is none of this type. */
  fromPlain(value: unknown): Message | undefined;
  /** What a value looks like, for errors. */
  readonly example: string;
}

/** The type of the value that a wrapper (`google.protobuf.Int64Value`, by full name) holds; undefined for all other types. */
export function wrappedType(name: string): string | undefined {
  return wrappers.get(/^\.?google\.protobuf\.(\w+)$/.exec(name)?.[1] ?? "");
}

/** By full name: Timestamp, Duration and the wrappers, as protobuf's JSON mapping has them. Undefined for all other types. */
export function wellKnownType(name: string): WellKnownType | undefined {
  const short = /^\.?google\.protobuf\.(\w+)$/.exec(name)?.[1];
  if (short === "Timestamp") {
    return timestamp;
  }
  if (short === "Duration") {
    return duration;
  }
  return wrappedType(name) === undefined ? undefined : wrapper;
}

const wrappers: ReadonlyMap<string, string> = new Map([
  ["DoubleValue", "double"],
  ["FloatValue", "float"],
  ["Int64Value", "int64"],
  ["UInt64Value", "uint64"],
  ["Int32Value", "int32"],
  ["UInt32Value", "uint32"],
  ["BoolValue", "bool"],
  ["StringValue", "string"],
  ["BytesValue", "bytes"],
]);

const wrapper: WellKnownType = {
  toPlain: ({ value }) => value,
  fromPlain: (value) => ({ value }),
  example: "the value itself",
};

const nanosPerSecond = 1_000_000_000;
/** From the year 1 to the year 9999. */
const timestampSeconds = { least: -62_135_596_800, most: 253_402_300_799 };
const durationSeconds = 315_576_000_000;

const timestamp: WellKnownType = {
  toPlain(fields) {
    const { seconds, nanos } = partsOf(fields);
    const allowed = seconds >= timestampSeconds.least && seconds <= timestampSeconds.most && nanos >= 0 && nanos < nanosPerSecond;
    return allowed ? `${new Date(seconds * 1000).toISOString().slice(0, "2026-01-01T00:00:00".length)}${fractionText(nanos)}Z` : fields;
  },
  fromPlain(value) {
    if (typeof value !== "string" || Number.isNaN(createTimeReader()(value))) {
      return undefined;
    }
    const wholeMicros = createTimeReader()(value.replace(/\.\d+/, ""));
    // Rounded: far from 1970 microseconds are beyond what a number holds exactly.
    return { seconds: Math.round(wholeMicros / 1_000_000), nanos: nanosOf(/\.(\d+)/.exec(value)?.[1]) };
  },
  example: 'a time by RFC 3339, as "2026-01-31T23:59:59.5Z"',
};

const duration: WellKnownType = {
  toPlain(fields) {
    const { seconds, nanos } = partsOf(fields);
    const allowed = Math.abs(seconds) <= durationSeconds && Math.abs(nanos) < nanosPerSecond && Math.sign(seconds) * Math.sign(nanos) >= 0;
    const sign = seconds < 0 || nanos < 0 ? "-" : "";
    return allowed ? `${sign}${Math.abs(seconds)}${fractionText(Math.abs(nanos))}s` : fields;
  },
  fromPlain(value) {
    const [, sign, whole, fraction] = (typeof value === "string" ? /^(-?)(\d{1,12})(?:\.(\d{1,9}))?s$/.exec(value) : null) ?? [];
    if (whole === undefined) {
      return undefined;
    }
    const factor = sign === "-" ? -1 : 1;
    // Without a negative zero.
    return { seconds: factor * Number(whole) || 0, nanos: factor * nanosOf(fraction) || 0 };
  },
  example: 'a number of seconds, as "1.5s"',
};

/** NaN for what is no number. */
function partsOf({ seconds, nanos }: Message): { readonly seconds: number; readonly nanos: number } {
  return { seconds: Number(seconds), nanos: Number(nanos) };
}

/** In three, six or nine digits. */
function fractionText(nanos: number): string {
  return nanos === 0
    ? ""
    : `.${String(nanos)
        .padStart(9, "0")
        .replace(/(?:000){1,2}$/, "")}`;
}

function nanosOf(fraction = ""): number {
  return Number(fraction.padEnd(9, "0").slice(0, 9));
}
