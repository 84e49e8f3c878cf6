import { oneLine } from "./plain-text.js";

/**
 * Any text as a code span that is safe in a table cell too: no markup, no HTML, no mention (`@someone`), no issue link (`#1`) comes of it.
 * An empty text is `–`.
 */
export function codeSpan(text: string): string {
  const line = oneLine(text);
  if (line.trim() === "") {
    return "–";
  }
  const fence = "`".repeat(longestRun(line) + 1);
  const padded = line.startsWith("`") || line.endsWith("`") || line.startsWith(" ") || line.endsWith(" ") ? ` ${line} ` : line;
  // The only escape that GFM reads inside code: a cell's border.
  return `${fence}${padded.replaceAll("|", "\\|")}${fence}`;
}

/** Lines as a fenced code block. */
export function codeBlock(lines: readonly string[]): string[] {
  const clean = lines.map(oneLine);
  const fence = "`".repeat(Math.max(3, ...clean.map((line) => longestRun(line) + 1)));
  return [`${fence}text`, ...clean, fence];
}

/** Any text as prose: every sign that could be markup is escaped, mentions and issue links are broken up. */
export function prose(text: string): string {
  return (
    oneLine(text)
      .replace(/[\\`*_[\]<>|~&#@$:]/g, "\\$&")
      // Lists, rules and headings begin a line; a bare host name is a link.
      .replace(/^(\s*)([-+=]|\d+(?=[.)]))/, (_, blanks: string, sign: string) => (/\d/.test(sign) ? `${blanks}${sign}\\` : `${blanks}\\${sign}`))
      .replace(/\bwww\./gi, "www\\.")
      .replace(/(\\[@#])(?=\w)/g, "$1\u2060")
  );
}

function longestRun(line: string): number {
  return Math.max(0, ...[...line.matchAll(/`+/g)].map(([run]) => run.length));
}
