import { transportName } from "../core/contract.js";
import type { Check } from "../conformance/check.js";
import { type Fault, faults } from "../reference/faults.js";

/** All that is known of a check, ready to be laid out. */
interface Explanation {
  readonly check: Check;
  /** Faults of the reference server that it catches. */
  readonly provedBy: readonly { readonly name: string; readonly sentence: string }[];
  /** The transports, in words. */
  readonly transports: string;
  readonly needs: readonly string[];
}

const needWords = {
  wire: "a wire driver (the default): a library would hide or answer this by itself",
  producer: "a producer in the contract: entries on demand",
  probe: "a probe in the contract: what the server holds",
} as const;

function explanationOf(check: Check): Explanation {
  const known: Readonly<Record<string, Fault>> = faults;
  return {
    check,
    provedBy: Object.entries(known)
      .filter(([, fault]) => fault.caughtBy.includes(check.id))
      .map(([name, fault]) => ({ name, sentence: fault.sentence })),
    transports: check.on.map(transportName).join(", "),
    needs: (check.needs ?? []).map((need) => needWords[need]),
  };
}

/** A check explained for a terminal. */
export function explainAsText(check: Check, columns: number): string {
  const { provedBy, transports, needs } = explanationOf(check);
  const width = Math.min(Math.max(columns, 50), 100);
  const part = (title: string, lines: readonly string[]): string[] => (lines.length === 0 ? [] : ["", title, ...lines]);
  const indented = (text: string, by = "  "): string[] => wrapText(text, width - by.length).map((line) => by + line);
  return [
    check.id,
    ...wrapText(check.requirement, width),
    "",
    `  level       ${check.level}`,
    `  transports  ${transports}`,
    ...indentedAfter("  clause      ", check.clause, width),
    ...part("Why it matters", indented(check.why)),
    ...part(
      "The exchange expected",
      check.exchange.map((line) => `  ${line}`),
    ),
    ...part(
      "What usually causes a failure",
      Object.entries(check.causes).flatMap(([where, cause]) => indentedAfter(`  ${`${where === "any" ? "anywhere" : where}:`.padEnd(10)}`, cause, width)),
    ),
    ...part(
      "What it needs",
      needs.flatMap((need) => indented(need)),
    ),
    ...part(
      "More basic checks",
      (check.dependsOn ?? []).map((id) => `  ${id}`),
    ),
    ...part(
      "Proved by these faults of the reference server (halfclose serve --bug NAME)",
      provedBy.flatMap(({ name, sentence }) => [`  ${name}`, ...indented(sentence, "    ")]),
    ),
    "",
    `Run it alone: halfclose URL.. --grep ${check.id}`,
    "",
  ].join("\n");
}

/** Every check explained, as the page docs/checks.md. */
export function explainAllAsMarkdown(checks: readonly Check[]): string {
  const byTopic = groupByTopic(checks);
  const lines = [
    "# Checks",
    "",
    `Every check of halfclose, ${checks.length} in all. \`halfclose explain ID\` prints the same. This page is made by \`npm run docs\`; a test keeps it current.`,
    "",
    "Levels: a breach of a *must* fails, of a *should* warns, of an *info* is only reported.",
    "",
    ...[...byTopic].map(([topic, members]) => `- [${topic}](#${topic}) (${members.length})`),
  ];
  for (const [topic, members] of byTopic) {
    lines.push("", `## ${topic}`);
    for (const check of members) {
      lines.push("", ...sectionOf(check));
    }
  }
  return `${lines.join("\n")}\n`;
}

function sectionOf(check: Check): string[] {
  const { provedBy, transports, needs } = explanationOf(check);
  return [
    `### ${check.id}`,
    "",
    `**${escape(check.requirement)}**`,
    "",
    `Level ${check.level}; over ${transports}; from: ${escape(check.clause)}.`,
    "",
    escape(check.why),
    "",
    "```text",
    ...check.exchange,
    "```",
    "",
    ...Object.entries(check.causes).map(([where, cause]) => `- ${where === "any" ? "Usual cause" : `In ${where}`}: ${escape(cause)}`),
    ...needs.map((need) => `- Needs ${escape(need)}.`),
    ...(check.dependsOn === undefined || check.dependsOn.length === 0
      ? []
      : [`- A failure here may be a consequence of: ${check.dependsOn.map((id) => `\`${id}\``).join(", ")}.`]),
    ...provedBy.map(({ name, sentence }) => `- Proved by \`${name}\`: ${escape(sentence)}`),
  ];
}

function groupByTopic(checks: readonly Check[]): Map<string, Check[]> {
  const groups = new Map<string, Check[]>();
  for (const check of checks) {
    const topic = check.id.slice(0, check.id.indexOf("/"));
    groups.set(topic, [...(groups.get(topic) ?? []), check]);
  }
  return groups;
}

/** Signs that Markdown would take for its own; code in back quotes is left alone. */
function escape(text: string): string {
  return text
    .split(/(`[^`]*`)/)
    .map((part, index) => (index % 2 === 1 ? part : part.replaceAll(/[<*_[\]\\]/g, String.raw`\$&`)))
    .join("");
}

function indentedAfter(head: string, text: string, width: number): string[] {
  const [first = "", ...rest] = wrapText(text, width - head.length);
  return [head + first, ...rest.map((line) => " ".repeat(head.length) + line)];
}

/** Text in lines of at most so many columns; a longer word stands alone. */
function wrapText(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
