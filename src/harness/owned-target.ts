import { transports, type Transport } from "../core/contract.js";
import { HarnessError } from "../core/errors.js";
import { type Address, startTarget, type StartedTarget } from "../surroundings/start-target.js";
import { parseTargetUrl, type TargetUrl } from "./target-url.js";

/** A server to be started by a shell command. */
export interface StartCommand {
  readonly command: string;
  /** A line of its output that says that it is ready; groups `grpc` and `http` name ports. Default `ready grpc=PORT http=PORT`. */
  readonly ready?: RegExp | undefined;
  /** Bound on becoming ready. Default 30,000. */
  readonly readyWithinMs?: number | undefined;
}

/** The target of a run that the run itself started. */
export interface OwnedTarget {
  /** Where it is; after a restart that may be elsewhere. */
  urls(): Readonly<Partial<Record<Transport, TargetUrl>>>;
  /** Port of its HTTP side by its ready line, where producer and probe are. */
  httpPort(): number | undefined;
  pid(): number | undefined;
  log(): string;
  /** One sentence when it ended by itself. */
  death(): string | undefined;
  stop(): Promise<void>;
  /** @throws HarnessError `not-ready` or `target-died`. */
  start(): Promise<void>;
}

/**
 * Starts the command. When no URL is given, those of the ports in its ready line are taken; a URL with port 0 takes its port from there too.
 * @throws HarnessError `not-ready` or `target-died`, and `usage` when the ready line lacks a port that a URL leaves open.
 */
export async function ownTarget(
  start: StartCommand,
  options: {
    readonly urls: Readonly<Partial<Record<Transport, TargetUrl>>>;
    readonly folder: string;
    readonly signal: AbortSignal | undefined;
  },
): Promise<OwnedTarget> {
  const { folder, signal } = options;
  const accepts: Address[] = Object.values(options.urls)
    .filter(({ port }) => port !== 0)
    .map(({ host, port }) => ({ host, port }));
  const launch = (): Promise<StartedTarget> =>
    startTarget({
      command: start.command,
      folder,
      accepts,
      ...(start.ready === undefined ? {} : { readyLine: start.ready }),
      ...(start.readyWithinMs === undefined ? {} : { timeoutMs: start.readyWithinMs }),
      ...(signal === undefined ? {} : { signal }),
    });
  let started = await launch();
  let running = true;
  const urlsNow = (): Partial<Record<Transport, TargetUrl>> => urlsOf(options.urls, started.ports);
  try {
    urlsNow();
  } catch (thrown) {
    await started.stop();
    throw thrown;
  }
  return {
    urls: urlsNow,
    httpPort: () => started.ports.http,
    pid: () => (running ? started.pid : undefined),
    log: () => started.log(),
    death: () => (started.death === undefined ? undefined : `the target ${started.death}`),
    async stop() {
      running = false;
      await started.stop();
    },
    async start() {
      started = await launch();
      running = true;
    },
  };
}

function urlsOf(given: Readonly<Partial<Record<Transport, TargetUrl>>>, ports: StartedTarget["ports"]): Partial<Record<Transport, TargetUrl>> {
  const named = { grpc: ports.grpc, ws: ports.http };
  const urls: Partial<Record<Transport, TargetUrl>> = {};
  for (const transport of transports) {
    const url = given[transport];
    const port = named[transport];
    if (url !== undefined && url.port === 0 && port === undefined) {
      throw new HarnessError("usage", `${url.shown} leaves its port to the ready line, which names none.`, {
        place: url.shown,
        hint: "the server prints: ready grpc=PORT http=PORT",
      });
    }
    if (url !== undefined) {
      urls[transport] = url.port === 0 && port !== undefined ? { ...url, port, shown: url.shown.replace(/:0(?=\/|$|\?)/, `:${port}`) } : url;
    } else if (Object.keys(given).length === 0 && port !== undefined) {
      urls[transport] = parseTargetUrl(`${transport}://127.0.0.1:${port}`);
    }
  }
  return urls;
}
