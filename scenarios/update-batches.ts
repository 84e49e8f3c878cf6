import type { Conversation } from "../src/conformance/conversation.js";
import type { Session } from "../src/conformance/session.js";
import type { Produced } from "../src/conformance/supply.js";
import type { Filter } from "../src/core/contract.js";
import { arrivalOf } from "./observations.js";

/**
 * Writes entries while the stream's filter is sent over and over: what takes the next entry and what reads the next filter then meet.
 * Where a filter is replaced by several messages, there is a time without any, and entries are written before them only.
 */
export async function writtenMeanwhile(session: Session, conversation: Conversation, filter: Filter): Promise<Produced> {
  if (session.contract.updating(filter, filter, 2).length > 1) {
    return session.supply.produce([filter], [], 10);
  }
  const tokens: string[] = [];
  for (let n = 0; n < 4 && conversation.end === undefined; n++) {
    let inLog = false;
    const writing = session.supply.produce([filter], [], 100).finally(() => {
      inLog = true;
    });
    // They leave one by one, some hundredths of a millisecond apart: at once, and until the entries have been on their way for a while.
    for (let last = false, turn = 0; !last && turn < 4 && conversation.end === undefined; turn++) {
      last = inLog;
      const sends: Promise<void>[] = [];
      for (let sent = 0; sent < (turn === 0 ? 80 : 20); sent++) {
        sends.push(conversation.send(filter));
        await new Promise<void>((resolve) => process.nextTick(resolve));
      }
      await Promise.all(sends);
    }
    const produced = await writing;
    if (produced.kind === "unavailable") {
      return produced;
    }
    tokens.push(...produced.tokens);
    const last = produced.tokens.at(-1);
    // What was sent has been read as well by then: filters do not pile up.
    if (last === undefined || (await arrivalOf(session, conversation, last)) === undefined) {
      break;
    }
  }
  return { kind: "produced", tokens };
}

/** Writes a batch, long entries among short ones where the contract has a token field: what is compressed, split or prepared apart is overtaken by what is not. */
export async function writeUnequal(session: Session, filter: Filter, count: number): Promise<Produced> {
  const field = session.contract.entries.token;
  const drafts = Array.from({ length: count }, () => session.supply.draft([filter], [])).filter((draft) => draft !== undefined);
  if (field === undefined || drafts.length < count) {
    return session.supply.produce([filter], [], count);
  }
  const more = [0, 300, 0, 3000, 0];
  const padding = (n: number): number => (n === count >> 1 ? 20_000 : (more[n % more.length] ?? 0));
  const written = await session.supply.write(
    drafts.map((draft, n) => (padding(n) === 0 ? draft : { ...draft, [field]: `${draft[field] ?? ""} ${"x".repeat(padding(n))}` })),
  );
  // A producer may have a limit of its own.
  return written.kind === "produced" ? written : session.supply.produce([filter], [], count);
}
