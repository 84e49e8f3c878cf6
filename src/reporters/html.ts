import type { Reporter } from "../core/reporter.js";
import { page } from "./html/page.js";

/** One file for a browser, complete in itself: works offline and from `file://`, under 1 MB, with the results inside for download. */
export const html: Reporter = {
  about: "one page for a browser: matrix, sequence diagrams, charts; works offline",
  fileName: "report.html",
  render: (report, options) => page(report, options.explanations ?? {}),
};
