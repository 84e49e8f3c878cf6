import { performance } from "node:perf_hooks";
import type { Session } from "../src/conformance/session.js";
import type { EntryDraft, Filter } from "../src/core/contract.js";
import { unproven } from "../src/core/verdict.js";

/** A WebSocket's sends go into the sockets' buffers until those are full: on Linux 4 MiB of the sender's, less as a rule, and what the reader's window was. */
export const socketsHoldBytes = 4.5 * 1024 * 1024;

/** How much to write. */
export interface Flood {
  readonly bytes: number;
  /** Least number of entries; they are as long as it takes for `bytes`. Default: 2,000 bytes each. */
  readonly entries?: number;
  /** Greatest length of an entry that a slow producer is given instead, in bytes. Default 16,000: most limits of messages are above it. */
  readonly longest?: number;
  /** Stop after that time, however much was written: a slow producer must not hold up the run. Default 5000. */
  readonly forMs?: number;
}

/** Bytes of one entry of a flood that says no number of entries. */
const floodEntryBytes = 2000;

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

/** The same, batch by batch. A producer that is too slow for the bytes is given fewer and longer entries, as long as it takes them. */
export async function* blocks(session: Session, filter: Filter, not: Filter, flood: Flood): AsyncGenerator<string[]> {
  const forMs = flood.forMs ?? 5000;
  const startMs = performance.now();
  let length = flood.entries === undefined ? floodEntryBytes : Math.max(100, Math.floor(flood.bytes / flood.entries));
  let longest = Math.max(length, flood.longest ?? mostEntryBytes);
  let before = length;
  for (let written = 0, spentMs = 0; written < flood.bytes && spentMs < forMs; spentMs = performance.now() - startMs) {
    const isBehind = spentMs > forMs / 8 && written / flood.bytes < (spentMs / forMs) * 1.5;
    if (isBehind && length * 2 <= longest) {
      before = length;
      length *= 2;
    }
    const batch = Math.ceil(100_000 / length);
    const produced = await session.supply.write(draftsOf(session, filter, not, batch, length));
    if (produced.kind === "produced") {
      written += batch * (length + aroundBytes);
      yield [...produced.tokens];
    } else if (length > before) {
      // Longer ones are refused.
      length = before;
      longest = before;
    } else {
      unproven(produced.reason);
    }
  }
}

/** What entries of a flood come to as they are sent, at the least. */
export function floodedBytes(tokens: readonly string[]): number {
  return tokens.reduce((sum, token) => sum + Buffer.byteLength(token) + aroundBytes, 0);
}

/** Bytes of an entry beside its text, about. */
const aroundBytes = 60;
const mostEntryBytes = 16_000;

function draftsOf(session: Session, filter: Filter, not: Filter, count: number, length: number): readonly EntryDraft[] {
  const field = session.contract.entries.token;
  const padding = "x".repeat(length);
  return Array.from({ length: count }, () => {
    const draft = session.supply.draft([filter], [not]);
    if (draft === undefined) {
      unproven("a way to make entries for the filter");
    }
    return field === undefined ? draft : { ...draft, [field]: `${draft[field] ?? ""} ${padding}` };
  });
}
