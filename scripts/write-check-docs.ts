import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { checks } from "../scenarios/index.js";
import { explainAllAsMarkdown } from "../src/harness/explanation.js";

// From dist/scripts/ two levels up.
await writeFile(fileURLToPath(new URL("../../docs/checks.md", import.meta.url)), explainAllAsMarkdown(checks));
