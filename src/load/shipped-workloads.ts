import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { HarnessError, messageOf } from "../core/errors.js";
import { didYouMean } from "../core/suggest.js";
import type { Workload } from "../core/workload.js";
import { parseWorkload } from "./workload-file.js";

/** Names of the workloads that come with the harness, in alphabetical order. */
export function shippedWorkloadNames(): string[] {
  return readdirSync(shippedFolder())
    .filter((file) => file.endsWith(".yaml"))
    .map((file) => file.slice(0, -".yaml".length))
    .toSorted();
}

/**
 * Loads a workload by the name of a shipped one, or by path.
 * @throws HarnessError `workload`.
 */
export function loadWorkload(reference: string): Workload {
  const names = shippedWorkloadNames();
  const shipped = names.includes(reference);
  const file = shipped ? path.join(shippedFolder(), `${reference}.yaml`) : reference;
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (thrown) {
    const looksLikePath = /[/\\.]/.test(reference);
    throw new HarnessError(
      "workload",
      looksLikePath ? `The workload file cannot be read: ${messageOf(thrown)}.` : `There is no workload "${reference}".${didYouMean(reference, names)}`,
      {
        place: reference,
        hint: `Shipped: ${names.join(", ")}; or give the path of a YAML file.`,
        cause: thrown,
      },
    );
  }
  return parseWorkload(text, shipped ? `workloads/${reference}.yaml` : reference);
}

function shippedFolder(): string {
  // From dist/src/load to the package's own folder.
  return fileURLToPath(new URL("../../../scenarios/workloads/", import.meta.url));
}
