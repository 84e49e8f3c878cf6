import path from "node:path";
import type { CheckRecord, Report } from "../src/core/report.js";

/** A server on the scoreboard: what it is made of, and where the versions of that stand. */
export interface Server {
  /** As in the results; several may share a folder. */
  readonly name: string;
  readonly folder: string;
  readonly language: string;
  /** Relative to the repository; undefined where only the program itself tells. */
  readonly lockFile: string | undefined;
  /** Libraries as the lock file names them, with the transport that each serves. */
  readonly libraries: readonly { readonly name: string; readonly shown: string; readonly serves: string }[];
}

/** One run of the suite against a server. */
export interface Score {
  readonly server: Server;
  /** By library name. */
  readonly versions: Readonly<Record<string, string>>;
  readonly report: Report;
}

/**
 * The version of a library that a lock file fixes: package-lock.json, go.mod, requirements.txt, Cargo.lock, or a pom.xml with a property for it.
 * @throws Error when the file does not name it.
 */
export function lockedVersion(file: string, text: string, library: string): string {
  const name = library.replaceAll(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`);
  const patterns: Readonly<Record<string, string>> = {
    "package-lock.json": String.raw`"node_modules/${name}": \{\s*"version": "([^"]+)"`,
    "go.mod": String.raw`^\s*(?:require\s+)?${name} v(\S+)`,
    "requirements.txt": `^${name}==(.+)$`,
    "Cargo.lock": String.raw`^name = "${name}"\s+version = "([^"]+)"`,
    "pom.xml": String.raw`<${name}>([^<]+)</${name}>`,
  };
  const pattern = patterns[path.basename(file)];
  const version = pattern === undefined ? undefined : new RegExp(pattern, "m").exec(text)?.[1];
  if (version === undefined) {
    throw new Error(`${file} does not say which version of ${library} it takes`);
  }
  return version;
}

/** The scoreboard in Markdown: topics by servers, then what did not pass, and why. */
export function scoreboardPage(scores: readonly Score[]): string {
  const harness = scores[0]?.report.harness.version ?? "";
  return [
    "# Scoreboard",
    "",
    `What halfclose ${harness} finds on the servers of [implementations](../implementations/README.md), from one run of the whole suite on each.`,
    "`npm run scoreboard` makes this page.",
    "",
    "A cell counts the checks that passed, of those that could be judged where that is more; both transports together. All that did not pass is",
    "listed below: what a library does not allow, and, for goa-guide, what a service written straight after Goa's streaming guide gets wrong.",
    "",
    ...topicTable(scores),
    "",
    ...versionTable(scores),
    "",
    ...scores.flatMap(findings),
  ].join("\n");
}

const passing = new Set(["passed"]);
const judged = new Set(["passed", "failed", "warned", "known-failing", "broken"]);

function topicTable(scores: readonly Score[]): string[] {
  const topics = [...new Set(scores.flatMap(({ report }) => report.checks.map(topicOf)))];
  return table(
    ["topic", ...scores.map(({ server }) => `[${server.name}](#${server.name})`)],
    [
      ...topics.map((topic) => [topic, ...scores.map(({ report }) => tally(report.checks.filter((check) => topicOf(check) === topic)))]),
      ["**all**", ...scores.map(({ report }) => `**${tally(report.checks)}**`)],
    ],
    ["-", ...scores.map(() => "-:")],
  );
}

function versionTable(scores: readonly Score[]): string[] {
  return table(
    ["server", "language", "gRPC", "WebSocket"],
    scores.map(({ server, versions }) => [
      `[${server.name}](../implementations/${server.folder})`,
      server.language,
      ...["gRPC", "WebSocket"].map((transport) =>
        server.libraries
          .filter(({ serves }) => serves === transport || serves === "both")
          .map(({ name, shown }) => `${shown} ${versions[name] ?? ""}`.trim())
          .join(", "),
      ),
    ]),
    ["-", "-", "-", "-"],
  );
}

function table(head: readonly string[], rows: readonly (readonly string[])[], rule: readonly string[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), `|${rule.join("|")}|`, ...rows.map(line)];
}

function tally(checks: readonly CheckRecord[]): string {
  const proved = checks.filter(({ status }) => judged.has(status));
  const passed = proved.filter(({ status }) => passing.has(status)).length;
  if (proved.length === 0) {
    return "–";
  }
  return passed === proved.length ? String(passed) : `${passed}/${proved.length}`;
}

function findings({ server, report }: Score): string[] {
  const bad = report.checks.filter(({ status }) => judged.has(status) && !passing.has(status));
  const open = report.checks.filter(({ status }) => !judged.has(status));
  return [
    `## ${server.name}`,
    "",
    ...(bad.length === 0 ? ["All that could be judged passed."] : grouped(bad, ({ reason, actual }) => reason ?? actual ?? "")),
    "",
    ...(open.length === 0
      ? []
      : ["Not judged:", "", ...grouped(open, ({ status, reason }) => `${status === "unproven" ? "lacking" : status}: ${reason ?? ""}`), ""]),
  ];
}

/** A list item for each thing said, with the checks of which it is said. */
function grouped(checks: readonly CheckRecord[], said: (check: CheckRecord) => string): string[] {
  const groups = new Map<string, Map<string, { readonly level: string; readonly transports: string[] }>>();
  for (const check of checks) {
    const group = groups.get(said(check)) ?? new Map<string, { readonly level: string; readonly transports: string[] }>();
    groups.set(said(check), group);
    const one = group.get(check.id) ?? { level: check.level, transports: [] };
    group.set(check.id, one);
    one.transports.push(check.transport === "grpc" ? "gRPC" : "WebSocket");
  }
  return [...groups].map(([text, group]) => {
    const names = [...group].map(([id, { level, transports }]) => `\`${id}\` (${level === "must" ? "" : `${level}, `}${transports.join(" and ")})`);
    return `- ${oneLine(text)}  \n  ${names.join(", ")}`;
  });
}

function oneLine(text: string): string {
  return text
    .replaceAll(/\s+/g, " ")
    .replaceAll("|", String.raw`\|`)
    .replaceAll("<", "&lt;");
}

function topicOf({ id }: CheckRecord): string {
  return id.split("/")[0] ?? id;
}
