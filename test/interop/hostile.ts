// The command line against every hostile behaviour. Usage: node dist/test/interop/hostile.js [SEED [PATTERN [CHECKS]]]
// PATTERN is an expression for names; CHECKS says how many checks are run beside those of a smoke test (default 6).
// Prints `ok` or `not ok` for each, and `N passed, N failed`.
import { type ChildProcess, fork } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Behaviour } from "../hostile/behaviour.js";
import { behaviours } from "../hostile/behaviours.js";
import { complaintsAbout, type Limits, type Observed } from "../hostile/judge.js";
import { chooseChecks, hashOf, runArguments } from "../hostile/selection.js";
import { startHostileServer } from "../hostile/start.js";

/** Processes at once; most of a run is waiting. */
const atOnce = 5;
/** Runs of one process, those that cost much excepted: each of them has its own. */
const runsOfOneProcess = 10;
const limits: Limits = { runMs: 60_000, peakBytes: 420 * 2 ** 20 };
/** Where the target keeps a core busy, and the harness another; floods of entries are kept up to their count on each stream. */
const heavyLimits: Limits = { runMs: 120_000, peakBytes: 1024 * 2 ** 20 };

const [seedText = "1", pattern = "", checksText = "6"] = process.argv.slice(2);
const seed = Number(seedText);
const checkCount = Number(checksText);
const queue = behaviours.filter(({ name }) => new RegExp(pattern).test(name)).toSorted((a, b) => Number(a.heavy ?? false) - Number(b.heavy ?? false));
console.log(`# seed ${seed}, ${queue.length} behaviours`);
let passed = 0;
let failed = 0;
const again: Behaviour[] = [];
await Promise.all(Array.from({ length: Math.min(atOnce, queue.length) }, () => work(queue, (behaviour) => void again.push(behaviour))));
// The servers share this process's loop: beside others one may have been too slow to be what it is.
await work(again, () => (failed += 1));
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;

async function work(left: Behaviour[], refused: (behaviour: Behaviour) => void): Promise<void> {
  let child: ChildProcess | undefined;
  let runs = 0;
  for (let behaviour = left.shift(); behaviour !== undefined; behaviour = left.shift()) {
    if (child?.connected !== true || runs >= runsOfOneProcess) {
      child?.kill();
      child = fork(fileURLToPath(new URL("../hostile/child.js", import.meta.url)), { stdio: ["ignore", "inherit", "pipe", "ipc"] });
      runs = 0;
    }
    const clean = await meet(behaviour, child);
    if (clean) {
      passed += 1;
    } else {
      refused(behaviour);
    }
    runs = clean && behaviour.heavy !== true ? runs + 1 : runsOfOneProcess;
  }
  child?.kill();
}

/** True when there was nothing to complain about. */
async function meet(behaviour: Behaviour, child: ChildProcess): Promise<boolean> {
  const own = (seed ^ hashOf(behaviour.name)) >>> 0;
  const folder = await mkdtemp(path.join(tmpdir(), "halfclose-hostile-"));
  const server = await startHostileServer(behaviour, own);
  try {
    const ids = chooseChecks(behaviour, seed, behaviour.heavy === true ? Math.ceil(checkCount / 3) : checkCount);
    const bounds = behaviour.heavy === true ? heavyLimits : limits;
    const observed = await runIn(child, { args: runArguments(server, ids, own, folder), folder }, bounds.runMs + 10_000);
    const complaints = complaintsAbout(behaviour, observed, bounds);
    const took = `${(observed.elapsedMs / 1000).toFixed(1)} s, ${Math.round((observed.peakBytes ?? 0) / 2 ** 20)} MiB, exit ${observed.exitCode ?? "none"}`;
    console.log(`${complaints.length === 0 ? "ok" : "not ok"} - ${behaviour.name} # ${took}${complaints.map((one) => `\n    ${one}`).join("")}`);
    if (complaints.length > 0) {
      console.log(`    again: node dist/test/interop/hostile.js ${seed} '^${behaviour.name}$' ${checksText}`);
    }
    return complaints.length === 0;
  } finally {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** One command line in the child, which is killed when it is too late. */
function runIn(child: ChildProcess, job: { readonly args: readonly string[]; readonly folder: string }, withinMs: number): Promise<Observed> {
  return new Promise((resolve) => {
    const startMs = performance.now();
    let stderr = "";
    const hear = (chunk: Buffer): void => void (stderr += chunk.toString("utf8"));
    const settle = (observed: Observed): void => {
      clearTimeout(timer);
      child.off("message", settle).off("exit", onExit).stderr?.off("data", hear);
      resolve({ ...observed, stderr: stderr + observed.stderr });
    };
    const onExit = (code: number | null): void =>
      settle({ exitCode: code ?? undefined, stdout: "", stderr: "", results: undefined, elapsedMs: performance.now() - startMs });
    const timer = setTimeout(() => child.kill("SIGKILL"), withinMs);
    child.stderr?.on("data", hear);
    child.on("message", settle).on("exit", onExit);
    child.send(job);
  });
}
