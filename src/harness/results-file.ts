import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { HarnessError, messageOf } from "../core/errors.js";
import type { Report } from "../core/report.js";

/** Least time between two writes of a run under way. */
const everyMs = 300;

/** The result file of a run, kept up to date while it goes on. */
export interface ResultsFile {
  readonly path: string;
  /** Takes the report's present state; written soon, never more often than every 300 ms. */
  update(report: () => Report): void;
  /** Writes this state at once and whole, and nothing after it. */
  finish(report: Report): Promise<void>;
}

/**
 * Opens the file by writing the first state: a folder that cannot be written is known before anything runs.
 * Each write is to a neighbour that is then renamed, so that a reader never sees half a file.
 * @throws HarnessError `output`.
 */
export async function openResultsFile(file: string, first: Report): Promise<ResultsFile> {
  const write = async (report: Report): Promise<void> => {
    const neighbour = `${file}.part`;
    try {
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(neighbour, `${JSON.stringify(report, undefined, 1)}\n`);
      await rename(neighbour, file);
    } catch (thrown) {
      await rm(neighbour, { force: true }).catch(() => undefined);
      throw new HarnessError("output", `The results cannot be written to ${file}: ${messageOf(thrown)}.`, {
        place: file,
        hint: "choose another folder with --output",
        cause: thrown,
      });
    }
  };
  await write(first);

  let latest: (() => Report) | undefined;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  const flush = (): void => {
    timer = undefined;
    const report = latest;
    latest = undefined;
    if (report !== undefined) {
      running = running
        .then(() => write(report()))
        // The last write tells: what failed in between may be mended by then.
        .catch(() => undefined);
    }
  };
  return {
    path: file,
    update(report) {
      latest = report;
      timer ??= setTimeout(flush, everyMs);
    },
    async finish(report) {
      clearTimeout(timer);
      latest = undefined;
      await running;
      await write(report);
    },
  };
}
