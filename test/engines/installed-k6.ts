import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { inspectK6 } from "../../src/engines/k6-binary.js";

const built = fileURLToPath(new URL("../../../.cache/k6/v2.2.0/k6", import.meta.url));
const script = fileURLToPath(new URL("../../src/engines/k6/script.js", import.meta.url));

/** The k6 to test with: HALFCLOSE_K6, what scripts/install-k6.sh built, or that on PATH; otherwise why there is none. */
export async function installedK6(): Promise<{ readonly path: string } | { readonly missing: string }> {
  if (!existsSync(script)) {
    return { missing: "the k6 script is not built: npm run build" };
  }
  const candidate = process.env["HALFCLOSE_K6"] ?? (existsSync(built) ? built : "k6");
  const found = await inspectK6(candidate);
  return found.kind === "fits" ? { path: candidate } : { missing: `no k6 that fits (${candidate}: ${found.kind}); scripts/install-k6.sh builds one` };
}
