import type t from "tap";
import { checks } from "../../scenarios/index.js";
import type { CheckRecord } from "../../src/core/report.js";
import { faults, type Fault, type FaultName } from "../../src/reference/faults.js";
import { runAgainstReference, runOf } from "./reference-run.js";

type Test = Pick<typeof t, "test" | "jobs">;

/** Reported, never failed: their verdict cannot catch anything. */
const informative = new Set(checks.filter((check) => check.level === "info").map((check) => check.id as string));
/** Needs the processor time of a server in a process of its own. */
const apart = new Set(["resources/idle-cpu"]);
/** What must have run before, for a fault that shows only late. */
const provoking: Readonly<Record<string, readonly string[]>> = { "resources/final-equals-first": ["resources/open-close-baseline"] };
/** What a session stands on; asked with everything, so that a consequence is told from a finding. */
const basics = ["first-filter/takes-effect", "filter-updates/takes-effect", "eof/while-idle"];

/**
 * One test a fault: the catalogue is run against a server that has it; each check that its entry names must fail, and no other may, unless as the
 * consequence of one that does.
 */
export function provesExactly(t: Test, group: Readonly<Record<string, Fault>>): void {
  // A run mostly waits; each has a server of its own.
  t.jobs = 2;
  for (const [index, name] of (Object.keys(group) as FaultName[]).entries()) {
    const fault: Fault = faults[name];
    const wanted = fault.caughtBy.filter((id) => !informative.has(id) && !apart.has(id));
    if (wanted.length === 0 || fault.unreachable === true) {
      continue;
    }
    t.test(`the fault ${name} is caught by the checks that its entry names, and by no other`, { buffered: true }, async (t) => {
      const named = [...fault.caughtBy, ...(fault.sometimes ?? [])];
      const allowed = (id: string): boolean => named.some((name) => name === id || (name.endsWith("/*") && id.startsWith(name.slice(0, -1))));
      const { only } = runOf(name);
      const ids = checks.map((check) => check.id).filter(isAsked(wanted));
      // The catalogue on one transport, in turns, and what is wanted on the other; on both at once where the two are compared.
      const [whole, other] =
        only !== undefined || wanted.includes("isolation/transports-agree") ? [only] : index % 2 === 0 ? (["grpc", "ws"] as const) : (["ws", "grpc"] as const);
      const ask = async (): Promise<readonly CheckRecord[]> => [
        ...(await recordsOf(name, whole, ids)),
        ...(other === undefined ? [] : await recordsOf(name, other, asked(wanted))),
      ];
      let records = await ask();
      let strays = straysOf(records, allowed);
      // What a race, or a neighbour that the fault disturbs, lets fail once does not fail each time.
      for (let attempt = 0; attempt < 2 && strays.length > 0; attempt++) {
        const again = new Set(straysOf(await ask(), allowed).map((record) => record.id));
        strays = strays.filter((record) => again.has(record.id));
      }
      t.same(strays.map(inWords), [], "checks that failed each time and are not named", { failed: records.filter(isBad).map(inWords) });

      let missed = wanted.filter((id) => !records.some((record) => record.id === id && isBad(record)));
      // A fault that is a race may hide once; it must not hide three times.
      for (let attempt = 0; attempt < 2 && missed.length > 0; attempt++) {
        records = await recordsOf(name, only, asked(missed));
        missed = missed.filter((id) => !records.some((record) => record.id === id && isBad(record)));
      }
      t.same(missed, [], "checks that did not notice", { records: records.map(inWords) });
    });
  }
}

async function recordsOf(name: FaultName, only: "grpc" | "ws" | undefined, ids: readonly string[]): Promise<readonly CheckRecord[]> {
  const { only: _, ...run } = runOf(name);
  return (await runAgainstReference({ ...run, ...(only === undefined ? {} : { only }), ids })).checks;
}

/** These, with what they stand on and what must have run before. */
function asked(ids: readonly string[]): string[] {
  return [...new Set([...basics, ...ids.flatMap((id) => provoking[id] ?? []), ...ids])];
}

/** Exploration takes its time and finds what others find: it is asked where it is named. */
function isAsked(wanted: readonly string[]): (id: string) => boolean {
  return (id) => wanted.includes(id) || !(id.startsWith("exploration/") || apart.has(id));
}

/** What failed by itself and is not named. */
function straysOf(records: readonly CheckRecord[], allowed: (id: string) => boolean): CheckRecord[] {
  return records.filter((record) => isBad(record) && record.consequenceOf === undefined && !allowed(record.id));
}

function isBad(record: CheckRecord): boolean {
  return record.status === "failed" || record.status === "warned";
}

function inWords(record: CheckRecord): string {
  return `${record.status} ${record.transport} ${record.id}: ${record.expected ?? ""} / ${record.actual ?? record.reason ?? ""}${record.consequenceOf === undefined ? "" : ` <- ${record.consequenceOf}`}`;
}
