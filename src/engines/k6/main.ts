import exec from "k6/execution";
import { Trend } from "k6/metrics";
import { clearInterval, setInterval } from "k6/timers";
import { dueNow } from "./arrivals.js";
import { Performer } from "./performer.js";
import type { K6Group } from "./plan.js";
import { beginMicros, nowMicros, plan, startOf } from "./run.js";
import { Sheet } from "./sheet.js";

/** When the measured part begins, in milliseconds since the Unix epoch. */
const beginAt = new Trend("hc_begin");

/** k6 hangs for ever when it interrupts an iteration that has a stream open: each ends itself before that is due. */
const interruptLaterMs = 2 * 60 * 1000;
/** Streams share one ticker's rate, so that many of them do not drown k6 in points. */
const tickMs = Math.max(100, 2 * plan.groups.reduce((sum, group) => sum + (group.arrivals?.inFlight ?? group.streams), 0));

/** k6 takes whole rates: so many in this time are fine enough. */
const rateUnitSeconds = 1000;

export const options = {
  scenarios: Object.fromEntries(
    plan.groups.map((group, i) => [
      `g${i}`,
      {
        exec: "perform",
        env: { HALFCLOSE_GROUP: String(i) },
        tags: { group: group.name },
        ...(group.arrivals === null ? lasting(group) : arriving(group, group.arrivals)),
      },
    ]),
  ),
  systemTags: [],
  insecureSkipTLSVerify: plan.insecure,
  ...(plan.clientCertificate === null ? {} : { tlsAuth: [plan.clientCertificate] }),
};

/** A virtual user for each stream, which is there until the end. */
function lasting(group: K6Group): object {
  return {
    executor: "per-vu-iterations",
    vus: group.streams,
    iterations: 1,
    maxDuration: `${Math.ceil(plan.setupMs + plan.warmUpMs + plan.durationMs + plan.finishMs + interruptLaterMs)}ms`,
    gracefulStop: "1s",
  };
}

/** An iteration for each stream, on k6's schedule. */
function arriving(group: K6Group, { stages, inFlight }: NonNullable<K6Group["arrivals"]>): object {
  const rateOf = (perSecond: number): number => Math.round(perSecond * rateUnitSeconds);
  return {
    executor: "ramping-arrival-rate",
    startTime: `${Math.ceil(startOf(group) / 1000)}ms`,
    startRate: rateOf(stages[0]?.fromPerSecond ?? 0),
    timeUnit: `${rateUnitSeconds}s`,
    preAllocatedVUs: inFlight,
    maxVUs: inFlight,
    // A stage without length sets the rate at once.
    stages: stages.flatMap(({ durationMs, fromPerSecond, toPerSecond }) => [
      { duration: "0s", target: rateOf(fromPerSecond) },
      { duration: `${Math.round(durationMs)}ms`, target: rateOf(toPerSecond) },
    ]),
    gracefulStop: `${Math.ceil(plan.finishMs + interruptLaterMs)}ms`,
  };
}

// A test holds these to the native engine.
export { dueOf } from "./arrivals.js";
export { Book } from "./book.js";
export { Performer } from "./performer.js";
export { Sheet } from "./sheet.js";

let beginTold = false;

/** One stream, from its opening to its end. */
export async function perform(): Promise<void> {
  const group = plan.groups[Number(__ENV.HALFCLOSE_GROUP)];
  if (group === undefined) {
    throw new Error("the plan has no such group");
  }
  const number = exec.scenario.iterationInTest;
  const targetIndex = group.targets[number % group.targets.length] ?? 0;
  const sheet = new Sheet();
  const stream = new Performer(group, targetIndex, sheet);
  if (!beginTold) {
    beginTold = true;
    beginAt.add(Date.now() + (beginMicros - nowMicros()) / 1000);
  }
  let expected = nowMicros() + tickMs * 1000;
  const ticker = setInterval(() => {
    const now = nowMicros();
    sheet.time("loop-delay", Math.max(0, now - expected), now);
    expected = now + tickMs * 1000;
    stream.expire(now);
    sheet.flush();
  }, tickMs);
  try {
    await (group.arrivals === null ? stream.run(number) : stream.runOnce(dueNow(group.arrivals.stages, number)));
  } finally {
    clearInterval(ticker);
    stream.close();
    sheet.flush();
  }
}
