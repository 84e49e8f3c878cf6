/**
 * Writes src/load/byte-scan-module.ts: src/load/byte-scan.wat assembled, as text.
 * Run by `npm run byte-scan` after a change to it; a test fails while the file is out of date.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import path from "node:path";

import wabt from "wabt";

const source = "src/load/byte-scan.wat";

/** The generated file, from the root of the repository. */
export const byteScanFile = "src/load/byte-scan-module.ts";

/** The text of the generated file. @param root folder of the repository */
export async function byteScanModule(root: string): Promise<string> {
  const { parseWat } = await wabt();
  const module = parseWat(source, readFileSync(path.join(root, source), "utf8"), { simd: true });
  try {
    const { buffer } = module.toBinary({});
    return `// Made by scripts/byte-scan-module.ts from byte-scan.wat. Edit that, not this.\nexport const byteScanModule =\n  "${Buffer.from(buffer).toString("base64")}";\n`;
  } finally {
    module.destroy();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  // Compiled to dist/scripts/.
  const root = fileURLToPath(new URL("../../", import.meta.url));
  writeFileSync(path.join(root, byteScanFile), await byteScanModule(root));
}
