import type { CheckRecord, Report } from "../core/report.js";
import { HarnessError } from "../core/errors.js";
import { runConformance } from "../harness/conformance-run.js";
import { readReport } from "../harness/read-report.js";
import { commonOptions } from "./command-line.js";
import { defineCommand, type Invocation } from "./command.js";
import { connectionOptions, readConnection } from "./connection.js";
import type { OptionSpecs } from "./options.js";
import { createOutput } from "./output.js";
import { reportingRun } from "./reporting-run.js";
import { viewOptions } from "./views.js";

const options = {
  ...connectionOptions,
  "known-failing": { kind: "text", group: "Running", value: "FILE", about: "Checks that are known to fail, with reasons" },
  scenario: { kind: "texts", group: "Running", value: "FILE", about: "The YAML scenarios of that run, if it had any" },
  ...viewOptions,
  color: commonOptions.color,
} as const satisfies OptionSpecs;

/** Runs again what failed. */
export const replay = defineCommand({
  usage: "<results.json> [url..]",
  about:
    "Runs again, with the same seed, what failed or was broken in an earlier run, and says what is fixed. Without URLs or --start it takes those of that run.",
  examples: [
    ["halfclose replay reports/results.json -o reports/again", "the same target"],
    ["halfclose replay results.json grpc://localhost:50051", "another one"],
  ],
  options,
  arity: [1, 9],
  run: (invocation) => performReplay(invocation),
});

async function performReplay(invocation: Invocation<typeof options>): Promise<number> {
  const { options: given, console } = invocation;
  const [file = "", ...urls] = invocation.arguments;
  const before = await readReport(console.workingDirectory, file);
  const bad = before.checks.filter(({ status }) => status === "failed" || status === "broken");
  if (bad.length === 0) {
    throw new HarnessError("nothing-selected", "Nothing failed in that run.", { place: file });
  }
  const output = createOutput({ ...given, output: given.output ?? "reports/replay" }, console);
  const report = await reportingRun(invocation, output, (hooks) =>
    runConformance({
      ...readConnection(withTargetOf(before, { ...invocation, arguments: urls })),
      ...hooks,
      only: bad.map(({ id, transport }) => ({ id, transport })),
      scenarios: given.scenario,
      seed: before.seed,
      knownFailing: given["known-failing"],
      command: invocation.commandLine,
      secrets: invocation.secrets,
    }),
  );
  console.out(`\n${compareVerdicts(bad, report)}`);
  return report.exitCode;
}

/** Where nothing else is said, the target and the contract of the earlier run. */
function withTargetOf(before: Report, invocation: Invocation<typeof options>): Invocation<typeof options> {
  const { options: given } = invocation;
  const contract = given.contract ?? (before.target.contract.source.startsWith("contracts/") ? before.target.contract.name : before.target.contract.source);
  if (invocation.arguments.length > 0 || given.url.length > 0 || given.start !== undefined) {
    return { ...invocation, options: { ...given, contract } };
  }
  const { start, urls } = before.target;
  return { ...invocation, options: { ...given, contract, ...(start === undefined ? { url: urls } : { start }) } };
}

function compareVerdicts(before: readonly CheckRecord[], report: Report): string {
  const lines = before.map(({ id, transport }) => {
    const after = report.checks.find((check) => check.id === id && check.transport === transport);
    const word = after === undefined ? "not run" : after.status === "passed" ? "fixed" : after.status === "failed" ? "still failing" : after.status;
    return `${word.padEnd(14)}${id} (${transport})`;
  });
  const fixed = lines.filter((line) => line.startsWith("fixed")).length;
  return `${lines.join("\n")}\n\n${fixed} of ${before.length} fixed\n`;
}
