import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";

import { type Contestant, pause, type SourcePorts, type Tally, warmUpSeconds } from "./contest.js";

const packageFolder = fileURLToPath(new URL("../../", import.meta.url));
const binaries = `${packageFolder}.cache/bench/bin/`;
const k6 = process.env["HALFCLOSE_K6"] ?? `${packageFolder}.cache/k6/v2.2.0/k6`;
const peers = `${packageFolder}bench/peers/`;
const all = "sequence, filter, lag";
/** Longest wait for a program to receive its first entry. */
const startMs = 20_000;
/** The kernel counts CPU time in hundredths of a second. */
const microsPerTick = 10_000;

function missing(binary: string): string | undefined {
  return existsSync(binary) ? undefined : "not built: scripts/install-bench-peers.sh builds it, or says why it cannot";
}

/** Programs that take their own CPU time: they are written for this bench. */
function selfMeasured(name: string, binary: string, before: readonly string[]): Contestant {
  return {
    name,
    verifies: all,
    missing: missing(binary),
    run: ({ port }, seconds) =>
      new Promise((resolve, reject) => {
        const child = start(binary, [...before, String(port), String(warmUpSeconds), String(seconds)], {});
        let said = "";
        child.stdout?.on("data", (text: Buffer) => (said += text.toString()));
        child.once("close", (code) => (code === 0 ? resolve(JSON.parse(said) as Tally) : reject(new Error(`${name} left with ${code}`))));
      }),
  };
}

/** Programs that tell nothing while they run: the source counts their entries, the kernel their CPU time. */
function observed(
  name: string,
  options: { readonly binary: string; readonly verifies: string; readonly words: (port: number, seconds: number) => readonly string[] },
): Contestant {
  const { binary, verifies, words } = options;
  return {
    name,
    verifies,
    missing: procfs() ?? missing(binary),
    async run(source, seconds) {
      const length = startMs / 1000 + warmUpSeconds + seconds;
      const already = await written(source);
      const child = start(binary, words(source.port, length), {});
      try {
        await begun(name, child, source, already);
        await pause(warmUpSeconds);
        const [entriesBefore, cpuBefore] = [await written(source), cpuMicros(child)];
        await pause(seconds);
        const [entries, cpu] = [await written(source), cpuMicros(child)];
        return { entries: entries - entriesBefore, cpuMicros: cpu - cpuBefore, faults: 0 };
      } finally {
        child.kill("SIGKILL");
      }
    },
  };
}

function procfs(): string | undefined {
  return existsSync("/proc/self/stat") ? undefined : "its CPU time is read from /proc, which is not there";
}

/** Waits until the source has written something more. */
async function begun(name: string, child: ChildProcess, source: SourcePorts, already: number): Promise<void> {
  const until = performance.now() + startMs;
  while ((await written(source)) === already) {
    if (performance.now() > until || child.exitCode !== null) {
      throw new Error(`${name} received nothing`);
    }
    await pause(0.05);
  }
}

function start(binary: string, words: readonly string[], env: Record<string, string>): ChildProcess {
  const child = spawn(binary, words, { stdio: ["ignore", "pipe", "ignore"], env: { ...process.env, ...env } });
  child.stdout?.resume();
  process.once("exit", () => child.kill("SIGKILL"));
  return child;
}

function cpuMicros({ pid }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * microsPerTick;
}

function written({ count }: SourcePorts): Promise<number> {
  return new Promise((resolve, reject) => {
    let said = "";
    connect({ host: "127.0.0.1", port: count })
      .on("data", (text) => (said += text.toString()))
      .on("error", reject)
      .on("close", () => resolve(Number(said)));
  });
}

export const grpcGo = selfMeasured("grpc-go", `${binaries}grpc-go`, []);
export const tonic = selfMeasured("tonic", `${binaries}rust`, ["grpc"]);
export const tungstenite = selfMeasured("tokio-tungstenite + serde", `${binaries}rust`, ["ws"]);

export const ghz = observed("ghz", {
  binary: `${binaries}ghz`,
  verifies: "nothing: it cannot",
  words: (port, seconds) => [
    ...["--insecure", "--proto", `${packageFolder}contracts/logger.proto`, "--call", "logger.Logger/Monitor", "-d", "[{},{},{}]"],
    ...["-n", "1", "-c", "1", "--stream-interval", `${seconds}s`, "--timeout", `${seconds}s`],
    `127.0.0.1:${port}`,
  ],
});

/** k6 takes in more than it hands to its script, so the script's own count is what it did, from its first entry to its end. */
export function k6Running(script: "grpc" | "ws"): Contestant {
  const name = `k6, ${script === "grpc" ? "gRPC" : "WebSocket"}`;
  return {
    name,
    verifies: all,
    missing: procfs() ?? missing(k6),
    async run(source, seconds) {
      const already = await written(source);
      const child = start(
        k6,
        ["run", "--quiet", "--no-usage-report", "--summary-mode", "disabled", "--log-output", "stdout", "--log-format", "raw", `${peers}k6/${script}.js`],
        {
          PORT: String(source.port),
          SECONDS: String(warmUpSeconds + seconds),
          PROTO_FOLDER: `${packageFolder}contracts`,
        },
      );
      let said = "";
      child.stdout?.on("data", (text: Buffer) => (said += text.toString()));
      await begun(name, child, source, already);
      const before = cpuMicros(child);
      let after = before;
      // When it has ended there is nothing left to ask.
      while (!said.includes("}")) {
        after = cpuMicros(child);
        await pause(0.02);
        if (child.exitCode !== null && !said.includes("}")) {
          throw new Error(`${name} left with ${child.exitCode}`);
        }
      }
      child.kill("SIGKILL");
      const { entries, faults } = JSON.parse(said.slice(said.indexOf("{"), said.indexOf("}") + 1)) as { readonly entries: number; readonly faults: number };
      return { entries, cpuMicros: after - before, faults };
    },
  };
}
