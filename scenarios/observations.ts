import { performance } from "node:perf_hooks";
import type { Arrival, Conversation } from "../src/conformance/conversation.js";
import { rootsOfDisorder, rootsOfNoEntry, rootsOfWrongEntry } from "../src/conformance/roots.js";
import type { Session } from "../src/conformance/session.js";
import { type Entry, sequenceOf, type EntryDraft, type Filter } from "../src/core/contract.js";
import { jsonText } from "../src/core/json-text.js";
import { fail, failOnSight, unproven } from "../src/core/verdict.js";

/** Lets `ms` pass while events are heard; for what shows in nothing. */
export async function awaitQuietly(session: Session, ms: number): Promise<void> {
  await session.settle(Math.min(ms, 200));
}

/** Whether more than the bound has passed since then, not counting what this process itself was late. */
export function overdue(session: Session, startMs: number, boundMs: number): boolean {
  return performance.now() - startMs - session.context.watch.latenessMsSince(startMs) > boundMs;
}

/** Fails, with the offender marked, unless every arrival from `from` on matches the filter; `earlier` are those that it replaced. */
export function requireAllMatch(conversation: Conversation, filter: Filter, from = 0, earlier: readonly Filter[] = conversation.filters): void {
  for (const arrival of conversation.arrivals.slice(from)) {
    if (!filter.matches(arrival.entry)) {
      conversation.accuse(arrival, `does not match "${filter.name}"`);
      // After an update, what is wrong may be what was under way.
      const judge = conversation.filters.length > 1 ? fail : failOnSight;
      judge(
        `only entries that match "${filter.name}" (${jsonText(filter.messages.at(-1))})`,
        `entry #${arrival.index + 1} does not: ${shown(arrival.entry, filter)}`,
        rootsOfWrongEntry(earlier, arrival.entry),
      );
    }
  }
}

/** An entry that these filters do not let through, with what kept the contract from judging it. */
function shown(entry: Entry, ...filters: readonly Filter[]): string {
  const why = filters.flatMap((filter) => filter.unjudged?.(entry) ?? []).at(0);
  return `${jsonText(entry)}${why === undefined ? "" : `; ${why}`}`;
}

/** Fails unless each filter that was sent is acked within the bound, where the contract says that filters are. */
export async function requireAcks(session: Session, conversation: Conversation): Promise<void> {
  const sent = conversation.filters.length;
  if (session.contract.semantics.takesEffect !== "ack") {
    return;
  }
  const acked = await session.until(() => (conversation.acks >= sent || conversation.end !== undefined ? true : undefined), session.bounds.applyMs);
  if (acked === undefined) {
    fail(
      `an ack of the filter within ${session.bounds.applyMs} ms`,
      `${conversation.acks} of ${sent} filters were acked, although the last one shows its effect`,
    );
  }
}

/** Fails unless sequences increase from arrival to arrival, each entry at most once. */
export function requireInOrder(session: Session, conversation: Conversation, from = 0): void {
  const { entries } = session.contract;
  let previous: number | bigint | undefined;
  for (const arrival of conversation.arrivals.slice(from)) {
    const sequence = sequenceOf(entries, arrival.entry);
    if (sequence === undefined) {
      continue;
    }
    if (previous !== undefined && (sequence < previous || (sequence === previous && entries.order === "increasing"))) {
      const twice = sequence === previous || conversation.arrivals.slice(0, arrival.index).some((earlier) => earlier.sequence === sequence);
      conversation.accuse(arrival, twice ? "came a second time" : "out of order");
      failOnSight(
        "every entry once, in sequence order",
        `entry ${String(sequence)} came after entry ${String(previous)}${twice ? ", a second time" : ""} (arrival #${arrival.index + 1})`,
        rootsOfDisorder(twice),
      );
    }
    previous = sequence;
  }
}

/** Fails unless the produced tokens came exactly once each and in their order; entries of others in between do not matter. */
export function requireTokensInOrder(conversation: Conversation, tokens: readonly string[]): void {
  const place = new Map(tokens.map((token, index) => [token, index]));
  const seen = new Set<number>();
  let expected = 0;
  for (const arrival of conversation.arrivals) {
    const index = arrival.token === undefined ? undefined : place.get(arrival.token);
    if (index === undefined) {
      continue;
    }
    if (seen.has(index)) {
      conversation.accuse(arrival, "came a second time");
      failOnSight(
        "each matching entry once",
        `the ${nth(index + 1)} of ${tokens.length} entries written came twice (arrival #${arrival.index + 1})`,
        rootsOfDisorder(true),
      );
    }
    seen.add(index);
    if (index !== expected) {
      conversation.accuse(arrival, index > expected ? "came before, or instead of, an earlier one" : "came late");
      const missing = index > expected && !laterTokens(conversation, arrival, place).has(expected);
      fail(
        "all matching entries, in order",
        `the ${nth(expected + 1)} of ${tokens.length} entries written ${missing ? "never came" : "came out of order"}: the ${nth(index + 1)} came in its place`,
        missing ? rootsOfNoEntry : rootsOfDisorder(false),
      );
    }
    expected += 1;
  }
  if (expected < tokens.length) {
    fail(`all ${tokens.length} matching entries`, `${tokens.length - expected} did not come, from the ${nth(expected + 1)} on`, rootsOfNoEntry);
  }
}

/** The first of these entries that came, from arrival `from` on. */
export function firstOf(conversation: Conversation, tokens: readonly string[], from = 0): Arrival | undefined {
  return conversation.arrivals.slice(from).find(({ token }) => token !== undefined && tokens.includes(token));
}

function laterTokens(conversation: Conversation, from: Arrival, place: ReadonlyMap<string, number>): Set<number> {
  const later = new Set<number>();
  for (const arrival of conversation.arrivals.slice(from.index + 1)) {
    const index = arrival.token === undefined ? undefined : place.get(arrival.token);
    if (index !== undefined) {
      later.add(index);
    }
  }
  return later;
}

function nth(n: number): string {
  const tail = n % 100;
  const suffix = tail >= 11 && tail <= 13 ? "th" : (["th", "st", "nd", "rd"][n % 10] ?? "th");
  return `${n}${suffix}`;
}

/**
 * Sees `count` entries of the filter on the stream: written as batches where there is a producer, else those that come by themselves (fewer, within 200 ms, will do).
 * @returns the tokens written, in order; empty without a producer.
 */
export async function flowOf(session: Session, conversation: Conversation, filter: Filter, count: number): Promise<readonly string[]> {
  const tokens: string[] = [];
  const batch = 100;
  for (let left = count; left > 0; left -= batch) {
    const produced = await session.supply.produce([filter], [], Math.min(batch, left));
    if (produced.kind === "unavailable") {
      break;
    }
    tokens.push(...produced.tokens);
  }
  if (tokens.length === 0) {
    const lacked = session.supply.lacks([filter], []);
    if (lacked !== undefined) {
      unproven(lacked);
    }
    const from = conversation.arrivals.length;
    await session.until(() => (conversation.arrivals.length - from >= count || conversation.end !== undefined ? true : undefined), 200, { quiet: true });
    return [];
  }
  await session.barrier(conversation, filter);
  return tokens;
}

/** What a promise rejects with; undefined when it resolves. */
export function thrownBy(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
}

/** Awaits the arrival of the entry with the token; undefined after the bound or when the stream ended without it. */
export async function arrivalOf(session: Session, conversation: Conversation, token: string, boundMs = session.bounds.applyMs): Promise<Arrival | undefined> {
  let cursor = 0;
  const found = await session.until(() => {
    for (; cursor < conversation.arrivals.length; cursor++) {
      if (conversation.arrivals[cursor]?.token === token) {
        return conversation.arrivals[cursor];
      }
    }
    return conversation.end === undefined ? undefined : ("ended" as const);
  }, boundMs);
  return found === "ended" ? undefined : found;
}

/** Drafts for the two filters in turn, `count` of each; undefined when the contract or the surroundings give no way to write them. */
export function alternating(session: Session, a: Filter, b: Filter, count: number): EntryDraft[] | undefined {
  const drafts: EntryDraft[] = [];
  for (let n = 0; n < count; n++) {
    const forA = session.supply.draft([a], [b]);
    const forB = session.supply.draft([b], [a]);
    if (forA === undefined || forB === undefined || session.supply.producer.kind !== "ready") {
      return undefined;
    }
    drafts.push(forA, forB);
  }
  return drafts;
}

/**
 * Fails when an entry that only `before` lets through comes after one that only `after` lets through: the order of receipt must be A*B*.
 * @returns the first entry that only `after` lets through, or undefined when none came.
 */
export function requireAStarBStar(conversation: Conversation, before: Filter, after: Filter, from = 0): Arrival | undefined {
  const acked = ackOf(conversation, after);
  let first: Arrival | undefined;
  for (const arrival of conversation.arrivals.slice(from)) {
    const old = before.matches(arrival.entry);
    const fresh = after.matches(arrival.entry);
    if (fresh && !old) {
      first ??= arrival;
    } else if (!fresh && old && arrival.index >= acked) {
      conversation.accuse(arrival, `came after the ack of "${after.name}", matches only "${before.name}"`);
      failOnSight(
        `after the ack of the filter "${after.name}", no entry that only "${before.name}" lets through`,
        `arrival #${arrival.index + 1}, ${arrival.index - acked + 1} after the ack, matches only "${before.name}": ${jsonText(arrival.entry)}`,
        rootsOfWrongEntry(conversation.filters, arrival.entry),
      );
    } else if (!fresh && old && first !== undefined) {
      conversation.accuse(arrival, `matches only the old filter "${before.name}"`);
      failOnSight(
        `after the first entry that only "${after.name}" lets through, none that only "${before.name}" lets through`,
        `arrival #${arrival.index + 1}, ${arrival.index - first.index} after the first new one, matches only "${before.name}": ${jsonText(arrival.entry)}`,
        rootsOfWrongEntry(conversation.filters, arrival.entry),
      );
    } else if (!fresh && !old) {
      conversation.accuse(arrival, "matches neither filter");
      failOnSight(
        `only entries that match "${before.name}" or "${after.name}"`,
        `arrival #${arrival.index + 1} matches neither: ${shown(arrival.entry, before, after)}`,
        rootsOfWrongEntry(conversation.filters, arrival.entry),
      );
    }
  }
  return first;
}

/** Index of the first arrival after the ack of the filter sent last; Infinity where acks tell nothing of filters, or it is another that was sent last. */
function ackOf(conversation: Conversation, filter: Filter): number {
  const number = conversation.filters.length;
  return conversation.filters[number - 1] === filter && number > 1 ? (conversation.ackedAfter(number) ?? Infinity) : Infinity;
}
