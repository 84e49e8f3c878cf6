import { createHash } from "node:crypto";
import type { CheckRecord, Report } from "../../core/report.js";
import { headline } from "../summary.js";
import { resultAnchors } from "./anchors.js";
import { pageScript, pageStyle, uplotScript, uplotStyle } from "./assets.js";
import { banner, gates, problems } from "./banner.js";
import { embedReport } from "./embedded-report.js";
import { findings, isFinding } from "./findings.js";
import { markup, none, verbatim, type Markup } from "./markup.js";
import { matrix, overview } from "./matrix.js";
import { unjudged } from "./unjudged.js";
import { workloadSection } from "./workload.js";

/** What a page of less than a megabyte may spend; the second is for runs in which everything fails at length. */
const budgets = [
  { bytes: 1_000_000, diagramRows: 1000, embeddedCharacters: 350_000, textCharacters: 4000 },
  { bytes: Infinity, diagramRows: 0, embeddedCharacters: 200_000, textCharacters: 160 },
] as const;

/** The whole document. Its policy lets nothing load and nothing run but the scripts and the style that are in it, by their hash. */
export function page(report: Report, explanations: Readonly<Record<string, string>>): string {
  let text = "";
  for (const budget of budgets) {
    text = pageWithin(report, explanations, budget);
    if (Buffer.byteLength(text) < budget.bytes) {
      break;
    }
  }
  return text;
}

function pageWithin(whole: Report, explanations: Readonly<Record<string, string>>, budget: (typeof budgets)[number]): string {
  const embedded = embedReport(whole, budget.embeddedCharacters);
  const report = shorten(whole, budget.textCharacters);
  const anchors = resultAnchors(report.checks);
  const scripts = report.workloads.length === 0 ? [pageScript] : [uplotScript, pageScript];
  const style = report.workloads.length === 0 ? pageStyle : uplotStyle + pageStyle;
  const policy = [
    "default-src 'none'",
    `script-src ${scripts.map(hash).join(" ")}`,
    `style-src ${hash(style)}`,
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  const body = markup`<a class="skip" href="#main">Skip to the results</a>
${banner(report)}
${contents(report)}
<main id="main" tabindex="-1">
${problems(report)}
${gates(report)}
${overview(report, anchors)}
${findings(report, { anchors, explanations, diagramRows: budget.diagramRows })}
${matrix(report, anchors, isFinding)}
${unjudged(report, anchors)}
${report.workloads.map(workloadSection)}
${report.checks.length === 0 && report.workloads.length === 0 ? markup`<p>Nothing was run.</p>` : none}
</main>
<footer><p>Made by halfclose ${report.harness.version} from ${report.schema}. <button type="button" id="download" hidden>Download results.json</button>${
    embedded.timelineLimit === undefined
      ? none
      : markup` <span class="faint">Timelines in this page are cut to ${embedded.timelineLimit} events around the offence; the run's own results.json has them whole.</span>`
  }</p></footer>
<script type="application/octet-stream" id="results">${verbatim(embedded.base64)}</script>`;
  const title = markup`halfclose: ${headline(report).word.toLowerCase()}, ${report.target.urls.join(" ")}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${title.markup}</title>
<style>${style}</style>
</head>
<body>
${body.markup}
${scripts.map((script) => `<script>${script}</script>`).join("\n")}
</body>
</html>
`;
}

/** The report with the texts of its checks cut for display; the embedded copy has them whole. */
function shorten(report: Report, most: number): Report {
  const cut = (text: string): string => (text.length <= most ? text : `${text.slice(0, most)} … (${text.length - most} more characters)`);
  const checks = report.checks.map((check): CheckRecord => {
    const { expected, actual, reason } = check;
    return {
      ...check,
      requirement: cut(check.requirement),
      clause: cut(check.clause),
      ...(expected === undefined ? {} : { expected: cut(expected) }),
      ...(actual === undefined ? {} : { actual: cut(actual) }),
      ...(reason === undefined ? {} : { reason: cut(reason) }),
      ends: check.ends.map(cut),
    };
  });
  return { ...report, checks };
}

function contents(report: Report): Markup {
  const entries: readonly (readonly [string, string])[] = [
    ...(report.checks.some(isFinding) ? [["findings", "Findings"] as const] : []),
    ...(report.checks.length > 0 ? [["checks", "Checks"] as const] : []),
    ...report.workloads.map((workload, index) => [`workload-${index + 1}`, workload.name] as const),
  ];
  return entries.length < 2
    ? none
    : markup`<nav aria-label="Sections"><ul>${entries.map(([id, title]) => markup`<li><a href="#${id}">${title}</a></li>`)}</ul></nav>`;
}

function hash(content: string): string {
  return `'sha256-${createHash("sha256").update(content).digest("base64")}'`;
}
