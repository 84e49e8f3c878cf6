import type { Check } from "../src/conformance/check.js";
import { describeEnd, type Conversation } from "../src/conformance/conversation.js";
import { connectGrpc, describeGrpcEnd, openGrpc, type GrpcExchange } from "../src/conformance/grpc-exchange.js";
import { rootsOfNoEntry } from "../src/conformance/roots.js";
import type { Session } from "../src/conformance/session.js";
import { type EntryDraft, type Filter, ordinaryFilters } from "../src/core/contract.js";
import { fail, unproven } from "../src/core/verdict.js";
import { ERROR_CODE } from "../src/wire/http2-frames.js";
import { arrivalOf, requireAllMatch, requireInOrder, requireTokensInOrder } from "./observations.js";

const grpc = ["grpc"] as const;
const both = ["grpc", "ws"] as const;

export const isolationChecks: readonly Check[] = [
  {
    id: "isolation/many-connections",
    on: both,
    level: "must",
    requirement: "Many streams with different filters, on connections of their own, each get their own entries and nothing else.",
    clause: "monitor design: a filter belongs to its stream",
    why: "One user's filter must never decide what another user sees.",
    exchange: ["C1 → S filter A, C2 → S filter B, …", "S → C1 only A, S → C2 only B, …"],
    causes: {
      any: "The filter is kept by the service, in a variable of the module, or under a key that several streams share.",
      Go: "A field of the service struct.",
      Java: "A singleton bean with state.",
      Node: "A `let filter` outside the handler.",
    },
    dependsOn: ["first-filter/entries-match"],
    async run(session) {
      await requireIsolation(session, await Promise.all(spread(session, 24).map(async (filter) => ({ filter, conversation: await session.open({ filter }) }))));
    },
  },
  {
    id: "isolation/grpc-one-connection",
    on: grpc,
    level: "must",
    requirement: "The same holds for many streams on one HTTP/2 connection.",
    clause: "RFC 9113 §5: streams are independent; monitor design",
    why: "gRPC clients put all their calls on one connection: state kept by connection mixes them up.",
    exchange: ["C → S  stream 1: filter A, stream 3: filter B, …", "S → C  each its own"],
    causes: { any: "Filter state is kept by connection or by peer address." },
    needs: ["wire"],
    dependsOn: ["first-filter/entries-match"],
    async run(session) {
      const connection = await connectGrpc(session);
      const limit = Math.min(24, Math.max(2, connection.peerSettings.MAX_CONCURRENT_STREAMS));
      const streams: { filter: Filter; conversation: Conversation }[] = [];
      for (const filter of spread(session, limit)) {
        const exchange = await openGrpc(session, { connection });
        await exchange.conversation.send(filter);
        streams.push({ filter, conversation: exchange.conversation });
      }
      await requireIsolation(session, streams);
      // An update of one must not move the others.
      const [a, b] = session.role("disjoint");
      const first = streams.find((stream) => stream.filter === a);
      const second = streams.find((stream) => stream.filter === a && stream !== first);
      if (first !== undefined && second !== undefined) {
        await session.change(first.conversation, b);
        const since = second.conversation.arrivals.length;
        await session.barrier(second.conversation, a);
        requireAllMatch(second.conversation, a, since);
      }
    },
  },
  {
    id: "isolation/shared-entries-reach-all",
    on: both,
    level: "must",
    requirement: "An entry that matches several streams' filters reaches each of them, once.",
    clause: "monitor design: a stream carries the entries that match its filter",
    why: "A log is broadcast; a queue that gives each entry to one reader splits it among the users.",
    exchange: ["C1, C2, C3 → S  broad filter", "       an entry is written", "S → C1, C2, C3  the entry"],
    causes: {
      Go: "All streams receive from one channel: each value goes to one of them.",
      Node: "A consumer group, or `once` for `on`.",
      Rust: "An mpsc queue where a broadcast one was meant.",
    },
    dependsOn: ["first-filter/takes-effect"],
    async run(session) {
      const broad = session.role("broad");
      const streams = await Promise.all(Array.from({ length: 6 }, () => session.flowing(broad)));
      if (session.supply.producer.kind !== "ready") {
        await sharedBySequence(session, streams);
        return;
      }
      const produced = await session.supply.produce([broad], [], 60);
      if (produced.kind === "unavailable") {
        unproven(produced.reason);
      }
      const last = produced.tokens.at(-1) ?? "";
      for (const stream of streams) {
        if ((await arrivalOf(session, stream, last)) === undefined) {
          const came = stream.arrivals.filter((arrival) => arrival.token !== undefined && produced.tokens.includes(arrival.token)).length;
          fail(
            `all ${produced.tokens.length} entries on each of ${streams.length} streams`,
            `stream ${stream.label} got ${came} of them${stream.end === undefined ? "" : ` and ended: ${describeEnd(stream.end)}`}`,
            rootsOfNoEntry,
          );
        }
        requireTokensInOrder(stream, produced.tokens);
      }
    },
  },
  {
    id: "isolation/grpc-stream-limit",
    on: grpc,
    level: "must",
    requirement: "A stream above the limit that the server advertises is refused or served; it does not hang, and the others go on.",
    clause: "RFC 9113 §5.1.2",
    why: "A client that opens one stream too many must learn so, or the user looks at an empty page for ever.",
    exchange: ["S → C  SETTINGS MAX_CONCURRENT_STREAMS N", "C → S  HEADERS of stream N+1", "S → C  RST_STREAM REFUSED_STREAM (or it is served)"],
    causes: { any: "HEADERS above the limit are dropped without an answer." },
    needs: ["wire"],
    dependsOn: ["first-filter/takes-effect"],
    async run(session) {
      const connection = await connectGrpc(session);
      const limit = connection.peerSettings.MAX_CONCURRENT_STREAMS;
      if (limit > 1000) {
        unproven(`an advertised limit of at most 1,000 streams on a connection (the server advertises ${limit > 0x7fffffff ? "none" : limit})`);
      }
      const silent = session.role("silent");
      const held: GrpcExchange[] = [];
      for (let n = 0; n < limit; n++) {
        const exchange = await openGrpc(session, { connection });
        await exchange.conversation.send(silent);
        held.push(exchange);
      }
      const broad = session.role("broad");
      const over = await openGrpc(session, { connection, force: true });
      await over.conversation.send(broad).catch(() => undefined);
      const answer = await session.until(
        () => over.end ?? (over.conversation.arrivals.length > 0 || connection.end !== undefined ? true : undefined),
        session.bounds.applyMs,
      );
      if (connection.end !== undefined || connection.goaway !== undefined) {
        // RFC 9113 §5.4.1 lets a stream error be taken for one of the connection; that is an answer.
        return;
      }
      if (answer === undefined) {
        // A server may queue it until another stream ends.
        held[0]?.conversation.cancel();
        held[1]?.conversation.cancel();
        const queued = await session.effect(over.conversation, broad, { since: 0 }).then(
          () => true,
          () => false,
        );
        if (!queued) {
          fail(`stream ${limit + 1} is refused with REFUSED_STREAM, or served once another has ended`, "neither: silence");
        }
      } else if (
        over.end !== undefined &&
        over.end.resetCode !== ERROR_CODE.REFUSED_STREAM &&
        over.end.resetCode !== ERROR_CODE.PROTOCOL_ERROR &&
        ![8, 14].includes(over.end.status)
      ) {
        fail("RST_STREAM REFUSED_STREAM", describeGrpcEnd(over.end));
      }
      const survivor = held.at(-1);
      if (survivor?.end !== undefined) {
        fail("the streams within the limit go on", describeGrpcEnd(survivor.end));
      }
    },
  },
  {
    id: "isolation/transports-agree",
    on: both,
    level: "must",
    requirement: "WebSocket and gRPC give the same entries for the same filters.",
    clause: "monitor design: one design, served over both transports",
    why: "Two encodings of one service must not be two services.",
    exchange: ["C1 → S  filter over gRPC, C2 → S the same over WebSocket", "       entries are written", "S → C1, C2  the same"],
    causes: { any: "A field is decoded on one transport only, or under another name." },
    dependsOn: ["first-filter/entries-match"],
    needs: ["producer"],
    async run(session) {
      const { targets } = session.context;
      if (targets.grpc === undefined || targets.ws === undefined) {
        unproven("URLs of both transports of the same server");
      }
      const invalid = new Set(session.contract.roles.invalid.map((entry) => entry.filter));
      for (const filter of Object.values(session.contract.filters)) {
        if (invalid.has(filter) || session.supply.lacks([filter], []) !== undefined) {
          continue;
        }
        const mine = await session.flowing(filter);
        const other = await session.flowing(filter, { transport: session.transport === "grpc" ? "ws" : "grpc" });
        const drafts: EntryDraft[] = [];
        for (const sample of Object.values(session.contract.filters)) {
          const draft = session.supply.draft([sample], sample === filter ? [] : [filter]) ?? session.supply.draft([sample], []);
          if (draft !== undefined && !invalid.has(sample)) {
            drafts.push(draft);
          }
        }
        const produced = await session.supply.write(drafts);
        if (produced.kind === "unavailable") {
          unproven(produced.reason);
        }
        await session.barrier(mine);
        await session.barrier(other, filter);
        const tokensOf = (conversation: Conversation): string[] =>
          conversation.arrivals.flatMap((arrival) => (arrival.token !== undefined && produced.tokens.includes(arrival.token) ? [arrival.token] : []));
        const [here, there] = [tokensOf(mine), tokensOf(other)];
        for (const [index, token] of produced.tokens.entries()) {
          const came = here.includes(token);
          // Entries that come by themselves are no sure barrier: what one has may still be under way on the other.
          if (came !== there.includes(token) && (await arrivalOf(session, came ? other : mine, token)) === undefined) {
            fail(
              `both transports give the same entries for "${filter.name}"`,
              `${JSON.stringify(drafts[index])} came over ${came === (session.transport === "grpc") ? "gRPC" : "WebSocket"} only`,
            );
          }
        }
        mine.cancel();
        other.cancel();
      }
    },
  },
];

/** Filters for `count` streams: those of the contract that entries can be seen for, in turn. */
function spread(session: Session, count: number): Filter[] {
  const usable = [...session.role("disjoint"), ...ordinaryFilters(session.contract)].filter((filter) => session.supply.lacks([filter], []) === undefined);
  const distinct = [...new Set(usable)];
  if (distinct.length === 0) {
    unproven("entries that match any of the contract's filters");
  }
  return Array.from({ length: count }, (_, n) => distinct[n % distinct.length] as Filter);
}

async function requireIsolation(session: Session, streams: readonly { readonly filter: Filter; readonly conversation: Conversation }[]): Promise<void> {
  await Promise.all(streams.map(({ filter, conversation }) => session.effect(conversation, filter, { since: 0 })));
  for (const filter of new Set(streams.map((stream) => stream.filter))) {
    await session.supply.produce([filter], [], 10);
  }
  await Promise.all(streams.map(({ filter, conversation }) => session.barrier(conversation, filter)));
  for (const { filter, conversation } of streams) {
    requireAllMatch(conversation, filter);
    requireInOrder(session, conversation);
  }
}

/** Without a producer: every sequence number that one stream saw between two points, the others saw too. */
async function sharedBySequence(session: Session, streams: readonly Conversation[]): Promise<void> {
  await session.until(() => (streams.every((stream) => stream.arrivals.length > 60) ? true : undefined), session.bounds.applyMs, { quiet: true });
  const ranges = streams.map((stream) => stream.arrivals.flatMap(({ sequence }) => (typeof sequence === "number" ? [sequence] : [])));
  const from = Math.max(...ranges.map((range) => range[0] ?? Infinity));
  const to = Math.min(...ranges.map((range) => range.at(-1) ?? -Infinity));
  if (!(to > from)) {
    unproven("entries with sequence numbers that several streams see at the same time");
  }
  const inside = ranges.map((range) => range.filter((sequence) => sequence >= from && sequence <= to));
  const most = inside.reduce((best, range) => (range.length > best.length ? range : best));
  const poor = inside.findIndex((range) => range.length < most.length);
  if (poor >= 0) {
    fail(`all ${most.length} entries from ${from} to ${to} on each stream`, `stream ${streams[poor]?.label ?? ""} got ${inside[poor]?.length ?? 0} of them`);
  }
}
