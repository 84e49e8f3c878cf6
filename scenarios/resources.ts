import { connect, type Socket } from "node:net";
import { performance } from "node:perf_hooks";
import type { Check } from "../src/conformance/check.js";
import type { Session } from "../src/conformance/session.js";
import type { Filter } from "../src/core/contract.js";
import { fail, unproven } from "../src/core/verdict.js";
import { released, steadyStreams } from "./holdings.js";

const both = ["grpc", "ws"] as const;

export const resourceChecks: readonly Check[] = [
  {
    id: "resources/open-close-baseline",
    on: both,
    level: "must",
    requirement: "After many streams were opened and ended in each way, the server holds as many streams as before.",
    clause: "monitor design: end and cancel release the stream",
    why: "A leak of one stream in a hundred is found by nobody but the pager.",
    exchange: ["C → S  open, filter, end   (many times)", "S       as many open streams as before"],
    causes: {
      any: "One of the ways to end (clean end, cancel, error) does not remove the subscription.",
      Node: "A listener is added per stream and removed on one of its events only.",
    },
    needs: ["probe"],
    exclusive: true,
    async run(session) {
      const before = await steadyStreams(session);
      const total = session.context.patient ? 300 : 120;
      const batch = 20;
      let ends = true;
      let done = 0;
      // A target that takes its time shows with fewer what it keeps.
      for (const untilMs = performance.now() + 20_000; done < total && performance.now() < untilMs; done += batch) {
        const ended = await Promise.all(
          Array.from({ length: batch }, (_, n) => openAndEnd(session, ends ? ((["end", "cancel", "early"] as const)[n % 3] ?? "end") : "cancel")),
        );
        // A server that does not end a stream is found out elsewhere; what is asked here is what it keeps.
        ends &&= !ended.includes(false);
      }
      await released(session, before, `${done} streams were opened and ended`, session.bounds.releaseMs * 2);
    },
  },
  {
    id: "resources/idle-cpu",
    on: both,
    level: "should",
    requirement: "Streams that wait, before a filter or while nothing matches, use no processor to speak of.",
    clause: "monitor design: an idle stream waits",
    why: "A loop that spins while it waits burns a core for each stream; it shows on the bill, and in nobody's test.",
    exchange: ["C → S  open   (no filter)", "C → S  open, filter that matches nothing", "S       less than 0.3 cores more than without them"],
    causes: {
      Go: "`select` with a `default` branch in a `for` loop, and nothing in it that blocks.",
      Python: "`while True: await asyncio.sleep(0)`.",
      any: "Polling without a pause.",
    },
    needs: ["probe"],
    exclusive: true,
    async run(session) {
      const alone = await processorShare(session, 200);
      const before = {};
      const nothing = { filter: session.role("silent") };
      // Both states at once; what is too much is asked once more for each, since a collector or a compiler may have had its moment.
      if ((await shareOf(session, [before, nothing], 200)) - alone <= spinningCores) {
        return;
      }
      for (const [state, options] of [
        ["before a filter", before],
        ["while nothing matches", nothing],
      ] as const) {
        const share = (await shareOf(session, [options], 400)) - alone;
        if (share > spinningCores) {
          fail(`less than ${spinningCores} cores more for 3 streams ${state}`, `${share.toFixed(1)} cores more, twice in a row`);
        }
      }
    },
  },
  {
    id: "resources/silent-handshake-dropped",
    on: both,
    level: "should",
    requirement: "A TCP connection on which nothing is said is dropped within 5 s.",
    clause: "RFC 9113 §10.5, RFC 6455 §10.4",
    why: "Connections that say nothing cost a descriptor each; without a timer a handful of clients exhausts them.",
    exchange: ["C → S  (TCP, then nothing)", "S → C  FIN or RST within 5 s"],
    causes: {
      Go: "`http.Server` without ReadHeaderTimeout; grpc-go's connection timeout is 120 s.",
      Node: "`headersTimeout` is 60 s by default.",
      any: "No timer until the first request.",
    },
    slow: true,
    async run(session) {
      const boundMs = 5000;
      const socket = await dialPlain(session);
      let ended = false;
      socket.on("data", () => undefined);
      for (const event of ["end", "close", "error"] as const) {
        socket.on(event, () => {
          ended = true;
          session.waiter.poke();
        });
      }
      if ((await session.until(() => (ended ? true : undefined), boundMs)) === undefined) {
        fail(`a connection that says nothing is dropped within ${boundMs / 1000} s`, "it is still open");
      }
    },
  },
  {
    id: "resources/final-equals-first",
    on: both,
    level: "must",
    requirement: "After all other checks the monitor still does what it did first.",
    clause: "monitor design",
    why: "State that piles up per stream shows only after many of them.",
    exchange: ["C → S  filter", "S → C  entries", "C → S  other filter", "S → C  other entries", "C → S  end", "S → C  clean end"],
    causes: { any: "Each stream leaves something behind that later ones stumble over." },
    last: true,
    dependsOn: ["first-filter/takes-effect", "eof/while-idle"],
    async run(session) {
      const broad = session.role("broad");
      const conversation = await session.flowing(broad);
      await session.barrier(conversation);
      const { disjoint } = session.contract.roles;
      if (disjoint !== undefined) {
        await conversation.send(disjoint[0]);
        await session.change(conversation, disjoint[1]);
        await session.barrier(conversation);
      }
      await conversation.halfClose();
      await session.endsCleanly(conversation);
    },
  },
];

/** More cores than that for idle streams are a loop that spins; on a busy machine even such a loop gets no whole one. */
const spinningCores = 0.3;

/** Cores that the server uses while three streams of each kind are open. */
async function shareOf(session: Session, kinds: readonly { readonly filter?: Filter }[], ms: number): Promise<number> {
  const streams = await Promise.all(kinds.flatMap((options) => [1, 2, 3].map(() => session.open(options))));
  await session.settle(50);
  const share = await processorShare(session, ms);
  for (const stream of streams) {
    stream.cancel();
  }
  return share;
}

/** Cores that the server uses, measured over `ms`. */
async function processorShare(session: Session, ms: number): Promise<number> {
  const read = async (): Promise<{ readonly cpuMicros: number; readonly atMs: number }> => {
    const reading = await session.probe.read();
    if ("kind" in reading) {
      unproven(`a probe of the server's processor time: ${reading.reason}`);
    }
    if (reading.cpuMicros === undefined) {
      unproven("a probe that tells the server's processor time (start it with --start, or give --pid)");
    }
    return { cpuMicros: reading.cpuMicros, atMs: performance.now() };
  };
  const before = await read();
  for (let left = ms; left > 0; left -= 200) {
    await session.settle(Math.min(left, 200));
  }
  const after = await read();
  return (after.cpuMicros - before.cpuMicros) / 1000 / (after.atMs - before.atMs);
}

/** Opens a stream and ends it as told; false when the server did not end it in turn, and it had to be cancelled. */
async function openAndEnd(session: Session, how: "end" | "cancel" | "early"): Promise<boolean> {
  const conversation = await session.open();
  if (how !== "early") {
    await conversation.send(session.role("broad"));
  }
  if (how !== "cancel") {
    await conversation.halfClose();
    const end = await session.until(() => conversation.end, session.bounds.endMs, { quiet: true });
    if (end !== undefined) {
      return true;
    }
  }
  conversation.cancel();
  return how === "cancel";
}

function dialPlain(session: Session): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: session.target.host, port: session.target.port });
    session.defer(() => {
      socket.destroy();
    });
    socket.once("connect", () => resolve(socket));
    socket.once("error", reject);
  });
}
