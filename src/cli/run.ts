import { writeFile } from "node:fs/promises";
import path from "node:path";
import { topics } from "../conformance/check.js";
import { writeKnownFailing } from "../conformance/known-failing.js";
import { transports } from "../core/contract.js";
import { HarnessError, messageOf } from "../core/errors.js";
import { levels } from "../core/verdict.js";
import { type ConformanceOptions, runConformance } from "../harness/conformance-run.js";
import { readReport } from "../harness/read-report.js";
import { commonOptions } from "./command-line.js";
import { defineCommand, type Invocation } from "./command.js";
import { connectionOptions, readConnection } from "./connection.js";
import type { OptionSpecs } from "./options.js";
import { createOutput } from "./output.js";
import { reportingRun } from "./reporting-run.js";
import { readShard } from "./shard-option.js";
import { viewOptions } from "./views.js";

const selection = "Selection";
const running = "Running";

const options = {
  ...connectionOptions,
  suite: { kind: "text", group: selection, value: "NAME|FILE", about: "Which checks and gates", fallback: "conformance" },
  scenario: { kind: "texts", group: selection, value: "FILE", about: "A YAML scenario, instead of the suite's checks" },
  grep: { kind: "texts", short: "g", group: selection, value: "PATTERN", about: "Ids: one id, a part of it, a glob eof/*, or /an expression/" },
  topic: { kind: "choices", of: topics, group: selection, about: "Topics" },
  level: { kind: "choices", of: levels, group: selection, about: "Levels" },
  transport: { kind: "choices", of: transports, group: selection, about: "Transports" },
  "last-failed": { kind: "flag", group: selection, about: "Only what failed in the results of the last run", commandLineOnly: true },
  shard: { kind: "text", group: selection, value: "I/N", about: "Only part I of N" },
  jobs: { kind: "whole", least: 1, most: 64, short: "j", group: running, about: "Checks at once", fallback: "8" },
  seed: { kind: "whole", least: 0, most: 2 ** 32 - 1, group: running, about: "Seed of the random choices; default: a new one, which the report names" },
  retries: { kind: "whole", least: 0, most: 10, group: running, about: "Tries more for a failed check; a pass then counts as flaky", fallback: "0" },
  repeat: { kind: "whole", least: 1, most: 1000, group: running, about: "Runs of everything; the worst verdict stands", fallback: "1" },
  "max-failures": { kind: "whole", least: 1, group: running, about: "Stop after so many failures" },
  "known-failing": { kind: "text", group: running, value: "FILE", about: "Checks that are known to fail, with reasons; an entry out of date fails the run" },
  "write-known-failing": { kind: "text", group: running, value: "FILE", about: "Write what failed as such a file", commandLineOnly: true },
  "target-name": { kind: "text", group: running, value: "NAME", about: "What the report calls the target" },
  ...viewOptions,
  color: commonOptions.color,
} as const satisfies OptionSpecs;

/** Judges a server. */
export const run = defineCommand({
  usage: "[url..]",
  about: "Judges a server: opens monitor streams, changes filters, ends them in every way, and says where the server does otherwise than it must.",
  examples: [
    ["halfclose grpc://localhost:50051 ws://localhost:8080/logs/monitor", "both transports of a running server"],
    ['halfclose --start "./server --port 0" --suite ci', "start it, judge it, stop it"],
    ["halfclose ws://localhost:8080 --grep eof/while-idle --verbose", "one check"],
    ["halfclose grpc://localhost:50051 --reporter junit=reports/junit.xml", "a file for CI beside the text"],
  ],
  options,
  arity: [0, 8],
  run: (invocation) => performRun(invocation),
});

async function performRun(invocation: Invocation<typeof options>): Promise<number> {
  const { options: given, console } = invocation;
  const output = createOutput(given, console);
  const connection = readConnection(invocation);
  const conformance: ConformanceOptions = {
    ...connection,
    suite: given.suite,
    scenarios: given.scenario,
    select: { ids: given.grep, topics: given.topic, levels: given.level, transports: given.transport },
    ...(given["last-failed"] === true ? { only: await lastFailed(console.workingDirectory, output.resultsPath) } : {}),
    jobs: given.jobs,
    seed: given.seed,
    retries: given.retries,
    repeat: given.repeat,
    maxFailures: given["max-failures"],
    shard: given.shard === undefined ? undefined : readShard(given.shard, invocation.placeOf("shard")),
    knownFailing: given["known-failing"],
    targetName: given["target-name"],
    command: invocation.commandLine,
    secrets: invocation.secrets,
  };
  const report = await reportingRun(invocation, output, (hooks) => runConformance({ ...conformance, ...hooks }));
  if (given["write-known-failing"] !== undefined) {
    await writeText(path.resolve(console.workingDirectory, given["write-known-failing"]), writeKnownFailing(report.checks));
  }
  return report.exitCode;
}

async function writeText(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (thrown) {
    throw new HarnessError("output", `${file} cannot be written: ${messageOf(thrown)}.`, { place: "--write-known-failing", cause: thrown });
  }
}

async function lastFailed(folder: string, resultsPath: string): Promise<NonNullable<ConformanceOptions["only"]>> {
  const report = await readReport(folder, resultsPath).catch((thrown: unknown) => {
    throw new HarnessError("usage", `--last-failed needs the results of the last run: ${messageOf(thrown)}`, {
      place: "--last-failed",
      hint: "run once without it, with the same --output",
      cause: thrown,
    });
  });
  const failed = report.checks.filter(({ status }) => status === "failed" || status === "broken");
  if (failed.length === 0) {
    throw new HarnessError("nothing-selected", "Nothing failed in the last run.", { place: "--last-failed" });
  }
  return failed.map(({ id, transport }) => ({ id, transport }));
}
