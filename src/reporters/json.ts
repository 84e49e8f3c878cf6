import type { Reporter } from "../core/reporter.js";

/** The report itself. */
export const json: Reporter = {
  about: "the whole result, from which every other report can be made",
  fileName: "results.json",
  render: (report) => `${JSON.stringify(report, null, 2)}\n`,
};
