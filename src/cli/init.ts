import { access, writeFile } from "node:fs/promises";
import path from "node:path";
import { discoverMonitors, type MonitorCandidate } from "../contract/discover.js";
import { loadContract } from "../contract/load-contract.js";
import { HarnessError, messageOf } from "../core/errors.js";
import { readReach, type Reach } from "../harness/connection-options.js";
import { proposeConfig, proposeContract } from "../harness/contract-proposal.js";
import { observeEntries } from "../harness/observe-entries.js";
import { defineCommand, type Invocation } from "./command.js";
import { configFileNames } from "./config-file.js";
import { connectionOptions } from "./connection.js";
import type { Console } from "./console.js";
import type { OptionSpecs } from "./options.js";

const group = "Files";
const { url, header, token, ca, insecure, cert, key, servername } = connectionOptions;
const options = {
  url,
  method: { kind: "text", group: "Target", value: "NAME", about: "The monitor's method, package.Service/Method, when there are several" },
  contract: { kind: "text", group, value: "FILE", about: "Contract to write", fallback: "monitor.yaml" },
  yes: { kind: "flag", short: "y", group, about: "Ask nothing; so it is anyway where there is no terminal", commandLineOnly: true },
  force: { kind: "flag", group, about: "Write over files that are there", commandLineOnly: true },
  header,
  token,
  ca,
  insecure,
  cert,
  key,
  servername,
} as const satisfies OptionSpecs;

/** Writes a contract and a config file to start from. */
export const init = defineCommand({
  usage: "<url..>",
  about:
    "Looks at a monitor, asks it for its types by gRPC reflection, watches its entries for a moment, and writes a contract and a config file to start from.",
  examples: [["halfclose init grpc://localhost:50051 ws://localhost:8080/logs/monitor", "then look at monitor.yaml, and: halfclose run"]],
  options,
  arity: [0, 2],
  run: (invocation) => performInit(invocation),
});

async function performInit(invocation: Invocation<typeof options>): Promise<number> {
  const { options: given, console } = invocation;
  const urls = invocation.arguments.length > 0 ? invocation.arguments : given.url;
  if (urls.length === 0) {
    throw new HarnessError("usage", "There is no target: give a URL.", { hint: "halfclose init grpc://localhost:50051" });
  }
  const contractFile = given.contract ?? "monitor.yaml";
  const configFile = configFileNames[0];
  for (const file of [contractFile, configFile]) {
    await refuseExisting(console, file, given.force === true);
  }
  const reach = await readReach({ ...given, urls, headers: given.header }, console.workingDirectory);
  const grpc = reach.urls.grpc === undefined ? undefined : await chooseMonitor(invocation, await discovered(reach));
  const { ws } = reach.urls;
  const webSocketPath = ws === undefined ? undefined : (ws.path ?? "/logs/monitor");
  const seen = await observeEntries({ reach, grpcMethod: grpc?.method, webSocketPath });
  const entries = seen.flat();
  const name = grpc === undefined ? "monitor" : (grpc.method.split(/[./]/).at(-2) ?? "monitor").toLowerCase();
  await write(
    console,
    contractFile,
    proposeContract({ name, grpc, webSocketPath, entries, ...(seen[0] === undefined ? {} : { ofOneStream: seen[0].length }) }),
  );
  await write(console, configFile, proposeConfig(urls, contractFile));
  await loadContract(contractFile, { folder: console.workingDirectory });
  console.out(
    `${contractFile}: ${grpc === undefined ? "WebSocket" : grpc.method}, ${entries.length === 0 ? "no entry came for an empty filter" : `guessed from ${entries.length} entries`}; look at what it says of filters and rules\n` +
      `${configFile}: names the target, so that halfclose run needs no more\n`,
  );
  return 0;
}

function discovered(reach: Reach): Promise<MonitorCandidate[]> {
  const { grpc } = reach.urls;
  if (grpc === undefined) {
    return Promise.resolve([]);
  }
  return discoverMonitors({ url: grpc.shown, host: grpc.host, port: grpc.port, headers: reach.headers, ...(grpc.secure ? { tls: reach.tls } : {}) });
}

/** The method that is meant: the one named, the only one, or the one that is chosen on a terminal; else the first. */
async function chooseMonitor({ options: given, console }: Invocation<typeof options>, candidates: readonly MonitorCandidate[]): Promise<MonitorCandidate> {
  const [first] = candidates;
  if (first === undefined) {
    throw new HarnessError("contract", "The server has no method that streams both ways.", {
      hint: "a monitor is: rpc Monitor (stream Filter) returns (stream Entry)",
    });
  }
  const names = candidates.map(({ method }) => method);
  if (given.method !== undefined) {
    const named = candidates.find(({ method }) => method === given.method?.replace(/^\//, ""));
    if (named === undefined) {
      throw new HarnessError("usage", `--method ${given.method} is none of those that stream both ways: ${names.join(", ")}.`, { place: "--method" });
    }
    return named;
  }
  if (candidates.length === 1 || given.yes === true || !console.outIsTerminal) {
    return first;
  }
  console.out(names.map((method, index) => `  ${index + 1}  ${method}\n`).join(""));
  const answer = await console.ask(`Which is the monitor? [1] `);
  return candidates[Number(answer === "" ? "1" : answer) - 1] ?? first;
}

async function refuseExisting(console: Console, file: string, force: boolean): Promise<void> {
  const there = await access(path.resolve(console.workingDirectory, file)).then(
    () => true,
    () => false,
  );
  if (there && !force) {
    throw new HarnessError("usage", `${file} is there already.`, { place: file, hint: "--force writes over it" });
  }
}

async function write(console: Console, file: string, text: string): Promise<void> {
  try {
    await writeFile(path.resolve(console.workingDirectory, file), text);
  } catch (thrown) {
    throw new HarnessError("output", `${file} cannot be written: ${messageOf(thrown)}.`, { place: file, cause: thrown });
  }
}
