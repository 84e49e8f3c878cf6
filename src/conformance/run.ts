import { performance } from "node:perf_hooks";
import type { Bounds, Contract, Transport } from "../core/contract.js";
import type { CheckRecord } from "../core/report.js";
import type { Driver } from "../core/stream.js";
import type { Target } from "../core/target.js";
import { isTooBusy } from "../core/verdict.js";
import { recordOf } from "./check-record.js";
import { isVerdictAgainst, withConsequences } from "./consequences.js";
import { doubtAbout, lackOfStreams, spoiltByLateness } from "./doubt.js";
import { untilCalm, watchLoop } from "./loop-watch.js";
import { performOnce } from "./outcome.js";
import { preflight } from "./preflight.js";
import { createServerLag } from "./server-lag.js";
import type { RunContext, RunProbe } from "./session.js";
import type { DraftProducer } from "./supply.js";
import { runsAlone, type Task } from "./task.js";

export interface RunOptions {
  readonly contract: Contract;
  readonly targets: Readonly<Partial<Record<Transport, Target>>>;
  readonly drivers: Readonly<Partial<Record<Transport, Driver>>>;
  readonly tasks: readonly Task[];
  readonly producer: DraftProducer | undefined;
  /** Why there is no producer, in the user's words. */
  readonly producerMissing?: string;
  readonly probe: RunProbe;
  readonly bounds: Bounds;
  /** How many checks run at once, those that run alone excepted; default 8. */
  readonly jobs?: number;
  readonly seed: number;
  /** How often a failed check is tried again; a pass then is marked flaky. Default 0. */
  readonly retries?: number;
  /** Stop after that many failures; default unlimited. What did not run is reported unproven. */
  readonly maxFailures?: number;
  readonly restart?: RunContext["restart"];
  /** Whether checks may wait for what only shows late (5 s and more); default true. */
  readonly patient?: boolean;
  readonly signal?: AbortSignal;
  readonly onStart?: (task: Task) => void;
  readonly onRecord?: (record: CheckRecord, done: number, total: number) => void;
}

export interface RunOutcome {
  readonly records: readonly CheckRecord[];
  /** What belongs to no check: the target stopped answering. */
  readonly problems: readonly string[];
  readonly targetDied: boolean;
}

/** What others stand on comes first, so that they need not wait for what is known not to come. */
function byRank(tasks: readonly Task[]): Task[] {
  const basic = new Set(tasks.flatMap(({ check }) => check.dependsOn ?? []));
  const rank = ({ check }: Task): number => (basicChecks.includes(check.id) ? 0 : basic.has(check.id) ? 1 : 2);
  return tasks.toSorted((a, b) => rank(a) - rank(b));
}

/** The behaviours that a session itself stands on. */
const basicChecks: readonly string[] = ["opening/ws-upgrade-before-entries", "first-filter/takes-effect", "filter-updates/takes-effect", "eof/while-idle"];

/** How often a check is asked with nothing beside it while this process is too late to tell, and for how long, over all checks, it is asked more than once. */
const mostAsked = 4;
const longestInsistingMs = 12_000;

/**
 * Runs the tasks: those that do not disturb each other side by side, the others alone afterwards.
 * @throws HarnessError `unreachable` when a target does not answer at the start.
 */
export async function runChecks(options: RunOptions): Promise<RunOutcome> {
  const watch = watchLoop();
  const lag = createServerLag();
  try {
    const supply = await preflight({
      contract: options.contract,
      targets: options.targets,
      drivers: options.drivers,
      producer: options.producer === undefined ? undefined : lag.watched(options.producer),
      producerMissing: options.producerMissing,
      watch,
      applyMs: options.bounds.applyMs,
    });
    const shownBroken = new Set<string>();
    const context: RunContext = {
      shownBroken,
      contract: options.contract,
      targets: options.targets,
      drivers: options.drivers,
      supply,
      probe: options.probe,
      bounds: options.bounds,
      watch,
      lag,
      seed: options.seed,
      patient: options.patient ?? true,
      restart: options.restart,
    };
    return await runTasks(context, options, shownBroken);
  } finally {
    watch.stop();
  }
}

async function runTasks(context: RunContext, options: RunOptions, shownBroken: Set<string>): Promise<RunOutcome> {
  const records: CheckRecord[] = [];
  const problems = new Set<string>();
  let failures = 0;
  const stopped = (): string | undefined => {
    if (options.signal?.aborted === true) {
      return "the run was interrupted before it";
    }
    return failures >= (options.maxFailures ?? Infinity) ? `the run stopped after ${failures} failures (--max-failures)` : undefined;
  };
  /** The server takes fewer streams than checks side by side open. */
  let isCrowded = false;
  /** What is to be asked once more, and why. */
  const again: (readonly [Task, string])[] = [];
  const stumbles = new Map<string, readonly string[]>();
  const perform = async (task: Task, doubted?: { readonly why: string; readonly insistUntilMs: number }): Promise<void> => {
    const why = stopped();
    let record: CheckRecord;
    if (why !== undefined) {
      record = recordOf(context, task, { verdict: { status: "unproven", lacked: why }, elapsedMs: 0, lateMs: 0 });
    } else {
      options.onStart?.(task);
      const ask = (): Promise<Attempt> =>
        attempt(context, task, { ...options, isAlone: doubted !== undefined || runsAlone(task) }, (problem) => problems.add(problem));
      let tried = await ask();
      const isOpen = (): boolean => isTooBusy(tried.record) && performance.now() < (doubted?.insistUntilMs ?? 0) && stopped() === undefined;
      // Until this process is on time for the answer, or has been late too often.
      for (let asked = 1; asked < mostAsked && isOpen(); asked++) {
        await untilCalm(context.watch);
        tried = await ask();
      }
      isCrowded ||= tried.isCrowded;
      if (tried.doubt !== undefined && doubted === undefined && options.signal?.aborted !== true) {
        again.push([task, tried.doubt]);
        return;
      }
      record =
        doubted === undefined || tried.record.status !== "passed"
          ? tried.record
          : { ...tried.record, reason: `asked again, with nothing beside it: ${doubted.why}` };
      stumbles.set(`${record.id}|${record.transport}`, tried.basis);
    }
    if (record.status === "failed") {
      failures += 1;
      shownBroken.add(`${record.id}|${record.transport}`);
    }
    records.push(record);
    options.onRecord?.(record, records.length, options.tasks.length);
  };

  const shared = options.tasks.filter((task) => !runsAlone(task));
  const alone = options.tasks.filter(({ check }) => check.exclusive === true && check.last !== true);
  const counting = ({ check }: Task): boolean => check.needs?.includes("probe") === true;
  const inTurn = async (tasks: readonly Task[]): Promise<void> => {
    for (const task of tasks) {
      await perform(task);
    }
  };
  // Those that mostly wait begin at once and end when they end; only what counts the server's streams must not meet them.
  const waiting = Promise.all(shared.filter(({ check }) => check.slow === true).map((task) => perform(task)));
  const queue = byRank(shared.filter(({ check }) => check.slow !== true));
  const worker = async (number: number): Promise<void> => {
    for (let task = queue.shift(); task !== undefined; task = isCrowded && number > 0 ? undefined : queue.shift()) {
      await perform(task);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, options.jobs ?? 8) }, (_, number) => worker(number)));
  await inTurn(alone.filter((task) => !counting(task)));
  await waiting;
  await inTurn(alone.filter(counting));
  await inTurn(options.tasks.filter(({ check }) => check.last === true));
  // What our own lateness may have decided, a peer that lost its patience with us, or a server that was behind with what other checks wrote.
  const insistUntilMs = performance.now() + longestInsistingMs;
  for (const [task, why] of again) {
    await perform(task, { why, insistUntilMs });
  }
  return { records: withConsequences(inOrder(records, options.tasks), options.tasks, stumbles), problems: [...problems], targetDied: problems.size > 0 };
}

interface Attempt {
  readonly record: CheckRecord;
  readonly basis: readonly string[];
  /** Why it should be asked again with nothing beside it; undefined where it need not. */
  readonly doubt: string | undefined;
  readonly isCrowded: boolean;
}

async function attempt(
  context: RunContext,
  task: Task,
  options: RunOptions & { /** Nothing runs beside it. */ readonly isAlone: boolean },
  problem: (text: string) => void,
): Promise<Attempt> {
  const attempts = 1 + (options.retries ?? 0);
  let n = 1;
  let outcome = await performOnce(context, task, options.signal, problem);
  while (n < attempts && (outcome.verdict.status === "failed" || outcome.verdict.status === "broken")) {
    n += 1;
    outcome = await performOnce(context, task, options.signal, problem);
  }
  const excusable = outcome.onSight !== true;
  const spoiled = excusable ? spoiltByLateness(outcome) : undefined;
  const crowded = excusable && options.isAlone ? lackOfStreams(outcome) : undefined;
  const record = recordOf(context, task, spoiled === undefined ? { ...outcome, ...crowded } : { ...outcome, verdict: { status: "broken", cause: spoiled } });
  const better = record.status !== "failed" && record.status !== "broken";
  return {
    record: n > 1 && better ? { ...record, flaky: n } : record,
    basis: outcome.basis ?? [],
    doubt: spoiled ?? (isVerdictAgainst(record) && excusable ? doubtAbout(task, outcome, context.bounds) : undefined),
    isCrowded: !options.isAlone && outcome.turnedAway !== undefined && isVerdictAgainst(record),
  };
}

function inOrder(records: readonly CheckRecord[], tasks: readonly Task[]): CheckRecord[] {
  const place = new Map(tasks.map(({ check, transport }, index) => [`${check.id}|${transport}`, index]));
  const at = (record: CheckRecord): number => place.get(`${record.id}|${record.transport}`) ?? Infinity;
  return records.toSorted((a, b) => at(a) - at(b));
}
