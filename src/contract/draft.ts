import type { Contract, Entry, EntryDraft, EntryRules, Filter, LearnedDrafts, Message, ProducerRule } from "../core/contract.js";
import { type DraftTypes, typedEntry } from "./entry-types.js";
import type { RuleFile } from "./schema.js";

/** What the solver must know of a contract. */
export interface DraftInputs {
  readonly rules: readonly RuleFile[];
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

/** Combinations tried before giving up; contracts have a handful. */
const mostCombinations = 20_000;
const mostRemembered = 200;
/** Stands for the token that the writer of an entry will append. */
const anyToken = "hc-0123456789ab";

/** Fields that a template has a placeholder for, `{token}` and `{namespace}` excluded; `numbers` are those of them that it writes as numbers. */
export function placeholdersOf(template: string): { readonly fields: readonly string[]; readonly numbers: ReadonlySet<string>; readonly hasToken: boolean } {
  const names = new Set<string>();
  const numbers = new Set<string>();
  for (const [, name = "", form] of template.matchAll(/\{([A-Za-z_][\w.-]*)(?::(number|base64))?\}/g)) {
    names.add(name);
    if (form === "number") {
      numbers.add(name);
    }
  }
  const hasToken = names.delete("token");
  names.delete("namespace");
  return { fields: [...names], numbers, hasToken };
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

/**
 * Finds values for the template's fields so that all of `yes` and none of `no` let the entry through; nothing that the silent filter
 * lets through unless that is asked for. The token's field, where the filters ask for a text in it, holds that text: the writer appends
 * a blank and the token. Undefined when no combination does.
 */
function solveDraft(inputs: DraftInputs, yes: readonly Filter[], no: readonly Filter[], learned?: LearnedDrafts): EntryDraft | undefined {
  const avoided = inputs.silent === undefined || yes.includes(inputs.silent) ? no : [...no, inputs.silent];
  const wanted = [...yes, ...inputs.samples, ...no].flatMap((filter) => filter.messages);
  const token = inputs.hasToken ? inputs.entries.token : undefined;
  const axes: { readonly field: string; readonly candidates: readonly string[] }[] = inputs.fields
    .filter((field) => field !== token)
    .map((field) => ({ field, candidates: candidatesFor(field, inputs, wanted, learned?.seen[field] ?? []) }));
  if (token !== undefined) {
    axes.push({ field: token, candidates: tokenTexts(token, inputs.rules, yes) });
  }
  let tried = 0;
  for (const draft of combinations(axes, 0, {})) {
    tried += 1;
    if (tried > mostCombinations) {
      return undefined;
    }
    const entry = entryOf(draft, inputs, token);
    if (yes.every((filter) => filter.matches(entry)) && !avoided.some((filter) => filter.matches(entry)) && learned?.refuses(draft) !== true) {
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

function candidatesFor(field: string, inputs: DraftInputs, wanted: readonly Message[], seen: readonly string[]): readonly string[] {
  const stated = inputs.values[field];
  if (stated !== undefined) {
    return stated;
  }
  const found: string[] = [];
  for (const rule of inputs.rules) {
    if ("cel" in rule || rule.rule === "ignored" || rule.entry !== field) {
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

/** Known numbers, and whole ones beside, below and above them. */
function numbersAround(known: readonly string[], wholeOnly: boolean): readonly string[] {
  const numbers = known.flatMap((text) => (text.trim() !== "" && Number.isFinite(Number(text)) ? [Number(text)] : []));
  const whole = numbers.flatMap((number) => [Math.floor(number), Math.ceil(number)]);
  const beyond = numbers.length === 0 ? [0, 1] : [Math.min(...whole) - 1, Math.max(...whole) + 1];
  const exact = [...whole, ...beyond].filter((number) => Number.isSafeInteger(number)).map(String);
  return [...new Set([...(wholeOnly ? known.filter((text) => /^-?\d+$/.test(text)) : known), ...exact])];
}

/** Texts that the token's field must hold for the filters' sake, none first. */
function tokenTexts(token: string, rules: readonly RuleFile[], yes: readonly Filter[]): readonly string[] {
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
  return (Array.isArray(value) ? value : [value]).flatMap((inner) =>
    typeof inner === "string" ? [inner] : typeof inner === "number" || typeof inner === "bigint" ? [String(inner)] : [],
  );
}

function* combinations(
  axes: readonly { readonly field: string; readonly candidates: readonly string[] }[],
  depth: number,
  draft: EntryDraft,
): Generator<EntryDraft> {
  const axis = axes[depth];
  if (axis === undefined) {
    yield draft;
    return;
  }
  for (const candidate of axis.candidates) {
    yield* combinations(axes, depth + 1, { ...draft, [axis.field]: candidate });
  }
}
