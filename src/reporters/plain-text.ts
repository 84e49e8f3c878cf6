// ANSI: CSI, OSC (ended by BEL or ST) and the two-byte escapes, as ECMA-48 has them.
const ansiSequence = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\^_])/g;
// Controls, line separators, marks that turn the text round or hide, lone surrogates, noncharacters. The joiner of emoji and Indic letters stays.
const unsafeCharacter = /(?!\u200d)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\ufdd0-\ufdef\ufffe\uffff]/gu;

/** Any text as one printable line: ANSI sequences are dropped, a control character shows as `\n` or `\x1b`, nothing can move the cursor or turn the text round. */
export function oneLine(text: string): string {
  return text.replace(ansiSequence, "").replace(unsafeCharacter, escapeCharacter);
}

/**
 * Output for a log, with nothing in it that a CI runner takes for a command: GitHub obeys lines that begin with `::`, others `##[…]`, `##vso[…]` or
 * `##teamcity[…]` anywhere. A blank takes them apart: runners
 * that compare by the rules of a language overlook characters of no width.
 */
export function withoutCommands(output: string): string {
  return output.replace(/^((?:[^\S\n]|\p{Cf})*):(?=\p{Cf}*:)/gmu, "$1: ").replace(/#(?=\p{Cf}*#[\w\p{Cf}]*\[)/gu, "# ");
}

/** Like `oneLine`, but line breaks stay. */
export function printableLines(text: string): string[] {
  return text.split(/\r\n|\n|\r/).map(oneLine);
}

function escapeCharacter(character: string): string {
  if (character === "\n") {
    return "\\n";
  }
  if (character === "\r") {
    return "\\r";
  }
  if (character === "\t") {
    return "\\t";
  }
  const code = character.codePointAt(0) ?? 0;
  if (code > 0xffff) {
    return `\\u{${code.toString(16)}}`;
  }
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
}

/** Columns that a printable line takes on a terminal: wide East Asian characters and emoji take two, combining marks none. */
export function columnsOf(line: string): number {
  let columns = 0;
  for (const character of line) {
    columns += columnsOfCharacter(character.codePointAt(0) ?? 0);
  }
  return columns;
}

function columnsOfCharacter(code: number): number {
  if (code < 0x300) {
    return 1;
  }
  if ((code >= 0x300 && code <= 0x36f) || (code >= 0x200b && code <= 0x200d) || (code >= 0xfe00 && code <= 0xfe0f)) {
    return 0;
  }
  const wide =
    (code >= 0x1100 && code <= 0x115f) ||
    (code >= 0x2e80 && code <= 0xa4cf) ||
    (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xfe30 && code <= 0xfe6f) ||
    (code >= 0xff00 && code <= 0xff60) ||
    (code >= 0xffe0 && code <= 0xffe6) ||
    (code >= 0x1f300 && code <= 0x1faff) ||
    (code >= 0x20000 && code <= 0x3fffd);
  return wide ? 2 : 1;
}

/** The line filled with blanks up to so many columns; longer lines stay as they are. */
export function padEnd(line: string, columns: number): string {
  return line + " ".repeat(Math.max(0, columns - columnsOf(line)));
}

export function padStart(line: string, columns: number): string {
  return " ".repeat(Math.max(0, columns - columnsOf(line))) + line;
}

/** The line cut to at most so many columns, its last one `…` if anything was cut. */
export function truncate(line: string, columns: number): string {
  if (columnsOf(line) <= columns) {
    return line;
  }
  let kept = "";
  let used = 0;
  for (const character of line) {
    const more = columnsOfCharacter(character.codePointAt(0) ?? 0);
    if (used + more > columns - 1) {
      break;
    }
    kept += character;
    used += more;
  }
  return `${kept}…`;
}

/** Lines of at most so many columns, broken at blanks; a word longer than a line is broken anywhere. At least one line. */
export function wrap(line: string, columns: number): string[] {
  const limit = Math.max(1, columns);
  const lines: string[] = [];
  let current = "";
  for (const word of line.split(" ")) {
    const candidate = current === "" ? word : `${current} ${word}`;
    if (columnsOf(candidate) <= limit) {
      current = candidate;
      continue;
    }
    if (current !== "") {
      lines.push(current);
    }
    const pieces = breakWord(word, limit);
    lines.push(...pieces.slice(0, -1));
    current = pieces.at(-1) ?? "";
  }
  lines.push(current);
  return lines;
}

function breakWord(word: string, columns: number): string[] {
  const pieces: string[] = [];
  let current = "";
  let used = 0;
  for (const character of word) {
    const more = columnsOfCharacter(character.codePointAt(0) ?? 0);
    if (used + more > columns && current !== "") {
      pieces.push(current);
      current = "";
      used = 0;
    }
    current += character;
    used += more;
  }
  pieces.push(current);
  return pieces;
}
