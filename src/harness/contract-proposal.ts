import { stringify } from "yaml";
import type { MonitorCandidate } from "../contract/discover.js";
import type { Entry, ProtobufField } from "../core/contract.js";

/** What was found out about a monitor before a contract for it is written. */
export interface Observations {
  readonly name: string;
  readonly grpc: MonitorCandidate | undefined;
  /** Path of the WebSocket, where there is one. */
  readonly webSocketPath: string | undefined;
  /** Entries that came for an empty filter; may be none. */
  readonly entries: readonly Entry[];
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
  const rules = (observed.grpc?.filterFields ?? []).flatMap((field) => proposeRule(field, fields, observed.entries));
  const samples = proposeSamples(rules, observed);
  const sequence = fields.find((field) => isSequence(field, observed.entries));
  const time = fields.find((field) => isTime(field, observed.entries));
  const required = fields.filter((field) => observed.entries.length > 0 && observed.entries.every((entry) => says(entry[field])));
  const unruled = (observed.grpc?.filterFields ?? []).map(({ name }) => name).filter((name) => !rules.some((rule) => rule.filter === name));
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

function proposeRule(field: ProtobufField, entryFields: readonly string[], entries: readonly Entry[]): ProposedRule[] {
  const { name, repeated } = field;
  const bound = /^(min|minimum|max|maximum)_?(.+)$/.exec(name);
  const bare = bound?.[2] ?? name;
  const candidates = [bare, bare.replace(/s$/, ""), bare.replace(/ies$/, "y"), bare.replace(/_(?:prefix|contains|equals)$/, "")];
  const entry = entryFields.find((candidate) => candidates.includes(candidate));
  if (bound !== null && entry !== undefined) {
    const seen = severities.filter((word) => entries.some((one) => one[entry] === word));
    return [{ filter: name, entry, rule: bound[1]?.startsWith("min") === true ? "at-least" : "at-most", ...(seen.length < 2 ? {} : { order: seen }) }];
  }
  if (entry !== undefined) {
    return [{ filter: name, entry, rule: repeated ? "one-of" : name.endsWith("_prefix") ? "prefix" : "equals" }];
  }
  const text = entryFields.find((candidate) => ["message", "text", "body", "content", "message_"].includes(candidate));
  return /contains|query|search|text/.test(name) && text !== undefined ? [{ filter: name, entry: text, rule: "contains" }] : [];
}

function proposeSamples(
  rules: readonly ProposedRule[],
  { grpc, entries }: Observations,
): { readonly filters: Record<string, unknown>; readonly roles: Record<string, unknown> } {
  const filters: Record<string, unknown> = { everything: {} };
  const roles: Record<string, unknown> = { broad: "everything" };
  const rule =
    rules.find((one) => (one.rule === "one-of" || one.rule === "equals") && commonValues(entries, one.entry).length >= 2) ??
    rules.find((one) => one.rule === "one-of" || one.rule === "equals");
  if (rule === undefined) {
    return { filters, roles };
  }
  const field = grpc?.filterFields.find(({ name }) => name === rule.filter);
  const sample = (value: unknown): Record<string, unknown> => ({ [rule.filter]: field?.repeated === true ? [value] : value });
  const values = commonValues(entries, rule.entry);
  const [first, second] = values.length >= 2 ? values : ["some-value", "another-value"];
  filters["first"] = sample(first);
  filters["second"] = sample(second);
  roles["disjoint"] = ["first", "second"];
  const text = rules.find((one) => ["one-of", "equals", "prefix", "contains"].includes(one.rule) && typeof first === "string" && isText(one.filter, grpc));
  if (text !== undefined) {
    filters["nothing"] = {
      [text.filter]: grpc?.filterFields.find(({ name }) => name === text.filter)?.repeated === true ? ["no-such-value"] : "no-such-value",
    };
    roles["silent"] = "nothing";
  }
  const level = rules.find((one) => one.rule === "at-least" && one.order !== undefined);
  if (level?.order !== undefined) {
    filters["upper"] = { [level.filter]: level.order.at(-1) };
    roles["overlap"] = ["upper", "first"];
  }
  return { filters, roles };
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
  return entries.length > 0 && entries.every((entry) => typeof entry[field] === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/.test(entry[field]));
}
