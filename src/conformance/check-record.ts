import type { CheckRecord } from "../core/report.js";
import type { Verdict } from "../core/verdict.js";
import type { Outcome } from "./outcome.js";
import type { RunContext } from "./session.js";
import type { Task } from "./task.js";

/** Longest text of one part of a verdict. */
const longestText = 600;

/** One outcome as the report has it. */
export function recordOf(context: RunContext, task: Task, outcome: Outcome): CheckRecord {
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

/** Verdicts quote filters and entries, which may be of any length. */
function readable(text: string): string {
  return text.length > longestText ? `${text.slice(0, longestText - 1)}…` : text;
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
