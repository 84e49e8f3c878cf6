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
  const names = new Set([
    ...rules.required,
    ...types.declared.map(({ name }) => name),
    ...(rules.sequence === undefined ? [] : [rules.sequence]),
    ...(rules.time === undefined ? [] : [rules.time]),
    ...match.flatMap((rule) => ("order" in rule && rule.order !== undefined ? [rule.entry] : [])),
  ]);
  const fields = [...names].map((name) => compileField(name, rules, match, types));
  return (entry) => {
    // One look at each field: in a flood it is what this costs.
    for (const { name, required, tests } of fields) {
      const value = entry[name];
      const absent = value === undefined || value === null;
      if (required && (absent || value === "")) {
        return `the required field "${name}" is ${value === undefined ? "absent" : value === null ? "null" : "empty"}`;
      }
      if (absent) {
        continue;
      }
      for (const test of tests) {
        const wanted = test(value, entry);
        if (wanted !== undefined) {
          return `"${name}" is ${show(value)}, not ${wanted}`;
        }
      }
    }
    return undefined;
  };
}

interface FieldShape {
  readonly name: string;
  readonly required: boolean;
  /** Each says what a value that is there should be, or undefined when it is that. */
  readonly tests: readonly ((value: unknown, entry: Entry) => string | undefined)[];
}

function compileField(
  name: string,
  rules: EntryRules,
  match: readonly RuleFile[],
  { declared, integers }: { readonly declared: readonly ProtobufField[]; readonly integers: "any" | "number" },
): FieldShape {
  const tests: FieldShape["tests"][number][] = [];
  const field = declared.find((candidate) => candidate.name === name);
  const usual = field === undefined ? undefined : jsonTypes[field.type];
  const ofType = usual === isInteger && integers === "number" ? isIntegralNumber : usual;
  if (field !== undefined && ofType !== undefined) {
    const fits = field.repeated ? listOf(ofType) : ofType;
    const type = `${field.repeated ? "a list of " : ""}${field.type}`;
    tests.push((value) => (fits(value) ? undefined : type));
  }
  if (name === rules.sequence) {
    tests.push((value, entry) => (typeof value === "number" || sequenceOf(rules, entry) !== undefined ? undefined : "a whole number"));
  }
  if (name === rules.time) {
    const isTime = createDateTimeTest();
    tests.push((value) => (isTime(value) ? undefined : "a time by RFC 3339"));
  }
  for (const rule of match) {
    const order = "order" in rule && rule.entry === name ? rule.order : undefined;
    if (order !== undefined) {
      tests.push((value) => (typeof value === "string" && order.includes(value) ? undefined : `one of ${order.join(", ")}`));
    }
  }
  return { name, required: rules.required.includes(name), tests };
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
    if (second !== "" && value.startsWith(second) && endsInUtc(value, secondLength)) {
      return true;
    }
    const right = isDateTime(value);
    if (right) {
      second = value.slice(0, secondLength);
    }
    return right;
  };
}

/** Whether a fraction of a second, if any, and `Z` are all that follows. */
function endsInUtc(value: string, from: number): boolean {
  const last = value.length - 1;
  const zone = value.charCodeAt(last);
  if (last === from) {
    return zone === 0x5a || zone === 0x7a;
  }
  if ((zone !== 0x5a && zone !== 0x7a) || value.charCodeAt(from) !== 0x2e || last === from + 1) {
    return false;
  }
  for (let at = from + 1; at < last; at++) {
    const code = value.charCodeAt(at);
    if (code < 0x30 || code > 0x39) {
      return false;
    }
  }
  return true;
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

function show(value: unknown): string {
  const text = typeof value === "bigint" ? value.toString() : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
