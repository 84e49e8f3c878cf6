import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { stringify } from "yaml";
import { loadContract } from "../contract/load-contract.js";
import type { Entry } from "../core/contract.js";
import type { Driver } from "../core/stream.js";
import type { Target } from "../core/target.js";
import { drivers } from "../drivers/index.js";
import { type Reach, targetsOf } from "./connection-options.js";

/** Entries that are enough to guess by. */
const mostEntries = 500;

/**
 * The entries that come for an empty filter, as far as any come within the time, in a list for each transport that gave some, gRPC first: the same
 * field may be written otherwise over the other. A target that refuses, or sends nothing, gives none.
 * @param options.withinMs default 1500.
 */
export async function observeEntries(options: {
  readonly reach: Reach;
  readonly grpcMethod: string | undefined;
  readonly webSocketPath: string | undefined;
  readonly withinMs?: number;
}): Promise<readonly (readonly Entry[])[]> {
  const { reach, grpcMethod, webSocketPath } = options;
  const folder = await mkdtemp(path.join(os.tmpdir(), "halfclose-"));
  try {
    const file = path.join(folder, "monitor.yaml");
    await writeFile(
      file,
      stringify({
        name: "observed",
        ...(grpcMethod === undefined ? {} : { grpc: { reflection: true, method: grpcMethod } }),
        ...(webSocketPath === undefined ? {} : { websocket: { path: webSocketPath } }),
        filters: { everything: {} },
        match: [],
      }),
    );
    const { grpc } = reach.urls;
    const contract = await loadContract(
      file,
      grpc === undefined
        ? {}
        : { reflection: { url: grpc.shown, host: grpc.host, port: grpc.port, headers: reach.headers, ...(grpc.secure ? { tls: reach.tls } : {}) } },
    );
    const targets = targetsOf(reach, contract, { onlyBound: true });
    const bound = [targets.grpc, targets.ws].filter((target) => target !== undefined);
    const seen = await Promise.all(bound.map((target) => observe(target, options.withinMs ?? 1500)));
    return seen.filter((entries) => entries.length > 0);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function observe(target: Target, withinMs: number): Promise<Entry[]> {
  const driver: Driver = drivers[target.transport === "grpc" ? "grpc-wire" : "websocket-wire"];
  const connection = await driver.connect(target, { timeoutMs: 5000 });
  try {
    return await collect(connection, withinMs);
  } finally {
    await connection.close();
  }
}

async function collect(connection: Awaited<ReturnType<Driver["connect"]>>, withinMs: number): Promise<Entry[]> {
  const entries: Entry[] = [];
  let enough: () => void = () => undefined;
  const done = new Promise<void>((resolve) => {
    enough = resolve;
  });
  const timer = setTimeout(enough, withinMs);
  const stream = await connection.open({
    events(event) {
      if (event.kind === "message") {
        entries.push(event.message);
      }
      if (event.kind === "ended" || entries.length >= mostEntries) {
        enough();
      }
    },
  });
  // A server that ends the stream at once has refused the filter; what came is all there is.
  await Promise.race([stream.send({}).catch(() => undefined), done]);
  await done;
  clearTimeout(timer);
  stream.cancel();
  return entries.slice(0, mostEntries);
}
