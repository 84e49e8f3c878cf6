import type { Filter } from "../core/contract.js";
import { fail, unproven } from "../core/verdict.js";
import { describeEnd, type Arrival, type Conversation } from "./conversation.js";
import { rootsOfEnd, rootsOfNoEntry } from "./roots.js";
import type { Session } from "./session.js";

/** How long entries that come by themselves are heard before they are taken for a barrier. */
const ownEntriesMs = 100;

/** Entries that come by themselves as a barrier: what was due before comes ahead of the third, at any rate within some time. */
export async function awaitOwnEntries(session: Session, conversation: Conversation, filter: Filter): Promise<Arrival> {
  const since = conversation.arrivals.length;
  await session.settle(ownEntriesMs);
  const find = (): Arrival | undefined => (conversation.arrivals.length >= since + 3 ? conversation.arrivals.at(-1) : undefined);
  return awaitArrival(session, conversation, find, `a further entry that matches "${filter.name}"`);
}

/** What came in place of an entry that was due. */
export function describeOthers(entries: number, violations: readonly string[]): string {
  const [first] = violations;
  if (entries > 0) {
    return `none; ${entries} other ${entries === 1 ? "entry" : "entries"} came`;
  }
  return first === undefined ? "no entry at all" : `no entry; what came is none of the contract's (${violations.length} in all), first: ${first}`;
}

/**
 * The arrival that `find` gives, within the bound; a verdict where none comes.
 * @param refused says why no such entry was made, when none was.
 */
export async function awaitArrival(
  session: Session,
  conversation: Conversation,
  find: () => Arrival | undefined,
  expected: string,
  refused: () => string | undefined = () => undefined,
): Promise<Arrival> {
  const found = await session.until(() => find() ?? (conversation.end === undefined ? undefined : ("ended" as const)), session.bounds.applyMs);
  if (found === undefined || found === "ended") {
    const reason = refused();
    if (reason !== undefined && conversation.end === undefined) {
      unproven(`${expected}: ${reason}`);
    }
    fail(
      expected,
      conversation.end === undefined ? "it did not come" : `the stream ended: ${describeEnd(conversation.end)}`,
      conversation.end === undefined ? rootsOfNoEntry : rootsOfEnd,
    );
  }
  return found;
}
