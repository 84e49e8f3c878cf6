import { readFile } from "node:fs/promises";
import path from "node:path";
import { performance } from "node:perf_hooks";
import { checks as catalogue } from "../../scenarios/index.js";
import type { Check } from "../conformance/check.js";
import { judgeKnownFailing, type KnownFailure, parseKnownFailing } from "../conformance/known-failing.js";
import { joinRepeats } from "../conformance/repeat.js";
import { runChecks, type RunOutcome } from "../conformance/run.js";
import { checkOfScript } from "../conformance/script.js";
import { parseScript, type ScriptFile } from "../conformance/script-file.js";
import { everything, selectTasks, shardOf, type Selection } from "../conformance/select.js";
import { judgeGates, type Suite } from "../conformance/suite.js";
import type { Task } from "../conformance/task.js";
import { defaultContract } from "../contract/load-contract.js";
import type { Transport } from "../core/contract.js";
import { HarnessError, type HarnessErrorCode, messageOf } from "../core/errors.js";
import type { CheckRecord, Report, RunEvent, WorkloadRecord } from "../core/report.js";
import { loadWorkload } from "../load/shipped-workloads.js";
import { assembleReport, type ReportFrame } from "./assemble-report.js";
import { performWorkload } from "./perform-workload.js";
import { redact } from "./redact.js";
import { defaultSuite, loadSuite } from "./suites.js";
import { openSurroundings, type Surroundings, type SurroundingsOptions } from "./surroundings.js";

/** What a conformance run needs to know; every part but the URLs has a default. */
export interface ConformanceOptions extends SurroundingsOptions {
  /** Name of a suite that comes with the harness, or a path. Default `conformance`. */
  readonly suite?: string | undefined;
  /** Narrows the suite. */
  readonly select?: Partial<Selection>;
  /** Instead of the suite's checks. */
  readonly checks?: readonly Check[];
  /** Paths of YAML scenarios, instead of the suite's checks. */
  readonly scenarios?: readonly string[];
  /** Just these checks on these transports, within the selection. */
  readonly only?: readonly { readonly id: string; readonly transport: Transport }[];
  readonly jobs?: number | undefined;
  /** Whether checks may wait for what only shows after seconds; default true. */
  readonly patient?: boolean | undefined;
  readonly seed?: number | undefined;
  readonly retries?: number | undefined;
  readonly repeat?: number | undefined;
  readonly maxFailures?: number | undefined;
  /** Part `index` from 1 of `count`. */
  readonly shard?: { readonly index: number; readonly count: number } | undefined;
  /** Path of a known-failing file. */
  readonly knownFailing?: string | undefined;
  readonly targetName?: string | undefined;
  /** For the report. */
  readonly command?: readonly string[];
  readonly secrets?: readonly string[];
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: (event: RunEvent) => void;
  /** Called once before anything is sent, and whenever there is more; the report says `partial`. Rejecting ends the run. */
  readonly onReport?: (report: () => Report) => void | Promise<void>;
}

/**
 * Judges a target: the whole of `halfclose run`, without its output.
 * @throws HarnessError when nothing could be judged; what was judged before is in the last report given to `onReport`.
 */
export async function runConformance(options: ConformanceOptions): Promise<Report> {
  const folder = options.folder ?? ".";
  const suite = await loadSuite(options.suite ?? defaultSuite, folder);
  const known = options.knownFailing === undefined ? [] : await readKnownFailing(folder, options.knownFailing);
  const scripts = await Promise.all((options.scenarios ?? []).map((file) => readScript(folder, file)));
  const surroundings = await openSurroundings(options);
  try {
    const own = [...(options.checks ?? []), ...scripts.map((script) => checkOfScript(script, surroundings.contract))];
    const checks = own.length === 0 ? catalogue : own;
    const tasks = chooseTasks(options, suite, checks, Object.keys(surroundings.targets) as Transport[]);
    const frame: ReportFrame = {
      command: options.command ?? ["halfclose", "run", ...options.urls],
      suite: suite.name,
      seed: options.seed ?? randomSeed(),
      startedAt: new Date().toISOString(),
      startMs: performance.now(),
      targetName: options.targetName,
      startCommand: options.start?.command,
      secrets: [...(options.secrets ?? []), ...surroundings.reach.secrets],
    };
    return await judge({ options, frame, surroundings, suite, known, checks, tasks });
  } finally {
    await surroundings.close();
  }
}

/** One run, ready to begin. */
interface Run {
  readonly options: ConformanceOptions;
  readonly frame: ReportFrame;
  readonly surroundings: Surroundings;
  readonly suite: Suite;
  readonly known: readonly KnownFailure[];
  readonly checks: readonly Check[];
  readonly tasks: readonly Task[];
}

function chooseTasks(options: ConformanceOptions, suite: Suite, checks: readonly Check[], available: readonly Transport[]): Task[] {
  if (suite.select === "none" && checks === catalogue) {
    return [];
  }
  const narrowed: Selection = { ...everything, ...options.select };
  const ofSuite: Selection = checks === catalogue && suite.select !== "none" ? { ...everything, ...suite.select } : everything;
  let tasks = selectTasks(checks, [ofSuite, narrowed], available);
  const { only, shard } = options;
  if (only !== undefined) {
    tasks = tasks.filter(({ check, transport }) => only.some((one) => one.id === check.id && one.transport === transport));
  }
  if (shard !== undefined) {
    tasks = shardOf(tasks, shard.index, shard.count);
  }
  if (tasks.length === 0) {
    throw new HarnessError("nothing-selected", shard === undefined ? "The selection leaves no check to run." : `Shard ${shard.index}/${shard.count} is empty.`);
  }
  return tasks;
}

async function judge(run: Run): Promise<Report> {
  const { options, frame, surroundings, suite } = run;
  const records: CheckRecord[] = [];
  const total = run.tasks.length * (options.repeat ?? 1);
  const partial = (): Report => assembleReport(frame, surroundings, { checks: withReproduce(run, records), partial: true });
  await options.onReport?.(partial);
  options.onEvent?.({ kind: "started", total, urls: surroundings.shownUrls });
  const outcomes = await performRounds(run, (record) => {
    records.push(record);
    options.onEvent?.({ kind: "check-finished", record: redact(record, frame.secrets), done: records.length, total });
    void options.onReport?.(partial);
  });
  const interrupted = options.signal?.aborted === true;
  const judged = judgeKnownFailing(
    joinRepeats(outcomes.map((outcome) => outcome.records)),
    run.known,
    run.checks.map(({ id }) => id),
  );
  const checks = withReproduce(run, judged.records);
  const death = await deathOf(
    surroundings,
    outcomes.some(({ targetDied }) => targetDied),
  );
  const workloads = interrupted || death !== undefined ? [] : await performWorkloads(run);
  const report = assembleReport(frame, surroundings, {
    checks,
    workloads,
    gates: [...judgeGates(suite, checks), ...(interrupted ? [] : judged.gates)],
    problems: [
      ...new Set([
        ...outcomes.flatMap((outcome) => outcome.problems),
        ...(death === undefined ? [] : [`${death}; it printed last: ${surroundings.log().slice(-500)}`]),
      ]),
    ],
    partial: interrupted,
    targetDied: death !== undefined || outcomes.some((outcome) => outcome.targetDied),
  });
  options.onEvent?.({ kind: "finished", report });
  return report;
}

/** One sentence when the target ended by itself; one that stopped answering gets a second to be seen ending. */
async function deathOf(surroundings: Surroundings, silent: boolean): Promise<string | undefined> {
  for (let n = silent ? 20 : 0; n > 0 && surroundings.death() === undefined; n--) {
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
  return surroundings.death();
}

async function performRounds({ options, frame, surroundings, tasks }: Run, onRecord: (record: CheckRecord) => void): Promise<RunOutcome[]> {
  const outcomes: RunOutcome[] = [];
  for (let round = 0; tasks.length > 0 && round < (options.repeat ?? 1) && options.signal?.aborted !== true; round++) {
    outcomes.push(
      await runChecks({
        contract: surroundings.contract,
        targets: surroundings.targets,
        drivers: surroundings.drivers,
        tasks,
        producer: surroundings.producer,
        probe: surroundings.probe,
        bounds: surroundings.bounds,
        seed: (frame.seed + round) >>> 0,
        ...(options.jobs === undefined ? {} : { jobs: options.jobs }),
        ...(options.patient === undefined ? {} : { patient: options.patient }),
        ...(options.retries === undefined ? {} : { retries: options.retries }),
        ...(options.maxFailures === undefined ? {} : { maxFailures: options.maxFailures }),
        ...(surroundings.restart === undefined ? {} : { restart: surroundings.restart }),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
        onStart: ({ check, transport }) => options.onEvent?.({ kind: "check-started", id: check.id, transport }),
        onRecord,
      }),
    );
  }
  return outcomes;
}

/** The workloads that the suite names, one after the other. */
async function performWorkloads({ options, frame, surroundings, suite }: Run): Promise<WorkloadRecord[]> {
  const records: WorkloadRecord[] = [];
  for (const name of suite.workloads) {
    records.push(
      await performWorkload(surroundings, {
        workload: loadWorkload(name),
        seed: frame.seed,
        signal: options.signal,
        onEvent: options.onEvent,
        contract: options.contract ?? defaultContract,
      }),
    );
  }
  return records;
}

/** Adds to what did not pass the line that runs just that again. */
function withReproduce(run: Run, records: readonly CheckRecord[]): CheckRecord[] {
  return records.map((record) =>
    ["failed", "warned", "broken", "known-failing"].includes(record.status) ? { ...record, reproduce: reproduceLine(run, record) } : record,
  );
}

function reproduceLine({ options, frame, surroundings }: Run, record: CheckRecord): string {
  const words = ["halfclose", "run"];
  if (options.start === undefined) {
    words.push(...surroundings.shownUrls);
  } else {
    words.push("--start", options.start.command, ...options.urls);
  }
  const given: readonly (readonly [name: string, value: string | undefined])[] = [
    ["contract", options.contract],
    ["http-url", options.httpUrl],
    ...(options.headers ?? []).map((header) => ["header", header] as const),
    ["token", options.token],
    ["ca", options.ca],
    ["cert", options.cert],
    ["key", options.key],
    ["servername", options.servername],
    ["driver", options.driver === "library" ? "library" : undefined],
    ...(options.scenarios ?? []).map((file) => ["scenario", file] as const),
    ["grep", record.id],
    ["transport", record.transport],
    ["seed", String(frame.seed)],
  ];
  for (const [name, value] of given) {
    if (value !== undefined) {
      words.push(`--${name}`, value);
    }
  }
  if (options.insecure === true) {
    words.push("--insecure");
  }
  return redact(words.map(quoteForShell).join(" "), frame.secrets);
}

/** A word as a POSIX shell takes it. */
export function quoteForShell(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

async function readKnownFailing(folder: string, file: string): Promise<KnownFailure[]> {
  return parseKnownFailing(await readText(folder, file, "config", "known-failing file"), file);
}

async function readScript(folder: string, file: string): Promise<ScriptFile> {
  return parseScript(await readText(folder, file, "scenario", "scenario"), file);
}

async function readText(folder: string, file: string, code: HarnessErrorCode, what: string): Promise<string> {
  try {
    return await readFile(path.resolve(folder, file), "utf8");
  } catch (thrown) {
    throw new HarnessError(code, `The ${what} cannot be read: ${messageOf(thrown)}.`, { place: file, cause: thrown });
  }
}

/** A seed for a run that was given none. */
export function randomSeed(): number {
  return Math.floor(Math.random() * 2 ** 31);
}
