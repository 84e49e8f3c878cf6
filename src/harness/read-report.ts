import { readFile } from "node:fs/promises";
import path from "node:path";
import { HarnessError, messageOf } from "../core/errors.js";
import type { Report } from "../core/report.js";
import { parseReport } from "../reporters/report-schema.js";

/**
 * Reads a results.json.
 * @throws HarnessError `usage` when it is not there, no JSON, of another version, or of another shape.
 */
export async function readReport(folder: string, file: string): Promise<Report> {
  let text: string;
  try {
    text = await readFile(path.resolve(folder, file), "utf8");
  } catch (thrown) {
    throw new HarnessError("usage", `The results cannot be read: ${messageOf(thrown)}.`, {
      place: file,
      hint: "a run writes reports/results.json",
      cause: thrown,
    });
  }
  return parseReport(text, file);
}
