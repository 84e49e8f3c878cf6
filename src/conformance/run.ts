import { performance } from "node:perf_hooks";
import type { Bounds, Contract, Transport } from "../core/contract.js";
import { HarnessError, messageOf } from "../core/errors.js";
import type { CheckRecord } from "../core/report.js";
import type { Driver } from "../core/stream.js";
import type { Target } from "../core/target.js";
import { tooBusy, VerdictSignal, type Verdict } from "../core/verdict.js";
import type { Check } from "./check.js";
import { isVerdictAgainst, withConsequences } from "./consequences.js";
import { watchLoop } from "./loop-watch.js";
import { preflight } from "./preflight.js";
import { createServerLag } from "./server-lag.js";
import { createSession, type OwnedSession, type RunContext, type RunProbe, type Session } from "./session.js";
import type { DraftProducer } from "./supply.js";

/** One check to be run on one transport. */
export interface Task {
  readonly check: Check;
  readonly transport: Transport;
}

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

function runsAlone({ check }: Task): boolean {
  return check.exclusive === true || check.last === true;
}

/** The behaviours that a session itself stands on. */
const basicChecks: readonly string[] = ["opening/ws-upgrade-before-entries", "first-filter/takes-effect", "filter-updates/takes-effect", "eof/while-idle"];

/** Longest text of one part of a verdict. */
const longestText = 600;

/** Longest time one check may take, whatever it waits for. */
const checkLimitMs = 60_000;

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
  const perform = async (task: Task, doubted?: string): Promise<void> => {
    const why = stopped();
    let record: CheckRecord;
    if (why !== undefined) {
      record = recordOf(context, task, { verdict: { status: "unproven", lacked: why }, elapsedMs: 0, lateMs: 0 });
    } else {
      options.onStart?.(task);
      const isAlone = doubted !== undefined || runsAlone(task);
      const tried = await attempt(context, task, { ...options, isAlone }, (problem) => problems.add(problem));
      isCrowded ||= tried.isCrowded;
      if (tried.doubt !== undefined && doubted === undefined && options.signal?.aborted !== true) {
        again.push([task, tried.doubt]);
        return;
      }
      record =
        doubted === undefined || tried.record.status !== "passed"
          ? tried.record
          : { ...tried.record, reason: `asked again, with nothing beside it: ${doubted}` };
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
  for (const [task, doubt] of again) {
    await perform(task, doubt);
  }
  return { records: withConsequences(inOrder(records, options.tasks), options.tasks, stumbles), problems: [...problems], targetDied: problems.size > 0 };
}

async function attempt(
  context: RunContext,
  task: Task,
  options: RunOptions & { /** Nothing runs beside it. */ readonly isAlone: boolean },
  problem: (text: string) => void,
): Promise<{ readonly record: CheckRecord; readonly basis: readonly string[]; readonly doubt: string | undefined; readonly isCrowded: boolean }> {
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

/** Why a verdict against the target may be due to what ran beside the check, in this process or on the server; undefined when it is not. */
function doubtAbout(task: Task, outcome: Outcome, bounds: Bounds): string | undefined {
  const at = `at first "${"actual" in outcome.verdict ? outcome.verdict.actual : outcome.verdict.status}"`;
  if (outcome.lateMs >= 300) {
    return `${at}, while the harness's own loop was late by ${Math.round(outcome.lateMs)} ms`;
  }
  const accompanied = !runsAlone(task);
  if (accompanied && outcome.turnedAway !== undefined) {
    return `${at}, while the server, which had the streams of other checks, turned one away: ${outcome.turnedAway.how}`;
  }
  // What came and was wrong is wrong however late it came.
  const waitedInVain = (outcome.session?.waiter.inVain.waitedMs ?? 0) > 0;
  if (accompanied && waitedInVain && (outcome.behindMs ?? 0) >= bounds.applyMs / 4) {
    return `${at}, while the server was ${Math.round(outcome.behindMs ?? 0)} ms behind with entries that the run itself wrote`;
  }
  return undefined;
}

/** In words, when a verdict against the target rests on waits in which this process itself was late for long. */
function spoiltByLateness({ verdict, session, outran }: Outcome): string | undefined {
  if (verdict.status === "broken") {
    return verdict.cause.startsWith("the harness's own loop was late") ? verdict.cause : undefined;
  }
  const { lateMs, waitedMs } = session?.waiter.inVain ?? { lateMs: 0, waitedMs: 0 };
  if (verdict.status !== "failed" && verdict.status !== "warned") {
    return undefined;
  }
  if (outran === true) {
    return `the server ended a stream as too slow a reader although the check read all the time (${verdict.actual}): ${tooBusy}`;
  }
  // Waits are prolonged by what the loop was late: a small part of a long one decides nothing.
  if (lateMs < Math.max(300, waitedMs / 5)) {
    return undefined;
  }
  return `the harness's own loop was late by ${Math.round(lateMs)} ms of ${Math.round(waitedMs)} ms in which it waited in vain (${verdict.actual}): ${tooBusy}`;
}

/** A server may bound its streams, and says so by turning away the next; one that bears so few is not asked what takes more. */
const fewestStreams = 4;

/** The verdict of a check that failed with more streams at once than the server takes; undefined when that is not why. */
function lackOfStreams({ verdict, turnedAway }: Outcome): Pick<Outcome, "verdict"> | undefined {
  return (verdict.status === "failed" || verdict.status === "warned") && turnedAway !== undefined && turnedAway.beside >= fewestStreams
    ? {
        verdict: {
          status: "unproven",
          lacked: `more streams at once than the server takes: beside ${turnedAway.beside} it turned one away (${turnedAway.how})`,
        },
      }
    : undefined;
}

interface Outcome {
  readonly verdict: Verdict;
  readonly basis?: readonly string[];
  /** Whether the verdict rests on no time; default false. */
  readonly onSight?: boolean;
  readonly elapsedMs: number;
  readonly session?: Session;
  readonly ends?: readonly string[];
  readonly outran?: boolean;
  readonly turnedAway?: OwnedSession["turnedAway"];
  /** Milliseconds that the server was behind at the end of the check with what the run had written. */
  readonly behindMs?: number;
  /** Milliseconds by which this process's loop was late while the check ran, whatever it waited for. */
  readonly lateMs: number;
}

async function performOnce(context: RunContext, task: Task, signal: AbortSignal | undefined, problem: (text: string) => void): Promise<Outcome> {
  const { check, transport } = task;
  const startMs = performance.now();
  const driver = context.drivers[transport];
  const missing = check.needs?.includes("wire") === true && driver !== undefined && driver.hides.length > 0;
  const absent = lackOf(context, check);
  if (absent !== undefined) {
    return { verdict: absent, elapsedMs: 0, lateMs: 0 };
  }
  if (missing) {
    return {
      verdict: { status: "unproven", lacked: `a driver that shows the wire: ${driver.name} hides ${driver.hides.join("; ")}` },
      elapsedMs: 0,
      lateMs: 0,
    };
  }
  const owned = createSession(context, transport, context.seed ^ hashOf(`${check.id}|${transport}`));
  const { session } = owned;
  let timer: NodeJS.Timeout | undefined;
  const abort = (): void => session.waiter.abort(new VerdictSignal({ status: "unproven", lacked: "the run was interrupted" }));
  signal?.addEventListener("abort", abort, { once: true });
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const late = new VerdictSignal({ status: "broken", cause: `the check did not finish within ${checkLimitMs / 1000} s` });
      session.waiter.abort(late);
      reject(late);
    }, checkLimitMs);
  });
  const interrupted = new Promise<never>((_, reject) => {
    signal?.addEventListener("abort", () => reject(new VerdictSignal({ status: "unproven", lacked: "the run was interrupted" })), { once: true });
  });
  let verdict: Verdict = { status: "passed" };
  let basis: readonly string[] = [];
  let onSight = false;
  try {
    await Promise.race([check.run(session), limit, interrupted]);
  } catch (thrown) {
    verdict = verdictOf(thrown, check, problem);
    if (thrown instanceof VerdictSignal) {
      basis = before(thrown.basis, check.id);
      ({ onSight } = thrown);
    }
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
  const elapsedMs = performance.now() - startMs;
  const lateMs = context.watch.latenessMsSince(startMs);
  const ends = owned.ends();
  const { outran, turnedAway } = owned;
  const behindMs = context.lag.behindMs();
  await owned.close();
  return { verdict, basis, onSight, elapsedMs, session, ends, outran, turnedAway, behindMs, lateMs };
}

/** The verdict of a check that needs what is not there. */
function lackOf(context: RunContext, check: Check): Verdict | undefined {
  const { producer } = context.supply;
  const probe = context.probe.state;
  if (check.needs?.includes("producer") === true && producer.kind !== "ready") {
    return producer.kind === "declared-none"
      ? { status: "not-applicable", declared: "the contract declares that there is no producer" }
      : { status: "unproven", lacked: `a producer: ${producer.reason}` };
  }
  if (check.needs?.includes("probe") === true && probe.kind !== "ready") {
    return probe.kind === "declared-none"
      ? { status: "not-applicable", declared: "the contract declares that there is no probe" }
      : { status: "unproven", lacked: `a probe of what the server holds: ${probe.reason}` };
  }
  return undefined;
}

function verdictOf(thrown: unknown, check: Check, problem: (text: string) => void): Verdict {
  if (thrown instanceof VerdictSignal) {
    const { verdict } = thrown;
    if (verdict.status === "failed" && check.level === "should") {
      return { ...verdict, status: "warned" };
    }
    if (verdict.status === "failed" && check.level === "info") {
      return { status: "passed", note: verdict.actual };
    }
    return verdict;
  }
  if (thrown instanceof HarnessError && (thrown.code === "unreachable" || thrown.code === "target-died")) {
    problem(thrown.message);
    return { status: "broken", cause: `the target stopped accepting connections: ${thrown.message}` };
  }
  return { status: "broken", cause: thrown instanceof Error ? (thrown.stack ?? thrown.message) : messageOf(thrown) };
}

function recordOf(context: RunContext, task: Task, outcome: Outcome): CheckRecord {
  const { check, transport } = task;
  const { verdict, session } = outcome;
  const driver = context.drivers[transport];
  const use = session?.waiter.use;
  const kept = verdict.status !== "passed" && verdict.status !== "not-applicable" && session !== undefined;
  return {
    id: check.id,
    transport,
    driver: driver?.name ?? (transport === "grpc" ? "grpc-wire" : "websocket-wire"),
    level: check.level,
    status: verdict.status,
    requirement: check.requirement,
    clause: check.clause,
    ...("expected" in verdict ? { expected: readable(verdict.expected), actual: readable(verdict.actual) } : {}),
    ...reasonOf(verdict),
    elapsedMs: round(outcome.elapsedMs),
    ...(use === undefined ? {} : { usedMs: round(use.usedMs), boundMs: use.boundMs }),
    ends: outcome.ends ?? [],
    ...(kept ? { timeline: session.timeline.events, timelineDropped: session.timeline.dropped } : {}),
  };
}

function reasonOf(verdict: Verdict): { readonly reason?: string } {
  switch (verdict.status) {
    case "unproven":
      return { reason: readable(verdict.lacked) };
    case "not-applicable":
      return { reason: verdict.declared };
    case "broken":
      return { reason: verdict.cause };
    case "known-failing":
      return { reason: verdict.reason };
    case "passed":
      return verdict.note === undefined ? {} : { reason: readable(verdict.note) };
    default:
      return {};
  }
}

/** The ids that stand before this one, or all where it is not among them: what comes later in such a list stands on it. */
function before(ids: readonly string[], id: string): readonly string[] {
  const place = ids.indexOf(id);
  return place < 0 ? ids : ids.slice(0, place);
}

/** Verdicts quote filters and entries, which may be of any length. */
function readable(text: string): string {
  return text.length > longestText ? `${text.slice(0, longestText - 1)}…` : text;
}

function inOrder(records: readonly CheckRecord[], tasks: readonly Task[]): CheckRecord[] {
  const place = new Map(tasks.map(({ check, transport }, index) => [`${check.id}|${transport}`, index]));
  const at = (record: CheckRecord): number => place.get(`${record.id}|${record.transport}`) ?? Infinity;
  return records.toSorted((a, b) => at(a) - at(b));
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}

/** FNV-1a, so that a check's random choices do not depend on which others run. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
}
