import { readFile } from "node:fs/promises";
import path from "node:path";
import { HarnessError, messageOf } from "../core/errors.js";
import { type Report, reportSchema } from "../core/report.js";

/**
 * Reads a results.json.
 * @throws HarnessError `usage` when it is not there, no JSON, or of another version.
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
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    throw new HarnessError("usage", `This is not JSON: ${messageOf(thrown)}.`, { place: file, cause: thrown });
  }
  const schema = typeof value === "object" && value !== null && "schema" in value ? value.schema : undefined;
  if (schema !== reportSchema) {
    throw new HarnessError("usage", `This is not a report of halfclose: its schema is ${JSON.stringify(schema) ?? "missing"}, not "${reportSchema}".`, {
      place: file,
    });
  }
  return value as Report;
}
