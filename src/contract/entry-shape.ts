import type { Entry, EntryRules, ProtobufField } from "../core/contract.js";
import { sequenceOf } from "../core/contract.js";
import type { RuleFile } from "./schema.js";

const dateTime = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)$/i;

/**
 * A function that says what is wrong with an entry's shape, or undefined: required fields, a sequence that is a whole number, a time by RFC 3339,
 * values of ordered fields, and the types of the fields where the protobuf declares them (so that JSON entries are held to the same).
 */
export function compileEntryShape(
  rules: EntryRules,
  match: readonly RuleFile[],
  types: { readonly declared: readonly ProtobufField[]; readonly integers: "any" | "number" },
): (entry: Entry) => string | undefined {
  const orders = match.flatMap((rule) => ("order" in rule && rule.order !== undefined ? [{ field: rule.entry, order: rule.order }] : []));
  const tests = types.declared.flatMap((field) => {
    const usual = jsonTypes[field.type];
    const test = usual === isInteger && types.integers === "number" ? isIntegralNumber : usual;
    return test === undefined ? [] : [{ field, fits: field.repeated ? listOf(test) : test }];
  });
  const isTime = createDateTimeTest();
  return (entry) => {
    for (const field of rules.required) {
      const value = entry[field];
      if (value === undefined || value === null || value === "") {
        return `the required field "${field}" is ${value === undefined ? "absent" : value === null ? "null" : "empty"}`;
      }
    }
    for (const { field, fits } of tests) {
      const value = entry[field.name];
      if (value !== undefined && value !== null && !fits(value)) {
        return `"${field.name}" is ${show(value)}, not ${field.repeated ? "a list of " : ""}${field.type}`;
      }
    }
    if (rules.sequence !== undefined && present(entry[rules.sequence]) && sequenceOf(rules, entry) === undefined) {
      return `"${rules.sequence}" is ${show(entry[rules.sequence])}, not a whole number`;
    }
    if (rules.time !== undefined && present(entry[rules.time]) && !isTime(entry[rules.time])) {
      return `"${rules.time}" is ${show(entry[rules.time])}, not a time by RFC 3339`;
    }
    for (const { field, order } of orders) {
      const value = entry[field];
      if (present(value) && !(typeof value === "string" && order.includes(value))) {
        return `"${field}" is ${show(value)}, not one of ${order.join(", ")}`;
      }
    }
    return undefined;
  };
}

const jsonTypes: Readonly<Record<string, (value: unknown) => boolean>> = {
  string: (value) => typeof value === "string",
  bool: (value) => typeof value === "boolean",
  double: isNumber,
  float: isNumber,
  int32: isInteger,
  sint32: isInteger,
  uint32: isInteger,
  fixed32: isInteger,
  sfixed32: isInteger,
  int64: isInteger,
  sint64: isInteger,
  uint64: isInteger,
  fixed64: isInteger,
  sfixed64: isInteger,
};

function listOf(test: (value: unknown) => boolean): (value: unknown) => boolean {
  return (value) => Array.isArray(value) && value.every(test);
}

function isNumber(value: unknown): boolean {
  return typeof value === "number" || value === "NaN" || value === "Infinity" || value === "-Infinity";
}

/** Beyond 2^53 a number would not be exact: there a text is right, and what 64-bit integers of protobuf are decoded to. */
function isIntegralNumber(value: unknown): boolean {
  return Number.isInteger(value) || typeof value === "bigint" || (typeof value === "string" && isInteger(value) && !Number.isSafeInteger(Number(value)));
}

/** JSON has no 64-bit integers that all can read: protobuf's own mapping writes them as texts. */
function isInteger(value: unknown): boolean {
  return Number.isInteger(value) || typeof value === "bigint" || (typeof value === "string" && /^-?\d+$/.test(value));
}

/** Judges times by RFC 3339. Entries come in time order, so that up to its second a time is nearly always the last one that was right. */
function createDateTimeTest(): (value: unknown) => boolean {
  let second = "";
  return (value) => {
    if (typeof value !== "string") {
      return false;
    }
    if (second !== "" && value.startsWith(second) && /^(?:\.\d+)?[Zz]$/.test(value.slice(second.length))) {
      return true;
    }
    const right = isDateTime(value);
    if (right) {
      second = value.slice(0, secondLength);
    }
    return right;
  };
}

/** Characters of `2026-01-01T00:00:00`. */
const secondLength = 19;

function isDateTime(value: string): boolean {
  const parts = dateTime.exec(value);
  if (parts === null) {
    return false;
  }
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.slice(1, 7).map(Number);
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = month === 2 && leap ? 29 : (daysOfMonths[month - 1] ?? 0);
  // 60 is a leap second.
  return month >= 1 && month <= 12 && day >= 1 && day <= days && hour <= 23 && minute <= 59 && second <= 60;
}

const daysOfMonths: readonly number[] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function present(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function show(value: unknown): string {
  const text = typeof value === "bigint" ? value.toString() : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
