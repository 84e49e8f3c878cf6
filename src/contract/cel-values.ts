import protobuf from "protobufjs";
import { fieldAt } from "./entry-types.js";

/** Gives a value the form in which CEL computes with it. What has been converted may be given again. */
export type ToCel = (value: unknown) => unknown;

/** For values whose types nobody declared: whole numbers become CEL ints, deeply; all else stays as it is, and is not copied. */
export function toCel(value: unknown): unknown {
  if (typeof value === "number") {
    return Number.isSafeInteger(value) ? BigInt(value) : value;
  }
  if (Array.isArray(value)) {
    return convertList(value, toCel);
  }
  return isObject(value) ? convertObject(value, () => toCel) : value;
}

/**
 * For messages of a protobuf type, in the form that the codec decodes: a `double` stays one though it is whole, every integer is an int, one of
 * 64 bits that came as a text too. What the type does not declare is converted as if nobody had declared it.
 */
export function messageToCel(type: protobuf.Type): ToCel {
  return converterOf(type, new Map());
}

/** For the value at `a.b.c` of such a message; numbers index lists. */
export function valueToCel(type: protobuf.Type, path: string): ToCel {
  const field = fieldAt(type, path);
  return field === undefined ? toCel : fieldConverter(field, new Map());
}

/** For an object whose fields are converted one by one; others as if nobody had declared them. */
export function fieldsToCel(fields: ReadonlyMap<string, ToCel>): ToCel {
  const convertField = (name: string): ToCel => fields.get(name) ?? toCel;
  return (value) => (isObject(value) ? convertObject(value, convertField) : toCel(value));
}

type Converters = Map<protobuf.Type, ToCel>;

function converterOf(type: protobuf.Type, known: Converters): ToCel {
  const made = known.get(type);
  if (made !== undefined) {
    return made;
  }
  // Decoded as the texts and plain values that protobuf's JSON has for them.
  if (type.fullName.startsWith(".google.protobuf.")) {
    return wrappers[type.fullName.slice(".google.protobuf.".length)] ?? toCel;
  }
  // Types may contain themselves: the entry is there before its fields are.
  const fields = new Map<string, ToCel>();
  const convert = fieldsToCel(fields);
  known.set(type, convert);
  for (const field of type.fieldsArray) {
    field.resolve();
    fields.set(field.name, fieldConverter(field, known));
  }
  return convert;
}

/** For a field's value, and for each of its values where it is repeated or a map. */
function fieldConverter(field: protobuf.Field, known: Converters): ToCel {
  const one = field.resolvedType instanceof protobuf.Type ? converterOf(field.resolvedType, known) : (scalars[field.type] ?? toCel);
  if (field.map) {
    return (value) => (isObject(value) ? convertObject(value, () => one) : toCel(value));
  }
  return (value) => (Array.isArray(value) ? convertList(value, one) : one(value));
}

const double: ToCel = (value) => (value === "NaN" || value === "Infinity" || value === "-Infinity" ? Number(value) : value);
const wide: ToCel = (value) => (typeof value === "string" && /^-?\d{1,20}$/.test(value) ? BigInt(value) : toCel(value));

const scalars: Readonly<Record<string, ToCel>> = { double, float: double, int64: wide, sint64: wide, uint64: wide, fixed64: wide, sfixed64: wide };
const wrappers: Readonly<Record<string, ToCel>> = { DoubleValue: double, FloatValue: double, Int64Value: wide, UInt64Value: wide };

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function convertList(list: readonly unknown[], convert: ToCel): readonly unknown[] {
  const changed = list.findIndex((value) => !Object.is(convert(value), value));
  return changed < 0 ? list : list.map(convert);
}

function convertObject(given: Readonly<Record<string, unknown>>, convertField: (name: string) => ToCel): Readonly<Record<string, unknown>> {
  let converted: Record<string, unknown> | undefined;
  for (const key in given) {
    const value = given[key];
    const inCel = convertField(key)(value);
    if (!Object.is(inCel, value)) {
      converted ??= { ...given };
      if (key === "__proto__") {
        Object.defineProperty(converted, key, { value: inCel, enumerable: true, configurable: true, writable: true });
      } else {
        converted[key] = inCel;
      }
    }
  }
  return converted ?? given;
}
