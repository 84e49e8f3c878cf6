/** must: a breach fails; should: a breach warns; info: reported only. */
export type Level = "must" | "should" | "info";
export const levels = ["must", "should", "info"] as const satisfies readonly Level[];

/** What a check found. The kinds are never folded into one another. */
export type Verdict =
  | { readonly status: "passed"; readonly note?: string }
  | { readonly status: "failed" | "warned"; readonly expected: string; readonly actual: string }
  /** The check could not tell: it names what it lacked. */
  | { readonly status: "unproven"; readonly lacked: string }
  /** The contract declares that the monitor lacks the ability. */
  | { readonly status: "not-applicable"; readonly declared: string }
  /** Failed as a known-failing entry says it would. */
  | { readonly status: "known-failing"; readonly reason: string; readonly expected: string; readonly actual: string }
  /** The harness or the surroundings failed. */
  | { readonly status: "broken"; readonly cause: string };

export type VerdictStatus = Verdict["status"];
export const verdictStatuses = [
  "passed",
  "failed",
  "warned",
  "unproven",
  "not-applicable",
  "known-failing",
  "broken",
] as const satisfies readonly VerdictStatus[];

/** In the cause of a broken verdict that our own machine's lateness left open: neither the target nor the harness is said to be wrong. */
export const tooBusy = "the machine is too busy to tell";

/** Whether a check is broken for that alone. */
export function isTooBusy({ status, reason }: { readonly status: VerdictStatus; readonly reason?: string }): boolean {
  return status === "broken" && reason?.includes(tooBusy) === true;
}

/** Thrown by a check to state a verdict other than passed. */
export class VerdictSignal extends Error {
  readonly verdict: Verdict;
  /** Ids of the checks whose very subject may be what failed here, most likely first, when this check only needed it on its way. */
  readonly basis: readonly string[];
  /** Whether it rests on what came alone, and on no time: no lateness of ours excuses it. */
  readonly onSight: boolean;
  constructor(verdict: Verdict, basis: string | readonly string[] = [], onSight = false) {
    super(verdict.status);
    this.name = "VerdictSignal";
    this.verdict = verdict;
    this.basis = typeof basis === "string" ? [basis] : basis;
    this.onSight = onSight;
  }
}

/**
 * The target is wrong: what the requirement asks, and what was seen. A `should` check turns it into warned.
 * @param basis ids of the checks whose very subject this may be, most likely first: the first of them that failed as well explains this failure.
 */
export function fail(expected: string, actual: string, basis?: string | readonly string[]): never {
  throw new VerdictSignal({ status: "failed", expected, actual }, basis);
}

/** As `fail`, for what came and is wrong whenever it was heard: it counts although this process was late, and is not asked again. */
export function failOnSight(expected: string, actual: string, basis?: string | readonly string[]): never {
  throw new VerdictSignal({ status: "failed", expected, actual }, basis, true);
}

/** The target meets the requirement in the main, and not what it should do beside: warned, whatever the check's level. */
export function warn(expected: string, actual: string, basis?: string | readonly string[]): never {
  throw new VerdictSignal({ status: "warned", expected, actual }, basis);
}

/** The check could not tell, for want of what is named. */
export function unproven(lacked: string): never {
  throw new VerdictSignal({ status: "unproven", lacked });
}

/** The contract declares the ability absent. */
export function notApplicable(declared: string): never {
  throw new VerdictSignal({ status: "not-applicable", declared });
}
