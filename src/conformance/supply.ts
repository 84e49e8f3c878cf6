import { randomBytes } from "node:crypto";
import { performance } from "node:perf_hooks";
import type { Contract, Entry, EntryDraft, Filter } from "../core/contract.js";
import { createWritingTimes } from "./writing-times.js";

/** What came of asking for entries. */
export type Produced =
  | { readonly kind: "produced"; readonly tokens: readonly string[] }
  /** The contract gives no way to make such an entry, or the producer is not there. */
  | { readonly kind: "unavailable"; readonly reason: string };

/** `numbers`: the number of each entry, in order, where the producer's answers tell them all. */
export interface DraftsProduced {
  readonly kind: "produced";
  readonly numbers?: readonly number[];
}

/** The part of a producer that the checks use; `produce` resolves once the entries are in the log. */
export interface DraftProducer {
  produce(
    drafts: readonly EntryDraft[],
  ): Promise<DraftsProduced | { readonly kind: "unavailable"; readonly reason: string } | { readonly kind: "failed"; readonly reason: string }>;
}

/** Where entries come from during a run: made on demand, or those that come by themselves. */
export interface Supply {
  /** Whether entries can be made on demand; else why not. */
  readonly producer: { readonly kind: "ready" } | { readonly kind: "missing"; readonly reason: string } | { readonly kind: "declared-none" };
  /** Entries that came by themselves while the run began. */
  readonly background: readonly Entry[];
  /** Entries a second that come by themselves through the broad filter; 0 when none were seen. */
  readonly backgroundPerSecond: number;
  /** Makes `count` entries that all of `yes` and none of `no` let through, each with a token of its own. */
  produce(yes: readonly Filter[], no: readonly Filter[], count?: number): Promise<Produced>;
  /** Writes the drafts, in order, as one batch where the producer can. */
  write(drafts: readonly EntryDraft[]): Promise<Produced>;
  /** One draft with a fresh token, to be put in order with others before `write`. */
  draft(yes: readonly Filter[], no: readonly Filter[]): EntryDraft | undefined;
  /** `performance.now()` at which the entry with this token was handed to the producer; undefined for those whose time is not kept, and for what this run did not make. */
  writtenAtMs(token: string): number | undefined;
  /** Why no such entry can be expected, or undefined when one can. */
  lacks(yes: readonly Filter[], no: readonly Filter[]): string | undefined;
}

const runMark = randomBytes(5).toString("hex");
let made = 0;

/** A token that no other run uses, nor this one again. */
export function freshToken(): string {
  made += 1;
  return `hc-${runMark}-${made}`;
}

export function createSupply(options: {
  readonly contract: Contract;
  readonly producer: DraftProducer | undefined;
  readonly state: Supply["producer"];
  readonly background: readonly Entry[];
  readonly backgroundPerSecond: number;
}): Supply {
  const { contract, producer, state, background, backgroundPerSecond } = options;
  const tokenField = contract.entries.token;

  const written = createWritingTimes();
  // Solving is a search; the same few questions are asked thousands of times.
  const solved = new Map<string, EntryDraft | undefined>();
  const solve = (yes: readonly Filter[], no: readonly Filter[]): EntryDraft | undefined => {
    const key = JSON.stringify([yes.map((filter) => filter.name), no.map((filter) => filter.name)]);
    if (!solved.has(key)) {
      solved.set(key, contract.draft(yes, no));
    }
    return solved.get(key);
  };
  const draft = (yes: readonly Filter[], no: readonly Filter[]): EntryDraft | undefined => {
    const silent = contract.roles.silent;
    if (silent !== undefined && yes.includes(silent)) {
      // What matches nothing must go on matching nothing, for every stream of the run.
      return undefined;
    }
    const base = solve(yes, silent === undefined ? no : [...no, silent]);
    if (base === undefined || tokenField === undefined) {
      return base;
    }
    // A filter may ask for a text in the token's own field: the token then goes behind it.
    const wanted = base[tokenField];
    return { ...base, [tokenField]: wanted === undefined || wanted === "" ? freshToken() : `${wanted} ${freshToken()}` };
  };
  const write = async (drafts: readonly EntryDraft[]): Promise<Produced> => {
    if (producer === undefined || state.kind !== "ready") {
      return { kind: "unavailable", reason: state.kind === "missing" ? state.reason : "no producer" };
    }
    const tokens = drafts.map((made) => (tokenField === undefined ? "" : (made[tokenField] ?? "")));
    written.note(tokens, performance.now());
    const outcome = await producer.produce(drafts);
    if (outcome.kind !== "produced") {
      return { kind: "unavailable", reason: outcome.reason };
    }
    return { kind: "produced", tokens };
  };

  return {
    producer: state,
    background,
    backgroundPerSecond,
    draft,
    write,
    writtenAtMs: (token) => written.atMs(token),
    async produce(yes, no, count = 1) {
      const drafts: EntryDraft[] = [];
      for (let i = 0; i < count; i++) {
        const made = draft(yes, no);
        if (made === undefined) {
          return {
            kind: "unavailable",
            reason: `the contract gives no way to make an entry that matches ${names(yes)}${no.length === 0 ? "" : ` but not ${names(no)}`}`,
          };
        }
        drafts.push(made);
      }
      return write(drafts);
    },
    lacks(yes, no) {
      if (state.kind === "ready" && draft(yes, no) !== undefined) {
        return undefined;
      }
      const comes = background.some((entry) => yes.every((filter) => filter.matches(entry)) && !no.some((filter) => filter.matches(entry)));
      if (comes && backgroundPerSecond > 0) {
        return undefined;
      }
      const unjudged = background
        .slice(0, 10)
        .flatMap((entry) => yes.flatMap((filter) => filter.unjudged?.(entry) ?? []))
        .at(0);
      const why =
        state.kind === "missing" ? state.reason : state.kind === "ready" ? "the producer's template and values give no such entry" : "there is no producer";
      return `an entry that matches ${names(yes)}${no.length === 0 ? "" : ` but not ${names(no)}`}: ${why}, and none comes by itself${unjudged === undefined ? "" : `; of one that does, ${unjudged}`}`;
    },
  };
}

function names(filters: readonly Filter[]): string {
  return filters.map((filter) => `"${filter.name}"`).join(" and ");
}
