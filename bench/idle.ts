import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Client, credentials } from "@grpc/grpc-js";
import { WebSocket } from "ws";

import { createDriverSource } from "../src/load/driver-source.js";
import { performShare } from "../src/load/share.js";
import { createSystemClock } from "../src/load/system-clock.js";
import { parseWorkload } from "../src/load/workload-file.js";
import { firstMessage, play } from "./compare.js";
import { medianOf, pause, type SourcePorts } from "./contest.js";
import { startFlood } from "./source/flood-server.js";
import { targetAt } from "./target.js";

/** What idle streams took. */
interface IdleCost {
  readonly openMs: number;
  readonly bytesEach: number;
}

interface IdleRow {
  readonly name: string;
  readonly transport: "grpc" | "ws";
  readonly streams: number;
  readonly goalBytes?: number;
  readonly goalMs?: number;
}

const rows: readonly IdleRow[] = [
  { name: "halfclose, gRPC", transport: "grpc", streams: 5000, goalBytes: 4096, goalMs: 2000 },
  { name: "halfclose, WebSocket", transport: "ws", streams: 5000, goalBytes: 6144, goalMs: 2000 },
  { name: "@grpc/grpc-js", transport: "grpc", streams: 5000 },
  { name: "ws", transport: "ws", streams: 5000 },
];
/** Open before anything is measured, so that code is compiled, pools are filled and the heap has its working size. */
const streamsBefore = 1000;
const opensAtOnce = 64;

/** A server that takes streams and sends nothing. */
export function startSilent(transport: string): Promise<SourcePorts> {
  return startFlood({ transport: transport === "grpc" ? "grpc" : "ws", base: 1n, ageMicros: 0, rate: 0 });
}

/** Opens a row's streams in this process; each has sent its filter. */
export async function measureIdle(name: string, port: number): Promise<IdleCost> {
  const row = rows.find((each) => each.name === name);
  if (row === undefined) {
    throw new Error(`no row ${name}`);
  }
  const open = name.startsWith("halfclose") ? openByHarness : name === "ws" ? openByWs : openByGrpcJs;
  await open(row, port, streamsBefore);
  const before = await settledMemory();
  const startedAt = performance.now();
  await open(row, port, row.streams);
  const openMs = performance.now() - startedAt;
  return { openMs, bytesEach: ((await settledMemory()) - before) / row.streams };
}

/** Resident memory when what opening left behind has been collected. */
async function settledMemory(): Promise<number> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (let i = 0; i < 2; i++) {
    await pause(0.2);
    collect();
  }
  await pause(0.5);
  return process.memoryUsage.rss();
}

/** Prints a line for each row. */
export async function compareIdle(rounds: number): Promise<void> {
  const costs = new Map(rows.map(({ name }) => [name, [] as IdleCost[]]));
  for (let round = 0; round < rounds; round++) {
    for (const { name, transport } of rows) {
      const source = play(["silent", transport]);
      const { port } = (await firstMessage(source)) as SourcePorts;
      const client = play(["idle-client", name, String(port)]);
      costs.get(name)?.push((await firstMessage(client)) as IdleCost);
      client.disconnect();
      source.kill();
    }
  }
  for (const { name, streams, goalBytes, goalMs } of rows) {
    const all = costs.get(name) ?? [];
    const bytes = all.map(({ bytesEach }) => bytesEach);
    const kilobytes = (value: number): string => `${(value / 1024).toFixed(1)} KB`;
    const ms = medianOf(all.map(({ openMs }) => openMs));
    const goal = (value: number, limit: number | undefined, shown: string): string =>
      limit === undefined ? "" : `goal ${shown}: ${value <= limit ? "met" : "not met"}`;
    console.log(
      `  ${name.padEnd(22)} ${kilobytes(medianOf(bytes))} of memory each (${kilobytes(Math.min(...bytes))}–${kilobytes(Math.max(...bytes))}) ${goal(medianOf(bytes), goalBytes, kilobytes(goalBytes ?? 0))}; ${streams} opened in ${(ms / 1000).toFixed(2)} s ${goal(ms, goalMs, "2 s")}`,
    );
  }
}

/** Opens streams, which stay open until the process ends. */
type Open = (row: IdleRow, port: number, streams: number) => Promise<void>;

const openByHarness: Open = async ({ transport }, port, streams) => {
  const { target, driver } = await targetAt(transport, port);
  const workload = parseWorkload(`name: idle\nabout: bench\nduration: 1h\nstreams: ${streams}\nbegin: [send: $broad]\nfinish: [cancel]\n`, "bench");
  const clock = createSystemClock();
  const stop = new AbortController();
  const options = { workload, targets: [target], clock };
  await new Promise<void>((resolve, reject) => {
    performShare({
      ...options,
      shard: { index: 0, count: 1 },
      seed: 1,
      source: createDriverSource({ ...options, drivers: [driver], connectTimeoutMs: 10_000 }),
      windowed: [],
      stop: stop.signal,
      ready: () => {
        resolve();
        return Promise.resolve(clock.nowMicros());
      },
      onWindow: () => undefined,
    }).catch(reject);
  });
};

const openByGrpcJs: Open = async (_row, port, streams) => {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  await manyAtOnce(streams, () => {
    const call = client.makeBidiStreamRequest(
      "/logger.Logger/Monitor",
      () => Buffer.alloc(0),
      (bytes: Buffer) => bytes,
    );
    call.on("data", () => undefined).on("error", () => undefined);
    call.write({});
    return new Promise<void>((resolve) => call.once("metadata", () => resolve()));
  });
};

const openByWs: Open = async (_row, port, streams) => {
  await manyAtOnce(streams, () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/logs/monitor`, { perMessageDeflate: false });
    socket.on("message", () => undefined).on("error", () => undefined);
    return new Promise<void>((resolve) =>
      socket.once("open", () => {
        socket.send("{}");
        resolve();
      }),
    );
  });
};

async function manyAtOnce(count: number, open: () => Promise<void>): Promise<void> {
  let left = count;
  const openNext = async (): Promise<void> => {
    while (left-- > 0) {
      await open();
    }
  };
  await Promise.all(Array.from({ length: opensAtOnce }, openNext));
}
