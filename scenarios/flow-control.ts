import { performance } from "node:perf_hooks";
import type { Check } from "../src/conformance/check.js";
import type { Conversation } from "../src/conformance/conversation.js";
import { connectGrpc, openGrpc } from "../src/conformance/grpc-exchange.js";
import { rootsOfNoEnd, rootsOfWrongEntry } from "../src/conformance/roots.js";
import type { Session } from "../src/conformance/session.js";
import { openWebSocket } from "../src/conformance/websocket-exchange.js";
import type { Filter } from "../src/core/contract.js";
import { jsonText } from "../src/core/json-text.js";
import { isOverflow } from "../src/core/stream.js";
import { fail, unproven, warn } from "../src/core/verdict.js";
import { FRAME } from "../src/wire/http2-frames.js";
import { writtenUnderOld } from "./blocked-updates.js";
import { floodUnordered, socketsHoldBytes } from "./entry-floods.js";
import { arrivalOf, requireInOrder, requireTokensInOrder } from "./observations.js";

const ws = ["ws"] as const;
const grpc = ["grpc"] as const;
const both = ["grpc", "ws"] as const;

export const flowControlChecks: readonly Check[] = [
  {
    id: "flow-control/grpc-window-respected",
    on: grpc,
    level: "must",
    requirement: "The server never sends more DATA than the stream's window allows, however small, and goes on without loss as it is granted.",
    clause: "RFC 9113 §5.2, §6.9",
    why: "A server that ignores the window breaks the connection with every client that has a small one.",
    exchange: ["C → S  SETTINGS INITIAL_WINDOW_SIZE 1", "C → S  filter", "S → C  DATA of 1 byte", "C → S  WINDOW_UPDATE", "S → C  the rest, whole"],
    causes: { any: "A hand-written HTTP/2 layer, or entries are dropped while a write is held back." },
    needs: ["wire"],
    dependsOn: ["first-filter/takes-effect"],
    async run(session) {
      const [a] = session.contract.roles.disjoint ?? [session.role("broad")];
      let received = 0;
      let granted = 1;
      let over: string | undefined;
      const connection = await connectGrpc(session, {
        settings: { INITIAL_WINDOW_SIZE: 1 },
        replenish: "manual",
        onFrame: (frame) => {
          if (frame.direction === "received" && frame.type === FRAME.DATA && frame.streamId !== 0) {
            received += frame.payload.length;
            if (received > granted) {
              over ??= `${received} bytes of DATA where ${granted} were allowed`;
            }
          }
        },
      });
      const exchange = await openGrpc(session, { connection, replenish: "manual" });
      await exchange.conversation.send(a);
      const tokens: string[] = [];
      for (let round = 0; round < 8 && exchange.end === undefined; round++) {
        const produced = await session.supply.produce([a], [], 5);
        if (produced.kind === "produced") {
          tokens.push(...produced.tokens);
        }
        await session.until(() => (received >= granted ? true : undefined), 60, { quiet: true });
        await session.settle(15);
        const grant = round < 4 ? 1 : 37;
        granted += grant;
        connection.grantConnection(grant);
        exchange.call.stream.grant(grant);
      }
      granted += 4 * 1024 * 1024;
      connection.grantConnection(4 * 1024 * 1024);
      exchange.call.stream.grant(4 * 1024 * 1024);
      await session.effect(exchange.conversation, a, { since: 0 });
      if (over !== undefined) {
        fail("no more DATA than the window allows", over);
      }
      await session.barrier(exchange.conversation);
      if (over !== undefined) {
        fail("no more DATA than the window allows", over);
      }
      // The first entries may have been written before the filter took effect; from the first that came, none may miss.
      const first = exchange.conversation.arrivals.find((arrival) => arrival.token !== undefined && tokens.includes(arrival.token));
      if (first?.token !== undefined) {
        requireTokensInOrder(exchange.conversation, tokens.slice(tokens.indexOf(first.token)));
      }
      requireInOrder(session, exchange.conversation);
    },
  },
  {
    id: "flow-control/updates-read-while-blocked",
    on: both,
    level: "must",
    requirement: "A filter sent while the server's own sends are blocked is read, and holds, for what is written from then on, once they go on.",
    clause: "monitor design: both directions are independent",
    why: "Whoever cannot keep up narrows the filter: if the server does not read it until it has sent everything, narrowing does not help.",
    exchange: [
      "C       stops reading",
      "       entries that only B lets through are written",
      "C → S  filter B",
      "C       reads again",
      "S → C  A A … B B, never A after B, none of those",
    ],
    causes: {
      any: "One loop reads and writes, and is stuck in the write; or entries are queued as they are, and matched when they are sent.",
      Node: "`await drain` in the handler of incoming messages.",
    },
    dependsOn: ["filter-updates/no-old-after-new", "filter-updates/judges-next-entry"],
    needs: ["producer"],
    exclusive: true,
    async run(session) {
      // How much it takes to block a send is the server's and the kernel's own; a size that ends the slow reader proves nothing.
      const sizes = [
        512 * 1024,
        3 * 1024 * 1024,
        ...(session.transport === "ws" ? [socketsHoldBytes] : []),
        ...(session.context.patient ? [8 * 1024 * 1024] : []),
      ];
      const found = await writtenUnderOld(session, sizes, 200);
      // A reader whose update is hidden goes on to be flooded, and may be ended for it: it is asked alone, the last at a size between two outcomes.
      const ended = found.indexOf("overflow");
      if (ended >= 0 && !found.some((one) => one !== "overflow" && one.hidden !== undefined)) {
        const size = sizes[ended] ?? 0;
        const alone = ended < sizes.length - 1 ? size : ((sizes[ended - 1] ?? size) + size) / 2;
        sizes.push(alone);
        found.push(...(await writtenUnderOld(session, [alone], 200)));
      }
      const proved = found.filter((one) => one !== "overflow");
      for (const [index, one] of found.entries()) {
        if (one === "overflow" || one.hidden === undefined) {
          continue;
        }
        // An update that a blocked send hides shows in what is written after it: asked again with all the time of the bound before it counts.
        const [again] = await writtenUnderOld(session, sizes.slice(index, index + 1), session.bounds.applyMs);
        if (again !== undefined && again !== "overflow" && again.hidden !== undefined) {
          fail(
            `a filter that is sent while the server's sends are blocked holds within ${session.bounds.applyMs} ms`,
            `an entry written later than that still passed the old filter: ${jsonText(again.hidden.entry)}`,
          );
        }
      }
      const early = proved.find((one) => one.early !== undefined)?.early;
      if (early !== undefined && session.contract.semantics.delivery !== "replay") {
        warn("no entry that was written before the filter that lets it through was sent", `${jsonText(early.entry)} came, after the reader had paused`, [
          "filter-updates/no-reach-back",
          ...rootsOfWrongEntry([], early.entry),
        ]);
      }
      if (proved.length === 0) {
        unproven("a buffer that holds what was written while the reader paused: the server ended the slow reader");
      }
    },
  },
  {
    id: "flow-control/ws-pong-under-flood",
    on: ws,
    level: "must",
    requirement: "A ping is answered within the bound while entries flow fast.",
    clause: "RFC 6455 §5.5.2: as soon as is practical",
    why: "Proxies and clients drop connections whose pongs stay away; under load is when that hurts most.",
    exchange: ["S → C  entries, fast", "C → S  ping", "S → C  pong, within the bound"],
    causes: { any: "Pongs wait behind the whole send queue." },
    needs: ["wire"],
    dependsOn: ["first-filter/takes-effect"],
    exclusive: true,
    async run(session) {
      const broad = session.role("broad");
      const exchange = await openWebSocket(session);
      await exchange.conversation.send(broad);
      await session.effect(exchange.conversation, broad, { since: 0 });
      const flood = { on: true };
      const flow = (async () => {
        while (flood.on) {
          if ((await session.supply.produce([broad], [], 100)).kind === "unavailable") {
            return;
          }
        }
      })();
      try {
        for (let n = 0; n < 5; n++) {
          const payload = Buffer.from(`halfclose-${n}`);
          const boundMs = session.bounds.endMs;
          await exchange.connection.sendPing(payload);
          session.note(`ping ${n + 1}`);
          const pong = await session.until(
            () =>
              exchange.pongs.find((seen) => Buffer.from(seen.payload).equals(payload)) ??
              (exchange.conversation.end === undefined ? undefined : ("ended" as const)),
            boundMs,
          );
          if (pong === undefined || pong === "ended") {
            fail(
              `a pong with the ping's payload within ${boundMs} ms`,
              pong === "ended" ? "the stream ended" : `none; ${exchange.conversation.arrivals.length} entries came`,
            );
          }
          await session.settle(10);
        }
      } finally {
        flood.on = false;
        await flow;
      }
    },
  },
  {
    id: "flow-control/eof-after-blocked-send",
    on: both,
    level: "must",
    requirement: "An end that the client sends while the server's sends are blocked is honoured once they go on.",
    clause: "monitor design: half-close ends the stream",
    why: "Clients that are about to leave read last; their goodbye must not be lost behind the backlog.",
    exchange: ["C       stops reading", "C → S  end", "C       reads again", "S → C  (a prefix), clean end"],
    causes: { any: "The end is read while a send is blocked, and forgotten when it returns." },
    dependsOn: ["eof/while-idle"],
    needs: ["producer"],
    exclusive: true,
    async run(session) {
      const [a, b] = session.role("disjoint");
      const conversation = await session.flowing(a);
      conversation.pause();
      await floodUnordered(session, a, b, { bytes: 768 * 1024 });
      await conversation.halfClose();
      await session.settle(150);
      conversation.resume();
      const boundMs = session.bounds.endMs * 2;
      const end = await session.until(() => conversation.end, boundMs);
      if (end === undefined) {
        fail(`a clean end within ${boundMs} ms after reading went on`, "the stream is still open", rootsOfNoEnd);
      }
      const overflow = session.contract.semantics.overflow === "end" && (end.kind === "lost" || isOverflow(end));
      if (overflow) {
        unproven("a buffer that holds what was written while the reader paused: the server ended the slow reader");
      }
      await session.endsCleanly(conversation);
      requireInOrder(session, conversation);
    },
  },
  {
    id: "flow-control/latency-budget",
    on: both,
    level: "must",
    requirement: "At a low steady rate an entry reaches the stream within 15 ms of being written at the median, on an open schedule.",
    clause: "monitor design; the budget is this harness's own, for a server on the same host or network",
    why: "A monitor that batches by a timer, or sleeps between looks, feels dead.",
    exchange: ["       an entry every 5 ms", "S → C  each, at once"],
    causes: { any: "The log is polled, or entries are collected until a timer fires.", Go: "`time.Sleep` or a ticker in the send loop." },
    needs: ["producer"],
    dependsOn: ["first-filter/takes-effect"],
    exclusive: true,
    async run(session) {
      const [a] = session.contract.roles.disjoint ?? [session.role("broad")];
      const conversation = await session.flowing(a);
      const budgetMs = 15;
      const medians: number[] = [];
      for (let round = 0; round < 5; round++) {
        medians.push(await medianLagMs(session, conversation, a));
        if (Math.min(...medians) <= budgetMs) {
          return;
        }
      }
      fail(
        `a median of at most ${budgetMs} ms from writing an entry to receiving it`,
        Math.min(...medians) === Infinity ? "most of the entries never came" : `${Math.min(...medians).toFixed(1)} ms, the best of 5 runs`,
      );
    },
  },
];

/** Median time from the producer's answer, or its request where that is later than the arrival, to the arrival: what the stream adds to writing. */
async function medianLagMs(session: Session, conversation: Conversation, filter: Filter): Promise<number> {
  const startMs = performance.now();
  const due: { readonly token: string; readonly writtenMs: number }[] = [];
  for (let n = 0; n < 25; n++) {
    const waitMs = startMs + n * 5 - performance.now();
    if (waitMs > 0) {
      await session.until(() => undefined, waitMs, { quiet: true });
    }
    const produced = await session.supply.produce([filter], []);
    if (produced.kind === "unavailable") {
      unproven(produced.reason);
    }
    due.push({ token: produced.tokens[0] ?? "", writtenMs: performance.now() });
  }
  const lags: number[] = [];
  const writtenAllMs = performance.now();
  for (const { token, writtenMs } of due) {
    // All are written by now: they have one bound together.
    const leftMs = session.bounds.applyMs - (performance.now() - writtenAllMs);
    const arrival = leftMs > 100 ? await arrivalOf(session, conversation, token, leftMs) : conversation.arrivals.find((one) => one.token === token);
    lags.push(arrival === undefined ? Infinity : Math.max(0, arrival.atMicros / 1000 - writtenMs));
  }
  return lags.toSorted((x, y) => x - y)[Math.floor(lags.length / 2)] ?? Infinity;
}
