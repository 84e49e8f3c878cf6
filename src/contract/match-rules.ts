import type { Entry, Message } from "../core/contract.js";
import type { CompiledCel } from "./cel.js";
import type { ToCel } from "./cel-values.js";
import { remembered } from "./remembered.js";
import type { RuleFile } from "./schema.js";

/** A rule of the contract, with its CEL compiled; `reads` are the fields of an entry that it looks at, undefined for all. */
export type CompiledRule =
  | Exclude<RuleFile, { readonly cel: string }>
  | { readonly cel: CompiledCel; readonly text: string; readonly reads: readonly string[] | undefined; readonly filterToCel: ToCel };

/** Lets every entry through. */
export const everything = (): boolean => true;

/**
 * A predicate over entries for one filter message; what can be prepared is prepared, so that judging an entry is a few comparisons.
 * It is `everything` where no rule asks anything for the filter's sake.
 */
export function compileMatch(rules: readonly CompiledRule[], filter: Message): (entry: Entry) => boolean {
  const tests = rules.flatMap((rule) => {
    const test = compileRule(rule, filter);
    return test === undefined ? [] : [test];
  });
  const [first, second] = tests;
  if (first === undefined) {
    return everything;
  }
  if (second === undefined) {
    return first;
  }
  return tests.length === 2 ? (entry) => first(entry) && second(entry) : (entry) => tests.every((test) => test(entry));
}

/** A function that says which rule could not judge an entry and why; undefined when all could. A rule that cannot judge lets nothing through. */
export function compileUnjudged(rules: readonly CompiledRule[], filter: Message): (entry: Entry) => string | undefined {
  return (entry) => {
    for (const rule of rules) {
      const why = "cel" in rule ? rule.cel.failure({ filter: rule.filterToCel(filter), entry }) : undefined;
      if ("cel" in rule && why !== undefined) {
        return `the rule ${rule.text} fails on it (${why}), which counts as false; has() says whether a field is there`;
      }
    }
    return undefined;
  };
}

/** Undefined when the filter does not constrain by this rule: its field is absent, null or an empty list, or its predicate is true whatever the entry. */
function compileRule(rule: CompiledRule, filter: Message): ((entry: Entry) => boolean) | undefined {
  if ("cel" in rule) {
    // Whatever of it must be converted is so once.
    const { reads, filterToCel } = rule;
    const { predicate } = rule.cel;
    const converted = filterToCel(filter);
    // True without an entry: true of all, since `||` and `&&` take what decides them on either side (CEL, Logical Operators).
    if (predicate({ filter: converted })) {
      return undefined;
    }
    return reads === undefined
      ? (entry) => predicate({ filter: converted, entry })
      : remembered((entry) => predicate({ filter: converted, entry: partOf(entry, reads) }), reads);
  }
  const wanted = filter[rule.filter];
  if (rule.rule === "ignored" || wanted === undefined || wanted === null || (Array.isArray(wanted) && wanted.length === 0)) {
    return undefined;
  }
  const field = rule.entry;
  switch (rule.rule) {
    case "one-of": {
      const allowed = new Set((Array.isArray(wanted) ? wanted : [wanted]).map(comparable));
      return (entry) => allowed.has(comparable(entry[field]));
    }
    case "equals": {
      const value = comparable(wanted);
      return (entry) => comparable(entry[field]) === value;
    }
    case "contains": {
      const part = String(wanted);
      return (entry) => {
        const value = entry[field];
        return typeof value === "string" && value.includes(part);
      };
    }
    case "prefix": {
      const start = String(wanted);
      return (entry) => {
        const value = entry[field];
        return typeof value === "string" && value.startsWith(start);
      };
    }
    case "at-least":
    case "at-most": {
      const { order } = rule;
      const sign = rule.rule === "at-least" ? 1 : -1;
      if (order === undefined) {
        return (entry) => sign * compare(entry[field], wanted) >= 0;
      }
      const limit = order.indexOf(String(wanted));
      // A value outside the order is an invalid filter: it lets nothing through.
      const passing = new Set(limit === -1 ? [] : order.filter((_, rank) => sign * (rank - limit) >= 0));
      return (entry) => {
        const value = entry[field];
        return typeof value === "string" && passing.has(value);
      };
    }
    case "range": {
      const end = filter[rule.to];
      if (end === undefined || end === null) {
        const start = comparable(wanted);
        return (entry) => comparable(entry[field]) === start;
      }
      return (entry) => inOrder(entry[field], wanted) >= 0 && (end === "" || inOrder(entry[field], end) < 0);
    }
    case "topic": {
      const pattern = String(wanted).split(rule.separator);
      return (entry) => {
        const value = entry[field];
        return typeof value === "string" && matchesTopic(value.split(rule.separator), pattern, rule["any-level"], rule["any-rest"]);
      };
    }
  }
}

/** An entry with these fields alone, where it has them: what is not looked at need not be converted. */
function partOf(entry: Entry, fields: readonly string[]): Entry {
  const part: Record<string, unknown> = {};
  for (const field of fields) {
    if (Object.hasOwn(entry, field)) {
      part[field] = entry[field];
    }
  }
  return part;
}

/** One form for values that the encodings write differently: 7, 7n and int64 "7" are equal; a text and a list are not. */
function comparable(value: unknown): unknown {
  return typeof value === "number" || typeof value === "bigint" ? String(value) : value;
}

/**
 * Negative, zero or positive; NaN where the two cannot be compared. Numbers by size, also where one or both are written as texts, of two texts
 * integers only (64-bit ones are texts in JSON); other texts by code point as UTF-8 bytes order them.
 */
function compare(a: unknown, b: unknown): number {
  const [x, y] = [numeric(a, typeof b !== "string"), numeric(b, typeof a !== "string")];
  if (x !== undefined && y !== undefined) {
    return x < y ? -1 : x > y ? 1 : x >= y ? 0 : Number.NaN;
  }
  if (typeof a === "string" && typeof b === "string") {
    return compareCodePoints(a, b);
  }
  return Number.NaN;
}

/** The same for keys, whose digits are letters like any other: "10" comes before "9". */
function inOrder(a: unknown, b: unknown): number {
  return typeof a === "string" && typeof b === "string" ? compareCodePoints(a, b) : compare(a, b);
}

function numeric(value: unknown, orDecimal: boolean): number | bigint | undefined {
  if (typeof value === "number" || typeof value === "bigint") {
    return value;
  }
  if (typeof value !== "string") {
    return undefined;
  }
  if (/^-?\d{1,20}$/.test(value)) {
    return BigInt(value);
  }
  return orDecimal && value.length < 30 && /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(value) ? Number(value) : undefined;
}

/** As UTF-8 bytes compare; `<` on strings compares UTF-16 units, which differs above U+FFFF. */
function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x !== y) {
      const [surrogateX, surrogateY] = [(x & 0xf800) === 0xd800, (y & 0xf800) === 0xd800];
      return surrogateX === surrogateY ? x - y : surrogateX ? 1 : -1;
    }
  }
  return a.length - b.length;
}

function matchesTopic(levels: readonly string[], pattern: readonly string[], anyLevel: string, anyRest: string): boolean {
  for (const [depth, part] of pattern.entries()) {
    if (part === anyRest) {
      return true;
    }
    const level = levels[depth];
    if (level === undefined || (part !== anyLevel && part !== level)) {
      return false;
    }
  }
  return levels.length === pattern.length;
}
