import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import path from "node:path";
import t from "tap";
import { assetsFile, htmlAssets } from "../../../scripts/html-assets.js";

t.test("the page's style and scripts are those of their sources; if not, npm run html-assets", (t) => {
  // Compiled to dist/test/reporters/html/.
  const root = fileURLToPath(new URL("../../../../", import.meta.url));
  t.equal(readFileSync(path.join(root, assetsFile), "utf8"), htmlAssets(root));
  t.end();
});
