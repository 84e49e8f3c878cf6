import { exitCodes } from "../core/exit-code.js";
import { readReport } from "../harness/read-report.js";
import { diffReports, diffText } from "../results/diff-reports.js";
import { defineCommand } from "./command.js";

/** Says what changed from one run to another. */
export const compare = defineCommand({
  usage: "<before.json> <after.json>",
  about:
    "Says what changed from one run to another: newly failing, fixed, still failing, changed, added and removed checks. Ends with 1 when something fails that did not.",
  examples: [["halfclose compare main/results.json reports/results.json", "before and after a change"]],
  options: {},
  arity: [2, 2],
  async run({ arguments: [before = "", after = ""], console }) {
    const [earlier, later] = await Promise.all([readReport(console.workingDirectory, before), readReport(console.workingDirectory, after)]);
    const diff = diffReports(earlier, later);
    console.out(diffText(diff));
    return diff.newlyFailing.length > 0 ? exitCodes.conformance : exitCodes.passed;
  },
});
