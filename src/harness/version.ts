import { readFileSync } from "node:fs";

let known: string | undefined;

/** The version of this package. */
export function harnessVersion(): string {
  // From dist/src/harness/ three levels up.
  known ??= (JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8")) as { readonly version: string }).version;
  return known;
}
