import { performance } from "node:perf_hooks";
import { stringify } from "yaml";
import type { Check } from "../src/conformance/check.js";
import { checkOfScript } from "../src/conformance/script.js";
import { parseScript } from "../src/conformance/script-file.js";
import type { Session } from "../src/conformance/session.js";
import { filterOfRole } from "../src/core/filter-reference.js";
import { fail, unproven, VerdictSignal, type Verdict } from "../src/core/verdict.js";
import { shrinkWalk, walk, type Step } from "./walks.js";

/** The filters that walks send. */
const references = ["$broad", "$silent", "$disjoint.1", "$disjoint.2", "$overlap.1", "$overlap.2"] as const;
/** Walks of one run; each is a stream of its own. */
const walks = 24;
/** What may be spent on finding the shortest script that still fails. */
const shrinkMs = 6000;

export const explorationChecks: readonly Check[] = [
  {
    id: "exploration/random-walks",
    on: ["grpc", "ws"],
    level: "must",
    requirement: "No sequence of filters, pauses, ends and entries that the contract allows makes the stream break a rule of the monitor.",
    clause: "monitor design, all of it; the walks come from the run's seed",
    why: "What no list names: a state in which one act, harmless elsewhere, goes wrong.",
    exchange: ["C → S  filter, pause, filter, …   (seeded)", "S → C  what a model of the monitor expects"],
    causes: { any: "Two of the server's tasks meet in an order that nobody thought of." },
    needs: ["producer"],
    dependsOn: ["first-filter/takes-effect", "filter-updates/takes-effect", "eof/while-idle"],
    async run(session) {
      const filters = references.filter((reference) => usable(session, reference));
      if (!filters.includes("$disjoint.1") || !filters.includes("$broad")) {
        unproven("the roles broad and disjoint, and entries for them");
      }
      for (let n = 0; n < walks; n++) {
        const steps = walk(() => session.random(), filters);
        const verdict = await perform(session, steps);
        if (verdict === undefined) {
          continue;
        }
        const startMs = performance.now();
        const shortest = await shrinkWalk(steps, async (fewer) => performance.now() - startMs < shrinkMs && (await perform(session, fewer)) !== undefined);
        const final = (await perform(session, shortest)) ?? verdict;
        const script = scriptText(shortest);
        session.note(`the shortest script that fails:\n${script}`);
        fail(`${final.expected} (walk ${n + 1}, seed ${session.context.seed})`, `${final.actual}. The shortest script that fails, for --scenario:\n${script}`);
      }
    },
  },
];

/** Performs the steps on a stream of their own; what failed, or undefined. What cannot be told counts as nothing. */
async function perform(session: Session, steps: readonly Step[]): Promise<Extract<Verdict, { status: "failed" | "warned" }> | undefined> {
  const check = checkOfScript(parseScript(scriptText(steps), "exploration"), session.contract);
  try {
    await check.run(session);
    return undefined;
  } catch (thrown) {
    if (thrown instanceof VerdictSignal && (thrown.verdict.status === "failed" || thrown.verdict.status === "warned")) {
      return thrown.verdict;
    }
    if (thrown instanceof VerdictSignal && thrown.verdict.status === "unproven") {
      return undefined;
    }
    throw thrown;
  }
}

function scriptText(steps: readonly Step[]): string {
  return stringify({ name: "explored", requirement: "The monitor keeps its rules whatever the order of acts.", steps });
}

/** Whether entries can be made for the role, or the role is the silent one. */
function usable(session: Session, reference: string): boolean {
  const filter = filterOfRole(session.contract.roles, reference);
  return filter !== undefined && (reference === "$silent" || session.supply.lacks([filter], []) === undefined);
}
