import { performance } from "node:perf_hooks";
import type { Session } from "../src/conformance/session.js";
import type { EntryDraft, Filter } from "../src/core/contract.js";
import { unproven } from "../src/core/verdict.js";

/** How much to write. */
export interface Flood {
  readonly bytes: number;
  /** Least number of entries; they are as long as it takes for `bytes`. Default: 2,000 bytes each. */
  readonly entries?: number;
  /** Stop after that time, however much was written: a slow producer must not hold up the run. Default 5000. */
  readonly forMs?: number;
}

/** Bytes of one entry of a flood that says no number of entries. */
export const floodEntryBytes = 2000;

/** Writes entries of the filter, long ones where the contract has a token field; returns their tokens. */
export async function floodBlocked(session: Session, filter: Filter, not: Filter, flood: Flood): Promise<string[]> {
  const tokens: string[] = [];
  for await (const batch of blocks(session, filter, not, flood)) {
    tokens.push(...batch);
  }
  return tokens;
}

/** The same for whom their order does not matter: two requests are under way at once. */
export async function floodUnordered(session: Session, filter: Filter, not: Filter, flood: Flood): Promise<string[]> {
  const half = { ...flood, bytes: flood.bytes / 2 };
  return (await Promise.all([floodBlocked(session, filter, not, half), floodBlocked(session, filter, not, half)])).flat();
}

/** The same, batch by batch. */
export async function* blocks(session: Session, filter: Filter, not: Filter, flood: Flood): AsyncGenerator<string[]> {
  const field = session.contract.entries.token;
  const length = flood.entries === undefined ? floodEntryBytes : Math.max(100, Math.floor(flood.bytes / flood.entries));
  const padding = "x".repeat(length);
  const batch = Math.ceil(100_000 / length);
  const startMs = performance.now();
  for (let written = 0; written < flood.bytes && performance.now() - startMs < (flood.forMs ?? 5000); written += batch * (length + 60)) {
    const drafts: EntryDraft[] = [];
    for (let n = 0; n < batch; n++) {
      const draft = session.supply.draft([filter], [not]);
      if (draft === undefined) {
        unproven("a way to make entries for the filter");
      }
      drafts.push(field === undefined ? draft : { ...draft, [field]: `${draft[field] ?? ""} ${padding}` });
    }
    const produced = await session.supply.write(drafts);
    if (produced.kind === "unavailable") {
      unproven(produced.reason);
    }
    yield [...produced.tokens];
  }
}
