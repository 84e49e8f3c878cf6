import { checks as catalogue } from "../../scenarios/index.js";
import { withConsequences } from "../conformance/consequences.js";
import { judgeGates } from "../conformance/suite.js";
import { mergeK6Results } from "../harness/k6-results.js";
import { readReport } from "../harness/read-report.js";
import { loadSuite, suiteNames } from "../harness/suites.js";
import { mergeShards } from "../load/shard.js";
import { mergeReports } from "../results/merge-reports.js";
import { commonOptions } from "./command-line.js";
import { defineCommand } from "./command.js";
import type { OptionSpecs } from "./options.js";
import { createOutput } from "./output.js";
import { viewOptions } from "./views.js";

const options = {
  suite: {
    kind: "text",
    group: "Judging",
    value: "NAME|FILE",
    about: "Suite whose gates judge the whole; default: that of the shards, if it comes with halfclose",
  },
  "k6-export": {
    kind: "text",
    group: "Judging",
    value: "DIR",
    about: "Folder that halfclose export k6 wrote: the files are what its instances wrote with --out json",
  },
  ...viewOptions,
  color: commonOptions.color,
} as const satisfies OptionSpecs;

/** Makes one report of shards. */
export const merge = defineCommand({
  usage: "<results.json..>",
  about: "Makes one report of the shards of a run, of checks or of load, in the order of their numbers, and judges it anew.",
  examples: [
    ["halfclose merge shard-1/results.json shard-2/results.json -o reports", "two machines"],
    ["halfclose merge --k6-export k6 points-1.json points-2.json", "two machines with k6"],
  ],
  options,
  arity: [1, 1000],
  async run({ options: given, arguments: files, console, commandLine }) {
    const output = createOutput(given, console);
    if (given["k6-export"] !== undefined) {
      const merged = await mergeK6Results({ folder: console.workingDirectory, exported: given["k6-export"], files, command: commandLine });
      await output.finish(merged);
      return merged.exitCode;
    }
    const shards = await Promise.all(files.map(async (source) => ({ source, report: await readReport(console.workingDirectory, source) })));
    const named = given.suite ?? shards[0]?.report.target.suite ?? "";
    const suite = given.suite !== undefined || (await suiteNames()).includes(named) ? await loadSuite(named, console.workingDirectory) : undefined;
    const tasks = catalogue.map((check) => ({ check, transport: "grpc" }) as const);
    const report = mergeReports(shards, {
      mergeWorkload: mergeShards,
      ...(suite === undefined
        ? {}
        : {
            rejudge(records) {
              const judged = withConsequences(records, tasks);
              return { checks: judged, gates: judgeGates(suite, judged) };
            },
          }),
    });
    await output.finish(report);
    return report.exitCode;
  },
});
