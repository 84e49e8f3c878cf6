import { randomBytes } from "node:crypto";
import type { EntryDraft, EntryRules } from "../core/contract.js";
import { placeholder } from "../core/placeholder.js";

/** What goes in for a template's placeholders: the draft's values, and under `token` that of the token's field (a text of its own where the draft has none). */
export function placeholderValues(draft: EntryDraft, rules: EntryRules): Readonly<Record<string, string>> {
  const given = rules.token === undefined ? undefined : draft[rules.token];
  const token = given === undefined || given === "" ? `hc-${randomBytes(6).toString("hex")}` : given;
  return { ...draft, token };
}

const wholePlaceholder = /^\{([A-Za-z_][\w.-]*)\}$/;
const wholeTyped = /^\{([A-Za-z_][\w.-]*):(number|boolean)\}$/;

/** Fills `{name}` in a text, and `{name:base64}` with the value's base64; `quote` says how a value is written there. A placeholder without a value is left as it is: it may be literal. */
export function fillText(template: string, values: Readonly<Record<string, string>>, quote: (value: string) => string = (value) => value): string {
  return template.replaceAll(placeholder, (whole, name: string, form?: string) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    return value === undefined ? whole : quote(form === "base64" ? Buffer.from(value).toString("base64") : value);
  });
}

/** Whether a text has a place for a value. */
export function placeholdersIn(template: string): boolean {
  return template.search(placeholder) >= 0;
}

/** Fills `{name}` in all texts of a JSON value; a text that is `{name:number}` becomes a number, one that is `{name:boolean}` a boolean. */
export function fillJson(template: unknown, values: Readonly<Record<string, string>>): unknown {
  return jsonFiller(template)(values);
}

/** The same for many values: what the template asks for is found out once. */
export function jsonFiller(template: unknown): (values: Readonly<Record<string, string>>) => unknown {
  if (typeof template === "string") {
    return textFiller(template);
  }
  if (Array.isArray(template)) {
    const fillers = template.map(jsonFiller);
    return (values) => fillers.map((fill) => fill(values));
  }
  if (typeof template === "object" && template !== null) {
    const fillers = Object.entries(template).map(([key, inner]) => [key, jsonFiller(inner)] as const);
    return (values) => Object.fromEntries(fillers.map(([key, fill]) => [key, fill(values)]));
  }
  return () => template;
}

function textFiller(template: string): (values: Readonly<Record<string, string>>) => unknown {
  if (!placeholdersIn(template)) {
    return () => template;
  }
  const [, typed, type] = wholeTyped.exec(template) ?? [];
  const [, name] = wholePlaceholder.exec(template) ?? [];
  return (values) => {
    const wanted = typed ?? name;
    const value = wanted !== undefined && Object.hasOwn(values, wanted) ? values[wanted] : undefined;
    if (value !== undefined && typed === undefined) {
      return value;
    }
    if (type === "boolean" && (value === "true" || value === "false")) {
      return value === "true";
    }
    return type === "number" && value !== undefined && Number.isFinite(Number(value)) ? Number(value) : fillText(template, values);
  };
}

/** A value as one word of a POSIX shell. */
export function quoteForShell(value: string): string {
  return `'${value.replaceAll("'", "'\\''")}'`;
}
