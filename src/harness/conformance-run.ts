import { readFile } from "node:fs/promises";
import path from "node:path";
import { performance } from "node:perf_hooks";
import { checks as catalogue } from "../../scenarios/index.js";
import type { Check } from "../conformance/check.js";
import { judgeKnownFailing, type KnownFailure, parseKnownFailing } from "../conformance/known-failing.js";
import { joinRepeats } from "../conformance/repeat.js";
import { runChecks, type RunOutcome, type Task } from "../conformance/run.js";
import { selectTasks, shardOf, type Selection } from "../conformance/select.js";
import { judgeGates, type Suite } from "../conformance/suite.js";
import type { Transport } from "../core/contract.js";
import { HarnessError, messageOf } from "../core/errors.js";
import { combineExitCodes, exitCodeOf, exitCodes } from "../core/exit-code.js";
import { type CheckRecord, type GateRecord, type Report, reportSchema, type RunEvent } from "../core/report.js";
import { describeEnvironment } from "./environment.js";
import { redact } from "./redact.js";
import { loadSuite } from "./suites.js";
import { openSurroundings, type Surroundings, type SurroundingsOptions } from "./surroundings.js";
import { harnessVersion } from "./version.js";

/** What a conformance run needs to know; every part but the URLs has a default. */
export interface ConformanceOptions extends SurroundingsOptions {
  /** Name of a suite that comes with the harness, or a path. Default `conformance`. */
  readonly suite?: string | undefined;
  /** Narrows the suite. */
  readonly select?: Partial<Selection>;
  /** Further checks, such as those made of YAML scenarios; when given, only they run. */
  readonly checks?: readonly Check[];
  /** Just these checks on these transports, within the selection. */
  readonly only?: readonly { readonly id: string; readonly transport: Transport }[];
  readonly jobs?: number | undefined;
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

/** What stays the same in every state of a run's report. */
interface Frame {
  readonly options: ConformanceOptions;
  readonly suite: Suite;
  readonly seed: number;
  readonly startedAt: string;
  readonly startMs: number;
  readonly secrets: readonly string[];
}

/**
 * Judges a target: the whole of `halfclose run`, without its output.
 * @throws HarnessError when nothing could be judged; what was judged before is in the last report given to `onReport`.
 */
export async function runConformance(options: ConformanceOptions): Promise<Report> {
  const folder = options.folder ?? ".";
  const suite = await loadSuite(options.suite ?? "conformance", folder);
  const known = options.knownFailing === undefined ? [] : await readKnownFailing(folder, options.knownFailing);
  const checks = options.checks ?? catalogue;
  const tasksFor = (available: readonly Transport[]): Task[] => chooseTasks(options, suite, checks, available);
  const surroundings = await openSurroundings(options);
  const frame: Frame = {
    options,
    suite,
    seed: options.seed ?? randomSeed(),
    startedAt: new Date().toISOString(),
    startMs: performance.now(),
    secrets: [...(options.secrets ?? []), ...surroundings.reach.secrets],
  };
  try {
    const tasks = tasksFor(Object.keys(surroundings.targets) as Transport[]);
    return await judge(frame, surroundings, tasks, { known, checks });
  } finally {
    await surroundings.close();
  }
}

function chooseTasks(options: ConformanceOptions, suite: Suite, checks: readonly Check[], available: readonly Transport[]): Task[] {
  const narrowed: Selection = { ids: [], topics: [], levels: [], transports: [], ...options.select };
  const ofSuite: Selection = options.checks === undefined ? { ...suite.select, transports: [] } : { ids: [], topics: [], levels: [], transports: [] };
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

async function judge(
  frame: Frame,
  surroundings: Surroundings,
  tasks: readonly Task[],
  rest: { readonly known: readonly KnownFailure[]; readonly checks: readonly Check[] },
): Promise<Report> {
  const { options, suite, seed } = frame;
  const records: CheckRecord[] = [];
  const repeat = options.repeat ?? 1;
  const total = tasks.length * repeat;
  const partial = (): Report =>
    makeReport(frame, surroundings, { records: withReproduce(frame, surroundings, records), gates: [], problems: [], partial: true });
  await options.onReport?.(partial);
  options.onEvent?.({ kind: "started", total, urls: surroundings.shownUrls });

  const outcomes: RunOutcome[] = [];
  for (let round = 0; round < repeat && options.signal?.aborted !== true; round++) {
    outcomes.push(
      await runChecks({
        contract: surroundings.contract,
        targets: surroundings.targets,
        drivers: surroundings.drivers,
        tasks,
        producer: surroundings.producer,
        ...(surroundings.producerMissing === undefined ? {} : { producerMissing: surroundings.producerMissing }),
        probe: surroundings.probe,
        bounds: surroundings.bounds,
        seed: (seed + round) >>> 0,
        ...(options.jobs === undefined ? {} : { jobs: options.jobs }),
        ...(options.retries === undefined ? {} : { retries: options.retries }),
        ...(options.maxFailures === undefined ? {} : { maxFailures: options.maxFailures }),
        ...(surroundings.restart === undefined ? {} : { restart: surroundings.restart }),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
        onStart: ({ check, transport }) => options.onEvent?.({ kind: "check-started", id: check.id, transport }),
        onRecord: (record) => {
          records.push(record);
          const event: RunEvent = { kind: "check-finished", record: redact(record, frame.secrets), done: records.length, total };
          options.onEvent?.(event);
          void options.onReport?.(partial);
        },
      }),
    );
  }
  const interrupted = options.signal?.aborted === true;
  const joined = joinRepeats(outcomes.map((outcome) => outcome.records));
  const judged = judgeKnownFailing(
    joined,
    rest.known,
    rest.checks.map(({ id }) => id),
  );
  const problems = [
    ...new Set([...outcomes.flatMap((outcome) => outcome.problems), ...(surroundings.death() === undefined ? [] : [surroundings.death() as string])]),
  ];
  const targetDied = surroundings.death() !== undefined || outcomes.some((outcome) => outcome.targetDied);
  const report = makeReport(frame, surroundings, {
    records: withReproduce(frame, surroundings, judged.records),
    gates: [...judgeGates(suite, judged.records), ...(interrupted ? [] : judged.gates)],
    problems,
    partial: interrupted,
    targetDied,
  });
  options.onEvent?.({ kind: "finished", report });
  return report;
}

function makeReport(
  frame: Frame,
  surroundings: Surroundings,
  found: {
    readonly records: readonly CheckRecord[];
    readonly gates: readonly GateRecord[];
    readonly problems: readonly string[];
    readonly partial: boolean;
    readonly targetDied?: boolean;
  },
): Report {
  const { options, suite } = frame;
  const report = {
    schema: reportSchema,
    harness: { name: "halfclose", version: harnessVersion() },
    command: options.command ?? ["halfclose", "run", ...options.urls],
    startedAt: frame.startedAt,
    elapsedMs: Math.round(performance.now() - frame.startMs),
    seed: frame.seed,
    target: {
      urls: surroundings.shownUrls,
      contract: { name: surroundings.contract.name, source: surroundings.contract.source, hash: surroundings.contract.hash },
      suite: suite.name,
      identity: options.targetName,
      start: options.start?.command,
    },
    environment: describeEnvironment(),
    partial: found.partial,
    checks: found.records,
    workloads: [],
    gates: found.gates,
    problems: found.problems,
  } as const;
  return redact({ ...report, exitCode: exitCodeFor(report, found.targetDied === true) }, frame.secrets);
}

/** A target that died explains what is broken: that is no bug of the harness. */
function exitCodeFor(report: Pick<Report, "checks" | "workloads" | "gates">, targetDied: boolean): number {
  if (!targetDied) {
    return exitCodeOf(report);
  }
  const rest = exitCodeOf({ ...report, checks: report.checks.filter(({ status }) => status !== "broken") });
  return combineExitCodes([exitCodes.target, rest]);
}

/** Adds to what did not pass the line that runs just that again. */
function withReproduce(frame: Frame, surroundings: Surroundings, records: readonly CheckRecord[]): CheckRecord[] {
  return records.map((record) =>
    ["failed", "warned", "broken", "known-failing"].includes(record.status) ? { ...record, reproduce: reproduceLine(frame, surroundings, record) } : record,
  );
}

function reproduceLine({ options, seed }: Frame, surroundings: Surroundings, record: CheckRecord): string {
  const words = ["halfclose", "run"];
  if (options.start === undefined) {
    words.push(...surroundings.shownUrls);
  } else {
    words.push("--start", options.start.command, ...options.urls);
  }
  const value = (name: string, text: string | undefined): void => {
    if (text !== undefined) {
      words.push(`--${name}`, text);
    }
  };
  value("contract", options.contract);
  value("http-url", options.httpUrl);
  for (const header of options.headers ?? []) {
    value("header", header);
  }
  value("token", options.token);
  value("ca", options.ca);
  if (options.insecure === true) {
    words.push("--insecure");
  }
  if (options.driver === "library") {
    words.push("--driver", "library");
  }
  value("grep", record.id);
  value("transport", record.transport);
  value("seed", String(seed));
  return redact(words.map(quoteForShell).join(" "), surroundings.reach.secrets);
}

/** A word as a POSIX shell takes it. */
export function quoteForShell(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

async function readKnownFailing(folder: string, file: string): Promise<KnownFailure[]> {
  let text: string;
  try {
    text = await readFile(path.resolve(folder, file), "utf8");
  } catch (thrown) {
    throw new HarnessError("config", `The known-failing file cannot be read: ${messageOf(thrown)}.`, {
      place: file,
      hint: "--write-known-failing writes one",
      cause: thrown,
    });
  }
  return parseKnownFailing(text, file);
}

function randomSeed(): number {
  return Math.floor(Math.random() * 2 ** 31);
}
