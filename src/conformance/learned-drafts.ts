import { performance } from "node:perf_hooks";
import { type Contract, type Entry, type EntryDraft, type Filter, type LearnedDrafts, ordinaryFilters } from "../core/contract.js";
import type { DraftProducer } from "./supply.js";

/** Different values of a field that are kept of the entries seen. */
const keptValues = 12;
/** Entries that are written to learn; a contract has a handful of filters. */
const mostTrials = 60;
/** Refusals after which a producer that took nothing yet is left alone. */
const mostRefusals = 12;
/** Nobody waits longer than that for a run to begin because a producer takes its time. */
const longestMs = 2000;

/**
 * Finds out which entries the producer takes. Where the contract does not state values they are guesses, from filters (also invalid ones) and from
 * the entries seen: one that the producer refuses must not be waited for. Each guess that a check may make is written once; a refused one is not made again.
 * @returns the contract whose drafts are those that the producer takes, and whether it took any.
 */
export async function learnDrafts(
  contract: Contract,
  producer: DraftProducer,
  seen: readonly Entry[],
): Promise<{ readonly contract: Contract; readonly takesAny: boolean }> {
  const learner = createLearner(valuesOf(seen));
  const learned: Contract = { ...contract, draft: (yes, no) => contract.draft(yes, no, learner) };
  const broad = contract.roles.broad;
  const first: readonly Filter[] = broad === undefined ? [] : [broad];
  let takesAny = false;
  let trials = 0;
  const untilMs = performance.now() + longestMs;
  const mayTry = (): boolean => trials < (takesAny ? mostTrials : mostRefusals) && performance.now() < untilMs;
  for (const [yes, no] of questions(contract, first)) {
    if (!mayTry()) {
      break;
    }
    for (let draft = learned.draft(yes, no); draft !== undefined && mayTry(); draft = learned.draft(yes, no)) {
      if (learner.isKnown(draft, contract.entries.token)) {
        break;
      }
      trials += 1;
      const outcome = await producer.produce([draft]);
      if (outcome.kind === "produced") {
        takesAny = true;
        learner.accept(draft);
        break;
      }
      learner.refuse(draft, contract.entries.token);
    }
  }
  return { contract: learned, takesAny };
}

/** What checks ask for: an entry of one filter, and of one but not another. */
function* questions(contract: Contract, first: readonly Filter[]): Generator<readonly [yes: readonly Filter[], no: readonly Filter[]]> {
  const filters = ordinaryFilters(contract);
  yield [first, []];
  for (const filter of filters) {
    yield [[filter], []];
  }
  for (const filter of filters) {
    for (const other of filters) {
      if (filter !== other) {
        yield [[filter], [other]];
        yield [[filter, other], []];
      }
    }
  }
}

interface Learner extends LearnedDrafts {
  accept(draft: EntryDraft): void;
  refuse(draft: EntryDraft, token: string | undefined): void;
  /** Whether each value of the draft was taken before. */
  isKnown(draft: EntryDraft, token: string | undefined): boolean;
}

function createLearner(seen: Readonly<Record<string, readonly string[]>>): Learner {
  const taken = new Set<string>();
  const refused: (readonly string[])[] = [];
  const pairsOf = (draft: EntryDraft, token: string | undefined): string[] =>
    Object.entries(draft)
      .filter(([field]) => field !== token)
      .map(([field, value]) => JSON.stringify([field, value]));
  return {
    seen,
    accept(draft) {
      for (const pair of pairsOf(draft, undefined)) {
        taken.add(pair);
      }
    },
    refuse: (draft, token) => void refused.push(pairsOf(draft, token)),
    isKnown: (draft, token) => pairsOf(draft, token).every((pair) => taken.has(pair)),
    refuses(draft) {
      const pairs = new Set(pairsOf(draft, undefined));
      // What was taken in another entry is not what was refused in this one.
      return refused.some((one) => {
        const suspects = one.filter((pair) => !taken.has(pair));
        return (suspects.length === 0 ? one : suspects).every((pair) => pairs.has(pair));
      });
    },
  };
}

/** The texts and numbers that each field of the entries has. */
function valuesOf(entries: readonly Entry[]): Readonly<Record<string, readonly string[]>> {
  const values = new Map<string, Set<string>>();
  for (const entry of entries) {
    for (const [field, value] of Object.entries(entry)) {
      const known = values.get(field) ?? new Set<string>();
      if (known.size < keptValues && ((typeof value === "string" && value !== "") || typeof value === "number")) {
        values.set(field, known.add(String(value)));
      }
    }
  }
  return Object.fromEntries([...values].map(([field, known]) => [field, [...known]]));
}
