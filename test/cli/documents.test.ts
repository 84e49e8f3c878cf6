import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { commandNames, commands, isCommandName } from "../../src/cli/commands.js";
import { commonOptions, parseCommandLine } from "../../src/cli/command-line.js";
import { main } from "../../src/cli/main.js";
import { type OptionSpecs, parseOption } from "../../src/cli/options.js";
import { packageFolder } from "../../src/harness/suites.js";
import { startReferenceServer } from "../../src/reference/server.js";
import { recordingConsole } from "./recording-console.js";

const root = packageFolder(".");
const pages = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", ...readdirSync(path.join(root, "docs")).map((file) => `docs/${file}`)].filter((file) =>
  file.endsWith(".md"),
);

function textOf(page: string): string {
  return readFileSync(path.join(root, page), "utf8");
}

/** Blocks of code of a kind. */
function blocks(text: string, kind: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${kind}\n(.*?)^\`\`\``, "gms"))].map(([, block = ""]) => block);
}

/** Words of a command line as a shell would make them, comments left out. */
function wordsOf(line: string): string[] {
  const words: string[] = [];
  for (const [, plain, single, double] of line.replace(/\s#.*$/, "").matchAll(/((?:[^\s'"]|\\ )+(?:'[^']*')?)|'([^']*)'|"([^"]*)"/g)) {
    words.push(plain?.replaceAll("'", "") ?? single ?? double ?? "");
  }
  return words;
}

for (const page of pages) {
  t.test(`${page}: every link to a file leads somewhere`, (t) => {
    for (const [, target = ""] of textOf(page).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (!/^[a-z]+:/.test(target)) {
        t.ok(existsSync(path.join(root, path.dirname(page), target)), target);
      }
    }
    t.end();
  });

  t.test(`${page}: every command line has options that are there, with values that are accepted`, async (t) => {
    const lines = blocks(textOf(page), "sh")
      .flatMap((block) => block.split("\n"))
      .filter((line) => /^(npx )?halfclose\b/.test(line));
    for (const line of lines) {
      const [first = "", ...rest] = wordsOf(line.replace(/^npx /, "").replace(/ [>|&;].*$/, "")).slice(1);
      const name = isCommandName(first) ? first : "run";
      const specs: OptionSpecs = { ...(await commands[name].load()).options, ...commonOptions };
      const parsed = await parseCommandLine(name, specs, isCommandName(first) ? rest : [first, ...rest]);
      for (const [option, value] of Object.entries(parsed.values)) {
        const spec = specs[option];
        t.doesNotThrow(() => spec === undefined || parseOption(spec, value), line);
      }
    }
    t.pass(`${lines.length} command lines`);
  });
}

t.test("every command is named in the README or shown by --help", async (t) => {
  const console = recordingConsole({ folder: t.testdir() });
  await main(["--help"], console);
  for (const name of commandNames) {
    t.match(console.output(), new RegExp(`^  ${name} `, "m"));
  }
});

t.test("README.md: the output shown is what the command prints, but for times, numbers and ports", async (t) => {
  const [block = ""] = blocks(textOf("README.md"), "console");
  const [command = "", ...shown] = block.split("\n");
  const server = await startReferenceServer({ faults: ["end-waits-for-match"] });
  t.teardown(() => server.kill());
  const console = recordingConsole({ folder: t.testdir(), terminal: true });
  const atPorts = (text: string): string =>
    text.replaceAll("localhost:50051", `127.0.0.1:${server.grpcPort}`).replaceAll("localhost:8080", `127.0.0.1:${server.httpPort}`);
  t.equal(await main(wordsOf(atPorts(command.replace(/^\$ halfclose /, "run "))), console), 1, console.errors());
  // Where a line breaks depends on the length of the ports.
  const flat = (text: string): string =>
    text
      .replace(/(127\.0\.0\.1|localhost):\d+/g, "HOST")
      .replace(/halfclose run /g, "halfclose ")
      .replace(/seed \d+/g, "seed N")
      .replace(/ +[\d.]+ {2}(?=a )/g, "  AT  ")
      .replace(/took +[\d.]+ m?s/g, "took N")
      .replace(/HEADERS \d+ bytes/g, "HEADERS")
      .replace(/\s+/g, " ");
  const expected = flat(atPorts(shown.join("\n"))).split(" … ");
  let rest = flat(console.output());
  for (const part of expected) {
    const at = rest.indexOf(part.trim());
    t.ok(at >= 0, `"${part.slice(0, 80)}…" in "${rest.slice(0, 1500)}"`);
    rest = rest.slice(at + part.length);
  }
});
