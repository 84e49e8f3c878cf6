// Throws small broken inputs at every decoder of src/wire: nothing may crash, hang, grow, or depend on where chunks break.
// Usage: node dist/scripts/fuzz-wire.js [inputs, default 100000] [seconds at most, default 3600] [seed, default random] [first input, default 0]
import { availableParallelism } from "node:os";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";

import { fuzzTargets, Random, type FuzzTarget } from "./fuzz-targets.js";

interface Job {
  readonly inputs: number;
  readonly seed: number;
  readonly first: number;
  readonly seconds: number;
}

type Report =
  | { readonly kind: "at"; readonly input: number; readonly memoryBytes: number }
  | { readonly kind: "failed"; readonly input: number; readonly detail: string };

const INPUTS_A_TURN = 1000;
const HANG_MS = 20_000;
/** Beyond what the heap may take between two collections. */
const GROWTH_BYTES = 256 * 1024 * 1024;

function targetOf(random: Random): FuzzTarget {
  let ticket = random.below(fuzzTargets.reduce((sum, target) => sum + target.weight, 0));
  for (const target of fuzzTargets) {
    ticket -= target.weight;
    if (ticket < 0) return target;
  }
  throw new Error("no target");
}

function report(one: Report): void {
  parentPort?.postMessage(one, []);
}

/** In the worker: every input comes from the seed and its number alone, so that any can be played again. */
async function fuzz({ inputs, seed, first, seconds }: Job): Promise<void> {
  // Most inputs end in an error, and most of an error's cost is its stack: it is there when an input is played again alone.
  if (inputs > 1) Error.stackTraceLimit = 0;
  for (let input = first; input < first + inputs; input += 1) {
    const random = new Random(seed, input);
    const target = targetOf(random);
    try {
      target.run(random);
    } catch (error) {
      const detail = `${target.name}: ${error instanceof Error ? error.stack : String(error)}`;
      report({ kind: "failed", input, detail });
      return;
    }
    if (input % INPUTS_A_TURN === 0 || input === first + inputs - 1) {
      const { heapUsed, external, arrayBuffers } = process.memoryUsage();
      report({ kind: "at", input, memoryBytes: heapUsed + external + arrayBuffers });
      if (performance.now() > seconds * 1000) return;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

interface Watched {
  readonly failure: string | undefined;
  readonly done: number;
}

/** Watches the worker from outside: a hang stops its turn, not ours. */
function watch(job: Job): Promise<Watched> {
  return new Promise((resolve) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: job });
    let last = job.first;
    let start: number | undefined;
    const settle = (failure: string | undefined): void => {
      clearTimeout(timer);
      void worker.terminate();
      resolve({ failure, done: last + 1 - job.first });
    };
    const timer = setTimeout(() => settle(`no end to an input from ${last} on, in ${HANG_MS} ms`), HANG_MS);
    worker.on("message", (report: Report) => {
      timer.refresh();
      last = report.input;
      if (report.kind === "failed") return settle(`input ${report.input}: ${report.detail}`);
      // What the first tenth has taken is what the code needs.
      if (report.input - job.first > job.inputs / 10) start ??= report.memoryBytes;
      if (start !== undefined && report.memoryBytes - start > GROWTH_BYTES)
        settle(`memory grew by ${report.memoryBytes - start} bytes until input ${report.input}`);
    });
    worker.on("error", (error) => settle(`a crash after input ${last}: ${error.stack ?? error.message}`));
    worker.on("exit", () => settle(undefined));
  });
}

/** As many workers as cores, each with its share of the inputs. */
async function watchAll(job: Job): Promise<Watched> {
  const workers = Math.max(1, Math.min(availableParallelism(), Math.floor(job.inputs / INPUTS_A_TURN)));
  const share = Math.ceil(job.inputs / workers);
  const shares = Array.from({ length: workers }, (_, at) => ({ ...job, first: job.first + at * share, inputs: Math.min(share, job.inputs - at * share) }));
  const watched = await Promise.all(shares.map(watch));
  return { failure: watched.find(({ failure }) => failure !== undefined)?.failure, done: watched.reduce((sum, { done }) => sum + done, 0) };
}

if (isMainThread) {
  const [inputs, seconds, seed, first] = process.argv.slice(2).map(Number);
  const job: Job = { inputs: inputs ?? 100_000, seconds: seconds ?? 3600, seed: seed ?? Math.floor(Math.random() * 2 ** 31), first: first ?? 0 };
  console.log(`seed ${job.seed}, inputs ${job.first} to ${job.first + job.inputs - 1}`);
  const { failure, done } = await watchAll(job);
  console.log(failure === undefined ? `ok: ${done} inputs in ${(performance.now() / 1000).toFixed(0)} s, none crashed, hung or grew` : `not ok: ${failure}`);
  console.log(failure === undefined ? "1 passed, 0 failed" : "0 passed, 1 failed");
  process.exitCode = failure === undefined ? 0 : 1;
} else await fuzz(workerData as Job);
