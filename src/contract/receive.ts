import type { Entry, Message, Received } from "../core/contract.js";
import { jsonText } from "../core/json-text.js";
import type { CelPredicate } from "./cel.js";
import { valueAtPath } from "./paths.js";
import type { ContractFile } from "./schema.js";
import { fillTemplate } from "./templates.js";

/** The predicates by which received messages are told apart. */
export interface ReceiveRules {
  readonly where: CelPredicate | undefined;
  readonly ack: CelPredicate | undefined;
  readonly barrier: CelPredicate | undefined;
  readonly rejection: CelPredicate | undefined;
  readonly preludeReply: CelPredicate | undefined;
  readonly ignore: readonly { readonly name: string; readonly when: CelPredicate; readonly answer: readonly Message[] }[];
  readonly each: string | undefined;
  readonly fields: ContractFile["entries"]["fields"];
}

/** Whether every message is one entry, as it is. */
export function isPlain(rules: ReceiveRules): boolean {
  const { ignore, each, fields, ...predicates } = rules;
  return ignore.length === 0 && each === undefined && fields === undefined && Object.values(predicates).every((predicate) => predicate === undefined);
}

/** A function that says what a received message is: rejection, ack, answer to the prelude, ignorable, entries, in this order; else a violation. */
export function compileReceive(rules: ReceiveRules): (message: Message) => Received {
  const { where, ack, barrier, rejection, preludeReply, ignore, each } = rules;
  const project = compileProjection(rules.fields);
  if (isPlain(rules)) {
    return (message) => ({ kind: "entries", entries: [message] });
  }
  return (message) => {
    const variables = { message };
    if (rejection?.(variables) === true) {
      return { kind: "rejection", name: "rejection" };
    }
    if (ack?.(variables) === true) {
      return { kind: "ack", name: "ack" };
    }
    if (barrier?.(variables) === true) {
      return { kind: "ack", name: "barrier" };
    }
    if (preludeReply?.(variables) === true) {
      return { kind: "ignorable", name: "prelude reply", answer: [] };
    }
    const ignored = ignore.find((rule) => rule.when(variables));
    if (ignored !== undefined) {
      return { kind: "ignorable", name: ignored.name, answer: ignored.answer.map((template) => fillTemplate(template, { message })) };
    }
    if (where !== undefined && !where(variables)) {
      return { kind: "violation", detail: `a message that is neither an entry nor anything else that the contract names: ${shorten(message)}` };
    }
    const elements = each === undefined ? [message] : valueAtPath(message, each);
    if (!Array.isArray(elements)) {
      return { kind: "violation", detail: `a message without the list "${each}": ${shorten(message)}` };
    }
    const stray = elements.find((element) => typeof element !== "object" || element === null || Array.isArray(element));
    if (stray !== undefined) {
      return { kind: "violation", detail: `an entry that is no object: ${shorten(stray)}` };
    }
    return { kind: "entries", entries: (elements as Entry[]).map((entry) => project?.(entry) ?? entry) };
  };
}

/** Entries with the contract's own names for what lies deeper; undefined when it has none. */
function compileProjection(fields: ContractFile["entries"]["fields"]): ((entry: Entry) => Entry) | undefined {
  if (fields === undefined) {
    return undefined;
  }
  const readers = Object.entries(fields).map(([name, field]) => {
    const { path, decode } = typeof field === "string" ? { path: field, decode: undefined } : field;
    return { name, read: (entry: Entry): unknown => decodeValue(valueAtPath(entry, path), decode) };
  });
  return (entry) =>
    Object.fromEntries(
      readers.flatMap(({ name, read }) => {
        const value = read(entry);
        return value === undefined ? [] : [[name, value]];
      }),
    );
}

function decodeValue(value: unknown, decode: "base64" | "json" | undefined): unknown {
  if (decode === undefined || typeof value !== "string") {
    return value;
  }
  if (decode === "base64") {
    return Buffer.from(value, "base64").toString("utf8");
  }
  try {
    return JSON.parse(value);
  } catch {
    // Left as it came: the shape check names it.
    return value;
  }
}

function shorten(value: unknown): string {
  const text = jsonText(value);
  return text.length > 120 ? `${text.slice(0, 117)}…` : text;
}
