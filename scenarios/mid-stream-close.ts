import type { Check } from "../src/conformance/check.js";
import { describeEnd } from "../src/conformance/conversation.js";
import { awaitStatus, describeGrpcEnd, openGrpc } from "../src/conformance/grpc-exchange.js";
import type { Session } from "../src/conformance/session.js";
import { awaitClose, awaitRefusal, openWebSocket, requireEndText, type WebSocketExchange } from "../src/conformance/websocket-exchange.js";
import type { Filter } from "../src/core/contract.js";
import { HarnessError } from "../src/core/errors.js";
import { fail, unproven } from "../src/core/verdict.js";
import { ERROR_CODE } from "../src/wire/http2-frames.js";
import { opcodes } from "../src/wire/websocket-frames.js";

const ws = ["ws"] as const;
const grpc = ["grpc"] as const;
const both = ["grpc", "ws"] as const;

/** Codes that an endpoint may put into a Close frame, and that a server must therefore take as a clean close. */
const validCodes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] as const;
/** Codes that must not appear on the wire. */
const invalidCodes = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] as const;

export const midStreamCloseChecks: readonly Check[] = [
  {
    id: "mid-stream-close/ws-close-answered",
    on: ws,
    level: "must",
    requirement:
      "A Close 1000 from the client is answered with a Close frame (the same code, or 1000) within the bound, under flow, while idle and before any filter.",
    clause: "RFC 6455 §5.5.1",
    why: "Without the answer the client reports 1006, an abnormal closure, for its own orderly one.",
    exchange: ["S → C  entries, fast", "C → S  Close 1000", "S → C  Close 1000, then FIN"],
    causes: {
      any: "TCP is dropped as soon as a Close frame is read.",
      Go: "The reader returns on the Close error and the deferred `conn.Close()` runs before the answer is written.",
      Python: "The answer waits behind a send that is blocked.",
    },
    needs: ["wire"],
    async run(session) {
      const states: readonly (readonly [string, Filter | undefined])[] = [
        ["before any filter", undefined],
        ["while idle", session.role("silent")],
        ["under flow", session.role("broad")],
      ];
      for (const [state, filter] of states) {
        for (let round = 0; round < (state === "under flow" ? 4 : 1); round++) {
          const exchange = await openWebSocket(session);
          let writing: Promise<unknown> = Promise.resolve();
          if (filter !== undefined) {
            await exchange.conversation.send(filter);
            if (state === "under flow") {
              await session.effect(exchange.conversation, filter, { since: 0 });
              writing = session.supply.produce([filter], [], 100);
            } else {
              await session.settle(40);
            }
          }
          session.record({ stream: exchange.conversation.label, direction: "sent", what: "Close 1000" });
          await exchange.connection.sendClose(1000, "");
          await writing;
          const close = await answered(session, exchange, state);
          if (close.code !== 1000) {
            fail(`Close 1000 in answer to Close 1000, ${state}`, close.code === undefined ? "a Close frame without a code" : `Close ${close.code}`);
          }
        }
      }
    },
  },
  {
    id: "mid-stream-close/ws-null-then-fin-harmless",
    on: ws,
    level: "must",
    requirement: "A client that sends its end (`null`) and drops TCP at once harms nobody: other streams go on, and streams can be opened.",
    clause: "Goa's generated client: Close writes null and closes the connection",
    why: "This is what each Goa client does; a server that dies of the broken pipe dies of an ordinary end.",
    exchange: ['C1 → S  text "null", FIN or RST', "S → C2  entries go on", "C3 → S  open, filter", "S → C3  entries"],
    causes: {
      Node: "An `error` event without a listener (EPIPE, ECONNRESET) ends the process.",
      Python: "The exception of one task cancels the whole task group.",
    },
    needs: ["wire"],
    last: true,
    dependsOn: ["first-filter/takes-effect"],
    async run(session) {
      const end = requireEndText(session);
      const broad = session.role("broad");
      const sibling = await session.flowing(broad);
      for (let round = 0; round < 6; round++) {
        const exchange = await openWebSocket(session).catch((thrown: unknown) => dead(thrown));
        await exchange.conversation.send(broad);
        await session.effect(exchange.conversation, broad, { since: 0 });
        const writing = session.supply.produce([broad], [], 50);
        void exchange.connection.sendText(end);
        if (round % 2 === 0) {
          exchange.connection.endTcp();
        } else {
          exchange.connection.destroy();
        }
        await writing;
      }
      await session.settle(50);
      if (sibling.end !== undefined) {
        fail("another stream goes on", `it ended: ${describeEnd(sibling.end)}`);
      }
      await session.barrier(sibling);
      await session.flowing(broad).catch((thrown: unknown) => dead(thrown));
    },
  },
  {
    id: "mid-stream-close/ws-close-codes",
    on: ws,
    level: "must",
    requirement: "Close frames with a valid code are taken; those with a code that must not be sent are answered with 1002, or the connection is dropped.",
    clause: "RFC 6455 §7.4.1, §7.4.2",
    why: "A server that echoes 1005 or 1006 sends what no endpoint may send, and the client fails the connection.",
    exchange: ["C → S  Close 3000", "S → C  Close 3000 or 1000", "C → S  Close 1005", "S → C  Close 1002 (or TCP drop)"],
    causes: { any: "The code is echoed unread." },
    needs: ["wire"],
    dependsOn: ["mid-stream-close/ws-close-answered"],
    async run(session) {
      await together(validCodes, async (code) => {
        const exchange = await openWebSocket(session);
        await exchange.connection.sendFrame({ opcode: opcodes.close, payload: codePayload(code) });
        const close = await answered(session, exchange, `after Close ${code}`);
        if (close.code !== code && close.code !== 1000) {
          fail(`Close ${code} or 1000 in answer to Close ${code}`, close.code === undefined ? "a Close frame without a code" : `Close ${close.code}`);
        }
      });
      await together(invalidCodes, async (code) => {
        const exchange = await openWebSocket(session);
        await exchange.connection.sendFrame({ opcode: opcodes.close, payload: codePayload(code) });
        const refusal = await awaitRefusal(session, exchange, `Close ${code}`);
        if (typeof refusal === "object" && (refusal.code === code || refusal.code === undefined || refusal.code === 1000)) {
          fail(`Close 1002, or a drop, after Close ${code}`, refusal.code === undefined ? "a Close frame without a code" : `Close ${refusal.code}`);
        }
      });
    },
  },
  {
    id: "mid-stream-close/ws-close-payload",
    on: ws,
    level: "must",
    requirement: "A Close frame with a payload of 1 byte, of 126 bytes, or with bad UTF-8 fails the connection.",
    clause: "RFC 6455 §5.5, §5.5.1, §8.1",
    why: "A malformed Close that passes for a good one hides a broken peer.",
    exchange: ["C → S  Close with 1 byte", "S → C  Close 1002 (or TCP drop)"],
    causes: { any: "The payload is read only when it is at least two bytes long, and its text never." },
    needs: ["wire"],
    dependsOn: ["mid-stream-close/ws-close-answered"],
    async run(session) {
      const vectors: readonly (readonly [string, Buffer])[] = [
        ["a Close with a payload of 1 byte", Buffer.from([3])],
        ["a Close with a payload of 126 bytes", Buffer.concat([codePayload(1000), Buffer.alloc(124, 0x61)])],
        ["a Close whose reason is not UTF-8", Buffer.concat([codePayload(1000), Buffer.from([0x66, 0xce, 0xba, 0xe1, 0xbd, 0xb9, 0xed, 0xa0, 0x80])])],
      ];
      await together(vectors, async ([what, payload]) => {
        const exchange = await openWebSocket(session);
        await exchange.connection.sendFrame({ opcode: opcodes.close, payload });
        const refusal = await awaitRefusal(session, exchange, what);
        if (typeof refusal === "object" && (refusal.code === 1000 || refusal.code === undefined)) {
          fail(`Close 1002 or 1007, or a drop, after ${what}`, refusal.code === undefined ? "an empty Close frame" : `Close ${refusal.code}`);
        }
      });
    },
  },
  {
    id: "mid-stream-close/ws-server-closes-tcp-first",
    on: ws,
    level: "should",
    requirement: "After the closing handshake the server closes TCP first, soon.",
    clause: "RFC 6455 §7.1.1",
    why: "The side that closes first keeps the TIME_WAIT state; left to the clients, it also leaves the server's socket open as long as a client likes.",
    exchange: ["C → S  Close 1000", "S → C  Close 1000", "S → C  FIN"],
    causes: { any: "The server waits for the client's FIN." },
    needs: ["wire"],
    dependsOn: ["mid-stream-close/ws-close-answered"],
    async run(session) {
      const exchange = await openWebSocket(session, { closeWithinMs: 30_000 });
      await exchange.conversation.send(session.role("broad"));
      await session.settle(30);
      await exchange.connection.sendClose(1000);
      await awaitClose(session, exchange);
      if ((await session.until(() => exchange.tcpEnd, session.bounds.endMs)) === undefined) {
        fail(`FIN from the server within ${session.bounds.endMs} ms after the closing handshake`, "the socket stays open until the client closes it");
      }
    },
  },
  {
    id: "mid-stream-close/grpc-early-end-resets",
    on: grpc,
    level: "should",
    requirement: "When the server ends a call before the client's half-close, it resets the stream with NO_ERROR after the trailers.",
    clause: "gRPC over HTTP/2, Errors; RFC 9113 §8.1",
    why: "Without the reset the client's half stays open, and with it what both sides hold for the stream.",
    exchange: ["C → S  DATA invalid filter (no END_STREAM)", "S → C  HEADERS grpc-status, END_STREAM", "S → C  RST_STREAM NO_ERROR"],
    causes: { any: "The HTTP/2 library leaves it to the application.", Java: "Netty's server sends it; others do not." },
    needs: ["wire"],
    async run(session) {
      const [invalid] = session.role("invalid");
      if (invalid === undefined || invalid.rejection !== "end") {
        unproven("an invalid filter that ends the stream");
      }
      const exchange = await openGrpc(session, { afterEnd: "leave" });
      await exchange.conversation.send(invalid.filter);
      const end = await awaitStatus(session, exchange, ["bad-input/invalid-filter"]);
      if (end.source === "reset") {
        return;
      }
      const reset = await session.until(() => exchange.resets[0], 300);
      if (reset === undefined) {
        fail("RST_STREAM NO_ERROR after the trailers", `${describeGrpcEnd(end)}, and no RST_STREAM: the client's half stays open`);
      }
      if (reset.code !== ERROR_CODE.NO_ERROR && reset.code !== ERROR_CODE.CANCEL) {
        fail("RST_STREAM NO_ERROR", `RST_STREAM with code ${reset.code}`);
      }
    },
  },
  {
    id: "mid-stream-close/graceful-stop",
    on: both,
    level: "should",
    requirement: "A graceful stop ends live streams in words: Close 1001 or 1000, UNAVAILABLE or OK, within the bound.",
    clause: "RFC 6455 §7.4.1 (1001: going away); gRPC status codes: UNAVAILABLE; RFC 9113 §6.8 (GOAWAY)",
    why: "Clients reconnect at once on these, and back off or report an error on anything else; every deployment stops a server.",
    exchange: ["       SIGTERM", "S → C  GOAWAY, grpc-status 14   |   Close 1001", "       exit within the bound"],
    causes: {
      any: "The process exits on SIGTERM by itself, or waits for streams that never end.",
      Go: "`GracefulStop` waits for streams; without a timer it never returns.",
    },
    last: true,
    async run(session) {
      const { restart } = session.context;
      if (restart === undefined) {
        unproven("a server that this run started (--start), so that it may be stopped");
      }
      const idle = await session.open({ filter: session.role("silent") });
      const flowing = await session.flowing(session.role("broad"));
      const stopping = restart.stop();
      try {
        for (const [state, conversation] of [
          ["flowing", flowing],
          ["idle", idle],
        ] as const) {
          const end = await session.until(() => conversation.end, session.bounds.stopMs);
          if (end === undefined) {
            fail(`the ${state} stream ends within ${session.bounds.stopMs} ms after SIGTERM`, "it is still open");
          }
          const fine =
            end.kind === "completed" || (end.kind === "rejected" && (session.transport === "grpc" ? end.code === 14 : [1000, 1001, 1012].includes(end.code)));
          const goaway = session.transport === "grpc" && end.kind === "lost" && /GOAWAY/i.test(end.cause);
          if (!fine && !goaway) {
            fail(session.transport === "grpc" ? "UNAVAILABLE or OK" : "Close 1001 or 1000", `the ${state} stream: ${describeEnd(end)}`);
          }
        }
      } finally {
        await stopping;
        await restart.start();
      }
    },
  },
];

async function answered(session: Session, exchange: WebSocketExchange, state: string): Promise<{ readonly code: number | undefined }> {
  const found = await session.until(() => exchange.closes[0] ?? (exchange.tcpEnd === undefined ? undefined : ("dropped" as const)), session.bounds.endMs);
  if (found === undefined) {
    fail(`a Close frame in answer within ${session.bounds.endMs} ms, ${state}`, "none came, TCP is still open");
  }
  if (found === "dropped") {
    fail(`a Close frame in answer, ${state}`, "TCP was dropped without one (1006)");
  }
  return found;
}

/** Runs the vectors side by side, a few at a time. */
async function together<T>(vectors: readonly T[], perform: (vector: T) => Promise<void>): Promise<void> {
  for (let from = 0; from < vectors.length; from += 6) {
    await Promise.all(vectors.slice(from, from + 6).map(perform));
  }
}

function codePayload(code: number): Buffer {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  return payload;
}

/** A server that no longer accepts connections after what the check did has failed it. */
function dead(thrown: unknown): never {
  if (thrown instanceof HarnessError && thrown.code === "unreachable") {
    fail("the server still accepts streams", `it does not: ${thrown.message}`);
  }
  throw thrown;
}
