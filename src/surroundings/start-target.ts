import { spawn, type ChildProcess } from "node:child_process";
import { connect } from "node:net";
import { HarnessError } from "../core/errors.js";
import { groupIsAlive, killGroup } from "./process-group.js";
import { createLogTail, type LogTail } from "./log-tail.js";

/** A port of the target. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface StartOptions {
  /** Run by `/bin/sh -c`. */
  readonly command: string;
  /** Working directory; default: that of the harness. */
  readonly folder?: string;
  /** Added to the environment. */
  readonly environment?: Readonly<Record<string, string>>;
  /**
   * A line that says that the target is ready; its groups `grpc` and `http`, where it has them, are the ports.
   * Default: a line `ready grpc=PORT http=PORT`, either port optional, or else all of `accepts` accepting connections.
   */
  readonly readyLine?: RegExp;
  /** Where the target will listen, as far as that is known beforehand. */
  readonly accepts?: readonly Address[];
  /** Bound on becoming ready. Default 30,000. */
  readonly timeoutMs?: number;
  /** Asks it to stop. Default SIGTERM. */
  readonly stopSignal?: NodeJS.Signals;
  /** From the stop signal to SIGKILL. Default 5000. */
  readonly stopMs?: number;
  /** Bytes of its output that are kept, the last ones. Default 64 KiB. */
  readonly logLimitBytes?: number;
  readonly signal?: AbortSignal;
}

/** How the target ended. */
export interface TargetExit {
  readonly exitCode: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  /** Whether it had to be killed. */
  readonly killed: boolean;
  /** From the stop signal, or from its start where it ended by itself, to the last process of its group. */
  readonly tookMs: number;
}

/** A server that the harness started. */
export interface StartedTarget {
  /** Leader of its process group. */
  readonly pid: number;
  /** Ports that its ready line named. */
  readonly ports: { readonly grpc?: number; readonly http?: number };
  /** The end of its output, both streams together. */
  log(): string;
  /** Set once it has ended without being asked to. */
  readonly death: string | undefined;
  /** Resolves when it ends by itself; never when it is stopped. */
  readonly died: Promise<HarnessError>;
  /** Stop signal to the whole group, SIGKILL after the bound; resolves when no process of it is left. May be called again. */
  stop(): Promise<TargetExit>;
  /** SIGKILL to the whole group, for the way out. */
  kill(): void;
}

const pollMs = 20;
/** How long a killed group may take to vanish before it is left alone. */
const killedMs = 2000;

/**
 * Starts a target and waits until it is ready.
 * @throws HarnessError `target-died` when it ends first, `not-ready` when it does not get ready in time or its ports are taken; the log's end is the hint.
 */
export async function startTarget(options: StartOptions): Promise<StartedTarget> {
  const timeoutMs = options.timeoutMs ?? 30_000;
  await refuseTakenPorts(options);
  const startedMs = performance.now();
  const child = spawn("/bin/sh", ["-c", options.command], {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...options.environment },
    ...(options.folder === undefined ? {} : { cwd: options.folder }),
  });
  const log = createLogTail(options.logLimitBytes ?? 64 * 1024);
  const exited = exitOf(child);
  if (child.pid === undefined) {
    const exit = await exited;
    throw new HarnessError("target-died", `The target could not be started: ${exit.problem ?? "no process"}.`, { place: options.command });
  }
  const target = own(child.pid, child, { options, log, exited, startedMs });
  try {
    const ports = await becomeReady(child, { options, log, exited, timeoutMs });
    return {
      ...target.handle,
      ports,
      get death() {
        return target.death();
      },
    };
  } catch (thrown) {
    await target.handle.stop();
    throw thrown;
  }
}

interface Exit {
  readonly exitCode: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  readonly problem: string | undefined;
}

/** Resolves when no process of the group is left: a command may leave its server in the background. */
function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve({ exitCode: undefined, signal: undefined, problem: error.message }));
    child.once("exit", (code, signal) => {
      const exit: Exit = { exitCode: code ?? undefined, signal: signal ?? undefined, problem: undefined };
      const look = (): void => {
        if (child.pid !== undefined && groupIsAlive(child.pid)) {
          setTimeout(look, pollMs * 5).unref();
        } else {
          resolve(exit);
        }
      };
      look();
    });
  });
}

/** The started process with the state of its stopping. */
function own(
  pid: number,
  child: ChildProcess,
  parts: { readonly options: StartOptions; readonly log: LogTail; readonly exited: Promise<Exit>; readonly startedMs: number },
): { readonly handle: Omit<StartedTarget, "ports" | "death">; death(): string | undefined } {
  const { options, log, exited, startedMs } = parts;
  let stopping: Promise<TargetExit> | undefined;
  let death: string | undefined;
  const died = new Promise<HarnessError>((resolve) => {
    const watch = async (): Promise<void> => {
      const exit = await exited;
      if (stopping === undefined) {
        death = describeExit(exit);
        resolve(targetDied(options.command, exit, log));
      }
    };
    void watch();
  });
  const stop = async (): Promise<TargetExit> => {
    const askedMs = performance.now();
    const before = death;
    killGroup(pid, options.stopSignal ?? "SIGTERM");
    let killed = false;
    if (!(await vanished(pid, options.stopMs ?? 5000))) {
      killed = true;
      killGroup(pid, "SIGKILL");
      await vanished(pid, killedMs);
    }
    const exit = await Promise.race([exited, delay(killedMs).then(() => undefined)]);
    child.stdout?.destroy();
    child.stderr?.destroy();
    return { exitCode: exit?.exitCode, signal: exit?.signal, killed, tookMs: performance.now() - (before === undefined ? askedMs : startedMs) };
  };
  return {
    death: () => death,
    handle: {
      pid,
      log: () => log.text(),
      died,
      stop: () => (stopping ??= stop()),
      kill: () => killGroup(pid, "SIGKILL"),
    },
  };
}

async function becomeReady(
  child: ChildProcess,
  parts: { readonly options: StartOptions; readonly log: LogTail; readonly exited: Promise<Exit>; readonly timeoutMs: number },
): Promise<StartedTarget["ports"]> {
  const { options, log, exited, timeoutMs } = parts;
  const done = new AbortController();
  const line = new Promise<StartedTarget["ports"]>((resolve) => {
    const hear = (text: string): void => {
      const ports = readyPorts(text, options.readyLine);
      if (ports !== undefined) {
        resolve(ports);
      }
    };
    for (const stream of [child.stdout, child.stderr]) {
      const lines = log.lines(hear);
      stream?.on("data", (chunk: Buffer) => lines(chunk));
      stream?.on("error", () => undefined);
    }
  });
  const outcomes: Promise<StartedTarget["ports"]>[] = [
    line,
    exited.then((exit) => {
      throw targetDied(options.command, exit, log);
    }),
    expiry(timeoutMs, done.signal).then(() => {
      throw notReady(options, log, timeoutMs);
    }),
  ];
  if (options.readyLine === undefined && options.accepts !== undefined && options.accepts.length > 0) {
    outcomes.push(allAccept(options.accepts, done.signal));
  }
  if (options.signal !== undefined) {
    outcomes.push(abortion(options.signal, done.signal));
  }
  try {
    return await Promise.race(outcomes);
  } finally {
    done.abort();
    // The losers of the race may still reject.
    for (const outcome of outcomes) {
      outcome.catch(() => undefined);
    }
  }
}

/** The ports that a line names if it is the ready line; undefined if it is not. */
function readyPorts(line: string, pattern: RegExp | undefined): StartedTarget["ports"] | undefined {
  const found = (pattern ?? /^ready\b(?=.*\b(?:grpc|http)=\d)/).exec(line);
  if (found === null) {
    return undefined;
  }
  const port = (name: "grpc" | "http"): number | undefined => {
    const text = pattern === undefined ? new RegExp(`\\b${name}=(\\d+)`).exec(line)?.[1] : found.groups?.[name];
    return text === undefined ? undefined : Number(text);
  };
  const [grpc, http] = [port("grpc"), port("http")];
  return { ...(grpc === undefined ? {} : { grpc }), ...(http === undefined ? {} : { http }) };
}

async function allAccept(addresses: readonly Address[], signal: AbortSignal): Promise<StartedTarget["ports"]> {
  for (const address of addresses) {
    while (!signal.aborted && !(await accepts(address))) {
      await delay(pollMs);
    }
  }
  return {};
}

/** A target that answers before it was started is another one. */
async function refuseTakenPorts(options: StartOptions): Promise<void> {
  for (const address of options.accepts ?? []) {
    if (await accepts(address)) {
      const where = `${address.host}:${address.port}`;
      throw new HarnessError("not-ready", `Something listens on ${where} already, before the target is started.`, {
        place: where,
        hint: "Stop it, or give the target another port.",
      });
    }
  }
}

function accepts(address: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(address);
    const settle = (accepted: boolean): void => {
      socket.destroy();
      resolve(accepted);
    };
    socket.setTimeout(1000, () => settle(false));
    socket.once("connect", () => settle(true));
    socket.once("error", () => settle(false));
  });
}

function targetDied(command: string, exit: Exit, log: LogTail): HarnessError {
  return new HarnessError("target-died", `The target ${describeExit(exit)}.${quoteLog(log)}`, {
    place: command,
    hint: "Run the command by itself to see why.",
  });
}

function notReady(options: StartOptions, log: LogTail, timeoutMs: number): HarnessError {
  const awaited =
    options.readyLine === undefined
      ? `a line "ready grpc=PORT http=PORT"${(options.accepts ?? []).length === 0 ? "" : ` or connections on ${(options.accepts ?? []).map(({ host, port }) => `${host}:${port}`).join(" and ")}`}`
      : `a line that matches ${String(options.readyLine)}`;
  return new HarnessError("not-ready", `The target was not ready after ${timeoutMs} ms: no ${awaited.replace(/^a /, "")}.${quoteLog(log)}`, {
    place: options.command,
    hint: "Give its URLs, a --ready pattern, or more time with --ready-within.",
  });
}

function quoteLog(log: LogTail): string {
  const lines = log.text().trimEnd().split("\n").slice(-8).join("\n");
  return lines === "" ? " It printed nothing." : ` It printed last:\n${lines}`;
}

function describeExit(exit: Exit): string {
  return exit.problem !== undefined
    ? `could not be started (${exit.problem})`
    : exit.signal !== undefined
      ? `was ended by ${exit.signal}`
      : `ended by itself with exit code ${exit.exitCode ?? "?"}`;
}

async function vanished(pid: number, withinMs: number): Promise<boolean> {
  const deadlineMs = performance.now() + withinMs;
  while (groupIsAlive(pid)) {
    if (performance.now() >= deadlineMs) {
      return false;
    }
    await delay(pollMs);
  }
  return true;
}

function expiry(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  });
}

function abortion(signal: AbortSignal, done: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const abort = (): void => reject(new HarnessError("interrupted", "The start of the target was given up."));
    if (signal.aborted) {
      abort();
      return;
    }
    signal.addEventListener("abort", abort, { once: true });
    done.addEventListener("abort", () => signal.removeEventListener("abort", abort), { once: true });
  });
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
