import { performance } from "node:perf_hooks";
import { HarnessError, messageOf } from "../core/errors.js";
import { VerdictSignal, type Verdict } from "../core/verdict.js";
import type { Check } from "./check.js";
import { createSession, type OwnedSession, type RunContext, type Session } from "./session.js";
import type { Task } from "./task.js";

/** Longest time one check may take, whatever it waits for. */
const checkLimitMs = 60_000;

/** What one asking of a check came to. */
export interface Outcome {
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

/** Asks once: opens a session, runs the check within its limit, closes. */
export async function performOnce(context: RunContext, task: Task, signal: AbortSignal | undefined, problem: (text: string) => void): Promise<Outcome> {
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

/** The ids that stand before this one, or all where it is not among them: what comes later in such a list stands on it. */
function before(ids: readonly string[], id: string): readonly string[] {
  const place = ids.indexOf(id);
  return place < 0 ? ids : ids.slice(0, place);
}

/** FNV-1a, so that a check's random choices do not depend on which others run. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
}
