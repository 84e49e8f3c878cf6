import type { Entry, EntryRules, ProtobufField } from "../core/contract.js";
import { sequenceOf } from "../core/contract.js";
import { createTimeReader } from "../core/date-time.js";
import { jsonText } from "../core/json-text.js";
import type { RuleFile } from "./schema.js";

interface ShapeOptions {
  /** Fields whose protobuf types are known. */
  readonly declared: readonly ProtobufField[];
  readonly integers: "any" | "number";
  /** What `compileEntryTime` gave for the same rules. */
  readonly timeOf: (entry: Entry) => number;
}

/** A function that reads an entry's own time, in microseconds since the Unix epoch; NaN when it has none by RFC 3339. */
export function compileEntryTime({ time }: EntryRules): (entry: Entry) => number {
  const read = createTimeReader();
  return (entry) => {
    const value = time === undefined ? undefined : entry[time];
    return typeof value === "string" ? read(value) : Number.NaN;
  };
}

/**
 * A function that says what is wrong with an entry's shape, or undefined: required fields, a sequence that is a whole number, a time by RFC 3339,
 * values of ordered fields, and the types of the fields where the protobuf declares them (so that JSON entries are held to the same).
 */
export function compileEntryShape(rules: EntryRules, match: readonly RuleFile[], how: ShapeOptions): (entry: Entry) => string | undefined {
  const names = new Set([
    ...rules.required,
    ...how.declared.map(({ name }) => name),
    ...(rules.sequence === undefined ? [] : [rules.sequence]),
    ...(rules.time === undefined ? [] : [rules.time]),
    ...match.flatMap((rule) => ("order" in rule && rule.order !== undefined ? [rule.entry] : [])),
  ]);
  const fields = [...names].map((name) => compileField(name, rules, match, how));
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

function compileField(name: string, rules: EntryRules, match: readonly RuleFile[], { declared, integers, timeOf }: ShapeOptions): FieldShape {
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
    tests.push((_, entry) => (Number.isNaN(timeOf(entry)) ? "a time by RFC 3339" : undefined));
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
  return typeof value === "number" || typeof value === "bigint" || value === "NaN" || value === "Infinity" || value === "-Infinity";
}

/** Beyond 2^53 a number would not be exact: there a text is right, and what 64-bit integers of protobuf are decoded to. */
function isIntegralNumber(value: unknown): boolean {
  return Number.isInteger(value) || typeof value === "bigint" || (typeof value === "string" && isInteger(value) && !Number.isSafeInteger(Number(value)));
}

/** JSON has no 64-bit integers that all can read: protobuf's own mapping writes them as texts. */
function isInteger(value: unknown): boolean {
  return Number.isInteger(value) || typeof value === "bigint" || (typeof value === "string" && /^-?\d+$/.test(value));
}

function show(value: unknown): string {
  const text = jsonText(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
