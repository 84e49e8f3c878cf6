import type { Report } from "../core/report.js";
import type { Reporter } from "../core/reporter.js";
import { headline, statusCounts } from "./summary.js";
import { xmlText } from "./xml.js";

/** A badge for a README, as SVG: how many checks passed of those that were judged, or the one word that matters more. */
export const badge: Reporter = {
  about: "an SVG badge for a README",
  fileName: "badge.svg",
  render: (report) => svg("halfclose", message(report), colours[headline(report).tone]),
};

const colours = { good: "#2e7d32", bad: "#c62828", doubtful: "#8d6e00" } as const;

function message(report: Report): string {
  const counts = statusCounts(report.checks);
  const judged = counts.passed + counts.failed + counts.warned + counts["known-failing"];
  const { word, tone } = headline(report);
  // A count of passes beside a run that proved nothing, broke or was interrupted would flatter.
  return tone === "doubtful" || judged === 0 ? word.toLowerCase() : `${counts.passed} of ${judged} passed`;
}

function svg(label: string, text: string, colour: string): string {
  // No font can be measured here; 6.6 px a character is Verdana's average at 11 px, and textLength makes it fit exactly.
  const widthOf = (words: string): number => Math.round(words.length * 6.6);
  const left = widthOf(label) + 12;
  const right = widthOf(text) + 12;
  const words = (x: number, content: string): string =>
    `<text x="${x + 6}" y="14" fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" textLength="${widthOf(content)}" lengthAdjust="spacingAndGlyphs">${xmlText(content)}</text>`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${left + right}" height="20" role="img" aria-label="${xmlText(`${label}: ${text}`)}">`,
    `<title>${xmlText(`${label}: ${text}`)}</title>`,
    `<clipPath id="round"><rect width="${left + right}" height="20" rx="3"/></clipPath>`,
    `<g clip-path="url(#round)"><rect width="${left}" height="20" fill="#444"/><rect x="${left}" width="${right}" height="20" fill="${colour}"/></g>`,
    words(0, label),
    words(left, text),
    "</svg>",
    "",
  ].join("\n");
}
