import type { Contract, Entry, EntryDraft, EntryRules, Filter, LearnedDrafts, Message, ProducerRule } from "../core/contract.js";
import { leavesOf } from "../core/leaves.js";
import { placeholder } from "../core/placeholder.js";
import { type DraftTypes, typedEntry, type WrittenForms } from "./entry-types.js";
import { compileMatch, type CompiledRule } from "./match-rules.js";

/** What the solver must know of a contract. */
export interface DraftInputs {
  readonly rules: readonly CompiledRule[];
  readonly entries: EntryRules;
  /** Fields that the producer's template can vary, the token's excluded. */
  readonly fields: readonly string[];
  /** Whether the template has a place for the token. */
  readonly hasToken: boolean;
  /** What every produced entry has besides, as far as the template shows it. */
  readonly constants: Entry;
  readonly types: DraftTypes;
  /** Candidates that the contract states. */
  readonly values: Readonly<Record<string, readonly string[]>>;
  /** Filters whose values are worth trying. */
  readonly samples: readonly Filter[];
  /** Kept free unless asked for: no check may write what this lets through. */
  readonly silent: Filter | undefined;
}

/** Combinations tried before giving up: with seven fields of a dozen values, all in which two of them are not the first. */
const mostCombinations = 6000;
const mostRemembered = 200;
/** Stands for the token that the writer of an entry will append. */
const anyToken = "hc-0123456789ab";

/** Fields that a template has a placeholder for, `{token}` and `{namespace}` excluded; `forms` says which of them it writes as numbers and booleans. */
export function placeholdersOf(template: string): { readonly fields: readonly string[]; readonly forms: WrittenForms; readonly hasToken: boolean } {
  const names = new Set<string>();
  const forms = new Map<string, "number" | "boolean">();
  for (const [, name = "", form] of template.matchAll(placeholder)) {
    names.add(name);
    if (form === "number" || form === "boolean") {
      forms.set(name, form);
    }
  }
  const hasToken = names.delete("token");
  names.delete("namespace");
  return { fields: [...names], forms, hasToken };
}

/** The template as text: of a gRPC message its JSON; undefined where there is no producer. */
export function templateOf(producer: ProducerRule): string | undefined {
  switch (producer.kind) {
    case "http":
      return producer.body;
    case "command":
      return producer.command;
    case "grpc":
      return JSON.stringify(producer.message);
    default:
      return undefined;
  }
}

/** The field of a JSON template whose value is exactly `{token}`, and the fields with fixed values. */
export function readTemplate(template: string): { readonly token: string | undefined; readonly constants: Message } {
  let value: unknown;
  try {
    value = JSON.parse(template);
  } catch {
    return { token: undefined, constants: {} };
  }
  const element: unknown = Array.isArray(value) ? value[0] : value;
  if (typeof element !== "object" || element === null) {
    return { token: undefined, constants: {} };
  }
  const pairs = Object.entries(element);
  return {
    token: pairs.find(([, inner]) => inner === "{token}")?.[0],
    constants: Object.fromEntries(pairs.filter(([, inner]) => typeof inner !== "object" && !(typeof inner === "string" && /\{[\w.:-]+\}/.test(inner)))),
  };
}

/** A field of the template and the values that it may have, the likeliest first. */
interface Axis {
  readonly field: string;
  readonly candidates: readonly string[];
}

/**
 * Finds values for the template's fields so that all of `yes` and none of `no` let the entry through; nothing that the silent filter
 * lets through unless that is asked for. The token's field, where the filters ask for a text in it, holds that text: the writer appends
 * a blank and the token. Undefined when no combination does.
 */
function solveDraft(inputs: DraftInputs, yes: readonly Filter[], no: readonly Filter[], learned?: LearnedDrafts): EntryDraft | undefined {
  const avoided = inputs.silent === undefined || yes.includes(inputs.silent) ? no : [...no, inputs.silent];
  const wanted = [...yes, ...inputs.samples, ...no].flatMap((filter) => filter.messages);
  const asked = [...yes, ...no].flatMap((filter) => filter.messages);
  const token = inputs.hasToken ? inputs.entries.token : undefined;
  const axes: Axis[] = inputs.fields
    .filter((field) => field !== token)
    .map((field) => ({ field, candidates: candidatesFor(field, inputs, { wanted, asked, seen: learned?.seen[field] ?? [] }) }));
  if (token !== undefined) {
    axes.push({ field: token, candidates: tokenTexts(token, inputs.rules, yes) });
  }
  const narrowed = narrow(axes, inputs, token, yes);
  if (narrowed.some(({ candidates }) => candidates.length === 0) || avoided.some((filter) => !canBreak(narrowed, inputs, token, filter))) {
    return undefined;
  }
  let tried = 0;
  for (const draft of byDeviations(narrowed)) {
    tried += 1;
    if (tried > mostCombinations) {
      return undefined;
    }
    const entry = entryOf(draft, inputs, token);
    // What a filter cannot judge is neither let through nor kept out for certain.
    const isKeptOut = (filter: Filter): boolean => !filter.matches(entry) && filter.unjudged?.(entry) === undefined;
    if (yes.every((filter) => filter.matches(entry)) && avoided.every(isKeptOut) && learned?.refuses(draft) !== true) {
      return draft;
    }
  }
  return undefined;
}

/** A solver that remembers its last answers: bursts ask the same thousands of times. */
export function createDrafter(inputs: DraftInputs): Contract["draft"] {
  const numbers = new WeakMap<Filter, number>();
  const known = new Map<string, EntryDraft | undefined>();
  let next = 0;
  const numberOf = (filter: Filter): number => {
    const number = numbers.get(filter) ?? next++;
    numbers.set(filter, number);
    return number;
  };
  return (yes, no, learned) => {
    if (learned !== undefined) {
      // What is learned grows; whoever learns remembers.
      return solveDraft(inputs, yes, no, learned);
    }
    const key = `${yes.map(numberOf).join(" ")}/${no.map(numberOf).join(" ")}`;
    if (!known.has(key)) {
      if (known.size >= mostRemembered) {
        known.clear();
      }
      known.set(key, solveDraft(inputs, yes, no));
    }
    return known.get(key);
  };
}

/** The entry that a draft will become, as far as it can be told. */
function entryOf(draft: EntryDraft, inputs: DraftInputs, token: string | undefined): Entry {
  const entry: Record<string, unknown> = { ...inputs.constants, ...typedEntry(draft, inputs.types) };
  if (token !== undefined) {
    const text = draft[token] ?? "";
    entry[token] = text === "" ? anyToken : `${text} ${anyToken}`;
  }
  return entry;
}

/** Messages of the samples, and of the filters that are asked for; values of entries that came by themselves. */
interface Known {
  readonly wanted: readonly Message[];
  readonly asked: readonly Message[];
  readonly seen: readonly string[];
}

function candidatesFor(field: string, inputs: DraftInputs, { wanted, asked, seen }: Known): readonly string[] {
  const stated = inputs.values[field];
  if (stated !== undefined) {
    return stated;
  }
  const found: string[] = [];
  for (const rule of inputs.rules) {
    if ("cel" in rule) {
      // What a predicate does with them nobody knows, and each more is tried with each of the other fields': those at hand alone.
      found.push(...(rule.reads?.includes(field) !== false ? asked.flatMap((message) => comparedIn(rule.text, message)) : []));
      continue;
    }
    if (rule.rule === "ignored" || rule.entry !== field) {
      continue;
    }
    found.push(...wanted.flatMap((message) => texts(message[rule.filter])));
    if ("order" in rule && rule.order !== undefined) {
      // Only these are values of the field: a server may refuse any other.
      const { order } = rule;
      return [...new Set([...found, ...order])].filter((value) => order.includes(value));
    }
  }
  const known = [...new Set([...found, ...seen])];
  if (inputs.types.isBoolean(field)) {
    return ["true", "false"];
  }
  return inputs.types.isNumber(field) ? numbersAround(known, inputs.types.isInteger(field)) : [...known, "elsewhere"];
}

/** What stands in the fields of a filter that a predicate names. */
function comparedIn(cel: string, message: Message): string[] {
  return Object.entries(message).flatMap(([name, value]) => (new RegExp(String.raw`\bfilter\.${name}\b`).test(cel) ? texts(value) : []));
}

/** Known numbers, and whole ones beside, below and above them. */
function numbersAround(known: readonly string[], wholeOnly: boolean): readonly string[] {
  const numbers = known.flatMap((text) => (text.trim() !== "" && Number.isFinite(Number(text)) ? [Number(text)] : []));
  const whole = numbers.flatMap((number) => [Math.floor(number), Math.ceil(number)]);
  const beyond = numbers.length === 0 ? [0, 1] : [Math.min(...whole) - 1, Math.max(...whole) + 1];
  const exact = [...whole, ...beyond].filter((number) => Number.isSafeInteger(number)).map(String);
  return [...new Set([...(wholeOnly ? known.filter((text) => /^-?\d+$/.test(text)) : known), ...exact])];
}

/** Texts that the token's field must hold for the filters' sake, none first. */
function tokenTexts(token: string, rules: readonly CompiledRule[], yes: readonly Filter[]): readonly string[] {
  const messages = yes.flatMap((filter) => filter.messages);
  const starts: string[] = [];
  const parts: string[] = [];
  for (const rule of rules) {
    if ("cel" in rule || rule.rule === "ignored" || rule.entry !== token) {
      continue;
    }
    const values = messages.flatMap((message) => texts(message[rule.filter]));
    (rule.rule === "contains" ? parts : starts).push(...values);
  }
  const longestStart = starts.toSorted((a, b) => b.length - a.length)[0] ?? "";
  return [...new Set(["", longestStart, ...parts, [longestStart, ...parts].join("")])];
}

function texts(value: unknown): string[] {
  return leavesOf(value).map(String);
}

/** The candidates that pass what the filters' rules ask of their own field; of a field that cannot be varied, what the template gives it. */
function narrow(axes: readonly Axis[], inputs: DraftInputs, token: string | undefined, yes: readonly Filter[]): readonly Axis[] {
  const tests = yes.flatMap((filter) => fieldTests(inputs.rules, filter));
  const fixed = [...new Set(tests.map(({ field }) => field))].filter((field) => !axes.some((axis) => axis.field === field));
  const passes = (field: string, entry: Entry): boolean => tests.every((test) => test.field !== field || test.passes(entry));
  return [
    ...axes.map(({ field, candidates }) => ({ field, candidates: candidates.filter((value) => passes(field, entryOf({ [field]: value }, inputs, token))) })),
    ...fixed.filter((field) => !passes(field, inputs.constants)).map((field) => ({ field, candidates: [] })),
  ];
}

/** Whether some value of some field keeps an entry from a filter, as far as rules on single fields tell. */
function canBreak(axes: readonly Axis[], inputs: DraftInputs, token: string | undefined, filter: Filter): boolean {
  return (
    inputs.rules.some((rule) => "cel" in rule) ||
    fieldTests(inputs.rules, filter).some(({ field, passes }) => {
      const axis = axes.find((candidate) => candidate.field === field);
      return axis === undefined ? !passes(inputs.constants) : axis.candidates.some((value) => !passes(entryOf({ [field]: value }, inputs, token)));
    })
  );
}

/** What the rules on single fields ask of them for a filter's sake. */
function fieldTests(rules: readonly CompiledRule[], filter: Filter): readonly { readonly field: string; readonly passes: (entry: Entry) => boolean }[] {
  const message = filter.messages.at(-1) ?? {};
  return rules.flatMap((rule) => {
    const field = "cel" in rule ? (rule.reads?.length === 1 ? rule.reads[0] : undefined) : rule.rule === "ignored" ? undefined : rule.entry;
    return field === undefined ? [] : [{ field, passes: compileMatch([rule], message) }];
  });
}

/** All combinations, those first in which the fewest fields have another value than their first. */
function* byDeviations(axes: readonly Axis[]): Generator<EntryDraft> {
  const first = Object.fromEntries(axes.map(({ field, candidates }) => [field, candidates[0] ?? ""]));
  for (let deviations = 0; deviations <= axes.length; deviations++) {
    yield* deviating(axes, 0, deviations, first);
  }
}

function* deviating(axes: readonly Axis[], from: number, deviations: number, draft: EntryDraft): Generator<EntryDraft> {
  if (deviations === 0) {
    yield draft;
    return;
  }
  for (let at = from; at + deviations <= axes.length; at++) {
    const { field, candidates } = axes[at] as Axis;
    for (const candidate of candidates.slice(1)) {
      yield* deviating(axes, at + 1, deviations - 1, { ...draft, [field]: candidate });
    }
  }
}
