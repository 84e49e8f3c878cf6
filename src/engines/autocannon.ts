import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { FloodOutcome, FloodProcess, FloodTask } from "../core/flood.js";
import type { FloodCommand, FloodMessage } from "./flood-child.js";

export interface AutocannonOptions {
  /** How long the process may take to come up, in milliseconds. Default 20 000. */
  readonly readyWithinMs?: number;
  /** How much longer than asked for it may take before it is killed, in milliseconds. Default 7000: a request may take 5 s. */
  readonly slackMs?: number;
  /** Default: the one that makes floods with autocannon. */
  readonly script?: URL;
}

/** How long a flood that was asked to stop may take to say what it did. */
const stopWithinMs = 1000;

/**
 * Starts a process that makes a flood with autocannon when it is told to. Of what autocannon measures only counts and status codes are used:
 * its latencies at a rate, and after an answer that closes the connection, are wrong.
 */
export function prepareAutocannon(task: FloodTask, options: AutocannonOptions = {}): Promise<FloodProcess> {
  const script = options.script ?? new URL("./flood-child.js", import.meta.url);
  const child = fork(fileURLToPath(script), [], { stdio: ["ignore", "ignore", "pipe", "ipc"], execArgv: [] });
  const timers: NodeJS.Timeout[] = [];
  let outcome: FloodOutcome | undefined;
  let begun = false;
  let problem: string | undefined;
  let log = "";
  const killAfter = (ms: number, why: string | undefined): void => {
    timers.push(
      setTimeout(() => {
        problem ??= why;
        child.kill("SIGKILL");
      }, ms),
    );
  };
  const send = (command: FloodCommand): void => {
    if (child.connected) {
      // It may go away between the look and the write; its end says so.
      child.send(command, () => undefined);
    }
  };
  child.stderr?.on("data", (chunk: Buffer) => {
    log = (log + chunk.toString("utf8")).slice(-2000);
  });
  const ended = new Promise<FloodOutcome>((resolve) => {
    const done = (): void => {
      timers.forEach((timer) => clearTimeout(timer));
      resolve(outcome ?? { statuses: {}, failed: 0, problem: problem ?? "it was stopped before it could say what it did" });
    };
    child.once("error", (error) => {
      problem ??= `its process could not be started (${error.message})`;
      if (child.pid === undefined) {
        done();
      }
    });
    // Node has no `close` for a child that was disconnected: its standard error is waited for apart.
    child.once("exit", (code, signal) => {
      const gone = (): void => {
        if (code !== 0 && outcome === undefined) {
          problem ??= `its process ended with ${code === null ? (signal ?? "a signal") : `exit code ${code}`}${lastLine(log)}`;
        }
        done();
      };
      if (child.stderr === null || child.stderr.closed) {
        gone();
      } else {
        child.stderr.once("close", gone);
      }
    });
  });
  return new Promise((resolve) => {
    const handle: FloodProcess = {
      ended,
      begin() {
        begun = true;
        send({ kind: "begin", task });
        killAfter(task.durationMs + (options.slackMs ?? 7000), "it did not end in time and was killed");
      },
      stop() {
        if (begun) {
          send({ kind: "stop" });
          killAfter(stopWithinMs, undefined);
        } else {
          outcome = { statuses: {}, failed: 0, problem: undefined };
          child.kill("SIGKILL");
        }
      },
    };
    const late = setTimeout(() => {
      problem ??= "its process did not come up in time";
      child.kill("SIGKILL");
    }, options.readyWithinMs ?? 20_000);
    timers.push(late);
    child.on("message", (message: FloodMessage) => {
      if (message.kind === "ready") {
        clearTimeout(late);
        resolve(handle);
      } else {
        outcome = message.outcome;
        child.disconnect();
      }
    });
    void ended.then(() => resolve(handle));
  });
}

function lastLine(log: string): string {
  const line = log
    .trim()
    .split("\n")
    .findLast((candidate) => /Error|error/.test(candidate));
  return line === undefined ? "" : ` (${line.trim().slice(0, 200)})`;
}
