import { exitCodes } from "../core/exit-code.js";
import { HarnessError } from "../core/errors.js";
import { formatNumber } from "../core/quantity.js";
import type { RatioRecord, Report } from "../core/report.js";
import { compareTargets } from "../harness/compare-run.js";
import { readReport } from "../harness/read-report.js";
import { checkComparable, checkSound, comparisonSentence, compareWithBaseline } from "../load/compare.js";
import { plural } from "../reporters/quantities.js";
import { ratioCells, ratioTitles } from "../reporters/ratio-rows.js";
import { diffReports, diffText } from "../results/diff-reports.js";
import { defineCommand, type Invocation } from "./command.js";
import { connectionOptions } from "./connection.js";
import { interruptible } from "./interrupt.js";
import { table } from "./list.js";
import type { OptionSpecs } from "./options.js";

const options = {
  before: { kind: "texts", group: "Targets", value: "URL", about: "With a workload: URLs of the one side" },
  after: { kind: "texts", group: "Targets", value: "URL", about: "With a workload: URLs of the other" },
  contract: connectionOptions.contract,
  rounds: {
    kind: "whole",
    least: 5,
    most: 100,
    group: "Targets",
    value: "N",
    about: "Runs of each side, in turns; as many again where they differ",
    fallback: "5",
  },
  duration: { kind: "duration", short: "d", group: "Targets", value: "TIME", about: "How long each is measured; default: the workload's" },
  tolerance: {
    kind: "whole",
    least: 0,
    most: 1000,
    group: "Judging",
    value: "PERCENT",
    about: "Ratios of load figures within this are the same",
    fallback: "5",
  },
  least: {
    kind: "duration",
    group: "Judging",
    value: "TIME",
    about: "Medians that differ by less are not told apart, p90 by 2, p99 by 3 times as much",
    fallback: "1ms",
  },
} as const satisfies OptionSpecs;

/** Seed of the intervals: the same two files give the same verdict. */
const seed = 1;

/** Says what changed from one run, or one server, to another. */
export const compare = defineCommand({
  usage: "<before.json> <after.json> | <workload> --before URL.. --after URL..",
  about:
    "Says what changed from one run to another: newly failing, fixed, changed, added and removed checks, and of workloads each figure's ratio with its interval. " +
    "With a workload it measures two servers in turns, which is the sounder way. Ends with 1 when a check fails that did not, with 99 when a figure is worse beyond doubt.",
  examples: [
    ["halfclose compare main/results.json reports/results.json", "before and after a change"],
    ["halfclose compare filter-churn --before grpc://localhost:50051 --after grpc://localhost:50052", "two servers, measured in turns"],
  ],
  options,
  arity: [1, 2],
  run: (invocation) => (invocation.options.before.length + invocation.options.after.length > 0 ? compareServers(invocation) : compareResults(invocation)),
});

async function compareResults({ options: given, arguments: [before = "", after], console }: Invocation<typeof options>): Promise<number> {
  if (after === undefined) {
    throw new HarnessError("usage", "halfclose compare needs two results, or a workload with --before and --after.", {
      hint: "halfclose compare --help shows examples",
    });
  }
  const [earlier, later] = await Promise.all([readReport(console.workingDirectory, before), readReport(console.workingDirectory, after)]);
  const diff = diffReports(earlier, later);
  if (earlier.checks.length > 0 || later.checks.length > 0) {
    console.out(diffText(diff));
  }
  const worse = compareWorkloads(earlier, later, { ...judging(given), print: (text) => console.out(text), name: before });
  if (diff.newlyFailing.length > 0) {
    return exitCodes.conformance;
  }
  return worse ? exitCodes.thresholds : exitCodes.passed;
}

async function compareServers({ options: given, arguments: [workload = ""], console }: Invocation<typeof options>): Promise<number> {
  if (given.before.length === 0 || given.after.length === 0) {
    throw new HarnessError("usage", "Two servers are compared: --before and --after each need a URL.", {
      place: given.before.length === 0 ? "--before" : "--after",
    });
  }
  const outcome = await interruptible(console, (signal) =>
    compareTargets({
      workload,
      before: { urls: given.before, contract: given.contract, folder: console.workingDirectory },
      after: { urls: given.after, contract: given.contract, folder: console.workingDirectory },
      rounds: given.rounds,
      durationSeconds: given.duration === undefined ? undefined : given.duration / 1000,
      ...judging(given),
      seed,
      signal,
      onRun: (side, { rates, generator }, done, total) => {
        const received = `received ${formatNumber(Math.round(rates["received"]?.mean ?? 0))}/s`;
        console.out(
          `${String(done).padStart(String(total).length)}/${total}  ${side.padEnd(6)}  ${generator.status === "valid" ? received : "spoiled by the generator; the round does not count"}\n`,
        );
      },
    }),
  );
  if (outcome.kind === "failed") {
    throw outcome.thrown;
  }
  // What was measured is shown before what ended it is told.
  const { ratios, sentence, spoiled, repeated, stopped } = outcome.value;
  const again = repeated === 0 ? "" : `Made again, because the generator spoiled them: ${plural(repeated, "round")}.\n`;
  console.out(
    `\nWorkload ${workload}\n${ratioTable(ratios)}${sentence}\n${again}${spoiled.map((reason) => `The generator was invalid: ${reason}\n`).join("")}`,
  );
  if (outcome.signalCode !== undefined) {
    return outcome.signalCode;
  }
  if (stopped !== undefined) {
    throw stopped;
  }
  if (spoiled.length > 0) {
    return exitCodes.generator;
  }
  return ratios.some(({ verdict }) => verdict === "worse") ? exitCodes.thresholds : exitCodes.passed;
}

function judging({ tolerance, least }: Invocation<typeof options>["options"]): { readonly tolerance: number; readonly leastMicros: number } {
  return { tolerance: (tolerance ?? 5) / 100, leastMicros: (least ?? 1) * 1000 };
}

/** Prints how each workload that both runs performed changed; true when a figure is worse beyond doubt. */
function compareWorkloads(
  earlier: Report,
  later: Report,
  options: { readonly tolerance: number; readonly leastMicros: number; readonly print: (text: string) => void; readonly name: string },
): boolean {
  const { tolerance, leastMicros, print } = options;
  let worse = false;
  for (const after of later.workloads) {
    const before = earlier.workloads.find(({ name }) => name === after.name);
    if (before === undefined) {
      continue;
    }
    checkComparable({ ...before, environment: earlier.environment }, { ...after, environment: later.environment });
    checkSound(`The earlier run of the workload "${before.name}"`, earlier, before);
    checkSound(`The later run of the workload "${after.name}"`, later, after);
    const { ratios } = compareWithBaseline(options.name, before, after, { tolerance, leastMicros, seed });
    print(
      `\nWorkload ${after.name}\n${ratioTable(ratios)}${comparisonSentence(ratios, tolerance)}\nOne run each: the intervals hold only what varies within a run.\n${
        before.engine === after.engine ? "" : `Measured by ${before.engine} before and by ${after.engine} after: what differs may be theirs.\n`
      }`,
    );
    worse ||= ratios.some(({ verdict }) => verdict === "worse");
  }
  return worse;
}

function ratioTable(ratios: readonly RatioRecord[]): string {
  return table([ratioTitles, ...ratios.map(ratioCells)].map(([of = "", ...cells]) => [`  ${of}`, ...cells]));
}
