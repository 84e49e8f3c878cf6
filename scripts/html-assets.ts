/**
 * Writes src/reporters/html/assets.ts: the style and scripts of the HTML report as text, uPlot's from its package.
 * Run by `npm run html-assets` after a change to page.css, page.js or the version of uPlot; a test fails while the file is out of date.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import path from "node:path";

/** The generated file, from the root of the repository. */
export const assetsFile = "src/reporters/html/assets.ts";

/** The text of the generated file. @param root folder of the repository */
export function htmlAssets(root: string): string {
  const read = (file: string): string => readFileSync(path.join(root, file), "utf8");
  const assets = {
    pageStyle: withoutCommentsAndIndent(read("src/reporters/html/page.css")),
    pageScript: read("src/reporters/html/page.js"),
    uplotStyle: read("node_modules/uplot/dist/uPlot.min.css"),
    // The licence asks to be in every copy, and each report is one.
    uplotScript: `/*! ${read("node_modules/uplot/LICENSE").trim()} */\n${read("node_modules/uplot/dist/uPlot.iife.min.js")}`,
  };
  for (const [name, text] of Object.entries(assets)) {
    if (/<\/(?:script|style)|<!--/i.test(text)) {
      throw new Error(`${name} would end its own element`);
    }
  }
  return [
    "// Made by scripts/html-assets.ts from page.css, page.js and the package uplot. Edit those, not this.",
    ...Object.entries(assets).map(([name, text]) => `export const ${name} = ${JSON.stringify(text)};`),
    "",
  ].join("\n");
}

function withoutCommentsAndIndent(css: string): string {
  return css.replace(/\/\*[^]*?\*\//g, "").replace(/\s*\n\s*/g, "\n");
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  // Compiled to dist/scripts/.
  const root = fileURLToPath(new URL("../../", import.meta.url));
  writeFileSync(path.join(root, assetsFile), htmlAssets(root));
}
