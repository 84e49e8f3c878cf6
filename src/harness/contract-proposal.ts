import { stringify } from "yaml";
import type { FoundField, MonitorCandidate } from "../contract/discover.js";
import type { Entry } from "../core/contract.js";
import { createTimeReader } from "../core/date-time.js";

/** What was found out about a monitor before a contract for it is written. */
export interface Observations {
  readonly name: string;
  readonly grpc: MonitorCandidate | undefined;
  /** Path of the WebSocket, where there is one. */
  readonly webSocketPath: string | undefined;
  /** Entries that came for an empty filter, over both transports where there are two; may be none. */
  readonly entries: readonly Entry[];
  /** How many of them, the first ones, came over one stream; the others came over another. Default: all. */
  readonly ofOneStream?: number;
}

/** A rule that the names of the fields suggest. */
interface ProposedRule {
  readonly filter: string;
  readonly entry: string;
  readonly rule: string;
  readonly order?: readonly string[];
}

/** Severities that servers use, from least to greatest; an order is proposed as far as its words were seen. */
const severities = ["trace", "debug", "info", "notice", "warn", "warning", "error", "critical", "fatal"];

/** A contract to start from: YAML with a comment at each guess. */
export function proposeContract(observed: Observations): string {
  const fields = entryFieldsOf(observed);
  const comparable = fields.filter((field) => isSingle(field, observed));
  const filterFields = observed.grpc?.filterFields ?? [];
  const rules = filterFields.flatMap((field) => proposeRule(field, comparable, observed.entries));
  const samples = proposeSamples(rules, observed);
  const { entries, ofOneStream = entries.length } = observed;
  const streams = [entries.slice(0, ofOneStream), entries.slice(ofOneStream)].filter((stream) => stream.length > 0);
  const sequence = fields.find((field) => streams.length > 0 && streams.every((stream) => isSequence(field, stream)));
  const time = fields.find((field) => isTime(field, observed.entries));
  const required = fields.filter((field) => observed.entries.length > 0 && observed.entries.every((entry) => says(entry[field])));
  const unruled = filterFields.filter(({ name, type }) => type !== "message" && !rules.some((rule) => rule.filter === name)).map(({ name }) => name);
  const messages = filterFields.filter(({ type }) => type === "message");
  const flow = (value: unknown): string => stringify(value, { collectionStyle: "flow", lineWidth: 0 }).trim();
  const lines = [
    `name: ${observed.name}`,
    ...(observed.grpc === undefined ? [] : [`grpc: ${flow({ reflection: true, method: observed.grpc.method })}`]),
    ...(observed.webSocketPath === undefined
      ? []
      : [`websocket: ${flow({ path: observed.webSocketPath })}`, '# If a text says that the client will send no more, it goes here too: end: "null\\n"']),
    "",
    observed.entries.length === 0 ? "# No entry came for an empty filter: put values of your own." : "# Values that were seen.",
    "filters:",
    ...Object.entries(samples.filters).map(([name, message]) => `  ${name}: ${flow(message)}`),
    "",
    "# What the checks may rely on; what is left out leaves some of them unproven.",
    "roles:",
    ...Object.entries(samples.roles).map(([name, value]) => `  ${name}: ${flow(value)}`),
    "",
    "# When a filter lets an entry through: guessed from the names of the fields, so look at each.",
    ...(rules.length === 0 ? ["match: []"] : ["match:", ...rules.map((rule) => `  - ${flow(rule)}`)]),
    ...(unruled.length === 0 ? [] : [`# Nothing was guessed for ${unruled.join(", ")}: say it by a rule, or by CEL.`]),
    ...(messages.length === 0
      ? []
      : [
          "# A field that is a message is compared by CEL, not by a rule; what it should say is for you to complete:",
          ...messages.map((field) => `#   - { cel: "!has(filter.${field.name}) || ${comparisonOf(field, comparable)}" }`),
        ]),
    "",
    "entries:",
    ...(sequence === undefined ? ["  # sequence: the field that strictly increases over the whole log, if there is one"] : [`  sequence: ${sequence}`]),
    ...(time === undefined ? [] : [`  time: ${time}`]),
    `  required: ${flow(required)}`,
    "",
    '# How entries are written, and how many streams the server holds; "none" when there is no such thing.',
    '# producer: { http: POST /logs, body: \'[{"message":"{token}"}]\' }',
    "# probe: { http: GET /stats, open-streams: open_streams }",
  ];
  return `${lines.join("\n")}\n`;
}

/** A config file that names the target and the contract. */
export function proposeConfig(urls: readonly string[], contract: string): string {
  return stringify({ url: urls, contract, profiles: { ci: { suite: "ci", reporter: ["junit"] } } }, { lineWidth: 0 });
}

function entryFieldsOf(observed: Observations): string[] {
  return [...new Set([...(observed.grpc?.entryFields.map(({ name }) => name) ?? []), ...observed.entries.flatMap((entry) => Object.keys(entry))])];
}

/** Whether an entry's field is one value, which rules can compare: neither a message nor a list. */
function isSingle(name: string, { grpc, entries }: Observations): boolean {
  const field = grpc?.entryFields.find((candidate) => candidate.name === name);
  return field === undefined ? entries.every((entry) => typeof entry[name] !== "object" || entry[name] === null) : field.type !== "message" && !field.repeated;
}

/** The entry's field that goes by the same name: `kind` for `kinds`, `level` for `min_level`. */
function counterpart(name: string, entryFields: readonly string[]): string | undefined {
  const bare = boundOf(name)?.of ?? name;
  const candidates = [bare, bare.replace(/s$/, ""), bare.replace(/ies$/, "y"), bare.replace(/_(?:prefix|contains|equals)$/, "")];
  return entryFields.find((candidate) => candidates.includes(candidate));
}

function boundOf(name: string): { readonly rule: "at-least" | "at-most"; readonly of: string } | undefined {
  const [, word, of] = /^(min|minimum|max|maximum)_?(.+)$/.exec(name) ?? [];
  return word === undefined || of === undefined ? undefined : { rule: word.startsWith("min") ? "at-least" : "at-most", of };
}

function proposeRule(field: FoundField, entryFields: readonly string[], entries: readonly Entry[]): ProposedRule[] {
  const { name, repeated, type } = field;
  if (type === "message") {
    return [];
  }
  const bound = boundOf(name);
  const entry = counterpart(name, entryFields);
  if (repeated) {
    // A list has no other rule.
    return entry === undefined || bound !== undefined ? [] : [{ filter: name, entry, rule: "one-of" }];
  }
  if (bound !== undefined && entry !== undefined) {
    const seen = severities.filter((word) => entries.some((one) => one[entry] === word));
    if (seen.length > 0 && type !== "string" && type !== "enum") {
      // Words and numbers of levels: how they go together nobody says.
      return [];
    }
    return [{ filter: name, entry, rule: bound.rule, ...(seen.length < 2 ? {} : { order: seen }) }];
  }
  if (entry !== undefined) {
    return [{ filter: name, entry, rule: name.endsWith("_prefix") ? "prefix" : "equals" }];
  }
  const text = entryFields.find((candidate) => ["message", "text", "body", "content", "message_"].includes(candidate));
  return /contains|query|search|text/.test(name) && text !== undefined ? [{ filter: name, entry: text, rule: "contains" }] : [];
}

/** What CEL could compare of a message; `…` where the names tell nothing. */
function comparisonOf({ name, repeated, parts = [] }: FoundField, entryFields: readonly string[]): string {
  const entry = `entry.${counterpart(name, entryFields) ?? "…"}`;
  const single = parts.filter(({ type }) => type !== "message");
  const part = single.find((candidate) => candidate.repeated) ?? single[0];
  if (repeated || part === undefined) {
    return repeated ? `filter.${name}.exists(one, one.${part?.name ?? "…"} == ${entry})` : "…";
  }
  return part.repeated ? `${entry} in filter.${name}.${part.name}` : `${entry} == filter.${name}.${part.name}`;
}

function proposeSamples(
  rules: readonly ProposedRule[],
  { grpc, entries }: Observations,
): { readonly filters: Record<string, unknown>; readonly roles: Record<string, unknown> } {
  const filters: Record<string, unknown> = { everything: {} };
  const roles: Record<string, unknown> = { broad: "everything" };
  const fieldOf = (rule: ProposedRule): FoundField | undefined => grpc?.filterFields.find(({ name }) => name === rule.filter);
  const seen = (rule: ProposedRule): (string | number)[] => commonValues(entries, rule.entry).flatMap((value) => asTyped(value, fieldOf(rule)?.type));
  const choosing = rules.filter((one) => one.rule === "one-of" || one.rule === "equals");
  // Without values that were seen only a text can be made up: no other type takes any.
  const rule = choosing.find((one) => seen(one).length >= 2) ?? choosing.find((one) => isText(one.filter, grpc));
  if (rule === undefined) {
    return { filters, roles };
  }
  const sample = (value: unknown): Record<string, unknown> => ({ [rule.filter]: fieldOf(rule)?.repeated === true ? [value] : value });
  const values = seen(rule);
  const [first, second] = values.length >= 2 ? values : ["some-value", "another-value"];
  filters["first"] = sample(first);
  filters["second"] = sample(second);
  roles["disjoint"] = ["first", "second"];
  const text = rules.find((one) => ["one-of", "equals", "prefix", "contains"].includes(one.rule) && typeof first === "string" && isText(one.filter, grpc));
  if (text !== undefined) {
    filters["nothing"] = { [text.filter]: fieldOf(text)?.repeated === true ? ["no-such-value"] : "no-such-value" };
    roles["silent"] = "nothing";
  }
  const level = rules.find((one) => one.rule === "at-least" && one.order !== undefined);
  if (level?.order !== undefined) {
    filters["upper"] = { [level.filter]: level.order.at(-1) };
    roles["overlap"] = ["upper", "first"];
  }
  return { filters, roles };
}

/** A value of an entry as a filter's field of that type takes it; none where it does not. */
function asTyped(value: string | number, type: string | undefined): (string | number)[] {
  switch (type) {
    case undefined:
    case "enum":
      return [value];
    case "string":
      return [String(value)];
    case "double":
    case "float":
      return typeof value === "number" ? [value] : [];
    default:
      // Texts are whole numbers beyond what a number holds.
      return /int|fixed/.test(type) && /^-?\d+$/.test(String(value)) ? [value] : [];
  }
}

/** Whether a filter's field takes any text: a value of an enumeration must be one that there is. */
function isText(filter: string, grpc: MonitorCandidate | undefined): boolean {
  return grpc?.filterFields.find(({ name }) => name === filter)?.type === "string";
}

/** Whether a value tells something: what is a default in protobuf may be left out of JSON. */
function says(value: unknown): boolean {
  return value !== undefined && value !== null && value !== "" && value !== false && value !== 0 && !(Array.isArray(value) && value.length === 0);
}

/** The values of a field that come most often, the commonest first; at most one in two entries may differ. */
function commonValues(entries: readonly Entry[], field: string): (string | number)[] {
  const counts = new Map<string | number, number>();
  for (const entry of entries) {
    const value = entry[field];
    if (typeof value === "string" || typeof value === "number") {
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
  }
  return counts.size * 2 > entries.length ? [] : [...counts].toSorted((a, b) => b[1] - a[1]).map(([value]) => value);
}

function isSequence(field: string, entries: readonly Entry[]): boolean {
  if (!/^(sequence|seq|sequence_number|offset|revision|index|id|number)$/i.test(field) || entries.length < 2) {
    return false;
  }
  const numbers = entries.map((entry) => Number(entry[field]));
  return numbers.every((number, index) => Number.isFinite(number) && (index === 0 || number > (numbers[index - 1] ?? Infinity)));
}

function isTime(field: string, entries: readonly Entry[]): boolean {
  const read = createTimeReader();
  return entries.length > 0 && entries.every((entry) => typeof entry[field] === "string" && !Number.isNaN(read(entry[field])));
}
