import { createK6Engine } from "../engines/k6.js";
import type { Engine } from "../engines/engine.js";
import { killGroup, readGroupUsage } from "../surroundings/process-group.js";

/** Who can perform a workload. */
export const engineNames = ["native", "k6"] as const;
export type EngineName = (typeof engineNames)[number];

/**
 * The engine of a name; undefined is the native one, which needs nothing beside this program.
 * @param options.k6 file of k6; without it `k6` is sought on PATH.
 * @param options.environment what k6 is given.
 */
export function engineNamed(
  name: EngineName,
  options: { readonly k6: string | undefined; readonly environment: Readonly<Record<string, string | undefined>> },
): Engine | undefined {
  return name === "native"
    ? undefined
    : createK6Engine({ binary: options.k6, environment: options.environment, watch: { usage: readGroupUsage, kill: killGroup } });
}
