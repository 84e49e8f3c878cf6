import type { Check } from "../src/conformance/check.js";
import { awaitOk, awaitStatus, describeGrpcEnd, filterMessage, openGrpc } from "../src/conformance/grpc-exchange.js";
import { describeEnd, requireNoViolations } from "../src/conformance/conversation.js";
import { rootsOfNoEnd, rootsOfWrongEntry } from "../src/conformance/roots.js";
import type { Session } from "../src/conformance/session.js";
import {
  awaitClose,
  describeExchange,
  filterPayload,
  openWebSocket,
  requireEndText,
  requireNullEnd,
  sendInForm,
  type WebSocketExchange,
} from "../src/conformance/websocket-exchange.js";
import { jsonText } from "../src/core/json-text.js";
import { fail, failOnSight, warn } from "../src/core/verdict.js";
import { headerValue } from "../src/wire/grpc-call.js";
import { requireAllMatch, requireInOrder, thrownBy } from "./observations.js";

const both = ["grpc", "ws"] as const;
const ws = ["ws"] as const;
const grpc = ["grpc"] as const;

/** How long a server may wait for the answer to its Close. */
const unansweredCloseMs = 11_000;

export const eofChecks: readonly Check[] = [
  {
    id: "eof/ws-null-line-ends",
    on: ws,
    level: "must",
    requirement: "A text frame `null` followed by a newline ends the stream within the bound.",
    clause: "Goa's generated client: Close writes `null` with gorilla's WriteJSON, which ends in a newline",
    why: "These are the very bytes that a Goa client sends; a server that does not know them never sees an end.",
    exchange: ["C → S  filter", "S → C  entries", 'C → S  text "null\\n"', "S → C  Close 1000, then FIN"],
    causes: { any: 'The payload is compared with "null" as it is, newline and all.' },
    needs: ["wire"],
    dependsOn: ["first-filter/takes-effect"],
    async run(session) {
      await nullEnds(session, "null\n");
    },
  },
  {
    id: "eof/ws-bare-null-ends",
    on: ws,
    level: "must",
    requirement: "A text frame `null` without a newline ends the stream likewise.",
    clause: "RFC 8259: white space around a JSON value does not matter",
    why: "Every client but Goa's own sends it so.",
    exchange: ["C → S  filter", 'C → S  text "null"', "S → C  Close 1000, then FIN"],
    causes: { any: "Frames are split at newlines, and what follows the last one is kept for later." },
    needs: ["wire"],
    dependsOn: ["first-filter/takes-effect"],
    async run(session) {
      await nullEnds(session, "null");
    },
  },
  {
    id: "eof/ws-close-code-1000",
    on: ws,
    level: "must",
    requirement: "The Close frame after the client's end carries the code 1000, or one that the contract takes for a clean end.",
    clause: "Goa's generated client takes Close 1000 for io.EOF, anything else for an error; RFC 6455 §7.4.1",
    why: "Without the code (1005), or without a Close frame (1006), the client reports a failure where all went well.",
    exchange: ['C → S  text "null"', "S → C  Close 1000"],
    causes: {
      any: "The socket is closed without a code.",
      Node: "`ws.close()` sends an empty Close frame: 1005 at the client.",
      Go: "`conn.Close()` ends TCP without a Close frame: 1006.",
    },
    needs: ["wire"],
    dependsOn: ["eof/ws-null-line-ends", "eof/ws-bare-null-ends"],
    async run(session) {
      const end = requireEndText(session);
      for (const filter of [session.role("broad"), session.role("silent")]) {
        const exchange = await openWebSocket(session);
        await exchange.conversation.send(filter);
        await session.settle(40);
        await exchange.connection.sendText(end);
        const close = await awaitClose(session, exchange);
        const { wsCodes } = session.contract.semantics.cleanEnd;
        if (!wsCodes.includes(close.code ?? 1005)) {
          fail(`Close ${wsCodes.join(" or ")}`, close.code === undefined ? "a Close frame without a code (1005)" : `Close ${close.code}`);
        }
      }
    },
  },
  {
    id: "eof/ws-socket-closed",
    on: ws,
    level: "must",
    requirement: "The socket is closed after the server's Close, within the bound, whether or not the client answers.",
    clause: "RFC 6455 §7.1.1, §7.1.7; monitor design: the end releases the stream",
    why: "A socket that is never closed is a file descriptor lost for each stream that ended well.",
    exchange: ['C → S  text "null"', "S → C  Close 1000", "C → S  Close 1000   (or nothing)", "S → C  FIN"],
    causes: {
      Go: "Goa's upgraded connection is closed by stream.Close only: a service that just returns leaks it.",
      any: "The server waits for the client's Close without a timer.",
    },
    needs: ["wire"],
    dependsOn: ["eof/ws-null-line-ends"],
    async run(session) {
      const end = requireEndText(session);
      for (const autoCloseReply of [true, false]) {
        const exchange = await openWebSocket(session, { autoCloseReply, closeWithinMs: 30_000 });
        await exchange.conversation.send(session.role("broad"));
        await session.settle(30);
        await exchange.connection.sendText(end);
        const close = await awaitClose(session, exchange);
        const boundMs = session.bounds.endMs + 200;
        const isClosed = async (withinMs: number): Promise<boolean> => (await session.until(() => exchange.tcpEnd, withinMs)) !== undefined;
        if (await isClosed(boundMs)) {
          continue;
        }
        const expected = `TCP is closed within ${boundMs} ms after the Close frame`;
        if (autoCloseReply) {
          fail(expected, `the socket is still open (Close ${close.code ?? "without code"} came)`);
        }
        // For an answer that does not come the RFC names no time; servers have timers of ten seconds.
        if (session.context.patient && (await isClosed(unansweredCloseMs))) {
          warn(`${expected}, although the client does not answer it`, "it was closed seconds later");
        }
        fail(`TCP is closed in the end after the Close frame, although the client does not answer it`, "the socket is still open");
      }
    },
  },
  {
    id: "eof/ws-nothing-after-close",
    on: ws,
    level: "must",
    requirement: "After its Close frame the server sends no data frame.",
    clause: "RFC 6455 §5.5.1",
    why: "Clients fail a connection on data after Close, and turn a clean end into an error.",
    exchange: ["S → C  entries, fast", 'C → S  text "null"', "S → C  Close 1000", "S → C  (nothing)"],
    causes: { any: "A second task sends entries and does not know that the first one has closed." },
    needs: ["wire"],
    dependsOn: ["eof/ws-null-line-ends"],
    async run(session) {
      const end = requireEndText(session);
      for (let round = 0; round < 5; round++) {
        const exchange = await openWebSocket(session, { autoCloseReply: false });
        await exchange.conversation.send(session.role("broad"));
        await session.effect(exchange.conversation, session.role("broad"), { since: 0 });
        const writing = Promise.all([1, 2, 3].map(() => session.supply.produce([session.role("broad")], [], 60)));
        await exchange.connection.sendText(end);
        await awaitClose(session, exchange);
        await writing;
        await session.supply.produce([session.role("broad")], [], 20);
        await session.settle(30);
        const [violation] = exchange.violations;
        if (exchange.dataAfterClose > 0 || violation?.code === "DATA_AFTER_CLOSE") {
          fail("no data frame after the server's Close", `${Math.max(1, exchange.dataAfterClose)} came after it`);
        }
        exchange.connection.destroy();
      }
    },
  },
  {
    id: "eof/ws-null-lookalikes",
    on: ws,
    level: "must",
    requirement:
      'Frames that only look like `null` (`"null"`, `[null]`, `0`, `false`, `""`, an object with null values, a filter with the text null in it) do not end the stream as if it had been asked to.',
    clause: "RFC 8259 §3; monitor design: a null-valued field is an absent field, a scalar or an array is refused",
    why: "A filter for the word null is a filter; a clean end in answer to it loses the stream without a reason.",
    exchange: ['C → S  {"min_level":null}', "S → C  entries (an absent field), or Close ≠ 1000", 'C → S  "null"', "S → C  Close ≠ 1000, or the stream lives"],
    causes: { any: "The payload is searched for `null`, or every falsy value after parsing is taken for the end." },
    needs: ["wire"],
    dependsOn: ["first-filter/takes-effect"],
    async run(session) {
      requireNullEnd(session);
      const fields = session.contract.matchRules?.map((rule) => rule.filter) ?? [];
      if (fields.length > 0) {
        const broad = session.role("broad");
        const exchange = await openWebSocket(session);
        const conversation = exchange.conversation;
        await exchange.connection.sendText(JSON.stringify(Object.fromEntries(fields.map((field) => [field, null]))));
        const otherwise = await thrownBy(session.effect(conversation, broad, { since: 0 }));
        const isRefused = conversation.rejections > 0 || conversation.end?.kind === "rejected";
        if (otherwise !== undefined && !isRefused) {
          throw otherwise;
        }
        const textual = session.contract.matchRules?.find((rule) => rule.rule === "one-of" || rule.rule === "contains");
        if (textual !== undefined && !isRefused) {
          await exchange.connection.sendText(JSON.stringify({ [textual.filter]: textual.rule === "one-of" ? ["null"] : "null" }));
          await session.settle(60);
          requireNotEnded(exchange, "a filter with the text null in it");
        }
      }
      await Promise.all(
        ['"null"', "[null]", "0", "false", '""'].map(async (lookalike) => {
          const exchange = await openWebSocket(session);
          await exchange.conversation.send(session.role("broad"));
          await session.effect(exchange.conversation, session.role("broad"), { since: 0 });
          await exchange.connection.sendText(lookalike);
          await session.until(() => (exchange.conversation.end === undefined ? undefined : true), 150, { quiet: true });
          requireNotEnded(exchange, lookalike);
        }),
      );
    },
  },
  {
    id: "eof/ws-null-is-final",
    on: ws,
    level: "must",
    requirement: "A filter sent after the client's end (`null`) does not revive the stream.",
    clause: "Goa's generated server: Recv returns io.EOF for null; monitor design: the end is final",
    why: "A client that reuses its connection would get entries on a stream that it has ended.",
    exchange: ['C → S  text "null"', "C → S  filter", "S → C  Close 1000, no further entries"],
    causes: { any: "`null` resets the filter, and the reading loop goes on." },
    needs: ["wire"],
    dependsOn: ["eof/ws-null-line-ends"],
    async run(session) {
      const end = requireEndText(session);
      const [a, b] = session.role("disjoint");
      const exchange = await openWebSocket(session, { autoCloseReply: true });
      await exchange.conversation.send(a);
      await session.effect(exchange.conversation, a, { since: 0 });
      await exchange.connection.sendText(end);
      await sendInForm(session, exchange, filterPayload(session, b));
      await awaitClose(session, exchange);
      await session.supply.produce([b], [a]);
      await session.settle(40);
      const revived = exchange.conversation.arrivals.find((arrival) => b.matches(arrival.entry) && !a.matches(arrival.entry));
      if (revived !== undefined) {
        exchange.conversation.accuse(revived, "matches only the filter sent after the end");
        fail("no entry by a filter that was sent after the end", jsonText(revived.entry), [
          "eof/while-idle",
          ...rootsOfWrongEntry(exchange.conversation.filters, revived.entry),
        ]);
      }
    },
  },
  {
    id: "eof/grpc-empty-end-stream",
    on: grpc,
    level: "must",
    requirement: "An empty DATA frame with END_STREAM ends the call: trailers with status OK within the bound.",
    clause: "gRPC over HTTP/2, Requests: EOS may come on an empty DATA frame",
    why: "It is how every gRPC client half-closes after its last message.",
    exchange: ["C → S  DATA filter", "S → C  DATA entries", "C → S  DATA (empty) END_STREAM", "S → C  HEADERS grpc-status 0, END_STREAM"],
    causes: {
      any: "The end of the request is taken for nothing, and the server waits for a reset.",
      Go: "io.EOF from Recv ends the reader but not the sender.",
    },
    needs: ["wire"],
    dependsOn: ["first-filter/takes-effect"],
    async run(session) {
      const exchange = await openGrpc(session);
      await exchange.conversation.send(session.role("broad"));
      await session.effect(exchange.conversation, session.role("broad"), { since: 0 });
      await exchange.conversation.halfClose();
      await awaitOk(session, exchange);
    },
  },
  {
    id: "eof/grpc-end-stream-with-filter",
    on: grpc,
    level: "must",
    requirement: "END_STREAM on the DATA frame of the last filter ends the call likewise.",
    clause: "gRPC over HTTP/2, Requests: EOS is the END_STREAM flag of the last DATA frame",
    why: "Clients that know their last message send it so; grpc-java does.",
    exchange: ["C → S  DATA filter END_STREAM", "S → C  (entries) HEADERS grpc-status 0"],
    causes: { any: "The flag is looked at on empty frames only." },
    needs: ["wire"],
    dependsOn: ["eof/grpc-empty-end-stream"],
    async run(session) {
      const broad = session.role("broad");
      const exchange = await openGrpc(session);
      void exchange.call.sendRaw(filterMessage(session, broad), { endStream: true });
      await awaitOk(session, exchange);
      const later = await openGrpc(session);
      await later.conversation.send(broad);
      await session.effect(later.conversation, broad, { since: 0 });
      void later.call.sendRaw(filterMessage(session, session.role("silent")), { endStream: true });
      await awaitOk(session, later);
    },
  },
  {
    id: "eof/grpc-status-in-trailers",
    on: grpc,
    level: "must",
    requirement: "The status comes in a HEADERS frame that ends the stream, also when it is OK.",
    clause: "gRPC over HTTP/2, Responses: Trailers → Status; implementations must send trailers even if the status is OK",
    why: "Clients take an end without grpc-status for a failure of the connection.",
    exchange: ["C → S  DATA (empty) END_STREAM", "S → C  HEADERS grpc-status 0, END_STREAM"],
    causes: { any: "A proxy or framework drops trailers, or ends the stream on a DATA frame." },
    needs: ["wire"],
    async run(session) {
      const broad = session.role("broad");
      const exchange = await openGrpc(session);
      await exchange.conversation.send(broad);
      await session.effect(exchange.conversation, broad, { since: 0 });
      await exchange.conversation.halfClose();
      const end = await awaitStatus(session, exchange, rootsOfNoEnd);
      if (end.rawStatus === undefined) {
        fail("grpc-status in trailers", describeGrpcEnd(end));
      }
      if (end.trailersOnly && exchange.conversation.arrivals.length > 0) {
        fail("trailers after the entries", "only one HEADERS frame");
      }
      const repeated = headerValue(end.trailers, "content-type");
      if (end.source !== "trailers") {
        fail(
          "an end by trailers",
          `${describeGrpcEnd(end)}${repeated === undefined ? "" : `, content-type ${repeated}`}`,
          end.source === "decode-error" ? "eof/last-entry-whole" : [],
        );
      }
    },
  },
  {
    id: "eof/before-any-filter",
    on: both,
    level: "must",
    requirement: "An end before any filter ends the stream cleanly, with no entry.",
    clause: "gRPC interop test empty_stream; monitor design: half-close ends the stream",
    why: "A client that changes its mind must not leave a stream behind.",
    exchange: ["C → S  open", "C → S  end", "S → C  clean end"],
    causes: {
      any: "The handler waits for a first filter before it looks for anything else.",
      Go: "The error of the first Recv is returned as it is: io.EOF becomes UNKNOWN.",
    },
    async run(session) {
      const conversation = await session.open();
      await conversation.halfClose();
      await session.endsCleanly(conversation);
      if (conversation.arrivals.length > 0) {
        failOnSight("no entry", `${conversation.arrivals.length} came`, "first-filter/silent-before");
      }
      const later = await session.open();
      await session.settle(60);
      await later.halfClose();
      await session.endsCleanly(later);
    },
  },
  {
    id: "eof/while-idle",
    on: both,
    level: "must",
    requirement: "An end while nothing matches the current filter ends the stream within the bound.",
    clause: "monitor design: half-close ends the stream",
    why: "Idle streams are the rule; a server that notices the end only at the next match keeps each of them until then.",
    exchange: ["C → S  filter that matches nothing", "C → S  end", "S → C  clean end, within the bound"],
    causes: {
      any: "A blocking call fetches the next matching entry, and the end is looked at only when it returns.",
      Go: "The `default` branch of a select blocks in the store.",
      Python: "The end of the request iterator is seen only by the task that is not being awaited.",
    },
    dependsOn: ["eof/grpc-empty-end-stream", "eof/ws-null-line-ends"],
    async run(session) {
      const silent = session.role("silent");
      const conversation = await session.open({ filter: silent });
      await session.settle(60);
      await conversation.halfClose();
      await session.endsCleanly(conversation);
      const { disjoint } = session.contract.roles;
      if (disjoint !== undefined) {
        const later = await session.flowing(disjoint[0]);
        await later.send(silent);
        await session.settle(60);
        await later.halfClose();
        await session.endsCleanly(later);
      }
    },
  },
  {
    id: "eof/last-entry-whole",
    on: both,
    level: "must",
    requirement: "What is sent before the end is whole: every entry decodes, in order, a prefix without gaps of what was due.",
    clause: "gRPC over HTTP/2: whole messages before trailers; RFC 6455 §5.4; monitor design",
    why: "A last entry that is cut off breaks the client on the way out, after everything went well.",
    exchange: ["S → C  entries, fast", "C → S  end", "S → C  … the last one whole, clean end"],
    causes: { any: "The send buffer is dropped in mid-message when the stream ends." },
    dependsOn: ["eof/while-idle"],
    async run(session) {
      const broad = session.role("broad");
      const [a] = session.contract.roles.disjoint ?? [broad];
      for (let round = 0; round < 4; round++) {
        const conversation = await session.flowing(a);
        const writing = session.supply.produce([a], [], 80);
        if (round % 2 === 0) {
          await writing;
        }
        await conversation.halfClose();
        await session.endsCleanly(conversation);
        const produced = await writing;
        requireNoViolations(conversation);
        requireAllMatch(conversation, a);
        requireInOrder(session, conversation);
        if (produced.kind === "produced") {
          requirePrefix(
            conversation.arrivals.map((arrival) => arrival.token),
            produced.tokens,
          );
        }
      }
    },
  },
];

async function nullEnds(session: Session, text: string): Promise<void> {
  const wanted = requireNullEnd(session);
  const { disjoint } = session.contract.roles;
  for (const filter of [session.role("broad"), ...(disjoint ?? []).slice(0, 1)]) {
    const exchange = await openWebSocket(session);
    await exchange.conversation.send(filter);
    await session.effect(exchange.conversation, filter, { since: 0 });
    session.record({ stream: exchange.conversation.label, direction: "sent", what: `text ${JSON.stringify(text)}` });
    await exchange.connection.sendText(text);
    const end = await session.until(() => exchange.conversation.end, session.bounds.endMs);
    if (end === undefined) {
      fail(
        `the stream ends within ${session.bounds.endMs} ms after ${JSON.stringify(text)}`,
        wanted === text ? "it is still open" : "it is still open: only another form of null ends it",
      );
    }
    if (end.kind === "rejected") {
      fail(`a clean end after ${JSON.stringify(text)}`, describeEnd(end));
    }
  }
}

function requireNotEnded(exchange: WebSocketExchange, what: string): void {
  const { end } = exchange.conversation;
  if (end !== undefined && end.kind === "completed") {
    fail(`${what} is not the end of the stream`, `the server ended it: ${describeExchange(exchange)}`, "bad-input/ws-malformed-json");
  }
}

/** Fails unless the tokens that came are the first ones written, in order and without a gap. */
function requirePrefix(came: readonly (string | undefined)[], written: readonly string[]): void {
  const wanted = new Set(written);
  const mine = came.filter((token) => token !== undefined && wanted.has(token));
  for (const [index, token] of mine.entries()) {
    if (token !== written[index]) {
      fail("what came before the end is a prefix without gaps of what was due", `entry ${index + 1} of those written is missing, a later one came`);
    }
  }
}
