import { readReport } from "../harness/read-report.js";
import { commonOptions } from "./command-line.js";
import { defineCommand } from "./command.js";
import type { OptionSpecs } from "./options.js";
import { readViews, viewOptions } from "./views.js";

const options = { ...viewOptions, color: commonOptions.color } as const satisfies OptionSpecs;

/** Makes views of results that are there already. */
export const report = defineCommand({
  usage: "<results.json>",
  about: "Makes any view from the results of an earlier run.",
  examples: [
    ["halfclose report reports/results.json", "as text"],
    ["halfclose report reports/results.json -r junit=junit.xml -r markdown=-", "as a file, and on standard output"],
  ],
  options,
  arity: [1, 1],
  async run({ options: given, arguments: [file = ""], console }) {
    const views = readViews(given, console);
    const results = await readReport(console.workingDirectory, file);
    views.print(results, false);
    await views.write(results, undefined);
    return 0;
  },
});
