import { performance } from "node:perf_hooks";
import type { Check } from "../src/conformance/check.js";
import { describeEnd } from "../src/conformance/conversation.js";
import { connectGrpc, describeGrpcEnd, openGrpc, type GrpcExchange } from "../src/conformance/grpc-exchange.js";
import type { Session } from "../src/conformance/session.js";
import { openWebSocket } from "../src/conformance/websocket-exchange.js";
import type { Filter } from "../src/core/contract.js";
import { fail } from "../src/core/verdict.js";
import type { GrpcEnd } from "../src/wire/grpc-call.js";
import { ERROR_CODE } from "../src/wire/http2-frames.js";
import { released, steadyStreams } from "./holdings.js";
import { requireInOrder } from "./observations.js";

const grpc = ["grpc"] as const;
const ws = ["ws"] as const;

export const cancellationChecks: readonly Check[] = [
  {
    id: "cancellation/grpc-under-flow",
    on: grpc,
    level: "must",
    requirement: "After RST_STREAM CANCEL under flow, and with a backlog, the server stops sending and releases the stream within the bound.",
    clause: "gRPC over HTTP/2, Errors: CANCEL; RFC 9113 §5.4.2; monitor design: cancel releases it",
    why: "A stream that goes on after its client has left is a leak of a task, its buffers and its subscription.",
    exchange: ["S → C  DATA entries", "C → S  RST_STREAM CANCEL", "S       the stream is released"],
    causes: {
      any: "The send loop does not look at the call's context.",
      Python: "A bare `except` swallows CancelledError.",
      Node: "The `cancelled` event has no listener.",
    },
    needs: ["wire", "probe"],
    exclusive: true,
    async run(session) {
      const broad = session.role("broad");
      const before = await steadyStreams(session);
      const exchange = await opened(session, broad);
      const writing = session.supply.produce([broad], [], 200);
      exchange.conversation.cancel();
      await writing;
      await released(session, before, "a cancel under flow");
      const blocked = await opened(session, broad);
      blocked.conversation.pause();
      for (let n = 0; n < 5; n++) {
        await session.supply.produce([broad], [], 200);
      }
      blocked.conversation.cancel();
      await released(session, before, "a cancel with a backlog");
    },
  },
  {
    id: "cancellation/grpc-before-first-filter",
    on: grpc,
    level: "must",
    requirement: "A call that is cancelled before its first filter is released within the bound.",
    clause: "gRPC interop test cancel_after_begin; monitor design: cancel releases it",
    why: "The handler waits for the first message; if only a message wakes it, it waits for ever.",
    exchange: ["C → S  HEADERS", "C → S  RST_STREAM CANCEL", "S       the stream is released"],
    causes: { any: "The first receive does not watch the call's cancellation." },
    needs: ["wire", "probe"],
    exclusive: true,
    async run(session) {
      const before = await steadyStreams(session);
      const exchange = await openGrpc(session);
      await session.settle(40);
      await session.until(() => exchange.headers ?? exchange.end, 60, { quiet: true });
      exchange.conversation.cancel();
      await released(session, before, "a cancel before the first filter");
    },
  },
  {
    id: "cancellation/grpc-while-idle",
    on: grpc,
    level: "must",
    requirement: "A call that is cancelled while nothing matches is released within the bound.",
    clause: "monitor design: cancel releases it, whatever it waits for",
    why: "Idle streams are the rule, and their cancels are what leaks.",
    exchange: ["C → S  filter that matches nothing", "C → S  RST_STREAM CANCEL", "S       the stream is released"],
    causes: { any: "A blocking call for the next entry ignores the context.", Go: "The store's lookup takes no ctx." },
    needs: ["wire", "probe"],
    exclusive: true,
    async run(session) {
      const before = await steadyStreams(session);
      const exchange = await openGrpc(session);
      await exchange.conversation.send(session.role("silent"));
      await session.settle(80);
      exchange.conversation.cancel();
      await released(session, before, "a cancel while idle");
    },
  },
  {
    id: "cancellation/grpc-sibling-unharmed",
    on: grpc,
    level: "must",
    requirement: "Cancelling one stream leaves another on the same connection as it was.",
    clause: "RFC 9113 §5.4.2: a stream error does not affect other streams",
    why: "All streams of a client share one connection; one closed view must not blank the others.",
    exchange: ["C → S  stream 1: RST_STREAM CANCEL", "S → C  stream 3: entries go on, none missing"],
    causes: { any: "The handler's error ends the connection, or a lock is left held." },
    needs: ["wire"],
    dependsOn: ["first-filter/takes-effect"],
    async run(session) {
      const broad = session.role("broad");
      const connection = await connectGrpc(session);
      const sibling = await openGrpc(session, { connection });
      await sibling.conversation.send(broad);
      await session.effect(sibling.conversation, broad, { since: 0 });
      for (const filter of [broad, session.role("silent"), undefined]) {
        const victim = await openGrpc(session, { connection });
        if (filter !== undefined) {
          await victim.conversation.send(filter);
        }
        await session.settle(30);
        victim.conversation.cancel();
        await session.barrier(sibling.conversation);
      }
      requireInOrder(session, sibling.conversation);
      if (sibling.conversation.end !== undefined || connection.goaway !== undefined) {
        fail(
          "the other stream and the connection go on",
          connection.goaway === undefined ? describeEnd(sibling.conversation.end as NonNullable<typeof sibling.conversation.end>) : "the server sent GOAWAY",
        );
      }
    },
  },
  {
    id: "cancellation/grpc-deadline-enforced",
    on: grpc,
    level: "must",
    requirement:
      "The server itself ends a call at its deadline, with DEADLINE_EXCEEDED or RST_STREAM CANCEL: before a filter, while idle, under flow and with a backlog. A status that waits behind entries may come once the client reads on.",
    clause: "gRPC over HTTP/2, Timeout; gRPC status codes: DEADLINE_EXCEEDED",
    why: "Clients enforce deadlines too, so a server that ignores them seems to work, and keeps every abandoned stream.",
    exchange: ["C → S  HEADERS grpc-timeout: 300m", "C       (no timer of its own)", "S → C  HEADERS grpc-status 4, or RST_STREAM CANCEL"],
    causes: {
      any: "A blocking call ignores the context's deadline.",
      Rust: "tonic parses the header, but a stream that was already returned is not ended by it.",
    },
    needs: ["wire"],
    async run(session) {
      const timeoutMs = 300;
      const states: readonly { readonly name: string; readonly filter?: Filter; readonly paused?: boolean }[] = [
        { name: "before a filter" },
        { name: "while idle", filter: session.role("silent") },
        { name: "under flow", filter: session.role("broad") },
        { name: "with a backlog", filter: session.role("broad"), paused: true },
      ];
      await Promise.all(
        states.map(async (state) => {
          const { goesOn, end, atMs } = await atDeadline(session, timeoutMs, state);
          if (end === undefined) {
            fail(
              `the server ends the call within ${session.bounds.endMs} ms after its deadline of ${timeoutMs} ms, ${state.name}`,
              goesOn ? "it goes on" : "it stays open, and nothing comes",
            );
          }
          const byReset = end.source === "reset" && end.resetCode === ERROR_CODE.CANCEL;
          // A message that no window admits may be cut off; the status behind it counts all the same.
          const byStatus = end.source === "trailers" || end.rawStatus === "4";
          if (end.status === 0 || (!byStatus && !byReset)) {
            const roots = atMs < timeoutMs ? ["first-filter/takes-effect", "cancellation/grpc-deadline-not-early", "flow-control/grpc-window-respected"] : [];
            fail(`DEADLINE_EXCEEDED or RST_STREAM CANCEL at the deadline, ${state.name}`, `${describeGrpcEnd(end)} after ${Math.round(atMs)} ms`, roots);
          }
        }),
      );
    },
  },
  {
    id: "cancellation/grpc-deadline-not-early",
    on: grpc,
    level: "must",
    requirement: "A call does not end before its deadline, and without a deadline not at all.",
    clause: "gRPC over HTTP/2, Timeout: an absent timeout is unlimited",
    why: "A default deadline that nobody asked for ends every long stream, which is what a monitor is.",
    exchange: ["C → S  HEADERS grpc-timeout: 1S", "S → C  entries for 1 s", "C → S  HEADERS (no timeout)", "S → C  entries, for as long as the client likes"],
    causes: { any: "A server-wide request timeout applies to streams.", Go: "`http.Server.WriteTimeout` ends the stream." },
    needs: ["wire"],
    slow: true,
    async run(session) {
      const broad = session.role("broad");
      const startMs = performance.now();
      // The side that other checks do not flood.
      const unlimited = await opened(session, session.contract.roles.disjoint?.[1] ?? broad);
      const idle = await openGrpc(session);
      await idle.conversation.send(session.role("silent"));
      const timed = await openGrpc(session, { grpcTimeout: "1500000u" });
      const sentMs = performance.now();
      await timed.conversation.send(broad);
      await session.until(() => timed.end, 1500 + session.bounds.endMs);
      const endedMs = performance.now() - sentMs;
      if (timed.end !== undefined && endedMs < 1490) {
        fail("no end before the deadline of 1,500 ms", `${describeGrpcEnd(timed.end)} after ${Math.round(endedMs)} ms`, "first-filter/takes-effect");
      }
      // What a server-wide limit would cut: as long as the longest usual default.
      const enough = 5500 - (performance.now() - startMs);
      if (session.context.patient && enough > 0) {
        await session.until(() => unlimited.end ?? idle.end, enough, { quiet: true });
      }
      for (const [name, exchange] of [
        ["a flowing", unlimited],
        ["an idle", idle],
      ] as const) {
        if (exchange.end !== undefined) {
          fail(`${name} call without a deadline goes on`, `${describeGrpcEnd(exchange.end)} after ${Math.round(performance.now() - startMs)} ms`);
        }
      }
    },
  },
  {
    id: "cancellation/grpc-deadline-status",
    on: grpc,
    level: "should",
    requirement: "A deadline that the server reports is reported as DEADLINE_EXCEEDED, not as UNKNOWN or anything else.",
    clause: "gRPC status codes: DEADLINE_EXCEEDED (4)",
    why: "Clients and dashboards tell a timeout from a defect by this code.",
    exchange: ["C → S  HEADERS grpc-timeout: 300m", "S → C  HEADERS grpc-status 4"],
    causes: { Go: "`return ctx.Err()` from a handler that maps errors by itself becomes UNKNOWN (2); `status.FromContextError` does it right." },
    needs: ["wire"],
    dependsOn: ["cancellation/grpc-deadline-enforced"],
    async run(session) {
      // The deadline may race with the handler: several calls, in each state, at once.
      const filters = [session.role("silent"), session.role("broad"), undefined];
      const ends = await Promise.all(
        Array.from({ length: 12 }, async (_, n) => {
          const filter = filters[n % filters.length];
          return (await atDeadline(session, 200 + n, { name: "", ...(filter === undefined ? {} : { filter }) })).end;
        }),
      );
      for (const end of ends) {
        if (end === undefined) {
          fail("DEADLINE_EXCEEDED", "the server did not end the call at its deadline", "cancellation/grpc-deadline-enforced");
        }
        if (end.source === "trailers" && end.status !== 4) {
          fail("DEADLINE_EXCEEDED (4), where the server gives a status", describeGrpcEnd(end));
        }
      }
    },
  },
  {
    id: "cancellation/grpc-bad-timeout",
    on: grpc,
    level: "must",
    requirement: "A grpc-timeout that is malformed is refused within the bound: the call does not run without a limit.",
    clause: "gRPC over HTTP/2, Timeout → TimeoutValue TimeoutUnit; at most 8 digits",
    why: "A timeout that cannot be read and is taken for none turns a client's mistake into a stream without end.",
    exchange: ["C → S  HEADERS grpc-timeout: 1x", "S → C  a status other than OK, or HTTP 400"],
    causes: { any: "A failed parse gives NaN or zero, which is then no limit.", Node: "`setTimeout(…, NaN)` or `Number('1x')`." },
    needs: ["wire"],
    async run(session) {
      await Promise.all(
        ["1x", "123456789S", "-1S", "S"].map(async (grpcTimeout) => {
          const exchange = await openGrpc(session, { grpcTimeout });
          await exchange.conversation.send(session.role("broad")).catch(() => undefined);
          const end = await session.until(() => exchange.end, session.bounds.endMs);
          if (end === undefined) {
            fail(
              `the call with grpc-timeout "${grpcTimeout}" is refused within ${session.bounds.endMs} ms`,
              exchange.conversation.arrivals.length > 0 ? "it runs, with no limit" : "silence: it stays open",
            );
          }
          if (end.status === 0) {
            fail(`a status other than OK for grpc-timeout "${grpcTimeout}"`, "OK");
          }
        }),
      );
    },
  },
  {
    id: "cancellation/ws-fin-and-rst-released",
    on: ws,
    level: "must",
    requirement: "A client that drops TCP (FIN or RST) without a Close frame is released within the bound, under flow and while idle.",
    clause: "monitor design: cancel releases it; RFC 6455 §7.1.7",
    why: "Laptops close and phones lose their network: most streams end so.",
    exchange: ["S → C  entries (or none)", "C → S  FIN, or RST", "S       the stream is released"],
    causes: { any: "The subscription is removed only when a Close frame was read.", Go: "Nobody reads while the sender waits for the next entry." },
    needs: ["wire", "probe"],
    exclusive: true,
    async run(session) {
      const before = await steadyStreams(session);
      const states: readonly (readonly [string, Filter | undefined])[] = [
        ["before a filter", undefined],
        ["while idle", session.role("silent")],
        ["under flow", session.role("broad")],
      ];
      for (const [state, filter] of states) {
        for (const how of ["FIN", "RST"] as const) {
          const exchange = await openWebSocket(session, { closeWithinMs: 30_000 });
          if (filter !== undefined) {
            await exchange.conversation.send(filter);
            if (state === "under flow") {
              await session.effect(exchange.conversation, filter, { since: 0 });
            }
          }
          await session.settle(20);
          session.note(`${how} ${state}`);
          if (how === "FIN") {
            exchange.connection.endTcp();
          } else {
            exchange.connection.destroy();
          }
          await released(session, before, `${how} ${state}`);
          exchange.connection.destroy();
        }
      }
    },
  },
];

async function opened(session: Session, filter: Filter): Promise<GrpcExchange> {
  const exchange = await openGrpc(session);
  await exchange.conversation.send(filter);
  await session.effect(exchange.conversation, filter, { since: 0 });
  return exchange;
}

/** Opens a call with the deadline, brings it into the state, and awaits what the server does; there is no timer on our side. */
async function atDeadline(
  session: Session,
  timeoutMs: number,
  state: { readonly name: string; readonly filter?: Filter; readonly paused?: boolean },
): Promise<{ readonly goesOn: boolean; readonly end: GrpcEnd | undefined; readonly atMs: number }> {
  const startMs = performance.now();
  const exchange = await openGrpc(session, { grpcTimeout: `${timeoutMs}m` });
  if (state.filter !== undefined) {
    await exchange.conversation.send(state.filter);
  }
  if (state.paused === true) {
    exchange.conversation.pause();
    void session.supply.produce(state.filter === undefined ? [] : [state.filter], [], 400).catch(() => undefined);
  }
  if (state.paused === true) {
    // Trailers stand behind DATA that no window admits (RFC 9113 §5.2): stacks that don't reset send them when read on.
    await session.until(() => exchange.end, timeoutMs + 100, { quiet: true });
    exchange.conversation.resume();
  }
  const end = await session.until(() => exchange.end, timeoutMs + session.bounds.endMs - (performance.now() - startMs));
  const nowMs = performance.now();
  const lastMs = (exchange.conversation.arrivals.at(-1)?.atMicros ?? 0) / 1000;
  // Entries of the last half of the bound are no leftovers.
  return { goesOn: nowMs - lastMs < session.bounds.endMs / 2, end, atMs: nowMs - startMs };
}
