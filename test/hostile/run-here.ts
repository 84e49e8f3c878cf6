import { readFile } from "node:fs/promises";
import path from "node:path";
import { main } from "../../src/cli/main.js";
import { recordingConsole } from "../cli/recording-console.js";
import type { Observed } from "./judge.js";

/** Longest wait, after a run, for its sockets and timers to go: the command line ends when they have. */
const mostLingeringMs = 10_000;

/** One command line in this process; `alone`: nobody else has sockets here, so what is left of them is waited for, as the end of a process would. */
export async function runHere(args: readonly string[], folder: string, alone: boolean): Promise<Observed> {
  const before = kinds();
  const console = recordingConsole({ folder, environment: { NO_COLOR: "1" } });
  const startMs = performance.now();
  const exitCode = await main(args, console);
  const untilMs = performance.now() + mostLingeringMs;
  let left = alone ? excess(before) : [];
  while (left.length > 0 && performance.now() < untilMs) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    left = excess(before);
  }
  return {
    exitCode,
    stdout: console.output(),
    stderr: console.errors(),
    results: await readFile(path.join(folder, "results.json"), "utf8").catch(() => undefined),
    elapsedMs: performance.now() - startMs,
    left,
  };
}

/** What keeps the process alive, by kind. */
function kinds(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) {
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

function excess(before: ReadonlyMap<string, number>): string[] {
  return [...kinds()].flatMap(([kind, count]) =>
    ["TCPSocketWrap", "Timeout", "TLSWrap", "GetAddrInfoReqWrap"].includes(kind) && count > (before.get(kind) ?? 0)
      ? [`${count - (before.get(kind) ?? 0)} ${kind}`]
      : [],
  );
}
