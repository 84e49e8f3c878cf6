import type { FloodPhaseRecord, FloodRecord } from "../core/report.js";
import { count, microseconds, plural } from "./quantities.js";

/** What every view shows of a flood. */
export interface FloodRows {
  /** What was sent and what came back. */
  readonly sentence: string;
  /** A figure's name, then its value before, during and after. */
  readonly rows: readonly (readonly [name: string, before: string, during: string, after: string])[];
  /** Handshakes that came to something else, by phase. */
  readonly notes: readonly string[];
}

const phases = ["before", "during", "after"] as const;

/** A flood's sentence and table. */
export function floodRows(flood: FloodRecord): FloodRows {
  const answers = Object.entries(flood.statuses);
  const total = answers.reduce((sum, [, times]) => sum + times, 0);
  const seconds = flood.untilSeconds - flood.fromSeconds;
  const sent = `${flood.of.map((request) => (request === "plain" ? `plain ${flood.method}` : "wrong upgrades")).join(" and ")} on ${plural(flood.connections, "connection")} for ${microseconds(seconds * 1e6)}`;
  const came = `${plural(total, "answer")}${answers.length === 0 ? "" : ` (${answers.map(([status, times]) => `${status} ×${count(times)}`).join(", ")})`}${flood.failed === 0 ? "" : `, ${count(flood.failed)} broken or unanswered`}`;
  const row = (name: string, show: (phase: FloodPhaseRecord) => string | undefined): FloodRows["rows"][number] => [
    name,
    show(flood.before) ?? "-",
    show(flood.during) ?? "-",
    show(flood.after) ?? "-",
  ];
  const latency = (value: number | undefined): string | undefined => (value === undefined ? undefined : microseconds(value));
  return {
    sentence: `Flood of ${flood.url}: ${sent}: ${came}`,
    rows: [
      row("filter-apply p99", ({ applyP99Us }) => latency(applyP99Us)),
      row("delivery-lag p99", ({ deliveryLagP99Us }) => latency(deliveryLagP99Us)),
      row("received per second", ({ seconds: long, receivedPerSecond }) => (long === 0 ? undefined : count(Math.round(receivedPerSecond)))),
      row("lost", ({ seconds: long, lost }) => (long === 0 ? undefined : count(lost))),
      row("streams ended", ({ seconds: long, ended }) => (long === 0 ? undefined : count(ended))),
      row("upgrade to 101 p99", ({ acceptedP99Us }) => latency(acceptedP99Us)),
      row("refusal p99", ({ refusedP99Us }) => latency(refusedP99Us)),
    ],
    notes: phases.flatMap((phase) => Object.entries(flood[phase].unexpected).map(([what, times]) => `${phase} the flood ${what} ×${count(times)}`)),
  };
}
