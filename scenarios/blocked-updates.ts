import type { Arrival, Conversation } from "../src/conformance/conversation.js";
import type { Session } from "../src/conformance/session.js";
import { floodUnordered } from "./entry-floods.js";
import { alternating, requireAStarBStar, thrownBy } from "./observations.js";

/** What a reader saw when it read on. */
export interface AfterPause {
  /** The first of the entries written after its update that only the old filter lets through. */
  readonly hidden: Arrival | undefined;
  /** The first of those written before its update that only the new filter lets through. */
  readonly early: Arrival | undefined;
}

/**
 * One reader a size stops reading, and sends its update when so many bytes were written; `afterMs` after the last of them more is written, and all read on.
 * @returns for each reader what came that should not have; "overflow" when the server ended it.
 */
export async function writtenUnderOld(session: Session, sizes: readonly number[], afterMs: number): Promise<(AfterPause | "overflow")[]> {
  const [a, b] = session.role("disjoint");
  const readers = await Promise.all(sizes.map(() => session.flowing(a)));
  for (const reader of readers) {
    reader.pause();
  }
  const updated: { readonly reader: Conversation; readonly before: ReadonlySet<string>; readonly since: number; readonly sending: Promise<unknown> }[] = [];
  let flooded = 0;
  for (const [index, reader] of readers.entries()) {
    const size = sizes[index] ?? 0;
    await floodUnordered(session, a, b, { bytes: size - flooded, forMs: 1500 });
    flooded = size;
    const before = await session.supply.produce([b], [a], 8);
    updated.push({
      reader,
      before: new Set(before.kind === "produced" ? before.tokens : []),
      since: reader.arrivals.length,
      sending: thrownBy(reader.send(b)),
    });
  }
  await session.until(() => undefined, afterMs, { quiet: true });
  const mixed = alternating(session, a, b, 20);
  const written = mixed === undefined ? undefined : await session.supply.write(mixed);
  const tokens = new Set(written?.kind === "produced" ? written.tokens : []);
  for (const reader of readers) {
    reader.resume();
  }
  return Promise.all(
    updated.map(async ({ reader, before, since, sending }) => {
      const unsent = await sending;
      // What was queued before an overflow still comes, perhaps with entries of the update in it: the end shows behind them.
      const slow =
        unsent ??
        (await thrownBy(session.effect(reader, b, { unless: [a], since, boundMs: session.bounds.applyMs * 3 }).then(() => session.barrier(reader, b))));
      if (slow !== undefined) {
        // An end in the middle of a backlog may reach a reader that paused as a mere reset.
        if (reader.end !== undefined && reader.end.kind !== "completed" && session.contract.semantics.overflow === "end") {
          return "overflow";
        }
        throw slow;
      }
      requireAStarBStar(reader, a, b, since);
      const arrivals = reader.arrivals.slice(since).filter(({ token }) => token !== undefined);
      const hidden = arrivals.find(({ token, entry }) => tokens.has(token ?? "") && !b.matches(entry));
      const early = arrivals.find(({ token }) => before.has(token ?? ""));
      if (hidden !== undefined) {
        reader.accuse(hidden, `written ${afterMs} ms after "${b.name}" was sent, matches only "${a.name}"`);
      }
      if (early !== undefined) {
        reader.accuse(early, `was written before "${b.name}" was sent`);
      }
      reader.cancel();
      return { hidden, early };
    }),
  );
}
