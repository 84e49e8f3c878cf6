import exec from "k6/execution";
import type { K6Group, K6Plan } from "./plan.js";

/**
 * Performs the workload of a plan with k6: one virtual user for each stream. It is run by `halfclose load --engine k6` and by plain `k6 run`.
 * The plan is JSON in the environment variable HALFCLOSE_PLAN, or the file that HALFCLOSE_PLAN_FILE names, or plan.json beside this script.
 * Every metric begins with `hc_` and is judged by halfclose; times are in milliseconds, `hc_packed_…` hold slot × 2^32 + count of a histogram.
 */
export const plan = JSON.parse(__ENV.HALFCLOSE_PLAN ?? open(__ENV.HALFCLOSE_PLAN_FILE ?? "./plan.json")) as K6Plan;

export const startMicros = plan.setupMs * 1000;
export const beginMicros = startMicros + plan.warmUpMs * 1000;
export const endMicros = beginMicros + plan.durationMs * 1000;

/** Microseconds since k6 started the run; the same clock for all its virtual users, and a steady one. */
export function nowMicros(): number {
  return exec.instance.currentTestRunDuration * 1000;
}

/** When a group begins, in microseconds since k6 started the run. */
export function startOf(group: K6Group): number {
  return startMicros + (group.fromMs > 0 ? (plan.warmUpMs + group.fromMs) * 1000 : 0);
}
