import type { Reporter } from "../core/reporter.js";

/** The report itself. A value beyond what was measurable (`Infinity`) is null: JSON has no word for it. */
export const json: Reporter = {
  about: "the whole result, from which every other report can be made",
  fileName: "results.json",
  render: (report) => `${JSON.stringify(report, null, 2)}\n`,
};
