import type { Transport } from "../core/contract.js";
import { transports } from "../core/contract.js";
import { exitCodes } from "../core/exit-code.js";
import { isMetric, metrics } from "../core/metric.js";
import type { CheckRecord, Report, ThresholdRecord } from "../core/report.js";
import { verdictStatuses, type VerdictStatus } from "../core/verdict.js";

/** One sign and one word for each verdict; the sign tells them apart without colour. */
export const statusSigns = {
  passed: { sign: "✓", word: "passed" },
  failed: { sign: "✗", word: "failed" },
  warned: { sign: "!", word: "warned" },
  unproven: { sign: "?", word: "unproven" },
  "not-applicable": { sign: "–", word: "not applicable" },
  "known-failing": { sign: "≈", word: "known failing" },
  broken: { sign: "‼", word: "broken" },
} as const satisfies Record<VerdictStatus, { sign: string; word: string }>;

/** How many checks have each verdict; every verdict is there, also with 0. */
export function statusCounts(checks: readonly CheckRecord[]): Readonly<Record<VerdictStatus, number>> {
  const counts = Object.fromEntries(verdictStatuses.map((status) => [status, 0])) as Record<VerdictStatus, number>;
  for (const check of checks) {
    counts[check.status]++;
  }
  return counts;
}

/** The part of an id before its slash; the whole id where there is none. */
export function topicOf(id: string): string {
  const slash = id.indexOf("/");
  return slash < 0 ? id : id.slice(0, slash);
}

export interface TopicRow {
  readonly topic: string;
  readonly byTransport: Readonly<Record<Transport, readonly CheckRecord[]>>;
}

/** The checks of each topic, by transport, in the order in which they stand in the report. */
export function topicRows(checks: readonly CheckRecord[]): TopicRow[] {
  const rows = new Map<string, Record<Transport, CheckRecord[]>>();
  for (const check of checks) {
    const topic = topicOf(check.id);
    const row = rows.get(topic) ?? { grpc: [], ws: [] };
    rows.set(topic, row);
    row[check.transport].push(check);
  }
  return [...rows].map(([topic, byTransport]) => ({ topic, byTransport }));
}

/** The transports that any check of the report ran on. */
export function transportsOf(checks: readonly CheckRecord[]): Transport[] {
  return transports.filter((transport) => checks.some((check) => check.transport === transport));
}

/** Which thresholds were missed; what is counted wrong, or was never measured, is not slow. */
function missedThresholds({ workloads }: Report): { readonly word: string; readonly sentence: string } {
  const missed = workloads.flatMap(({ thresholds }) => thresholds).filter(({ status }) => status === "failed" || status === "no-samples");
  const isSlow = ({ text, status }: ThresholdRecord): boolean => {
    const metric = text.split(" ", 1)[0] ?? "";
    return status === "failed" && !(isMetric(metric) && metrics[metric].kind === "count" && !/ rate /.test(text));
  };
  const texts = [...new Set(missed.map(({ text }) => text))];
  const named = texts.slice(0, 3).join(", ") + (texts.length > 3 ? " and more" : "");
  return {
    word: missed.length === 0 || missed.some(isSlow) ? "TOO SLOW" : "MISSED",
    sentence: `A threshold of a workload was missed${named === "" ? "" : `: ${named}`}.`,
  };
}

/** The whole report in a word and a sentence; the word follows the exit code, so that no view contradicts it. */
export function headline(report: Report): { readonly word: string; readonly sentence: string; readonly tone: "good" | "bad" | "doubtful" } {
  const { exitCode } = report;
  if (report.partial || exitCode === exitCodes.interrupted || exitCode === exitCodes.terminated) {
    return { word: "INTERRUPTED", sentence: "The run did not finish; what was measured until then is here.", tone: "doubtful" };
  }
  switch (exitCode) {
    case exitCodes.passed:
      return { word: "PASSED", sentence: "Every gate passed.", tone: "good" };
    case exitCodes.conformance:
      return { word: "FAILED", sentence: "The target does not do what the contract and the protocols ask.", tone: "bad" };
    case exitCodes.usage:
      return { word: "MISUSED", sentence: "An option, configuration, contract or scenario is in error.", tone: "doubtful" };
    case exitCodes.bug:
      return { word: "BROKEN", sentence: "The harness or its surroundings failed; that says nothing about the target.", tone: "doubtful" };
    case exitCodes.target:
      return { word: "NO TARGET", sentence: "The target could not be reached, was never ready, or died.", tone: "bad" };
    case exitCodes.nothing:
      return { word: "NOTHING PROVED", sentence: "No check was selected, or none could prove anything.", tone: "doubtful" };
    case exitCodes.generator:
      return { word: "INVALID", sentence: "The load generator could not keep up; its numbers are neither pass nor fail.", tone: "doubtful" };
    case exitCodes.thresholds:
      return { ...missedThresholds(report), tone: "bad" };
    default:
      return { word: `EXIT ${exitCode}`, sentence: "The run ended with an exit code of its own.", tone: "doubtful" };
  }
}
