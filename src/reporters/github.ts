import type { Reporter } from "../core/reporter.js";
import { annotations, type Annotation } from "./annotations.js";
import { oneLine } from "./plain-text.js";
import { plural } from "./quantities.js";

/** GitHub shows ten annotations of a step and drops the rest without a word. */
const mostAnnotations = 10;

/** Workflow commands for the log of a GitHub job: at most ten, the most telling first; nothing if all is well. */
export const github: Reporter = {
  about: "annotations for GitHub Actions, at most ten, ranked",
  render(report) {
    const all = annotations(report);
    const shown = all.length <= mostAnnotations ? all : all.slice(0, mostAnnotations - 1);
    const left = all.length - shown.length;
    return [
      ...shown.map(command),
      ...(left === 0 ? [] : [command({ severity: "error", title: "halfclose", lines: [`${plural(left, "more finding")}; the step summary has all.`] })]),
    ].join("");
  },
};

function command({ severity, title, lines }: Annotation): string {
  return `::${severity} title=${property(oneLine(title))}::${lines.map((line) => data(oneLine(line))).join("%0A")}\n`;
}

function data(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function property(text: string): string {
  return data(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}
