import type { RunContext, RunProbe } from "../conformance/session.js";
import type { DraftProducer } from "../conformance/supply.js";
import { loadContract } from "../contract/load-contract.js";
import type { Bounds, Contract, Transport } from "../core/contract.js";
import type { Driver } from "../core/stream.js";
import type { Target } from "../core/target.js";
import { drivers } from "../drivers/index.js";
import { createProducer } from "../surroundings/producer.js";
import { type ConnectionOptions, readReach, type Reach, targetsOf } from "./connection-options.js";
import { redact } from "./redact.js";

/** How a target is reached, started and described. */
export interface SurroundingsOptions extends ConnectionOptions {
  /** Folder that paths are relative to; default: the working directory. */
  readonly folder?: string;
  /** Name of a contract that comes with the harness, or a path. Default `logger`. */
  readonly contract?: string | undefined;
  /** `wire` (default): our own connections, which hide nothing; `library`: those that users use. */
  readonly driver?: "wire" | "library" | undefined;
  readonly bounds?: Partial<Bounds>;
  readonly start?: { readonly command: string } | undefined;
}

/** Everything around a run: opened once, closed once. */
export interface Surroundings {
  readonly reach: Reach;
  readonly contract: Contract;
  readonly targets: Readonly<Partial<Record<Transport, Target>>>;
  readonly drivers: Readonly<Partial<Record<Transport, Driver>>>;
  readonly bounds: Bounds;
  readonly producer: DraftProducer | undefined;
  readonly producerMissing: string | undefined;
  readonly probe: RunProbe;
  readonly restart: RunContext["restart"];
  /** The targets' URLs without secrets. */
  readonly shownUrls: readonly string[];
  problems(): readonly string[];
  targetDied(): boolean;
  close(): Promise<void>;
}

/**
 * Reads the contract, starts the target where asked, and says who drives it, feeds it and looks into it.
 * @throws HarnessError `usage`, `contract`, `not-ready` or `target-died`.
 */
export async function openSurroundings(options: SurroundingsOptions): Promise<Surroundings> {
  const folder = options.folder ?? ".";
  const reach = await readReach(options, folder);
  const contract = await loadContract(options.contract ?? "logger");
  const targets = targetsOf(reach, contract);
  const httpTls = reach.httpOrigin?.startsWith("https:") === true ? { tls: reach.tls } : {};
  const grpc = targets.grpc;
  const producer = createProducer(contract, {
    ...(reach.httpOrigin === undefined ? {} : { httpOrigin: reach.httpOrigin }),
    ...(grpc === undefined ? {} : { grpc: { host: grpc.host, port: grpc.port, tls: grpc.tls, headers: grpc.headers } }),
    headers: reach.headers,
    ...httpTls,
    folder,
  });
  return {
    reach,
    contract,
    targets,
    drivers: chooseDrivers(options.driver ?? "wire"),
    bounds: { ...contract.bounds, ...options.bounds },
    producer,
    producerMissing: undefined,
    probe: { state: { kind: "missing", reason: "none" }, read: () => Promise.resolve({ kind: "unavailable", reason: "none" }) },
    restart: undefined,
    shownUrls: Object.values(targets).map((target) => redact(target.url, reach.secrets)),
    problems: () => [],
    targetDied: () => false,
    close: async () => {
      await producer?.close();
    },
  };
}

function chooseDrivers(choice: "wire" | "library"): Partial<Record<Transport, Driver>> {
  const known: Readonly<Record<string, Driver>> = drivers;
  const grpc = known[choice === "wire" ? "grpc-wire" : "grpc"];
  const ws = known[choice === "wire" ? "websocket-wire" : "websocket"];
  return { ...(grpc === undefined ? {} : { grpc }), ...(ws === undefined ? {} : { ws }) };
}
