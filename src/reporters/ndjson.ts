import type { Report } from "../core/report.js";
import type { Reporter } from "../core/reporter.js";

/**
 * One JSON object a line, each with a `kind`: run, check, workload, gate, problem, finished; `finished` is the last.
 * As a run goes, each check is a line as soon as it is known.
 */
export const ndjson: Reporter = {
  about: "one JSON object a line, for pipes",
  fileName: "results.ndjson",
  progress: (event) => (event.kind === "check-finished" ? line({ kind: "check", ...event.record }) : ""),
  render: (report, options) =>
    records(report, options.streamed === true)
      .map(line)
      .join(""),
};

function records(report: Report, streamed: boolean): object[] {
  const { checks, workloads, gates, problems, partial, exitCode, elapsedMs, ...run } = report;
  return [
    { kind: "run", ...run },
    ...(streamed ? [] : checks.map((check) => ({ kind: "check", ...check }))),
    ...workloads.map((workload) => ({ kind: "workload", ...workload })),
    ...gates.map((gate) => ({ kind: "gate", ...gate })),
    ...problems.map((text) => ({ kind: "problem", text })),
    { kind: "finished", partial, elapsedMs, exitCode },
  ];
}

// U+2028 and U+2029 are legal in JSON but end a line for some readers.
function line(record: object): string {
  return `${JSON.stringify(record).replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029")}\n`;
}
