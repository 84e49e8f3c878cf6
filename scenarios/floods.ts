import type { Check } from "../src/conformance/check.js";
import { describeEnd, type Conversation } from "../src/conformance/conversation.js";
import { pourRequests } from "../src/conformance/request-flood.js";
import type { Session } from "../src/conformance/session.js";
import type { Filter } from "../src/core/contract.js";
import { fail } from "../src/core/verdict.js";
import { arrivalOf, requireTokensInOrder } from "./observations.js";

/** As many as a page full of broken clients makes in a moment; more would be a load test. */
const requests = 100;
const connections = 10;
/** What is not answered by then is given up: how soon refusals come is the matter of other checks. */
const floodMs = 800;

export const floodChecks: readonly Check[] = [
  {
    id: "robustness/flood-beside-streams",
    on: ["ws"],
    level: "must",
    requirement:
      "Requests that are refused on the monitor's path, however many, end no stream that is open, lose none of its entries and hold up none of its updates.",
    clause: "monitor design: a stream depends on its own client alone; RFC 6455 §4.2.1, RFC 9110 §15.5",
    why: "Health probes, crawlers, and clients in a loop of retries hit that path by the hundred; those who watch their logs meanwhile must not notice.",
    exchange: [
      "C1 → S  broad filter        C2 → S  filter A",
      "C3.. → S  plain GETs and wrong upgrades, 100 in all",
      "       entries are written   C2 → S  filter B",
      "S → C3.. whatever refuses them",
      "S → C1  every entry         S → C2  entries of B",
    ],
    causes: {
      any: "Refused requests take a place in the pool, the limiter or the table that serves the streams, and never give it back.",
      Go: "A failed upgrade returns without the release, or unregisters a client that was never registered from the hub.",
      Node: "A listener for each request is added to a shared emitter; or an error of a refused socket ends the process.",
      Java: "The worker pool of the container is exhausted by connections that linger after their refusal.",
    },
    needs: ["wire"],
    dependsOn: ["first-filter/takes-effect", "first-filter/none-missing", "filter-updates/takes-effect", "isolation/shared-entries-reach-all"],
    exclusive: true,
    last: true,
    async run(session) {
      const broad = session.role("broad");
      const [a, b] = session.role("disjoint");
      const readers = [
        await session.flowing(broad),
        ...(session.context.targets.grpc === undefined ? [] : [await session.flowing(broad, { transport: "grpc" })]),
      ];
      const changer = await session.flowing(a);
      const since = changer.arrivals.length;
      const flood = pourRequests(session, { requests, connections, boundMs: floodMs });
      const written: string[] = [];
      for (const part of [0.25, 0.5, 0.75, 1]) {
        await session.until(() => (flood.over || flood.sent >= part * requests ? true : undefined), floodMs, { quiet: true });
        written.push(...(await writeBeside(session, broad)));
        if (part === 0.5 && changer.end === undefined) {
          await changer.send(b);
        }
      }
      await flood.settled;
      session.note(`${flood.sent} requests, ${flood.answered} answered`);
      // From here on the server has nothing else to do: what it owes must come within its bounds.
      for (const stream of [...readers, changer]) {
        requireOpen(stream);
      }
      await session.effect(changer, b, { unless: [a], since });
      for (const reader of readers) {
        const last = written.at(-1);
        if (last === undefined) {
          await session.barrier(reader);
        } else {
          await arrivalOf(session, reader, last);
          requireOpen(reader);
          requireTokensInOrder(reader, written);
        }
      }
    },
  },
];

/** @returns the tokens, in order; none where entries come by themselves. */
async function writeBeside(session: Session, filter: Filter): Promise<readonly string[]> {
  const produced = session.supply.producer.kind === "ready" ? await session.supply.produce([filter], [], 10) : undefined;
  return produced?.kind === "produced" ? produced.tokens : [];
}

function requireOpen(stream: Conversation): void {
  if (stream.end !== undefined) {
    fail("streams that are open stay open while other requests are refused", `stream ${stream.label} ended: ${describeEnd(stream.end)}`);
  }
}
