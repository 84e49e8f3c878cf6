import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { generate } from "selfsigned";
import type { Report } from "../../src/core/report.js";
import { runConformance } from "../../src/harness/conformance-run.js";
import { faults, type Fault, type FaultName } from "../../src/reference/faults.js";
import { startReferenceServer, type ReferenceServer, type ReferenceServerOptions } from "../../src/reference/server.js";

const packageRoot = path.join(path.dirname(fileURLToPath(import.meta.url)), "..", "..", "..");
const allowedOrigin = "https://console.example";

export interface ReferenceRun {
  readonly faults?: readonly FaultName[];
  readonly tls?: boolean;
  /** No entries come by themselves. Default false. */
  readonly quiet?: boolean;
  /** Wait for what only shows after seconds. Default false. */
  readonly patient?: boolean;
  /** Ids of the checks to run; default those of the suite "conformance". */
  readonly ids?: readonly string[];
  /** Streams that it bears at once; default: any number. */
  readonly streams?: number;
  /** The only transport to be asked; default both. */
  readonly only?: "grpc" | "ws";
}

/** Runs the whole catalogue, in this process, against a reference server that has everything a check may need. */
export async function runAgainstReference(run: ReferenceRun = {}): Promise<Report> {
  const folder = await mkdtemp(path.join(tmpdir(), "halfclose-matrix-"));
  const certificate = run.tls === true ? await selfSigned() : undefined;
  const options: ReferenceServerOptions = {
    rate: run.quiet === true ? 0 : 400,
    faults: run.faults ?? [],
    token: "matrix-token",
    allowedOrigins: [allowedOrigin],
    limits: { handshakeTimeoutMs: 2500, streams: run.streams ?? Infinity },
    ...(certificate === undefined ? {} : { tls: certificate }),
  };
  let server: ReferenceServer = await startReferenceServer(options);
  const { grpcPort, httpPort, urls } = server;
  try {
    const contract = path.join(folder, "logger.yaml");
    await writeFile(contract, await contractText());
    await writeFile(path.join(folder, "everything.yaml"), "name: everything\nabout: Every check that there is.\n");
    return await runConformance({
      urls: [...(run.only === "ws" ? [] : [urls.grpc]), ...(run.only === "grpc" ? [] : [`${urls.websocket}/logs/monitor`])],
      httpUrl: `http${run.tls === true ? "s" : ""}://127.0.0.1:${httpPort}`,
      insecure: run.tls === true,
      contract,
      token: "matrix-token",
      headers: [],
      seed: 1,
      jobs: 8,
      patient: run.patient ?? false,
      bounds: { applyMs: 1000, endMs: 600, releaseMs: 600, stopMs: 1500 },
      ...(run.ids === undefined ? {} : { suite: "everything.yaml", folder, select: { ids: run.ids } }),
      restart: {
        stop: () => server.stop({ graceMs: 1000 }),
        start: async () => {
          server = await startReferenceServer({ ...options, grpcPort, httpPort });
        },
      },
    });
  } finally {
    await server.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

/** What a fault's own run needs. */
export function runOf(name: FaultName): ReferenceRun {
  const fault: Fault = faults[name];
  const only = fault.caughtBy.every((id) => id.includes("/grpc-")) ? "grpc" : fault.caughtBy.every((id) => id.includes("/ws-")) ? "ws" : undefined;
  return {
    faults: [name],
    ...(only === undefined ? {} : { only }),
    ...(fault.needs === "tls" ? { tls: true } : {}),
    ...(fault.needs === "quiet" ? { quiet: true } : {}),
    patient: fault.patient === true,
  };
}

async function contractText(): Promise<string> {
  const shipped = path.join(packageRoot, "contracts");
  const text = await readFile(path.join(shipped, "logger.yaml"), "utf8");
  return text
    .replace(/proto: *logger\.proto/, `proto: ${JSON.stringify(path.join(shipped, "logger.proto"))}`)
    .replace(/^(websocket: *\{ *)/m, `$1origins: [${JSON.stringify(allowedOrigin)}], `)
    .replace(/^(websocket: *)$/m, `$1\n  origins: [${JSON.stringify(allowedOrigin)}]`);
}

async function selfSigned(): Promise<{ readonly cert: string; readonly key: string }> {
  const made = await generate([{ name: "commonName", value: "localhost" }], { keySize: 2048 });
  return { cert: made.cert, key: made.private };
}
