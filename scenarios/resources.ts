import { connect, type Socket } from "node:net";
import type { Check } from "../src/conformance/check.js";
import type { Session } from "../src/conformance/session.js";
import { fail } from "../src/core/verdict.js";
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
    causes: { any: "One of the ways to end (clean end, cancel, error) does not remove the subscription.", Node: "A listener is added per stream and removed on one of its events only." },
    needs: ["probe"],
    exclusive: true,
    async run(session) {
      const before = await steadyStreams(session);
      const total = session.context.patient ? 500 : 120;
      const batch = 20;
      let ends = true;
      for (let done = 0; done < total; done += batch) {
        const ended = await Promise.all(Array.from({ length: batch }, (_, n) => openAndEnd(session, ends ? ((["end", "cancel", "early"] as const)[n % 3] ?? "end") : "cancel")));
        // A server that does not end a stream is found out elsewhere; what is asked here is what it keeps.
        ends &&= !ended.includes(false);
      }
      await released(session, before, `${total} streams were opened and ended`, session.bounds.releaseMs * 2);
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
    causes: { Go: "`http.Server` without ReadHeaderTimeout; grpc-go's connection timeout is 120 s.", Node: "`headersTimeout` is 60 s by default.", any: "No timer until the first request." },
    slow: true,
    async run(session) {
      const boundMs = session.context.patient ? 5000 : 2500;
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
