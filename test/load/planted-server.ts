import { loadContract } from "../../src/contract/load-contract.js";
import type { Transport } from "../../src/core/contract.js";
import type { WorkloadRecord } from "../../src/core/report.js";
import type { Target } from "../../src/core/target.js";
import type { Workload } from "../../src/core/workload.js";
import { drivers } from "../../src/drivers/index.js";
import { runLoad, type RunLoadOptions } from "../../src/load/run-load.js";
import { parseWorkload } from "../../src/load/workload-file.js";
import { type ReferenceServer, type ReferenceServerOptions, startReferenceServer } from "../../src/reference/server.js";

const contract = await loadContract("logger");
const script = new URL("../../src/harness/load-worker.js", import.meta.url);

/** The reference server as a target of its default contract. */
export function targetOf(server: ReferenceServer, transport: Transport): Target {
  const grpc = transport === "grpc";
  return {
    url: grpc ? server.urls.grpc : server.urls.websocket,
    transport,
    host: "127.0.0.1",
    port: grpc ? server.grpcPort : server.httpPort,
    tls: undefined,
    path: (grpc ? contract.grpc?.path : contract.websocket?.path) ?? "",
    headers: [],
    contract,
  };
}

export function workload(yaml: string): Workload {
  return parseWorkload(`name: truth\nabout: what was planted\n${yaml}`, "truth.yaml");
}

/** Runs something against a reference server of its own, which is gone afterwards. */
export async function against(options: ReferenceServerOptions, run: (server: ReferenceServer) => Promise<void>): Promise<void> {
  const server = await startReferenceServer(options);
  try {
    await run(server);
  } finally {
    await server.stop({ graceMs: 200 });
  }
}

/** One worker thread, as users run it on a machine with two cores. */
export const inThreads = { script, contractReferences: ["logger"], count: 1 };

/** In worker threads, as users run it. */
export function perform(
  server: ReferenceServer,
  transport: Transport,
  options: Pick<RunLoadOptions, "workload"> & Partial<RunLoadOptions>,
): Promise<WorkloadRecord> {
  return runLoad({
    targets: [targetOf(server, transport)],
    drivers: [drivers["grpc-wire"], drivers["websocket-wire"]],
    seed: 7,
    threads: inThreads,
    ...options,
  });
}

/**
 * What a figure can be off by: the time between discriminating entries, and how late this machine's loops ran.
 * @param late how late they are taken to have been: `p90` beside medians, `p99` beside what is seldom.
 */
export function slackMicros(record: WorkloadRecord, late: "p90" | "p99"): number {
  return 2000 + 2 * (record.values?.["resolution"] ?? 0) + 2 * (record.histograms["loop-delay"]?.[late] ?? 0);
}

export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0;
}
