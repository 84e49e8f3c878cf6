import { createInterface } from "node:readline/promises";
import { createLogUpdate } from "log-update";

/** The process as the commands see it: what they may read, and where they may write. */
export interface Console {
  /** Writes to standard output; ignores a reader that went away. */
  out(text: string): void;
  /** Writes to standard error. */
  err(text: string): void;
  /** Shows lines that the next call replaces, below what was printed; undefined: takes them away. Does nothing where standard error is no terminal. */
  redraw(lines: string | undefined): void;
  /** Asks on the terminal; the answer without its newline. */
  ask(question: string): Promise<string>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly workingDirectory: string;
  /** Standard output is a terminal. */
  readonly outIsTerminal: boolean;
  /** Standard error is a terminal: progress may be redrawn there. */
  readonly errIsTerminal: boolean;
  readonly columns: number;
  /** Hears SIGINT and SIGTERM until the returned function is called; while someone listens, a signal does not end the process. */
  onSignal(listener: (signal: "SIGINT" | "SIGTERM") => void): () => void;
  /** Ends the process at once, whatever is under way. */
  exitNow(code: number): never;
}

/** The console of this very process. */
export function processConsole(): Console {
  for (const stream of [process.stdout, process.stderr]) {
    // `halfclose … | head` closes the pipe: what is left to say is of no interest then.
    stream.on("error", () => undefined);
  }
  const update = process.stderr.isTTY ? createLogUpdate(process.stderr) : undefined;
  let drawn: string | undefined;
  const redraw = (lines: string | undefined): void => {
    drawn = lines;
    if (lines === undefined) {
      update?.clear();
    } else {
      update?.(lines);
    }
  };
  /** What is printed goes above what is redrawn. */
  const write = (stream: NodeJS.WriteStream, text: string): void => {
    const kept = drawn;
    if (kept !== undefined) {
      redraw(undefined);
    }
    stream.write(text);
    if (kept !== undefined && text.endsWith("\n")) {
      redraw(kept);
    }
  };
  return {
    out: (text) => write(process.stdout, text),
    err: (text) => write(process.stderr, text),
    redraw,
    async ask(question) {
      const reader = createInterface({ input: process.stdin, output: process.stdout });
      try {
        return (await reader.question(question)).trim();
      } finally {
        reader.close();
      }
    },
    environment: process.env,
    workingDirectory: process.cwd(),
    outIsTerminal: process.stdout.isTTY,
    errIsTerminal: process.stderr.isTTY,
    columns: process.stdout.columns ?? 80,
    onSignal(listener) {
      const interrupt = (): void => listener("SIGINT");
      const terminate = (): void => listener("SIGTERM");
      process.on("SIGINT", interrupt);
      process.on("SIGTERM", terminate);
      return () => {
        process.off("SIGINT", interrupt);
        process.off("SIGTERM", terminate);
      };
    },
    exitNow: (code) => process.exit(code),
  };
}

/** Colour: `--color`/`--no-color` wins, then NO_COLOR and FORCE_COLOR, then whether the stream is a terminal. */
export function wantsColour(environment: Console["environment"], isTerminal: boolean, option: boolean | undefined): boolean {
  if (option !== undefined) {
    return option;
  }
  if ((environment["NO_COLOR"] ?? "") !== "") {
    return false;
  }
  const force = environment["FORCE_COLOR"];
  if (force !== undefined && force !== "") {
    return force !== "0";
  }
  return isTerminal && environment["TERM"] !== "dumb";
}

/** Whether a CI system runs us: nobody watches a bar there. */
export function runsInCi(environment: Console["environment"]): boolean {
  const value = environment["CI"];
  return value !== undefined && value !== "" && value !== "false" && value !== "0";
}
