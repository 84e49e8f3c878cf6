import { readFile } from "node:fs/promises";
import { defaultContract, loadContract } from "../contract/load-contract.js";
import { exitCodes } from "../core/exit-code.js";
import { inspectK6, oldestK6 } from "../engines/k6-binary.js";
import { HarnessError } from "../core/errors.js";
import { readReach, type Reach } from "../harness/connection-options.js";
import { diagnose, type Finding } from "../harness/diagnosis.js";
import { describeEnvironment } from "../harness/environment.js";
import { redact } from "../harness/redact.js";
import type { TargetUrl } from "../harness/target-url.js";
import { harnessVersion } from "../harness/version.js";
import { defineCommand } from "./command.js";
import { connectionOptions, readConnection } from "./connection.js";
import { k6Option } from "./k6-option.js";
import type { OptionSpecs } from "./options.js";

const { url, contract, header, token, ca, insecure, cert, key, servername } = connectionOptions;
const options = { url, contract, header, token, ca, insecure, cert, key, servername, k6: k6Option } as const satisfies OptionSpecs;

/** Says what is there. */
export const doctor = defineCommand({
  usage: "[url..]",
  about:
    "Looks at this machine, and at what really answers at a URL: name, connection, TLS, protocols, health, services and monitors by reflection, upgrade. Judges nothing.",
  examples: [
    ["halfclose doctor", "this machine"],
    ["halfclose doctor grpc://localhost:50051 ws://localhost:8080", "and what answers there"],
  ],
  options,
  arity: [0, 8],
  async run(invocation) {
    const { console } = invocation;
    const print = (findings: readonly Finding[]): void => console.out(findings.map(line).join(""));
    console.out("this machine\n");
    print([...(await machineFindings()), await k6Finding(invocation.options.k6)]);
    const given = invocation.options;
    if (invocation.arguments.length === 0 && given.url.length === 0) {
      return exitCodes.passed;
    }
    const connection = readConnection({
      ...invocation,
      options: { ...withoutRest, ...given },
      placeOf: (option) => (Object.hasOwn(options, option) ? invocation.placeOf(option as keyof typeof options) : `--${option}`),
    });
    const monitor = await loadContract(connection.contract ?? defaultContract, { folder: console.workingDirectory });
    let bad = false;
    // Each by itself: two of one transport may be looked at as well.
    for (const text of connection.urls) {
      const reach = await readReach({ ...connection, urls: [text] }, console.workingDirectory);
      for (const target of Object.values(reach.urls)) {
        console.out(`\n${redact(target.shown, reach.secrets)}\n`);
        // The default contract is not one that anybody named.
        const named = connection.contract === undefined ? undefined : { method: monitor.grpc?.path };
        const findings = await diagnose({ url: target, contract: monitor, named, headers: reach.headers, tls: reach.tls });
        if (
          connection.contract !== undefined &&
          target.transport === "grpc" &&
          monitor.grpc === undefined &&
          !findings.some(({ status }) => status === "bad")
        ) {
          findings.push(await typesFinding({ reference: connection.contract, folder: console.workingDirectory, target, reach }));
        }
        bad ||= findings.some(({ status }) => status === "bad");
        print(redact(findings, reach.secrets));
      }
    }
    return bad ? exitCodes.target : exitCodes.passed;
  },
});

/** Whether a contract that has its types by reflection fits the server: only there its names can be checked. */
async function typesFinding(parts: {
  readonly reference: string;
  readonly folder: string;
  readonly target: TargetUrl;
  readonly reach: Reach;
}): Promise<Finding> {
  const { reference, folder, target, reach } = parts;
  const { host, port, secure, shown } = target;
  try {
    const loaded = await loadContract(reference, {
      folder,
      reflection: { url: shown, host, port, headers: reach.headers, ...(secure ? { tls: reach.tls } : {}) },
    });
    return loaded.grpc === undefined
      ? { what: "contract", status: "info", says: `${loaded.source} does not say how its monitor is served over gRPC` }
      : { what: "contract", status: "good", says: `${loaded.source} fits the server's types: ${loaded.grpc.path}` };
  } catch (thrown) {
    if (!(thrown instanceof HarnessError)) {
      throw thrown;
    }
    const { message, place, hint } = thrown;
    return {
      what: "contract",
      status: "bad",
      says: place === undefined || message.includes(place) ? message : `${place}: ${message}`,
      ...(hint === undefined ? {} : { hint }),
    };
  }
}

/** What doctor has no options for. */
const withoutRest = {
  start: undefined,
  ready: undefined,
  "ready-within": undefined,
  pid: undefined,
  "http-url": undefined,
  driver: undefined,
  bound: [],
} as const;

const signs = { good: "✓", info: "·", bad: "✗" } as const;

function line({ what, status, says, hint }: Finding): string {
  return `  ${signs[status]} ${what.padEnd(11)} ${says}\n${hint === undefined ? "" : `${" ".repeat(16)}${hint}\n`}`;
}

async function machineFindings(): Promise<Finding[]> {
  const { os, cpu, cores, memoryBytes, node } = describeEnvironment();
  const limit = await openFilesLimit();
  return [
    { what: "halfclose", status: "good", says: `${harnessVersion()} on Node ${node}` },
    { what: "machine", status: cores < 2 ? "info" : "good", says: `${os}, ${cores} × ${cpu}, ${Math.round(memoryBytes / 2 ** 30)} GiB` },
    ...(limit === undefined
      ? []
      : [
          {
            what: "open files",
            status: limit < 4096 ? "info" : "good",
            says: `at most ${limit}`,
            ...(limit < 4096 ? { hint: "raise it with ulimit -n for load runs on many streams" } : {}),
          } as const,
        ]),
    { what: "clock", status: "good", says: `${new Date().toISOString()}; delivery-lag compares it with the server's` },
  ];
}

/** Nobody needs k6, so what is wrong with it is information. */
async function k6Finding(path = "k6"): Promise<Finding> {
  const found = await inspectK6(path);
  switch (found.kind) {
    case "fits":
      return { what: "k6", status: "good", says: `${found.version} at ${found.path}: load --engine k6 can use it` };
    case "too-old":
      return { what: "k6", status: "info", says: `${found.version} at ${found.path}: too old for load --engine k6, which needs ${oldestK6}` };
    case "unusable":
      return { what: "k6", status: "info", says: `${found.path} ${found.why}` };
    case "absent":
      return { what: "k6", status: "info", says: "none; only load --engine k6 needs it" };
  }
}

async function openFilesLimit(): Promise<number | undefined> {
  try {
    const found = /^Max open files\s+(\d+)/m.exec(await readFile("/proc/self/limits", "utf8"))?.[1];
    return found === undefined ? undefined : Number(found);
  } catch {
    // Only Linux tells.
    return undefined;
  }
}
