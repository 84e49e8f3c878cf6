import type { ValueType } from "./value-types.js";

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
 * For values of a type, in the form that the codecs decode: a `double` stays one though it is whole, every integer is an int, one of 64 bits that
 * came as a text too. What the type does not declare is converted as if nobody had declared it.
 */
export function valueToCel(type: ValueType): ToCel {
  switch (type.kind) {
    case "unknown":
      return toCel;
    case "scalar":
      return scalars[type.name] ?? toCel;
    case "list": {
      const one = valueToCel(type.of);
      return (value) => (Array.isArray(value) ? convertList(value, one) : toCel(value));
    }
    case "map": {
      const one = valueToCel(type.of);
      return (value) => (isObject(value) ? convertObject(value, () => one) : toCel(value));
    }
    case "message":
      return messageToCel(type.field);
  }
}

/** For an object whose fields are converted one by one; others as if nobody had declared them. */
export function fieldsToCel(fields: ReadonlyMap<string, ToCel>): ToCel {
  return objectToCel((name) => fields.get(name) ?? toCel);
}

/** Types may contain themselves: a field's converter is made when there is a value for it. */
function messageToCel(fieldType: (name: string) => ValueType | undefined): ToCel {
  const made = new Map<string, ToCel>();
  return objectToCel((name) => {
    const known = made.get(name);
    if (known !== undefined) {
      return known;
    }
    const type = fieldType(name);
    if (type === undefined) {
      return toCel;
    }
    const convert = valueToCel(type);
    made.set(name, convert);
    return convert;
  });
}

function objectToCel(converterOf: (name: string) => ToCel): ToCel {
  return (value) => (isObject(value) ? convertObject(value, converterOf) : toCel(value));
}

const double: ToCel = (value) => (typeof value === "bigint" || value === "NaN" || value === "Infinity" || value === "-Infinity" ? Number(value) : value);
const wide: ToCel = (value) => (typeof value === "string" && /^-?\d{1,20}$/.test(value) ? BigInt(value) : toCel(value));

const scalars: Readonly<Record<string, ToCel>> = { double, float: double, int64: wide, sint64: wide, uint64: wide, fixed64: wide, sfixed64: wide };

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function convertList(list: readonly unknown[], convert: ToCel): readonly unknown[] {
  const changed = list.findIndex((value) => !Object.is(convert(value), value));
  return changed < 0 ? list : list.map(convert);
}

function convertObject(given: Readonly<Record<string, unknown>>, converterOf: (name: string) => ToCel): Readonly<Record<string, unknown>> {
  let converted: Record<string, unknown> | undefined;
  for (const key in given) {
    const value = given[key];
    const inCel = converterOf(key)(value);
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
