import { createEntryClock } from "./entry-clock.js";
import { chooseFaults, joinSeams, type FaultName, type Faults } from "./faults.js";
import { createFastSource } from "./fast-source.js";
import { createGrpcServer } from "./grpc-server.js";
import { readStats, type ServerStats } from "./http-side.js";
import { listen, type Listener, type ListenerOptions, type ServerTls } from "./listener.js";
import { Log } from "./log.js";
import type { EntryInput } from "./log-entry.js";
import { defaultLimits, MonitorService, type Limits } from "./service.js";
import { Planted, type PlantedOptions, type PlantedRecord } from "./planted.js";
import { createMonitorHttpServer } from "./websocket-server.js";

export interface ReferenceServerOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free port; so for `httpPort`. */
  readonly grpcPort?: number;
  readonly httpPort?: number;
  /** Background entries a second in all, default 1000. `max`: see {@link createFastSource}; then there is no producer, and nothing is planted. */
  readonly rate?: number | "max";
  readonly faults?: readonly FaultName[];
  /** Both ports speak TLS where it is given. */
  readonly tls?: ServerTls;
  /** Bearer token that every stream must carry. */
  readonly token?: string;
  /** Origins that a WebSocket may name; default: any. */
  readonly allowedOrigins?: readonly string[];
  readonly limits?: Partial<Limits>;
  /** Known truth for measurements. */
  readonly planted?: PlantedOptions;
}

/** A running server of the default contract. */
export interface ReferenceServer {
  readonly grpcPort: number;
  readonly httpPort: number;
  /** Where the monitor is, on each transport. */
  readonly urls: { readonly grpc: string; readonly websocket: string; readonly http: string };
  stats(): ServerStats;
  /** What was really planted so far. */
  planted(): PlantedRecord;
  /** Writes a batch to the log, as `POST /logs` does. */
  append(batch: readonly EntryInput[]): { readonly first: number; readonly last: number };
  /** Ends every stream, then the connections; drops what is left after `graceMs` (default 5000). */
  stop(options?: { readonly graceMs?: number }): Promise<void>;
  /** Drops everything at once, as a killed process does; resolves when the ports are free. */
  kill(): Promise<void>;
}

const DEFAULT_RATE = 1000;
const DEFAULT_GRACE_MS = 5000;

/** Starts a server; rejects with the error of the system where a port can't be had. */
export async function startReferenceServer(options: ReferenceServerOptions = {}): Promise<ReferenceServer> {
  const host = options.host ?? "127.0.0.1";
  const faults = chooseFaults(options.faults ?? []);
  const planted = new Planted(options.planted ?? {});
  const fast = options.rate === "max";
  const detours = [faults.seams, options.planted && planted.seams, fast ? createFastSource() : undefined];
  const seams = joinSeams(detours.filter((each) => each !== undefined));
  const limits = limitsWith(options.limits, faults);
  const listeners: Listener[] = [];
  const dropConnections = (): void => {
    for (const listener of listeners) listener.destroyConnections();
  };
  const log = new Log({ rate: options.rate === "max" ? 0 : (options.rate ?? DEFAULT_RATE), clock: createEntryClock() });
  const service = new MonitorService({ log, limits, faults, token: options.token, seams, fast, crash: dropConnections });
  const grpc = createGrpcServer(service);
  const http = createMonitorHttpServer({ service, allowedOrigins: options.allowedOrigins });
  const common = { host, tls: options.tls, handshakeTimeoutMs: limits.handshakeTimeoutMs, faults };
  const open = (rest: Pick<ListenerOptions, "port" | "alpn" | "allowHalfOpen" | "onConnection">) => listen({ ...common, ...rest });

  const grpcListener = await open({ port: options.grpcPort ?? 0, alpn: "h2", allowHalfOpen: false, onConnection: grpc.serve });
  const httpListener = await open({ port: options.httpPort ?? 0, alpn: "http/1.1", allowHalfOpen: true, onConnection: http.serve }).catch(
    async (error: unknown) => {
      await grpcListener.close();
      throw error;
    },
  );
  listeners.push(grpcListener, httpListener);
  const s = options.tls === undefined ? "" : "s";

  const closeListeners = (): Promise<unknown> => Promise.all(listeners.map((listener) => listener.close()));
  const kill = async (): Promise<void> => {
    const closed = closeListeners();
    dropConnections();
    await closed;
    log.stop();
  };

  return {
    grpcPort: grpcListener.port,
    httpPort: httpListener.port,
    urls: {
      grpc: `grpc${s}://${host}:${grpcListener.port}`,
      websocket: `ws${s}://${host}:${httpListener.port}`,
      http: `http${s}://${host}:${httpListener.port}`,
    },
    stats: () => readStats(service),
    planted: () => planted.record(),
    append: (batch) => log.append(batch),
    async stop({ graceMs = DEFAULT_GRACE_MS } = {}): Promise<void> {
      if (faults.has("stop-without-goodbye")) return kill();
      const closed = closeListeners();
      service.endAll();
      grpc.goAway();
      http.closeIdle();
      await withinMs(closed, graceMs);
      await kill();
    },
    kill,
  };
}

function limitsWith(given: Partial<Limits> | undefined, faults: Faults): Limits {
  const limits = { ...defaultLimits, ...given };
  const off = (faults.has("limit-one-over") ? 1 : 0) - (faults.has("limit-one-under") ? 1 : 0);
  return { ...limits, filterBytes: limits.filterBytes + off };
}

async function withinMs(promise: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([promise, new Promise((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}
