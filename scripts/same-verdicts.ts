// Runs the suite many times against a correct server and compares the verdicts of every run with those of the first.
//   npm run same-verdicts -- [--runs 50] [--stress] [--start COMMAND] [--contract FILE]
// --stress keeps every core busy with other work meanwhile. Exits 1 when a verdict differs, or one is held against the server.
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { CheckRecord } from "../src/core/report.js";
import { runConformance } from "../src/harness/conformance-run.js";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "50" },
    stress: { type: "boolean", default: false },
    start: { type: "string" },
    contract: { type: "string" },
  },
});
const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1) {
  throw new Error(`--runs: expected a whole number of at least 1, got "${values.runs}"`);
}
const cli = fileURLToPath(new URL("../src/cli.js", import.meta.url));
const command = values.start ?? `exec ${JSON.stringify(process.execPath)} ${JSON.stringify(cli)} serve --grpc-port 0 --http-port 0`;

const burners = values.stress ? Array.from({ length: availableParallelism() }, () => spawn(process.execPath, ["-e", "for (;;);"], { stdio: "ignore" })) : [];
process.once("exit", () => {
  for (const burner of burners) burner.kill("SIGKILL");
});

const first = new Map<string, string>();
let differing = 0;
let against = 0;
for (let run = 1; run <= runs; run++) {
  const startMs = performance.now();
  const report = await runConformance({
    urls: [],
    headers: [],
    start: { command },
    ...(values.contract === undefined ? {} : { contract: values.contract }),
  });
  const odd: string[] = [];
  for (const record of report.checks) {
    const key = `${record.id} (${record.transport})`;
    const wanted = first.get(key) ?? record.status;
    first.set(key, wanted);
    const bad = ["failed", "warned", "broken"].includes(record.status);
    against += bad ? 1 : 0;
    differing += record.status === wanted ? 0 : 1;
    if (bad || record.status !== wanted) {
      odd.push(`${key}: ${record.status}${record.status === wanted ? "" : `, at first ${wanted}`}: ${wordsOf(record)}`);
    }
  }
  console.log(
    `run ${run} of ${runs}: ${report.checks.length} verdicts in ${((performance.now() - startMs) / 1000).toFixed(1)} s${odd.length === 0 ? "" : `\n  ${odd.join("\n  ")}`}`,
  );
}
console.log(`${runs} runs${values.stress ? ", every core busy" : ""}: ${differing} verdicts differ from the first run, ${against} held against the server`);
process.exit(differing === 0 && against === 0 ? 0 : 1);

function wordsOf({ expected, actual, reason }: CheckRecord): string {
  return actual === undefined ? (reason ?? "") : `expected ${expected ?? ""}; ${actual}`;
}
