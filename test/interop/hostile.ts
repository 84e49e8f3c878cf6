// The command line against every hostile behaviour, each in a process of its own.
// Usage: node dist/test/interop/hostile.js [SEED [PATTERN [CHECKS]]]: PATTERN is an expression for names, CHECKS how many checks beside the smoke test (default 8).
// Prints `ok` or `not ok` for each, and `N passed, N failed`.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Behaviour } from "../hostile/behaviour.js";
import { behaviours } from "../hostile/behaviours.js";
import { complaintsAbout, type Limits, type Observed } from "../hostile/judge.js";
import { chooseChecks, hashOf, runArguments } from "../hostile/selection.js";
import { startHostileServer } from "../hostile/start.js";

const atOnce = 6;
const limits: Limits = { runMs: 60_000, peakBytes: 420 * 2 ** 20 };
const compiled = (file: string): string => fileURLToPath(new URL(`../../${file}`, import.meta.url));

const [seedText = "1", pattern = "", checksText = "8"] = process.argv.slice(2);
const seed = Number(seedText);
const queue = behaviours.filter(({ name }) => new RegExp(pattern).test(name));
console.log(`# seed ${seed}, ${queue.length} behaviours`);
let passed = 0;
let failed = 0;
await Promise.all(
  Array.from({ length: atOnce }, async () => {
    for (let behaviour = queue.shift(); behaviour !== undefined; behaviour = queue.shift()) {
      await meet(behaviour);
    }
  }),
);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;

async function meet(behaviour: Behaviour): Promise<void> {
  const own = (seed ^ hashOf(behaviour.name)) >>> 0;
  const folder = await mkdtemp(path.join(tmpdir(), "halfclose-hostile-"));
  const server = await startHostileServer(behaviour, own);
  try {
    const ids = chooseChecks(behaviour, seed, behaviour.heavy === true ? Math.ceil(Number(checksText) / 4) : Number(checksText));
    const observed = await runApart(runArguments(server, ids, own, folder), folder);
    const complaints = complaintsAbout(behaviour, observed, limits);
    const took = `${(observed.elapsedMs / 1000).toFixed(1)} s, ${Math.round((observed.peakBytes ?? 0) / 2 ** 20)} MiB, exit ${observed.exitCode ?? "none"}`;
    console.log(`${complaints.length === 0 ? "ok" : "not ok"} - ${behaviour.name} # ${took}${complaints.map((one) => `\n    ${one}`).join("")}`);
    if (complaints.length === 0) {
      passed += 1;
    } else {
      failed += 1;
      console.log(`    again: node dist/test/interop/hostile.js ${seed} '^${behaviour.name}$' ${checksText}`);
    }
  } finally {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** The command line in a process that is killed when it is too late. */
async function runApart(args: readonly string[], folder: string): Promise<Observed> {
  const startMs = performance.now();
  const child = spawn(process.execPath, ["--import", compiled("test/hostile/peak-memory.js"), compiled("src/cli.js"), ...args], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1" },
  });
  const [stdout, stderr, peak] = [1, 2, 3].map((descriptor) => {
    const chunks: Buffer[] = [];
    child.stdio[descriptor]?.on("data", (chunk: Buffer) => chunks.push(chunk));
    return () => Buffer.concat(chunks).toString("utf8");
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), limits.runMs + 5000);
  const [exitCode] = (await once(child, "close")) as [number | null];
  clearTimeout(timer);
  const peakKib = Number(peak?.());
  return {
    exitCode: exitCode ?? undefined,
    stdout: stdout?.() ?? "",
    stderr: stderr?.() ?? "",
    results: await readFile(path.join(folder, "results.json"), "utf8").catch(() => undefined),
    elapsedMs: performance.now() - startMs,
    ...(Number.isFinite(peakKib) && peakKib > 0 ? { peakBytes: peakKib * 1024 } : {}),
  };
}
