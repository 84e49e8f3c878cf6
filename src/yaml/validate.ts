import * as z from "zod";
import { didYouMean } from "../core/suggest.js";
import type { YamlDocument, YamlPath, YamlProblem } from "./document.js";

type Issue = z.core.$ZodIssue;

/**
 * The document's value, checked and completed by a zod schema.
 * @throws HarnessError with the document's code; the place is that of the first offending value or key, unknown keys come with a suggestion.
 */
export function validateYaml<Schema extends z.ZodType>(document: YamlDocument, schema: Schema): z.output<Schema> {
  const result = schema.safeParse(document.value, { reportInput: true });
  if (result.success) {
    return result.data;
  }
  throw document.errorFor(result.error.issues.flatMap((issue) => problemsOf(issue, [], schema, document.value)));
}

function problemsOf(issue: Issue, base: YamlPath, schema: z.ZodType, root: unknown): YamlProblem[] {
  const path = [...base, ...issue.path.map((step) => (typeof step === "symbol" ? String(step) : step))];
  if (issue.code === "unrecognized_keys") {
    const known = keysAt(schema, path);
    return issue.keys.map((key) => ({
      path: [...path, key],
      at: "key" as const,
      message: `Unknown key "${key}"${inWhat(path)}.${didYouMean(key, known) || listOf(known)}`,
    }));
  }
  if (issue.code === "invalid_union") {
    const branch = likeliestBranch(issue.errors);
    return branch === undefined
      ? [{ path, message: sentence(`${nameOf(path)} is not what is expected here: ${issue.message}`) }]
      : branch.map((inner) => withAllValues(inner, issue.errors)).flatMap((inner) => problemsOf(inner, path, schema, root));
  }
  if (issue.code === "invalid_key") {
    return issue.issues.map((inner) => ({
      path,
      at: "key" as const,
      message: sentence(`The name "${String(path.at(-1))}" is not accepted: ${inner.message}`),
    }));
  }
  if (issue.code === "invalid_type" && valueAt(root, path) === undefined) {
    return [{ path, message: `${nameOf(path)} is missing.` }];
  }
  if (issue.code === "invalid_value") {
    const given = valueAt(root, path);
    const allowed = issue.values.map(String);
    if (given === undefined) {
      return [{ path, message: `${nameOf(path)} is missing; it is one of ${allowed.join(", ")}.` }];
    }
    return [
      {
        path,
        message: `${nameOf(path)} is ${show(given)}, not ${allowed.length === 1 ? show(issue.values[0]) : `one of ${allowed.join(", ")}`}.${typeof given === "string" ? didYouMean(given, allowed) : ""}`,
      },
    ];
  }
  if (issue.code === "invalid_type") {
    return [{ path, message: `${nameOf(path)} is ${kindOf(valueAt(root, path))}, not ${article(issue.expected)}.` }];
  }
  return [{ path, message: sentence(`${nameOf(path)}: ${issue.message}`) }];
}

/** A complaint about a value with the values that the other branches take at the same place. */
function withAllValues(issue: Issue, branches: readonly (readonly Issue[])[]): Issue {
  if (issue.code !== "invalid_value") {
    return issue;
  }
  const place = JSON.stringify(issue.path);
  const values = branches.flat().flatMap((other) => (other.code === "invalid_value" && JSON.stringify(other.path) === place ? other.values : []));
  return { ...issue, values: [...new Set(values)] };
}

/** Of a union's branches the one that the author most likely meant: whose complaints lie deepest, then the one with the fewest. */
function likeliestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const depth = (issues: readonly Issue[]): number =>
    issues.some((issue) => issue.code === "invalid_type" && issue.path.length === 0) ? -1 : Math.max(0, ...issues.map((issue) => issue.path.length));
  const cost = (issues: readonly Issue[]): number => issues.reduce((sum, issue) => sum + (issue.code === "unrecognized_keys" ? issue.keys.length : 1), 0);
  return branches.filter((issues) => issues.length > 0).toSorted((a, b) => depth(b) - depth(a) || cost(a) - cost(b))[0];
}

/** Keys that the schema knows at a path, over all branches of unions. */
function keysAt(schema: z.ZodType, path: YamlPath): string[] {
  let level = unwrap(schema);
  for (const step of path) {
    level = level.flatMap((inner) => {
      if (inner instanceof z.ZodObject) {
        const next = (inner.shape as Record<string, z.ZodType>)[String(step)];
        return next === undefined ? [] : unwrap(next);
      }
      if (inner instanceof z.ZodRecord) {
        return unwrap(inner.valueType as z.ZodType);
      }
      if (inner instanceof z.ZodArray) {
        return unwrap(inner.element as z.ZodType);
      }
      return [];
    });
  }
  return [...new Set(level.flatMap((inner) => (inner instanceof z.ZodObject ? Object.keys(inner.shape) : [])))];
}

function unwrap(schema: z.ZodType): z.ZodType[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodNullable || schema instanceof z.ZodPrefault) {
    return unwrap(schema.unwrap() as z.ZodType);
  }
  if (schema instanceof z.ZodPipe) {
    return unwrap(schema.in as z.ZodType);
  }
  if (schema instanceof z.ZodLazy) {
    return unwrap(schema.unwrap() as z.ZodType);
  }
  if (schema instanceof z.ZodUnion) {
    return (schema.options as readonly z.ZodType[]).flatMap(unwrap);
  }
  return [schema];
}

function valueAt(root: unknown, path: YamlPath): unknown {
  let value = root;
  for (const step of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) {
      return undefined;
    }
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}

function nameOf(path: YamlPath): string {
  return path.length === 0 ? "The document" : `"${path.join(".")}"`;
}

function inWhat(path: YamlPath): string {
  return path.length === 0 ? "" : ` in "${path.join(".")}"`;
}

function listOf(known: readonly string[]): string {
  return known.length === 0 ? "" : ` Known: ${known.join(", ")}.`;
}

function kindOf(value: unknown): string {
  return value === null ? "empty" : Array.isArray(value) ? "a list" : typeof value === "object" ? "a mapping" : show(value);
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

function article(expected: string): string {
  const words: Readonly<Record<string, string>> = {
    object: "a mapping",
    record: "a mapping",
    array: "a list",
    tuple: "a list",
    string: "a text",
    number: "a number",
    int: "a whole number",
    boolean: "true or false",
  };
  return words[expected] ?? expected;
}

function sentence(message: string): string {
  return /[.?!]$/.test(message) ? message : `${message}.`;
}
