import type { Check } from "../src/conformance/check.js";
import { describeEnd, type Arrival, type Conversation } from "../src/conformance/conversation.js";
import { connectGrpc, openGrpc } from "../src/conformance/grpc-exchange.js";
import { rootsOfNoEntry } from "../src/conformance/roots.js";
import { requireProducer, type Session } from "../src/conformance/session.js";
import type { Filter } from "../src/core/contract.js";
import { fail, notApplicable, unproven, VerdictSignal } from "../src/core/verdict.js";
import { blocks, floodBlocked, floodedBytes, socketsHoldBytes } from "./entry-floods.js";
import { arrivalOf, requireInOrder, requireTokensInOrder } from "./observations.js";
import { requireBoundedCopies, requireBoundedReferences } from "./unread-memory.js";

const both = ["grpc", "ws"] as const;

/** What a slow reader may cost: its own entries, memory, and the other readers. */
export const slowReaderChecks: readonly Check[] = [
  {
    id: "flow-control/slow-reader-lossless",
    on: both,
    level: "must",
    requirement: "A slow reader misses nothing: what it receives is without gaps or duplicates, up to an end by the server where that is the policy.",
    clause: "monitor design: every matching entry is delivered once, or the stream is ended; never silently thinned",
    why: "An entry dropped without a word is the one that explained the incident.",
    exchange: ["C       stops reading", "       entries are written", "C       reads again", "S → C  all of them, in order (or an error after a prefix)"],
    causes: {
      any: "A full queue drops, in silence, the oldest or the newest.",
      Go: "`select { case ch <- entry: default: }`.",
      Rust: "A lagging `broadcast` receiver skips: RecvError::Lagged is ignored.",
      Node: "`if (ws.bufferedAmount > limit) return;`.",
    },
    dependsOn: ["first-filter/takes-effect"],
    needs: ["producer"],
    exclusive: true,
    async run(session) {
      if (session.contract.semantics.overflow === "thin") {
        notApplicable("the contract declares that a slow reader is thinned");
      }
      const [a, b] = session.role("disjoint");
      const conversation = await session.flowing(a);
      conversation.pause();
      const tokens = await floodBlocked(
        session,
        a,
        b,
        session.context.patient ? { bytes: 12 * 1024 * 1024, entries: 16_000, forMs: 2500 } : { bytes: 5 * 1024 * 1024, entries: 6000 },
      );
      await session.settle(100);
      conversation.resume();
      const last = tokens.at(-1);
      if (last === undefined) {
        unproven("entries to fill the buffers with");
      }
      const ours = new Set(tokens);
      const came = (): number => conversation.arrivals.filter(({ token }) => token !== undefined && ours.has(token)).length;
      let found: Arrival | undefined;
      // What is on its way may take its time; when nothing more of it comes, nothing will.
      for (let patience = 5, before = -1; patience > 0 && found === undefined && conversation.end === undefined && came() > before; patience--) {
        before = came();
        found = await arrivalOf(session, conversation, last);
      }
      if (found === undefined && conversation.end === undefined) {
        fail(`all ${tokens.length} entries, or an end by the server`, `the last did not come: ${came()} came, and the stream is open`, rootsOfNoEntry);
      }
      if (conversation.end?.kind === "completed") {
        fail("an error to a reader that was too slow", `a clean end: ${conversation.end.native}`);
      }
      requirePrefixOf(conversation, tokens, found !== undefined);
      requireInOrder(session, conversation);
      const bytes = floodedBytes(tokens);
      if (conversation.end === undefined && session.transport === "ws" && bytes < socketsHoldBytes) {
        unproven(
          `entries enough to block the server's sends: ${(bytes / 1048576).toFixed(1)} MiB were written, and sockets hold up to ${socketsHoldBytes / 1048576} MiB`,
        );
      }
    },
  },
  {
    id: "flow-control/slow-reader-bounded-memory",
    on: both,
    level: "should",
    requirement: "A reader that does not read does not make the server's memory grow without bound.",
    clause: "monitor design: a bounded buffer, then an end",
    why: "One client that sleeps must not be able to take the server down.",
    exchange: ["C       stops reading", "       many entries are written", "S       its memory grows by much less, or the stream ends"],
    causes: {
      Node: "`ws.send` and `call.write` buffer without limit, and their answers are ignored.",
      any: "The queue of a subscriber has no bound.",
      Go: "A slice of pending entries that is appended to under a lock.",
      Rust: "`mpsc::unbounded_channel` for each subscriber.",
      Python: "`asyncio.Queue()` without maxsize.",
    },
    needs: ["producer", "probe"],
    exclusive: true,
    dependsOn: ["first-filter/takes-effect"],
    async run(session) {
      const filters = session.role("disjoint");
      const { drivers, patient } = session.context;
      const seesWindows = session.transport === "grpc" && drivers.grpc?.hides.length === 0;
      if ((await requireBoundedCopies(session, filters)) && seesWindows && patient) {
        await requireBoundedReferences(session, filters);
      }
    },
  },
  {
    id: "flow-control/slow-reader-harms-no-other",
    on: both,
    level: "must",
    requirement: "A reader that does not read does not slow the others: their entries come within the bound, all of them.",
    clause: "monitor design: streams are independent",
    why: "The slowest client must not set the pace for everyone.",
    exchange: ["C1      stops reading", "       entries are written", "S → C2  all entries, in time"],
    causes: {
      any: "The log is written to each subscriber in turn and waits for each; or one lock is held over a send.",
      Go: "An unbuffered channel per subscriber, sent to under a mutex.",
    },
    dependsOn: ["first-filter/takes-effect"],
    exclusive: true,
    async run(session) {
      if (session.supply.producer.kind !== "ready" && session.transport === "grpc") {
        await requireFlowBesideClosedWindow(session);
        return;
      }
      requireProducer(session);
      const [a, b] = session.role("disjoint");
      const heldUp = await floodBesideSlowReader(session, a, b);
      // Once may be chance.
      if (heldUp !== undefined && (await floodBesideSlowReader(session, a, b)) !== undefined) {
        fail("the producer takes entries while one reader does not read", `${heldUp}; it takes them again as soon as that reader is gone`);
      }
    },
  },
];

/**
 * Writes what fills a reader's buffers while one does not read, and fails where it keeps entries from another.
 * @returns why the producer took no more, where it took more again when that reader was gone; undefined when all was well
 */
async function floodBesideSlowReader(session: Session, a: Filter, b: Filter): Promise<string | undefined> {
  const slow = await session.flowing(a);
  const other = await session.flowing(a);
  const elsewhere = await session.flowing(b);
  slow.pause();
  const tokens: string[] = [];
  const bytes = session.context.patient ? 6 * 1024 * 1024 : session.transport === "ws" ? socketsHoldBytes : 3 * 1024 * 1024;
  try {
    for await (const batch of blocks(session, a, b, { bytes })) {
      tokens.push(...batch);
      const last = batch.at(-1);
      if (last !== undefined && (await arrivalOf(session, other, last)) === undefined) {
        fail(
          `another stream's entries within ${session.bounds.applyMs} ms while one reader does not read`,
          other.end === undefined ? `they stopped after ${other.arrivals.length}` : `it was ended: ${describeEnd(other.end)}`,
          rootsOfNoEntry,
        );
      }
    }
  } catch (thrown) {
    if (!(thrown instanceof VerdictSignal) || thrown.verdict.status !== "unproven") {
      throw thrown;
    }
    slow.cancel();
    await session.settle(200);
    await floodBlocked(session, a, b, { bytes: 1 });
    other.cancel();
    elsewhere.cancel();
    return thrown.verdict.lacked;
  }
  await session.barrier(elsewhere);
  requireTokensInOrder(other, tokens);
  return undefined;
}

/**
 * The same by the entries that come by themselves: too few to fill any buffer of the system's, but a window of one byte blocks the server's very first
 * send. A queue that is longer than what comes in a few seconds hides a server that would stall once it is full.
 */
async function requireFlowBesideClosedWindow(session: Session): Promise<void> {
  const broad = session.role("broad");
  const other = await session.flowing(broad);
  const connection = await connectGrpc(session, { settings: { INITIAL_WINDOW_SIZE: 1 }, replenish: "manual" });
  const slow = await openGrpc(session, { connection, replenish: "manual" });
  await slow.conversation.send(broad);
  const since = other.arrivals.length;
  const forMs = session.context.patient ? 4000 : 2500;
  await session.until(() => (other.arrivals.length > since + 1000 || other.end !== undefined ? true : undefined), forMs, { quiet: true });
  const later = other.arrivals.length;
  const next = await session.until(
    () => (other.arrivals.length > later ? ("came" as const) : other.end === undefined ? undefined : ("ended" as const)),
    session.bounds.applyMs,
  );
  if (next !== "came") {
    fail(
      `another stream's entries within ${session.bounds.applyMs} ms while one reader's window is closed`,
      other.end === undefined ? `they stopped after ${later - since}` : `it was ended: ${describeEnd(other.end)}`,
    );
  }
  session.note(`${other.arrivals.length - since} entries came beside the closed window`);
}

/** Fails unless the tokens that came are the first ones written without a gap; all of them where the last one came. */
function requirePrefixOf(conversation: Conversation, tokens: readonly string[], whole: boolean): void {
  const place = new Map(tokens.map((token, index) => [token, index]));
  let expected = 0;
  for (const arrival of conversation.arrivals) {
    const index = arrival.token === undefined ? undefined : place.get(arrival.token);
    if (index === undefined) {
      continue;
    }
    if (index !== expected) {
      conversation.accuse(arrival, index < expected ? "came a second time" : "came after a gap");
      fail(
        `${whole ? "all entries" : "a prefix of the entries"}, without gaps or duplicates`,
        index < expected
          ? `entry ${index + 1} of ${tokens.length} came twice`
          : `entry ${expected + 1} of ${tokens.length} is missing: entry ${index + 1} came in its place`,
      );
    }
    expected += 1;
  }
}
