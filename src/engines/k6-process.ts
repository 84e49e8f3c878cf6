import { spawn } from "node:child_process";

/** How processes are watched and ended; given by whoever may look at them. */
export interface ProcessWatch {
  /** Memory and CPU time of a process group; undefined where it cannot be seen. */
  usage(leader: number): { readonly rssBytes: number; readonly cpuMicros: number } | undefined;
  /** Signals every process of the group. */
  kill(leader: number, signal: NodeJS.Signals): void;
}

export interface K6ProcessOptions {
  readonly command: string;
  readonly arguments: readonly string[];
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly watch: ProcessWatch;
  readonly signal: AbortSignal | undefined;
  /** All of its output must have come by then; it is killed otherwise. */
  readonly deadlineMs: number;
  /** Something must have come on its standard output by then. */
  readonly firstLineWithinMs: number;
  /** More memory than this ends it. */
  readonly rssLimitBytes: number;
  readonly onLine: (line: string) => void;
}

export interface K6Ending {
  /** Why it was killed by us; undefined when it ended by itself. */
  readonly killed: "deadline" | "silent" | "memory" | "aborted" | undefined;
  readonly code: number | null;
  readonly exitSignal: string | null;
  /** It could not be started at all. */
  readonly failure: string | undefined;
  /** The end of its standard error. */
  readonly log: string;
  /** Lines longer than any that k6 writes. */
  readonly overlongLines: number;
  readonly usage: readonly UsageSample[];
}

export interface UsageSample {
  /** By the wall clock, to be laid beside k6's own times. */
  readonly atEpochMicros: number;
  readonly rssBytes: number;
  readonly cpuMicros: number;
}

const keptLogBytes = 16 * 1024;
const longestLineBytes = 1024 * 1024;
const sampleEveryMs = 250;
/** Time for a k6 that was asked to stop to write its last points. */
const graceMs = 3000;

/** Runs k6 in a process group of its own and watches it: whatever it does, it is gone when this resolves. Never rejects. */
export function runK6(options: K6ProcessOptions): Promise<K6Ending> {
  return new Promise((resolve) => {
    const child = spawn(options.command, options.arguments, {
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      cwd: options.folder,
      env: options.environment,
    });
    const usage: UsageSample[] = [];
    const timers: NodeJS.Timeout[] = [];
    let killed: K6Ending["killed"];
    let failure: string | undefined;
    let log = "";
    const lines = splitLines(options.onLine);

    const kill = (why: NonNullable<K6Ending["killed"]>, signal: NodeJS.Signals = "SIGKILL"): void => {
      killed ??= why;
      if (child.pid !== undefined) {
        options.watch.kill(child.pid, signal);
      }
    };
    // A hung k6 ignores SIGTERM and SIGINT: only SIGKILL is sure.
    timers.push(setTimeout(() => kill("deadline"), options.deadlineMs));
    const silence = setTimeout(() => kill("silent"), options.firstLineWithinMs);
    timers.push(silence);
    const sampler = setInterval(() => {
      const reading = child.pid === undefined ? undefined : options.watch.usage(child.pid);
      if (reading !== undefined) {
        usage.push({ atEpochMicros: Date.now() * 1000, ...reading });
        if (reading.rssBytes > options.rssLimitBytes) {
          kill("memory");
        }
      }
    }, sampleEveryMs);
    const onAbort = (): void => {
      kill("aborted", "SIGINT");
      timers.push(setTimeout(() => kill("aborted"), graceMs));
    };
    options.signal?.addEventListener("abort", onAbort, { once: true });
    if (options.signal?.aborted === true) {
      onAbort();
    }

    child.stdout.on("data", (chunk: Buffer) => {
      clearTimeout(silence);
      lines.take(chunk);
    });
    child.stderr.on("data", (chunk: Buffer) => {
      log = (log + chunk.toString("utf8")).slice(-keptLogBytes);
    });
    child.once("error", (error) => {
      failure = error.message;
      if (child.pid === undefined) {
        done(null, null);
      }
    });
    child.once("exit", () => {
      // A child that it left behind would hold the pipes open.
      if (child.pid !== undefined) {
        options.watch.kill(child.pid, "SIGKILL");
      }
    });
    child.once("close", (code, exitSignal) => done(code, exitSignal));

    function done(code: number | null, exitSignal: string | null): void {
      timers.forEach((timer) => clearTimeout(timer));
      clearInterval(sampler);
      options.signal?.removeEventListener("abort", onAbort);
      lines.end();
      resolve({ killed, code, exitSignal, failure, log, overlongLines: lines.overlong(), usage });
    }
  });
}

interface LineSplitter {
  take(chunk: Buffer): void;
  end(): void;
  overlong(): number;
}

function splitLines(onLine: (line: string) => void): LineSplitter {
  let rest: Buffer[] = [];
  let restBytes = 0;
  let overlong = 0;
  const finish = (tail: Buffer): void => {
    if (restBytes + tail.length > longestLineBytes) {
      overlong++;
    } else {
      onLine(rest.length === 0 ? tail.toString("utf8") : Buffer.concat([...rest, tail]).toString("utf8"));
    }
    rest = [];
    restBytes = 0;
  };
  return {
    take(chunk) {
      let from = 0;
      for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, from)) {
        finish(chunk.subarray(from, at));
        from = at + 1;
      }
      restBytes += chunk.length - from;
      // What is beyond the longest line is counted, not kept.
      if (restBytes <= longestLineBytes && from < chunk.length) {
        rest.push(chunk.subarray(from));
      }
    },
    end() {
      if (restBytes > 0) {
        finish(Buffer.alloc(0));
      }
    },
    overlong: () => overlong,
  };
}
