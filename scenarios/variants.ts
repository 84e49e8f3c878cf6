import type { Session } from "../src/conformance/session.js";
import { freshToken } from "../src/conformance/supply.js";
import { type Contract, type EntryDraft, type Filter, type MatchRule, type Message, ordinaryFilters } from "../src/core/contract.js";
import { leavesOf } from "../src/core/leaves.js";

/** A filter made from the contract's rules, and entries at its edges. */
export interface Variant {
  readonly filter: Filter;
  readonly drafts: readonly { readonly draft: EntryDraft; readonly matches: boolean }[];
}

/** Strings that real logs hold and that careless code mistreats; none is empty. */
const oddStrings = ["ALPHA", "alph", "alphas", "näïve ☃ 日本語 😀", 'quote " back\\slash', "tab\tand\nline", "100% %s {0} $1 .*", "a,b;c", "null", " padded "];

/** Filters at the edges of each match rule, with the entries that tell right from wrong; none without a producer or rules. */
export function variantsOf(session: Session): readonly Variant[] {
  const { contract, supply } = session;
  const base = supply.producer.kind === "ready" ? supply.draft([], []) : undefined;
  const token = contract.entries.token;
  if (base === undefined) {
    return [];
  }
  return [...(contract.edgeRules ?? []).flatMap((rule) => variantsOfRule(contract, rule, base, token)), ...variantsOfSamples(session)];
}

/** Where the edges of CEL and of ranges are, only samples tell: the contract's own filters, and entries around each value that stands in them, one field at a time. */
function variantsOfSamples({ contract, supply }: Session): Variant[] {
  const token = contract.entries.token;
  const sampled = (field: string): boolean => contract.sampledFields?.includes(field) === true;
  return ordinaryFilters(contract).flatMap((filter) => {
    const values = filter.messages.flatMap((message) => Object.entries(message).flatMap(([field, value]) => (sampled(field) ? leavesOf(value) : [])));
    const base = values.length === 0 ? undefined : supply.draft([filter], []);
    if (base === undefined) {
      return [];
    }
    const drafts = Object.entries(base)
      .filter(([field]) => field !== token)
      .flatMap(([field, text]) => neighboursOf(values, text, contract.entryTypes?.get(field)).map((value) => ({ ...renewed(base, token), [field]: value })));
    const judged = [base, ...drafts].flatMap((draft) => {
      const entry = contract.entryOf(draft);
      return filter.unjudged?.(entry) === undefined ? [{ draft, matches: filter.matches(entry) }] : [];
    });
    return judged.length < 2 ? [] : [{ filter, drafts: judged.slice(0, mostDrafts) }];
  });
}

/** Entries of a variant that is made of a sample. */
const mostDrafts = 40;

/** The same draft with a token of its own, which is the last word of its field. */
function renewed(draft: EntryDraft, token: string | undefined): EntryDraft {
  return token === undefined ? draft : { ...draft, [token]: (draft[token] ?? "").replace(/\S*$/, freshToken()) };
}

/** What a careless comparison of these values takes for one another, of the kind that stands in the field. */
function neighboursOf(values: ReturnType<typeof leavesOf>, text: string, type: string | undefined): string[] {
  const isText = type === "string" || (type === undefined && Number.isNaN(Number.parseFloat(text)));
  const near = values.flatMap((value) => {
    if (isText) {
      return typeof value === "string" && value !== "" ? [value, value.toUpperCase(), value.toLowerCase(), `${value}s`, value.slice(0, -1)] : [];
    }
    const number = type === "bool" ? undefined : numberOf(value);
    return number === undefined ? [] : valuesAround(number, type).map(String);
  });
  return [...new Set(near)].filter((one) => one !== "" && one !== text);
}

function variantsOfRule(contract: Contract, rule: MatchRule, base: EntryDraft, token: string | undefined): Variant[] {
  if (rule.entry !== token && base[rule.entry] === undefined) {
    return [];
  }
  const samples = samplesOf(contract, rule);
  const make = (message: Message, values: readonly string[]): Variant => {
    const filter = contract.filter(message);
    return { filter, drafts: values.map((value) => draftWith({ contract, base, token, field: rule.entry, value, filter })) };
  };
  // Values of an enumeration, or of a number, are those of the samples.
  const odd = comparesText(contract, rule) ? oddStrings : [];
  switch (rule.rule) {
    case "one-of": {
      const known = [...new Set(samples.flat().filter((value) => typeof value === "string"))];
      const repeated = samples.some((value) => Array.isArray(value));
      const [first = "alpha", second = "beta"] = known;
      if (!repeated) {
        return [make({ [rule.filter]: first }, [first, second, ...odd])];
      }
      return [make({ [rule.filter]: [first, second] }, [first, second, ...odd]), ...(odd.length === 0 ? [] : [make({ [rule.filter]: odd }, [first, ...odd])])];
    }
    case "at-least":
    case "at-most":
      if (rule.order === undefined) {
        return [...new Set(samples)].flatMap((bound) => {
          const number = numberOf(bound);
          return number === undefined ? [] : [make({ [rule.filter]: bound }, valuesAround(number, contract.entryTypes?.get(rule.entry)).map(String))];
        });
      }
      return rule.order.map((bound) => make({ [rule.filter]: bound }, rule.order ?? []));
    case "equals":
      return odd.slice(0, 5).map((text) => make({ [rule.filter]: text }, odd));
    case "contains":
    case "prefix":
      return ["Needle", "näïve ☃ 😀", '"\\', "%s.*"].map((text) =>
        make({ [rule.filter]: text }, [text, text.toLowerCase(), `${text}${text}`, text.slice(0, -1), `before ${text} after`, ...oddStrings.slice(3, 7)]),
      );
  }
}

/** A number that has whole neighbours; 64-bit integers may be texts. */
function numberOf(value: unknown): number | undefined {
  const number = typeof value === "string" && /^-?\d+$/.test(value) ? Number(value) : value;
  return typeof number === "number" && Number.isSafeInteger(Math.ceil(number)) ? number : undefined;
}

/**
 * The bound and numbers on both sides of it. Others than whole ones where the bound is none, or the entry's field is known to hold such; as near as
 * single precision tells apart.
 */
function valuesAround(bound: number, type: string | undefined): readonly number[] {
  const isFloat = type === "double" || type === "float";
  const whole = Number.isInteger(bound) ? [bound - 1, bound + 1] : [Math.floor(bound), Math.ceil(bound)];
  const near = isFloat || !Number.isInteger(bound) ? [bound - 0.125, bound + 0.125].filter((value) => type === "double" || Math.fround(value) === value) : [];
  const takesBound = Number.isInteger(bound) || isFloat || type === undefined;
  return [...whole, ...near, ...(takesBound ? [bound] : [])].toSorted((a, b) => a - b);
}

/** Whether the fields that a rule compares may hold any text, as far as types are declared and the samples show it. */
export function comparesText(contract: Contract, rule: MatchRule): boolean {
  const types = [contract.grpc?.filterFields.find(({ name }) => name === rule.filter)?.type, contract.entryTypes?.get(rule.entry)];
  return (
    types.every((type) => type === undefined || type === "string") &&
    samplesOf(contract, rule)
      .flat()
      .every((value) => typeof value === "string")
  );
}

/** The values that the contract's filters have for a rule. */
function samplesOf(contract: Contract, rule: MatchRule): readonly unknown[] {
  return Object.values(contract.filters)
    .flatMap((filter) => filter.messages.map((message) => message[rule.filter]))
    .filter((value) => value !== undefined);
}

function draftWith(options: {
  readonly contract: Contract;
  readonly base: EntryDraft;
  readonly token: string | undefined;
  readonly field: string;
  readonly value: string;
  readonly filter: Filter;
}): Variant["drafts"][number] {
  const { contract, base, token, field, value, filter } = options;
  const draft: EntryDraft = {
    ...base,
    [field]: value,
    ...(token === undefined ? {} : { [token]: field === token ? `${value} ${freshToken()}` : freshToken() }),
  };
  return { draft, matches: filter.matches(contract.entryOf(draft)) };
}
