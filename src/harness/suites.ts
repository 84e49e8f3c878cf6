import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseSuite, type Suite } from "../conformance/suite.js";
import { HarnessError, messageOf } from "../core/errors.js";
import { didYouMean } from "../core/suggest.js";

/** The folder of this package's own YAML files: `contracts`, `suites`, `scenarios`. */
export function packageFolder(name: string): string {
  // From dist/src/harness/ three levels up.
  return fileURLToPath(new URL(`../../../${name}/`, import.meta.url));
}

/** Used when none is named. */
export const defaultSuite = "conformance";

/** Names of the suites that come with the harness, in order. */
export async function suiteNames(): Promise<string[]> {
  const files = await readdir(packageFolder("suites"));
  return files
    .filter((file) => file.endsWith(".yaml"))
    .map((file) => file.slice(0, -".yaml".length))
    .toSorted();
}

/**
 * The suite of that name, or in the file of that path.
 * @throws HarnessError `suite` with file:line:column, or with the nearest name.
 */
export async function loadSuite(reference: string, folder: string): Promise<Suite> {
  const names = await suiteNames();
  const shown = names.includes(reference) ? `suites/${reference}.yaml` : reference;
  const file = names.includes(reference) ? path.join(packageFolder("suites"), `${reference}.yaml`) : path.resolve(folder, reference);
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (thrown) {
    if (/[./\\]/.test(reference)) {
      throw new HarnessError("suite", `The suite cannot be read: ${messageOf(thrown)}.`, { place: reference, cause: thrown });
    }
    throw new HarnessError(
      "suite",
      `There is no suite "${reference}".${didYouMean(reference, names) || ` There are: ${names.join(", ")}; or give the path of a file.`}`,
      { place: "--suite" },
    );
  }
  return parseSuite(text, shown);
}
