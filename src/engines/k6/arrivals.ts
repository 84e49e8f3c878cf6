import exec from "k6/execution";
import type { K6Stage } from "./plan.js";
import { nowMicros } from "./run.js";

/** When an arrival is due, in microseconds since the first stage began: k6 begins the n-th when the integral of the rate reaches n + 1. */
export function dueOf(stages: readonly K6Stage[], number: number): number {
  let left = number + 1;
  let before = 0;
  for (const { durationMs, fromPerSecond: from, toPerSecond: to } of stages) {
    const seconds = durationMs / 1000;
    const whole = ((from + to) / 2) * seconds;
    if (left <= whole) {
      const slope = seconds === 0 ? 0 : (to - from) / seconds;
      const sum = from + Math.sqrt(Math.max(0, from * from + 2 * slope * left));
      return before + (sum === 0 ? 0 : (2 * left) / sum) * 1_000_000;
    }
    left -= whole;
    before += durationMs * 1000;
  }
  return before;
}

/** When the arrival of this iteration was due; never later than now. */
export function dueNow(stages: readonly K6Stage[], number: number): number {
  const now = nowMicros();
  return Math.min(now, now - (Date.now() - exec.scenario.startTime) * 1000 + dueOf(stages, number));
}
