import { Environment } from "@marcbachmann/cel-js";
import type { ProtobufField } from "../core/contract.js";
import { messageOf } from "../core/errors.js";
import { fieldsToCel, toCel, type ToCel } from "./cel-values.js";

/** Fields of a variable, as far as they are known; undefined: any. */
export interface CelShape {
  readonly [field: string]: string | CelShape;
}

/** What is wrong with an expression, and at which of its characters. */
export interface CelProblem {
  readonly message: string;
  readonly at: number;
}

/** What an expression may look at. */
export interface CelVariable {
  /** Default: any. */
  readonly shape?: CelShape | undefined;
  /** Gives the variable's values the form that CEL computes with. Default: `toCel`. */
  readonly convert?: ToCel | undefined;
}

/** A compiled predicate. An expression that fails on a message (a field is absent, types do not fit) is false there. */
export type CelPredicate = (variables: Readonly<Record<string, unknown>>) => boolean;

/** A predicate, and why it is false where that is because it failed; undefined where it did not fail. */
export interface CompiledCel {
  readonly predicate: CelPredicate;
  readonly failure: (variables: Readonly<Record<string, unknown>>) => string | undefined;
}

/**
 * Compiles a CEL predicate over the given variables, checking its types and field names where the shapes are known.
 * Numbers of declared types are CEL `int` or `double` as declared, others `int` where they are whole; an `int` and a `double` can be computed with
 * each other, and give a `double`. Fields that a message lacks are absent: test them with `has()`.
 */
export function compileCel(expression: string, variables: Readonly<Record<string, CelVariable>>): CompiledCel | { readonly problem: CelProblem } {
  const loose = createCelEnvironment();
  const typed = createCelEnvironment();
  for (const [name, { shape }] of Object.entries(variables)) {
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
  const convert = fieldsToCel(new Map(Object.entries(variables).map(([name, variable]) => [name, variable.convert ?? toCel])));
  const evaluate = (values: Readonly<Record<string, unknown>>): unknown => run(convert(values) as Record<string, unknown>);
  return {
    predicate(values) {
      try {
        return evaluate(values) === true;
      } catch {
        return false;
      }
    },
    failure(values) {
      try {
        const given = evaluate(values);
        return typeof given === "boolean" ? undefined : `it gives ${given === null ? "null" : typeof given}, not true or false`;
      } catch (thrown) {
        // Behind the first line the library draws the expression.
        return messageOf(thrown).split("\n", 1)[0];
      }
    },
  };
}

/**
 * The CEL that contracts are written in. JSON has one kind of number: 12 and 12.5 of one field are of two types to CEL, which by itself has no
 * arithmetic across them.
 */
export function createCelEnvironment(): Environment {
  const environment = new Environment({ homogeneousAggregateLiterals: false, enableOptionalTypes: true });
  const operators: Readonly<Record<string, (a: number, b: number) => number>> = {
    "+": (a, b) => a + b,
    "-": (a, b) => a - b,
    "*": (a, b) => a * b,
    "/": (a, b) => a / b,
  };
  for (const [operator, compute] of Object.entries(operators)) {
    environment.registerOperator(`int ${operator} double`, (a: bigint, b: number) => compute(Number(a), b));
    environment.registerOperator(`double ${operator} int`, (a: number, b: bigint) => compute(a, Number(b)));
  }
  return environment;
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
