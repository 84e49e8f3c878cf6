import { readFile } from "node:fs/promises";
import path from "node:path";
import { parseKnownFailing } from "../conformance/known-failing.js";
import { parseScript } from "../conformance/script-file.js";
import { checkOfScript } from "../conformance/script.js";
import { parseSuite } from "../conformance/suite.js";
import { defaultContract, loadContract } from "../contract/load-contract.js";
import { HarnessError, messageOf } from "../core/errors.js";
import { reportSchema } from "../core/report.js";
import { readReport } from "../harness/read-report.js";
import { parseWorkload } from "../load/workload-file.js";
import { parseYaml } from "../yaml/document.js";
import { defineCommand } from "./command.js";
import { configFileNames, loadConfig } from "./config-file.js";
import type { OptionSpecs } from "./options.js";

const kinds = ["contract", "suite", "workload", "scenario", "config", "known-failing", "results"] as const;
type Kind = (typeof kinds)[number];

const options = {
  as: { kind: "choice", of: kinds, group: "File", about: "What the file is; default: seen from its keys" },
  contract: { kind: "text", group: "File", value: "FILE|NAME", about: "Contract whose filters a scenario may name", fallback: defaultContract },
} as const satisfies OptionSpecs;

/** Checks files without running anything. */
export const validate = defineCommand({
  usage: "<file..>",
  about:
    "Checks contracts, suites, workloads, scenarios, config and known-failing files, and results, without running anything. What is wrong is named with file:line:column.",
  examples: [["halfclose validate monitor.yaml", "a contract"]],
  options,
  arity: [1, 100],
  async run({ options: given, arguments: files, console }) {
    for (const file of files) {
      const text = await readText(console.workingDirectory, file);
      const kind = given.as ?? kindOf(file, text);
      const says = await checks[kind]({
        text,
        file,
        folder: console.workingDirectory,
        contract: given.contract ?? defaultContract,
        environment: console.environment,
      });
      console.out(`${file}: a valid ${kind}${says === "" ? "" : `, ${says}`}\n`);
    }
    return 0;
  },
});

interface Given {
  readonly text: string;
  readonly file: string;
  readonly folder: string;
  readonly contract: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** For each kind what checks it, and says what it found in a few words. */
const checks: Readonly<Record<Kind, (given: Given) => Promise<string>>> = {
  async contract({ text, file, folder }) {
    const contract = await loadContract(file, { folder });
    const { value } = parseYaml(text, file, "contract");
    // A contract without its types has no gRPC side yet.
    const byReflection = contract.grpc === undefined && (value as { readonly grpc?: unknown }).grpc !== undefined;
    const transports = [
      ...(byReflection ? ["gRPC by reflection"] : contract.grpc === undefined ? [] : ["gRPC"]),
      ...(contract.websocket === undefined ? [] : ["WebSocket"]),
    ];
    const unchecked = byReflection ? `; the server alone knows its types: halfclose doctor --contract ${file} grpc://HOST:PORT checks names against them` : "";
    return `"${contract.name}" over ${transports.join(" and ")}, ${Object.keys(contract.filters).length} filters${unchecked}`;
  },
  suite: ({ text, file }) => Promise.resolve(`"${parseSuite(text, file).name}"`),
  workload: ({ text, file }) => Promise.resolve(`"${parseWorkload(text, file).name}"`),
  async scenario({ text, file, folder, contract }) {
    const check = checkOfScript(parseScript(text, file), await loadContract(contract, { folder }));
    return `${check.id}, ${check.exchange.length} steps`;
  },
  async config({ file, folder, environment }) {
    // Imported when called: the registry of commands imports this file.
    const { allOptions } = await import("./commands.js");
    const config = await loadConfig({ workingDirectory: folder, file, profile: undefined, environment, specs: allOptions });
    return `${Object.keys(config.values).length} options`;
  },
  "known-failing": ({ text, file }) => Promise.resolve(`${parseKnownFailing(text, file).length} entries`),
  async results({ file, folder }) {
    const report = await readReport(folder, file);
    return `${report.checks.length} checks and ${report.workloads.length} workloads, exit code ${report.exitCode}`;
  },
};

/** What a file is, by its name and its top-level keys. */
function kindOf(file: string, text: string): Kind {
  if ((configFileNames as readonly string[]).includes(path.basename(file))) {
    return "config";
  }
  const { value } = parseYaml(text, file, "config");
  const has = (key: string): boolean => typeof value === "object" && value !== null && Object.hasOwn(value, key);
  if (Array.isArray(value)) {
    return "known-failing";
  }
  if (has("schema") && (value as { readonly schema: unknown }).schema === reportSchema) {
    return "results";
  }
  const byKey: readonly (readonly [key: string, kind: Kind])[] = [
    ["filters", "contract"],
    ["match", "contract"],
    ["steps", "scenario"],
    ["duration", "workload"],
    ["each", "workload"],
    ["select", "suite"],
    ["gates", "suite"],
    ["profiles", "config"],
  ];
  const bare = typeof value === "object" && value !== null && Object.keys(value).every((key) => ["name", "about", "workloads"].includes(key));
  const kind = byKey.find(([key]) => has(key))?.[1] ?? (bare && has("name") ? "suite" : undefined);
  if (kind === undefined) {
    throw new HarnessError("usage", "Its keys do not say what kind of file this is.", { place: file, hint: `say it with --as: ${kinds.join(", ")}` });
  }
  return kind;
}

async function readText(folder: string, file: string): Promise<string> {
  try {
    return await readFile(path.resolve(folder, file), "utf8");
  } catch (thrown) {
    throw new HarnessError("usage", `The file cannot be read: ${messageOf(thrown)}.`, { place: file, cause: thrown });
  }
}
