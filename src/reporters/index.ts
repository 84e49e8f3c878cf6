import type { Reporter } from "../core/reporter.js";
import { badge } from "./badge.js";
import { ctrf } from "./ctrf.js";
import { github } from "./github.js";
import { html } from "./html.js";
import { json } from "./json.js";
import { junit } from "./junit.js";
import { line } from "./line.js";
import { githubSummary, markdown } from "./markdown.js";
import { ndjson } from "./ndjson.js";
import { tap } from "./tap.js";
import { text } from "./text.js";

/** Every reporter by the name that `--reporter` takes. */
export const reporters = {
  text,
  line,
  json,
  ndjson,
  junit,
  tap,
  ctrf,
  github,
  "github-summary": githubSummary,
  markdown,
  html,
  badge,
} as const satisfies Record<string, Reporter>;

export type ReporterName = keyof typeof reporters;

export const reporterNames: readonly ReporterName[] = Object.keys(reporters) as ReporterName[];
