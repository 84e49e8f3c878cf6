import { exitCodes } from "../core/exit-code.js";
import { HarnessError } from "../core/errors.js";
import type { RatioRecord, Report } from "../core/report.js";
import { readReport } from "../harness/read-report.js";
import { checkComparable, comparisonSentence, compareWithBaseline } from "../load/compare.js";
import { diffReports, diffText } from "../results/diff-reports.js";
import { defineCommand } from "./command.js";
import { table } from "./list.js";
import type { OptionSpecs } from "./options.js";

const options = {
  tolerance: {
    kind: "whole",
    least: 0,
    most: 1000,
    group: "Judging",
    value: "PERCENT",
    about: "Ratios of load figures within this are the same",
    fallback: "5",
  },
} as const satisfies OptionSpecs;

/** Seed of the intervals: the same two files give the same verdict. */
const seed = 1;

/** Says what changed from one run to another. */
export const compare = defineCommand({
  usage: "<before.json> <after.json>",
  about:
    "Says what changed from one run to another: newly failing, fixed, changed, added and removed checks; and of workloads each figure's ratio with its interval. " +
    "Ends with 1 when a check fails that did not, with 99 when a figure is worse beyond doubt.",
  examples: [["halfclose compare main/results.json reports/results.json", "before and after a change"]],
  options,
  arity: [2, 2],
  async run({ options: given, arguments: [before = "", after = ""], console }) {
    const [earlier, later] = await Promise.all([readReport(console.workingDirectory, before), readReport(console.workingDirectory, after)]);
    const diff = diffReports(earlier, later);
    if (earlier.checks.length > 0 || later.checks.length > 0) {
      console.out(diffText(diff));
    }
    const worse = compareWorkloads(earlier, later, { tolerance: (given.tolerance ?? 5) / 100, print: (text) => console.out(text), name: before });
    if (diff.newlyFailing.length > 0) {
      return exitCodes.conformance;
    }
    return worse ? exitCodes.thresholds : exitCodes.passed;
  },
});

/** Prints how each workload that both runs performed changed; true when a figure is worse beyond doubt. */
function compareWorkloads(
  earlier: Report,
  later: Report,
  options: { readonly tolerance: number; readonly print: (text: string) => void; readonly name: string },
): boolean {
  const { tolerance, print } = options;
  let worse = false;
  for (const after of later.workloads) {
    const before = earlier.workloads.find(({ name }) => name === after.name);
    if (before === undefined) {
      continue;
    }
    checkComparable({ record: before, environment: earlier.environment }, { record: after, environment: later.environment });
    const spoiled = [...before.generator.reasons, ...after.generator.reasons];
    if (spoiled.length > 0) {
      throw new HarnessError("usage", `The workload "${after.name}" cannot be compared, because the generator was invalid: ${spoiled.join(" ")}`, {
        hint: "measure again on a quieter machine",
      });
    }
    const { ratios } = compareWithBaseline(options.name, before, after, { tolerance, seed });
    print(
      `\nWorkload ${after.name}\n${table(ratios.map(row))}${comparisonSentence(ratios, tolerance)}\nOne run each: the intervals hold only what varies within a run.\n`,
    );
    worse ||= ratios.some(({ verdict }) => verdict === "worse");
  }
  return worse;
}

const signs: Readonly<Record<RatioRecord["verdict"], string>> = { better: "better", worse: "worse", same: "same", unclear: "~" };

function row({ of, ratio, low, high, verdict }: RatioRecord): readonly string[] {
  const shown = (value: number): string => `${value.toFixed(2)}x`;
  return [`  ${of}`, shown(ratio), low === undefined || high === undefined ? "" : `${shown(low)} to ${shown(high)}`, signs[verdict]];
}
