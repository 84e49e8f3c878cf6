import type { Console } from "../../src/cli/console.js";

/** A console that keeps what was said, and on which a test can press Ctrl-C. */
export interface RecordingConsole extends Console {
  readonly output: () => string;
  readonly errors: () => string;
  signal(name: "SIGINT" | "SIGTERM"): void;
}

export function recordingConsole(
  options: {
    readonly folder?: string;
    readonly environment?: Readonly<Record<string, string>>;
    readonly terminal?: boolean;
    readonly heard?: (text: string) => void;
  } = {},
): RecordingConsole {
  let output = "";
  let errors = "";
  const listeners = new Set<(signal: "SIGINT" | "SIGTERM") => void>();
  return {
    out(text) {
      output += text;
      options.heard?.(text);
    },
    err(text) {
      errors += text;
    },
    redraw: () => undefined,
    ask: () => Promise.resolve(""),
    environment: { ...(options.terminal === true ? { NO_COLOR: "1" } : { CI: "true" }), ...options.environment },
    workingDirectory: options.folder ?? "/nonexistent",
    outIsTerminal: options.terminal === true,
    errIsTerminal: false,
    columns: 80,
    onSignal(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    exitNow(code) {
      throw new Error(`exit ${code}`);
    },
    output: () => output,
    errors: () => errors,
    signal(name) {
      for (const listener of listeners) {
        listener(name);
      }
    },
  };
}
