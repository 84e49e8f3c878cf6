import path from "node:path";
import type { Report, RunEvent } from "../core/report.js";
import { openResultsFile, type ResultsFile } from "../harness/results-file.js";
import type { Console } from "./console.js";
import { createProgress } from "./progress.js";
import { readViews, type ViewValues } from "./views.js";

/** All that a run says, while it goes on and at its end. */
export interface Output {
  readonly resultsPath: string;
  hear(event: RunEvent): void;
  /** Takes the present state for results.json; the first call writes it at once. @throws HarnessError `output` */
  keep(report: () => Report): Promise<void>;
  /** Writes results.json and every view. */
  finish(report: Report): Promise<void>;
  /** The same for a run that could not be carried out: files only, since standard error says why. */
  finishFailed(report: Report): Promise<void>;
}

/**
 * Reads the output options.
 * @throws HarnessError `usage` as readViews does.
 */
export function createOutput(options: ViewValues, console: Console): Output {
  const views = readViews(options, console);
  const resultsPath = path.join(views.folder, "results.json");
  const progress = createProgress(console);
  let results: ResultsFile | undefined;
  return {
    resultsPath,
    hear(event) {
      const text = views.printed.progress?.(event, views.render) ?? "";
      if (text !== "") {
        console.out(text);
      }
      progress(event);
    },
    async keep(report) {
      if (results === undefined) {
        results = await openResultsFile(resultsPath, report());
      } else {
        results.update(report);
      }
    },
    async finish(report) {
      console.redraw(undefined);
      results ??= await openResultsFile(resultsPath, report);
      await results.finish(report);
      views.print(report, true);
      await views.write(report, resultsPath);
    },
    async finishFailed(report) {
      console.redraw(undefined);
      await results?.finish(report);
      await views.write(report, resultsPath);
    },
  };
}
