import type { RunContext, RunProbe } from "../conformance/session.js";
import type { DraftProducer } from "../conformance/supply.js";
import { defaultContract, loadContract } from "../contract/load-contract.js";
import type { Bounds, Contract, Transport } from "../core/contract.js";
import { HarnessError } from "../core/errors.js";
import type { Driver } from "../core/stream.js";
import type { Target } from "../core/target.js";
import { drivers } from "../drivers/index.js";
import { createProbe, type Probe } from "../surroundings/probe.js";
import { createProducer, type Producer } from "../surroundings/producer.js";
import { type ConnectionOptions, readReach, type Reach, targetsOf } from "./connection-options.js";
import { ownTarget, type OwnedTarget, type StartCommand } from "./owned-target.js";
import { redact } from "./redact.js";
import { httpOriginOf } from "./target-url.js";

/** How a target is reached, started and described. */
export interface SurroundingsOptions extends ConnectionOptions {
  /** Folder that paths are relative to; default: the working directory. */
  readonly folder?: string;
  /** Name of a contract that comes with the harness, or a path. Default `logger`. */
  readonly contract?: string | undefined;
  /** `wire` (default): our own connections, which hide nothing; `library`: those that users use. */
  readonly driver?: "wire" | "library" | undefined;
  /** Over the contract's. */
  readonly bounds?: Partial<Bounds>;
  readonly start?: StartCommand | undefined;
  /** Process id of a server that somebody else started: its memory and CPU are watched. */
  readonly pid?: number | undefined;
  /** Stops and starts a server that the caller owns; for a command this is done without. */
  readonly restart?: NonNullable<RunContext["restart"]> | undefined;
  readonly signal?: AbortSignal | undefined;
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
  /** Process group of the target, where it is known. */
  readonly processGroup: () => number | undefined;
  /** The targets' URLs without secrets. */
  readonly shownUrls: readonly string[];
  /** What the target printed last, when it was started here. */
  log(): string;
  /** One sentence when it ended by itself. */
  death(): string | undefined;
  close(): Promise<void>;
}

/**
 * Reads the contract, starts the target where asked, and says who drives it, feeds it and looks into it.
 * @throws HarnessError `usage`, `contract`, `not-ready` or `target-died`.
 */
export async function openSurroundings(options: SurroundingsOptions): Promise<Surroundings> {
  const folder = options.folder ?? ".";
  const reach = await readReach(options, folder);
  const contract = await loadContract(options.contract ?? defaultContract, { folder });
  const owned = options.start === undefined ? undefined : await ownTarget(options.start, { urls: reach.urls, folder, signal: options.signal });
  try {
    const parts = { reach, contract, owned, folder };
    return await surround(options, { ...parts, contract: await completed(options, parts) });
  } catch (thrown) {
    await owned?.stop();
    throw thrown;
  }
}

interface Parts {
  readonly reach: Reach;
  readonly contract: Contract;
  readonly owned: OwnedTarget | undefined;
  readonly folder: string;
}

/** The contract with the types that only the server itself can tell, by reflection; most contracts are complete as they are. */
async function completed(options: SurroundingsOptions, parts: Parts): Promise<Contract> {
  const { contract } = parts;
  const reach = reachOf(parts);
  const { grpc } = reach.urls;
  if (contract.grpc !== undefined || grpc === undefined) {
    return contract;
  }
  const { host, port, secure, shown } = grpc;
  return loadContract(options.contract ?? defaultContract, {
    folder: parts.folder,
    reflection: { url: redact(shown, reach.secrets), host, port, headers: reach.headers, ...(secure ? { tls: reach.tls } : {}) },
  });
}

async function surround(options: SurroundingsOptions, parts: Parts): Promise<Surroundings> {
  const { contract, owned } = parts;
  const processGroup = owned === undefined ? (options.pid === undefined ? undefined : (): number | undefined => options.pid) : owned.pid;
  const targets: Partial<Record<Transport, Target>> = {};
  let reach = reachOf(parts);
  Object.assign(targets, targetsOf(reach, contract, { onlyBound: nobodyAsked(parts) }));
  if (Object.keys(targets).length === 0) {
    throw new HarnessError("usage", "There is no URL, and the started server's ready line named no port.", {
      hint: "give grpc:// and ws:// URLs beside --start",
    });
  }
  let beside = besideStream(contract, { reach, targets, folder: parts.folder, processGroup });
  const { producer, probe } = beside;
  const closeBeside = async (): Promise<void> => {
    await Promise.all([beside.producer?.close(), beside.probe?.close()]);
  };
  const restartOwned = (target: OwnedTarget): RunContext["restart"] => ({
    stop: () => target.stop(),
    async start() {
      await target.start();
      // It may have come back on other ports.
      await closeBeside();
      reach = reachOf(parts);
      Object.assign(targets, targetsOf(reach, contract, { onlyBound: nobodyAsked(parts) }));
      beside = besideStream(contract, { reach, targets, folder: parts.folder, processGroup });
    },
  });
  return {
    reach,
    contract,
    targets,
    drivers: chooseDrivers(options.driver ?? "wire"),
    bounds: { ...contract.bounds, ...options.bounds },
    producer: producer === undefined ? undefined : { produce: (drafts) => (beside.producer ?? producer).produce(drafts) },
    producerMissing: undefined,
    probe: await runProbeOf(contract, probe === undefined ? undefined : () => (beside.probe ?? probe).read()),
    restart: options.restart ?? (owned === undefined ? undefined : restartOwned(owned)),
    processGroup: processGroup ?? (() => undefined),
    shownUrls: Object.values(targets).map((target) => redact(target.url, reach.secrets)),
    log: () => owned?.log() ?? "",
    death: () => owned?.death(),
    async close() {
      await closeBeside();
      await owned?.stop();
    },
  };
}

/** No URL was given: those of the ready line are taken as far as the contract knows their transport. */
function nobodyAsked({ reach }: Parts): boolean {
  return Object.keys(reach.urls).length === 0;
}

/** What was given, with the ports at which a started server is at present. */
function reachOf({ reach, owned }: Parts): Reach {
  if (owned === undefined) {
    return reach;
  }
  const urls = owned.urls();
  const port = owned.httpPort();
  const named = port === undefined ? undefined : `http://127.0.0.1:${port}`;
  const given = port === undefined ? reach.httpOrigin : reach.httpOrigin?.replace(/:0$/, `:${port}`);
  return { ...reach, urls, httpOrigin: reach.httpOriginGiven ? given : urls.ws === undefined ? named : httpOriginOf(urls.ws) };
}

function besideStream(
  contract: Contract,
  parts: {
    readonly reach: Reach;
    readonly targets: Partial<Record<Transport, Target>>;
    readonly folder: string;
    readonly processGroup: (() => number | undefined) | undefined;
  },
): { readonly producer: Producer | undefined; readonly probe: Probe | undefined } {
  const { reach, folder, processGroup } = parts;
  const { grpc } = parts.targets;
  const common = {
    ...(reach.httpOrigin === undefined ? {} : { httpOrigin: reach.httpOrigin }),
    ...(reach.httpOrigin?.startsWith("https:") === true ? { tls: reach.tls } : {}),
    ...(grpc === undefined ? {} : { grpc: { host: grpc.host, port: grpc.port, tls: grpc.tls, headers: grpc.headers } }),
    headers: reach.headers,
  };
  return {
    producer: createProducer(contract, { ...common, folder }),
    probe: createProbe(contract, { ...common, ...(processGroup === undefined ? {} : { processGroup }) }),
  };
}

/** The probe with what a first reading says of it. */
async function runProbeOf(contract: Contract, read: Probe["read"] | undefined): Promise<RunProbe> {
  if (read === undefined) {
    const state: RunProbe["state"] =
      contract.probe.kind === "declared-none" ? { kind: "declared-none" } : { kind: "missing", reason: "the contract names no probe" };
    return { state, read: () => Promise.resolve({ kind: "unavailable", reason: "there is no probe" }) };
  }
  const first = await read();
  return { state: "kind" in first ? { kind: "missing", reason: first.reason } : { kind: "ready" }, read };
}

function chooseDrivers(choice: "wire" | "library"): Partial<Record<Transport, Driver>> {
  const known: Readonly<Record<string, Driver>> = drivers;
  const grpc = known[choice === "wire" ? "grpc-wire" : "grpc"];
  const ws = known[choice === "wire" ? "websocket-wire" : "websocket"];
  return { ...(grpc === undefined ? {} : { grpc }), ...(ws === undefined ? {} : { ws }) };
}
