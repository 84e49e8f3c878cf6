import type { ASTNode } from "@marcbachmann/cel-js";
import { didYouMean } from "../core/suggest.js";
import { type CelProblem, createCelEnvironment } from "./cel.js";
import type { ValueType } from "./value-types.js";

/**
 * The fields that a CEL expression names, however deep, and that are not there by the types of its variables: an expression on such a field is false
 * for every entry. Only names are looked at; an expression that does not parse is left to the compiler.
 */
export function misnamedIn(expression: string, scope: CelScope): readonly CelProblem[] {
  let root: ASTNode;
  try {
    root = createCelEnvironment().parse(expression).ast;
  } catch {
    return [];
  }
  const problems: CelProblem[] = [];
  typeOf(root, scope, { text: expression, refuse: (at, message) => problems.push({ at, message }) });
  return problems;
}

/** Types of the variables; what is not in it is unknown. */
export type CelScope = Readonly<Record<string, ValueType>>;

interface Reading {
  readonly text: string;
  readonly refuse: (at: number, message: string) => void;
}

const unknown: ValueType = { kind: "unknown" };
/** How the variables are called in a sentence. */
const variables: ReadonlyMap<string, string> = new Map([
  ["entry", "An entry"],
  ["filter", "A filter"],
  ["message", "A message"],
]);
/** Macros over a list whose first argument names its elements. */
const overElements = ["all", "exists", "exists_one", "filter", "map"];

/** The type of an expression, as far as names need it; refuses the fields in it that are not there. */
function typeOf(node: ASTNode, scope: CelScope, reading: Reading): ValueType {
  const visit = (inner: ASTNode): ValueType => typeOf(inner, scope, reading);
  switch (node.op) {
    case "value":
      return unknown;
    case "id":
      return Object.hasOwn(scope, node.args) ? (scope[node.args] ?? unknown) : unknown;
    case ".":
    case ".?":
      return selected(node.args[0], visit(node.args[0]), { name: node.args[1], at: node.pos }, reading);
    case "[]":
    case "[?]": {
      const [of, index] = [visit(node.args[0]), node.args[1]];
      visit(index);
      const name = of.kind === "message" && index.op === "value" && typeof index.args === "string" ? of.field(index.args) : undefined;
      return of.kind === "list" || of.kind === "map" ? of.of : (name ?? unknown);
    }
    case "call":
      node.args[1].forEach(visit);
      return unknown;
    case "rcall":
      return called(node.args, scope, reading);
    case "map":
      node.args.flat().forEach(visit);
      return unknown;
    case "!_":
    case "-_":
      visit(node.args);
      return unknown;
    default:
      node.args.forEach(visit);
      return unknown;
  }
}

function selected(of: ASTNode, type: ValueType, field: { readonly name: string; readonly at: number }, { text, refuse }: Reading): ValueType {
  const { name, at } = field;
  const written = text.slice(of.start, of.end);
  const whose = variables.get(written) ?? `"${written}"`;
  switch (type.kind) {
    case "unknown":
      return unknown;
    case "map":
      return type.of;
    case "list":
      refuse(
        at,
        `${whose} is a list and has no field "${name}": an index or a macro leads into it, as ${written}.exists(one, one${refersInto(type.of, name)} == …).`,
      );
      return unknown;
    case "scalar":
      refuse(at, `${whose} has no field "${name}": it is one value (${type.name}).`);
      return unknown;
    case "message": {
      const found = type.field(name);
      if (found === undefined) {
        const known = type.names.length === 0 ? " It has none." : ` It has ${type.names.join(", ")}.`;
        refuse(at, `${whose}${type.name === "" || of.op === "id" ? "" : ` (${type.name})`} has no field "${name}".${didYouMean(name, type.names) || known}`);
      }
      return found ?? unknown;
    }
  }
}

function refersInto(element: ValueType, name: string): string {
  return element.kind === "message" ? `.${name}` : "";
}

/** A method, a macro over a list, or `cel.bind`. */
function called([method, receiver, given]: readonly [string, ASTNode, ASTNode[]], scope: CelScope, reading: Reading): ValueType {
  const [first, ...rest] = given;
  if (method === "bind" && receiver.op === "id" && receiver.args === "cel" && first?.op === "id" && rest[0] !== undefined && rest[1] !== undefined) {
    return typeOf(rest[1], { ...scope, [first.args]: typeOf(rest[0], scope, reading) }, reading);
  }
  const of = typeOf(receiver, scope, reading);
  if (!overElements.includes(method) || first?.op !== "id") {
    given.forEach((argument) => typeOf(argument, scope, reading));
    return unknown;
  }
  const inner = { ...scope, [first.args]: of.kind === "list" ? of.of : unknown };
  const types = rest.map((argument) => typeOf(argument, inner, reading));
  return method === "filter" ? of : method === "map" ? { kind: "list", of: types.at(-1) ?? unknown } : unknown;
}
