import { spawn } from "node:child_process";
import { killGroup } from "./process-group.js";

export interface CommandResult {
  /** 127: the shell did not find it; undefined: it was killed. */
  readonly exitCode: number | undefined;
  /** `ended with exit code 1`, `was killed after 5000 ms`. */
  readonly ending: string;
  /** The end of what it printed, both outputs together. */
  readonly output: string;
}

const keptOutputBytes = 16 * 1024;

/** Runs a shell command in a process group of its own; its whole group is killed at the deadline. Never rejects. */
export function runCommand(command: string, options: { readonly timeoutMs: number; readonly folder?: string }): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = spawn("/bin/sh", ["-c", command], {
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      ...(options.folder === undefined ? {} : { cwd: options.folder }),
    });
    let output = "";
    let expired = false;
    const hear = (chunk: Buffer): void => {
      output = (output + chunk.toString("utf8")).slice(-keptOutputBytes);
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    const timer = setTimeout(() => {
      expired = true;
      if (child.pid !== undefined) {
        killGroup(child.pid, "SIGKILL");
      }
    }, options.timeoutMs);
    child.once("error", (error) => {
      clearTimeout(timer);
      resolve({ exitCode: undefined, ending: `could not be started (${error.message})`, output });
    });
    // "close", not "exit": only then is all of its output there.
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      const ending = expired
        ? `was killed after ${options.timeoutMs} ms`
        : code === null
          ? `was ended by ${signal ?? "a signal"}`
          : `ended with exit code ${code}`;
      resolve({ exitCode: expired ? undefined : (code ?? undefined), ending, output });
    });
  });
}
