import type { ChildProcess } from "node:child_process";
import type { Transport } from "../src/core/contract.js";
import { defaultContract } from "../src/contract/load-contract.js";
import { type ComparedSide, type Comparison, runCompare } from "../src/load/run-compare.js";
import { parseWorkload } from "../src/load/workload-file.js";
import { startReferenceServer } from "../src/reference/server.js";
import { firstMessage, play } from "./compare.js";
import { targetAt } from "./target.js";

/** Time until a filter applies, on the server that was there before, on an equal one, and on one that is 15 % slower. */
const applyDelayMs = { before: 20, equal: 20, slower: 23 } as const;

const workload = parseWorkload(
  "name: regression\nabout: how long filters take\nstreams: 4\nduration: 1s\nbegin: [send: $disjoint.1, expect: applied]\n" +
    "each: [send: { next-of: [$disjoint.2, $disjoint.1] }, expect: applied]\nclosed: { think: 5ms }\n",
  "bench",
);

/** What a worker thread of `halfclose load` runs. */
const script = new URL("../src/harness/load-worker.js", import.meta.url);

/** In a process of its own: a server that applies filters after that time; tells its ports. */
export async function serveDelayed(delayMs: number): Promise<void> {
  const server = await startReferenceServer({ rate: 3000, planted: { applyDelayMs: delayMs } });
  process.once("disconnect", () => process.exit());
  process.send?.({ grpc: server.grpcPort, ws: server.httpPort } satisfies Record<Transport, number>);
}

/** Prints in how many of so many valid tries `compare` finds a regression that is there, and one that is not; `grpc, equal` names what is asked. */
export async function compareRegressions(tries: number, isAsked: (text: string) => boolean): Promise<void> {
  for (const transport of ["grpc", "ws"] as const) {
    for (const [against, wanted] of [
      ["slower", true],
      ["equal", false],
    ] as const) {
      if (!isAsked(`${transport}, ${against}`)) {
        continue;
      }
      const servers = [play(["delayed-server", String(applyDelayMs.before)]), play(["delayed-server", String(applyDelayMs[against])])] as const;
      try {
        const [before, after] = await Promise.all([sideOf(transport, servers[0]), sideOf(transport, servers[1])]);
        const valid: Comparison[] = [];
        let spoilt = 0;
        let repeated = 0;
        // What the generator spoiled says nothing, and says so: it is asked again, as long as it is the lesser part.
        for (let seed = 1; valid.length < tries && spoilt <= tries; seed++) {
          const outcome = await runCompare({ before, after, workload, seed, thresholds: ["filter-apply p99 < 100ms"] });
          if (outcome.spoiled.length === 0) {
            valid.push(outcome);
            repeated += outcome.repeated;
          } else {
            spoilt++;
          }
        }
        const wrong = valid.filter((outcome) => !isRight(outcome, wanted));
        const title = wanted ? "a server 15 % slower is found to be" : "between equal servers nothing is found";
        const invalid = `${repeated === 0 ? "" : `; ${repeated} rounds made again`}${spoilt === 0 ? "" : `; ${spoilt} more INVALID`}`;
        console.log(`  ${transport === "grpc" ? "gRPC" : "WebSocket"}: ${title} in ${valid.length - wrong.length} of ${valid.length} tries${invalid}`);
        for (const { sentence } of wrong) {
          console.log(`    not so: ${sentence}`);
        }
      } finally {
        servers.forEach((server) => server.kill());
      }
    }
  }
}

function isRight({ ratios }: Comparison, wanted: boolean): boolean {
  const isWorse = ratios.some(({ of, verdict }) => of.startsWith("filter-apply") && verdict === "worse");
  return wanted ? isWorse : ratios.every(({ verdict }) => verdict === "same" || verdict === "unclear");
}

async function sideOf(transport: Transport, server: ChildProcess): Promise<ComparedSide> {
  const { [transport]: port } = (await firstMessage(server)) as Record<Transport, number>;
  const { target, driver } = await targetAt(transport, port);
  return { targets: [target], drivers: [driver], threads: { script, contractReferences: [defaultContract], count: 1 } };
}
