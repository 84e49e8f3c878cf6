import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";

import { type Contestant, type Group, medianOf, type SourcePorts, type Tally } from "./contest.js";

/** Longest life of a source or a contestant; on a busy machine a group takes minutes. */
const boundMs = 1_200_000;
const main = fileURLToPath(new URL("main.js", import.meta.url));

/** Starts this bench in a process of its own, in a role; it is gone after a bound. */
export function play(role: readonly string[]): ChildProcess {
  const child = fork(main, role, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  setTimeout(() => child.kill("SIGKILL"), boundMs).unref();
  return child;
}

/** What a process in a role says first. */
export function firstMessage(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.once("message", resolve);
    child.once("exit", (code) => reject(new Error(`a process left with ${code}`)));
  });
}

/** Runs a group's contestants in turns and prints a line for each. `wanted`: those to run, beside the first and those that others are compared with. */
export async function compareGroup(
  group: Group,
  role: readonly [topic: string, at: number],
  options: { readonly rounds: number; readonly seconds: number; readonly wanted: (text: string) => boolean },
): Promise<void> {
  const { rounds, wanted } = options;
  const seconds = group.seconds ?? options.seconds;
  if (!wanted(group.name) && !group.contestants.some(({ name }) => wanted(name))) {
    return;
  }
  const chosen = group.contestants.filter(({ name }, i) => i === 0 || name === "halfclose" || wanted(name) || wanted(group.name));
  const source = play(["source", ...role.map(String)]);
  const { port, count } = (await firstMessage(source)) as SourcePorts;
  const nanos = new Map(chosen.map(({ name }) => [name, [] as number[]]));
  const failures = new Map(chosen.map(({ name, missing }) => [name, missing]));
  for (let round = 0; round < rounds; round++) {
    for (const { name } of chosen.filter((each) => failures.get(each.name) === undefined)) {
      const child = play(["contestant", ...role.map(String), name, String(port), String(count), String(seconds)]);
      const tally = (await firstMessage(child).catch((thrown: Error) => thrown.message)) as Tally | string;
      if (typeof tally === "string" || tally.entries === 0 || tally.faults > 0) {
        failures.set(name, typeof tally === "string" ? tally : tally.faults > 0 ? `${tally.faults} faults` : "it received nothing");
      } else {
        nanos.get(name)?.push((tally.cpuMicros * 1000) / tally.entries);
      }
      if (child.connected) {
        child.disconnect();
      }
    }
  }
  source.kill();
  console.log(`\n${group.name}`);
  for (const contestant of chosen) {
    console.log(`  ${lineOf(contestant, nanos, failures.get(contestant.name))}`);
  }
  breakDown(nanos);
}

function lineOf(contestant: Contestant, nanos: ReadonlyMap<string, readonly number[]>, failure: string | undefined): string {
  const { name, verifies } = contestant;
  if (failure !== undefined) {
    return `${name.padEnd(27)} ${failure}`;
  }
  const all = nanos.get(name) ?? [];
  const spread = `(${millions(Math.max(...all))}–${millions(Math.min(...all))})`;
  const cost = `${medianOf(all).toFixed(0)} ns`;
  return `${name.padEnd(27)} ${millions(medianOf(all)).padStart(7)} M/CPU-s ${spread.padEnd(15)} ${cost.padStart(9)}  ${judged(contestant, nanos).padEnd(34)} ${verifies}`;
}

/** Against its goal, and against another row in the same rounds. */
function judged({ name, goal, of }: Contestant, nanos: ReadonlyMap<string, readonly number[]>): string {
  const said: string[] = [];
  const all = nanos.get(name) ?? [];
  if (goal !== undefined) {
    const rate = 1000 / medianOf(all);
    said.push(`goal ${goal} M: ${rate >= goal ? "met" : `${((rate / goal) * 100).toFixed(0)} %`}`);
  }
  const other = of?.name ?? "halfclose";
  const beside = nanos.get(other) ?? [];
  if (other !== name && beside.length > 0) {
    const ratio = medianOf(all.map((each, round) => (beside[round] ?? Number.NaN) / each).filter((each) => !Number.isNaN(each)));
    const short = other.replace("raw node:net read", "raw");
    said.push(`${ratio.toFixed(2)} × ${short}${of?.share === undefined ? "" : `, goal ${of.share}${ratio >= of.share ? ": met" : ""}`}`);
  }
  return said.join("; ");
}

/** Where the time of an entry goes: what the rows have more than those above them. */
function breakDown(nanos: ReadonlyMap<string, readonly number[]>): void {
  const [raw, found, whole] = ["raw node:net read", "src/wire, messages found", "halfclose"].map((name) => medianOf(nanos.get(name) ?? []));
  if (raw === undefined || found === undefined || whole === undefined || Number.isNaN(raw + found + whole)) {
    return;
  }
  const shown = (ns: number): string => `${Math.max(0, ns).toFixed(0)} ns`;
  console.log(`  of an entry's ${shown(whole)}: ${shown(raw)} kernel and read, ${shown(found - raw)} frame walk, ${shown(whole - found)} checks`);
}

function millions(nanos: number): string {
  const rate = 1000 / nanos;
  return rate.toFixed(rate < 0.1 ? 3 : 2);
}
