import { connectGrpc, openGrpc } from "../src/conformance/grpc-exchange.js";
import type { Conversation } from "../src/conformance/conversation.js";
import type { Session } from "../src/conformance/session.js";
import type { Filter } from "../src/core/contract.js";
import { failOnSight, unproven } from "../src/core/verdict.js";
import { floodedBytes, floodUnordered, type Flood } from "./entry-floods.js";

const mebibyte = 1024 * 1024;

/**
 * Long entries for some readers that do not read: the server that keeps a copy for each of them grows by as many times what is written.
 * @returns whether it went on; false where the server ended a reader, which is all that is asked of it
 */
export async function requireBoundedCopies(session: Session, filters: readonly [Filter, Filter]): Promise<boolean> {
  const flood = { bytes: 6 * mebibyte };
  // The same entries without readers: what the log itself and the producer cost.
  const { more: alone } = await growth(session, filters, flood);
  const readers: Conversation[] = [];
  for (let n = 0; n < 12; n++) {
    readers.push(await session.flowing(filters[0]));
  }
  for (const reader of readers) {
    reader.pause();
  }
  // A collector or an allocator has its moments: two floods out of three tell, by the readers that still hold the ones before.
  for (let grew = 0, flat = 0; flat < 2;) {
    const { more: all, tokens } = await growth(session, filters, flood);
    if (readers.some((reader) => reader.end !== undefined)) {
      return false;
    }
    const more = all - Math.max(0, alone);
    const written = session.contract.entries.token === undefined ? 0 : floodedBytes(tokens);
    const limit = written * readers.length * 0.6;
    if (limit < tellingBytes) {
      unproven(`entries enough to fill the server's memory with: ${mebibytes(written)} MiB were written in 5 s`);
    }
    session.note(`a flood: ${mebibytes(more)} MiB more with ${readers.length} readers that do not read`);
    if (more < limit) {
      flat += 1;
      continue;
    }
    grew += 1;
    if (grew === 2) {
      failOnSight(
        `less than ${mebibytes(limit)} MiB more memory for ${readers.length} readers that miss ${mebibytes(written)} MiB each, or their end`,
        `${mebibytes(more)} MiB more than without them, for the second time`,
      );
    }
  }
  return true;
}

/** Less is within what any server's memory does by itself. */
const tellingBytes = 16 * mebibyte;
/** Room for the entry that shows the stream's filter, not for what follows. */
const windowBytes = 4096;
/** The least that a queue takes for an entry that it shares with others: a reference, less what allocators round. */
const referenceBytes = 6;
/** How many times what is written a log may keep of it, and a collector leave uncollected. */
const logShare = 4;

/**
 * Many entries for many streams without a window: a queue without a bound grows by a reference for each, though all of them share the entry.
 * Windows are HTTP/2's: a WebSocket's sockets hold more than such floods come to.
 */
export async function requireBoundedReferences(session: Session, filters: readonly [Filter, Filter]): Promise<void> {
  const flood = { bytes: 10_000 * 160, entries: 10_000, longest: 160, forMs: 4000 };
  const { more: alone } = await growth(session, filters, flood);
  const readers: Conversation[] = [];
  for (let n = 0; n < 4; n++) {
    readers.push(...(await windowless(session, filters[0])));
  }
  // Fills what is bounded by bytes.
  await floodUnordered(session, ...filters, { bytes: 6 * mebibyte });
  // Queues grow by leaps, so that floods are looked at together.
  let sum = 0;
  let due = 0;
  for (let round = 1; round <= 5; round++) {
    const { more, tokens } = await growth(session, filters, flood);
    const references = tokens.length * readers.length * referenceBytes;
    if (readers.some((reader) => reader.end !== undefined) || references < tellingBytes) {
      return;
    }
    session.note(`a flood of ${tokens.length} entries: ${mebibytes(more)} MiB more with ${readers.length} streams without a window`);
    sum += more - Math.max(0, alone);
    due += (round <= 2 ? references : 0) + logShare * floodedBytes(tokens);
    if (round >= 2 && sum >= due) {
      failOnSight(
        `less than ${mebibytes(due)} MiB more memory for ${readers.length} streams without a window that miss ${round * tokens.length} entries each, or their end`,
        `${mebibytes(sum)} MiB more than without them`,
      );
    }
    if (round === 3 && sum < references / 2) {
      return;
    }
  }
}

/** Streams of the filter on a connection of their own, as many as the server takes up to 100, that let through little more than their first entry. */
async function windowless(session: Session, filter: Filter): Promise<Conversation[]> {
  const connection = await connectGrpc(session, { settings: { INITIAL_WINDOW_SIZE: windowBytes }, replenish: "manual" });
  const streams: Conversation[] = [];
  const isUp = (): boolean => connection.end === undefined && connection.goaway === undefined;
  for (let n = 0; n < Math.min(100, connection.peerSettings.MAX_CONCURRENT_STREAMS) && isUp(); n++) {
    const { conversation } = await openGrpc(session, { connection, replenish: "manual" });
    // A server may refuse more streams than it wants.
    await conversation.send(filter).catch(() => undefined);
    streams.push(conversation);
  }
  await session.supply.produce([filter], []);
  await session.until(() => (streams.some(({ arrivals }) => arrivals.length > 0) ? true : undefined), session.bounds.applyMs, { quiet: true });
  return streams.filter(({ end }) => end === undefined);
}

/** Bytes of the server's memory more after a flood, and the tokens of the flood. */
async function growth(
  session: Session,
  [a, b]: readonly [Filter, Filter],
  flood: Flood,
): Promise<{ readonly more: number; readonly tokens: readonly string[] }> {
  const before = await rss(session);
  const tokens = await floodUnordered(session, a, b, flood);
  await session.settle(100);
  return { more: (await rss(session)) - before, tokens };
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / mebibyte);
}

async function rss(session: Session): Promise<number> {
  const reading = await session.probe.read();
  if ("kind" in reading) {
    unproven(`a probe of the server's memory: ${reading.reason}`);
  }
  if (reading.rssBytes === undefined) {
    unproven("a probe that tells the server's memory");
  }
  return reading.rssBytes;
}
