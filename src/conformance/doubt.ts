import type { Bounds } from "../core/contract.js";
import { tooBusy } from "../core/verdict.js";
import type { Outcome } from "./outcome.js";
import { runsAlone, type Task } from "./task.js";

/** Why a verdict against the target may be due to what ran beside the check, in this process or on the server; undefined when it is not. */
export function doubtAbout(task: Task, outcome: Outcome, bounds: Bounds): string | undefined {
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
export function spoiltByLateness({ verdict, session, outran }: Outcome): string | undefined {
  if (verdict.status === "broken") {
    return verdict.cause.includes(tooBusy) ? verdict.cause : undefined;
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
export function lackOfStreams({ verdict, turnedAway }: Outcome): Pick<Outcome, "verdict"> | undefined {
  return (verdict.status === "failed" || verdict.status === "warned") && turnedAway !== undefined && turnedAway.beside >= fewestStreams
    ? {
        verdict: {
          status: "unproven",
          lacked: `more streams at once than the server takes: beside ${turnedAway.beside} it turned one away (${turnedAway.how})`,
        },
      }
    : undefined;
}
