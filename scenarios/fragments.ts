import type { Check } from "../src/conformance/check.js";
import { describeEnd } from "../src/conformance/conversation.js";
import { filterMessage, openGrpc, updateMessages } from "../src/conformance/grpc-exchange.js";
import { openWebSocket, updatePayloads } from "../src/conformance/websocket-exchange.js";
import { fail } from "../src/core/verdict.js";
import { opcodes } from "../src/wire/websocket-frames.js";
import { requireAllMatch } from "./observations.js";

/** Checks of how messages lie in frames: one message in several, several in one. */
export const fragmentChecks: readonly Check[] = [
  {
    id: "first-filter/ws-one-json-per-text-frame",
    on: ["ws"],
    level: "must",
    requirement: "Each entry is one message of its own: one JSON value in a text message.",
    clause: "Goa's generated client reads one value a message (gorilla ReadJSON); RFC 6455 §5.6",
    why: "Whoever parses one message as one value gets an error, or loses what stands behind the first.",
    exchange: ["C → S  filter", "       many entries are written at once", "S → C  text {…}", "S → C  text {…}"],
    causes: { any: "Entries that wait are written together, a line each, to save frames." },
    needs: ["wire"],
    dependsOn: ["first-filter/takes-effect"],
    async run(session) {
      const broad = session.role("broad");
      const exchange = await openWebSocket(session);
      await exchange.conversation.send(broad);
      await session.effect(exchange.conversation, broad, { since: 0 });
      for (let round = 0; round < 4; round++) {
        await session.supply.produce([broad], [], 80);
      }
      // Messages that do not parse are violations of the conversation; the barrier may not come through them.
      await session.barrier(exchange.conversation).catch((thrown: unknown) => {
        if (exchange.conversation.violations.length === 0) {
          throw thrown;
        }
      });
      const [wrong] = exchange.conversation.violations;
      if (wrong !== undefined) {
        fail("one JSON value a message", wrong);
      }
      if (exchange.binaryMessages > 0 && session.contract.websocket?.codec.form === "text") {
        fail("text messages", `${exchange.binaryMessages} binary messages`);
      }
    },
  },
  {
    id: "filter-updates/ws-fragmented",
    on: ["ws"],
    level: "must",
    requirement: "A filter in several fragments, with a ping between them, is one update.",
    clause: "RFC 6455 §5.4",
    why: "Browsers and proxies may fragment as they like, and a ping comes when it comes.",
    exchange: ["C → S  text (not final)", "C → S  ping", "C → S  continuation (final)", "S → C  pong, entries by the new filter"],
    causes: { any: "Each frame is parsed by itself, or a control frame ends the message." },
    needs: ["wire"],
    dependsOn: ["first-filter/takes-effect"],
    async run(session) {
      const [a, b] = session.role("disjoint");
      const opcode = session.contract.websocket?.codec.form === "binary" ? opcodes.binary : opcodes.text;
      for (const pieces of [2, 5]) {
        const exchange = await openWebSocket(session);
        await exchange.conversation.send(a);
        await session.effect(exchange.conversation, a, { since: 0 });
        const payloads = updatePayloads(session, a, b);
        for (const whole of payloads.slice(0, -1)) {
          await exchange.connection.sendFrame({ opcode, payload: whole });
        }
        const payload = payloads.at(-1) ?? new Uint8Array(0);
        const size = Math.ceil(payload.length / pieces);
        const since = exchange.conversation.arrivals.length;
        for (let at = 0; at < payload.length; at += size) {
          await exchange.connection.sendFrame({
            opcode: at === 0 ? opcode : opcodes.continuation,
            payload: payload.subarray(at, at + size),
            fin: at + size >= payload.length,
          });
          if (at === 0) {
            await exchange.connection.sendPing("between");
          }
        }
        await session.effect(exchange.conversation, b, { unless: [a], since });
        const after = exchange.conversation.arrivals.length;
        await session.barrier(exchange.conversation, b);
        requireAllMatch(exchange.conversation, b, after);
        if ((await session.until(() => exchange.pongs[0], session.bounds.endMs)) === undefined) {
          fail("a pong for the ping between the fragments", "none", "flow-control/ws-pong-under-flood");
        }
        if (exchange.conversation.end !== undefined) {
          fail("the stream goes on", describeEnd(exchange.conversation.end));
        }
      }
    },
  },
  {
    id: "filter-updates/grpc-split-and-coalesced",
    on: ["grpc"],
    level: "must",
    requirement: "A filter that is split over several DATA frames, and several filters in one DATA frame, are the same filters.",
    clause: "gRPC over HTTP/2, Data Frames: boundaries have no relation to messages",
    why: "Flow control and libraries cut where they like.",
    exchange: ["C → S  DATA 3 bytes, DATA the rest", "S → C  entries by that filter", "C → S  DATA filter A + filter B", "S → C  entries by B"],
    causes: { any: "A hand-written reader takes one DATA frame for one message." },
    needs: ["wire"],
    dependsOn: ["first-filter/takes-effect"],
    async run(session) {
      const [a, b] = session.role("disjoint");
      const exchange = await openGrpc(session);
      const { conversation, call } = exchange;
      const whole = filterMessage(session, a);
      for (const [from, to] of [
        [0, 3],
        [3, 6],
        [6, whole.length],
      ] as const) {
        // Not awaited: a window may hold it back for ever.
        void call.sendRaw(whole.subarray(from, to));
        await session.settle(10);
      }
      await session.effect(conversation, a, { since: 0 });
      const since = conversation.arrivals.length;
      void call.sendRaw(Buffer.concat([updateMessages(session, a, b, 2), updateMessages(session, b, a, 3), updateMessages(session, a, b, 4)]));
      await session.effect(conversation, b, { unless: [a], since });
      await session.until(() => (conversation.end === undefined ? undefined : true), 50, { quiet: true });
      await session.effect(conversation, b, { unless: [a] });
      const after = conversation.arrivals.length;
      const outside = session.supply.draft([a], [b]);
      if (outside !== undefined && session.supply.producer.kind === "ready") {
        await session.supply.write([outside]);
      }
      await session.barrier(conversation, b);
      requireAllMatch(conversation, b, after, [a]);
    },
  },
];
