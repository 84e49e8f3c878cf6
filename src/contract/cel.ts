import { Environment } from "@marcbachmann/cel-js";
import type { ProtobufField } from "../core/contract.js";

/** Fields of a variable, as far as they are known; undefined: any. */
export interface CelShape {
  readonly [field: string]: string | CelShape;
}

/** What is wrong with an expression, and at which of its characters. */
export interface CelProblem {
  readonly message: string;
  readonly at: number;
}

/** A compiled predicate. An expression that fails on a message (a field is absent, types do not fit) is false there. */
export type CelPredicate = (variables: Readonly<Record<string, unknown>>) => boolean;

/**
 * Compiles a CEL predicate over the given variables, checking its types and field names where the shapes are known.
 * Whole numbers are CEL `int`, others `double`; fields that a message lacks are absent: test them with `has()`.
 */
export function compileCel(
  expression: string,
  variables: Readonly<Record<string, CelShape | undefined>>,
): { readonly predicate: CelPredicate } | { readonly problem: CelProblem } {
  const loose = new Environment({ homogeneousAggregateLiterals: false, enableOptionalTypes: true });
  const typed = new Environment({ homogeneousAggregateLiterals: false, enableOptionalTypes: true });
  for (const [name, shape] of Object.entries(variables)) {
    loose.registerVariable(name, "dyn");
    if (shape === undefined) {
      typed.registerVariable(name, "dyn");
    } else {
      typed.registerVariable({ name, schema: shape });
    }
  }
  for (const environment of [loose, typed]) {
    const checked = environment.check(expression);
    if (!checked.valid) {
      return { problem: { message: checked.error?.summary ?? "it is not valid", at: checked.error?.range?.start ?? 0 } };
    }
    if (checked.type !== "bool" && checked.type !== "dyn") {
      return { problem: { message: `it gives ${checked.type ?? "nothing"}, not true or false`, at: 0 } };
    }
  }
  const run = loose.parse(expression);
  return {
    predicate(values) {
      try {
        return run(toCel(values) as Record<string, unknown>) === true;
      } catch {
        return false;
      }
    },
  };
}

/**
 * The fields of a variable that an expression can look at; undefined when it cannot be told from its text, as when the variable is used as a whole.
 * A text in the expression that looks like a use of the variable counts as one.
 */
export function fieldsRead(expression: string, variable: string): readonly string[] | undefined {
  const uses = expression.matchAll(new RegExp(`(?<![\\w.])${variable}\\b(?:\\s*\\.\\s*([A-Za-z_]\\w*)\\b(?!\\s*\\())?`, "g"));
  const fields = new Set<string>();
  for (const [, field] of uses) {
    if (field === undefined || field === "__proto__") {
      return undefined;
    }
    fields.add(field);
  }
  return [...fields];
}

/** The shape of a protobuf message for the type checker; nested messages are not looked into. */
export function celShapeOf(fields: readonly ProtobufField[]): CelShape {
  const shape: Record<string, string> = {};
  for (const field of fields) {
    const scalar = celTypes[field.type] ?? "dyn";
    shape[field.name] = field.repeated ? (scalar === "dyn" ? "list" : `list<${scalar}>`) : scalar;
  }
  return shape;
}

const celTypes: Readonly<Record<string, string>> = {
  string: "string",
  bytes: "string",
  bool: "bool",
  double: "double",
  float: "double",
  int32: "int",
  sint32: "int",
  uint32: "int",
  fixed32: "int",
  sfixed32: "int",
};

/** Whole numbers become CEL ints, deeply; all else stays as it is, and is not copied. What has been converted may be given again. */
export function toCel(value: unknown): unknown {
  if (typeof value === "number") {
    return Number.isSafeInteger(value) ? BigInt(value) : value;
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  return Array.isArray(value) ? listToCel(value) : objectToCel(value as Readonly<Record<string, unknown>>);
}

function listToCel(list: readonly unknown[]): readonly unknown[] {
  const changed = list.findIndex((value) => toCel(value) !== value);
  return changed < 0 ? list : list.map(toCel);
}

function objectToCel(given: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  let converted: Record<string, unknown> | undefined;
  for (const key in given) {
    const value = given[key];
    if (typeof value === "string") {
      continue;
    }
    const inCel = toCel(value);
    if (inCel !== value) {
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
