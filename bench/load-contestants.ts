import { connect as connectTcp } from "node:net";
import { fileURLToPath } from "node:url";

import { Client, credentials } from "@grpc/grpc-js";
import protobuf from "protobufjs";
import { WebSocket } from "ws";

import { loadContract } from "../src/contract/load-contract.js";
import type { Target, TlsOptions } from "../src/core/target.js";
import { drivers } from "../src/drivers/index.js";
import { runLoad } from "../src/load/run-load.js";
import { parseWorkload } from "../src/load/workload-file.js";
import { HpackEncoder } from "../src/wire/hpack.js";
import { CLIENT_PREFACE, encodeFrame, encodeSettingsPayload, encodeUint32, FLAG, FRAME, SETTING } from "../src/wire/http2-frames.js";

/** What a contestant did in its measured time. */
export interface Tally {
  readonly entries: number;
  readonly cpuMicros: number;
  /** Entries that it found wrong; the source sends none. */
  readonly faults: number;
}

/** One way to receive and verify the flood on a port, in a process of its own. */
export interface Contestant {
  readonly name: string;
  /** What it looks at in each entry. */
  readonly verifies: string;
  run(port: number, seconds: number): Promise<Tally>;
}

const bytesOf = { grpc: 164, ws: 205 } as const;
const warmUpSeconds = 1;
const packageFolder = fileURLToPath(new URL("../../", import.meta.url));
const celContract = `${packageFolder}bench/source/logger-cel.yaml`;

/** The harness itself, as `halfclose load` runs it. */
export function harness(
  name: string,
  options: {
    readonly transport: "grpc" | "ws";
    readonly filter?: string;
    readonly streams?: number;
    readonly workers?: number;
    readonly contract?: string;
    readonly tls?: TlsOptions;
  },
): Contestant {
  const { transport, filter = "$broad", streams = 1, workers = 1, contract: reference = "logger", tls } = options;
  return {
    name,
    verifies: "sequence, filter, lag; one in 64 whole",
    async run(port, seconds) {
      const contract = await loadContract(reference === "cel" ? celContract : reference);
      const target: Target = {
        url: `127.0.0.1:${port}`,
        transport,
        host: "127.0.0.1",
        port,
        tls,
        path: (transport === "grpc" ? contract.grpc?.path : contract.websocket?.path) ?? "",
        headers: [],
        contract,
      };
      const record = await runLoad({
        workload: parseWorkload(
          `name: flood\nabout: bench\nduration: ${seconds}s\nwarm-up: ${warmUpSeconds}s\nstreams: ${streams}\nbegin: [send: ${filter}]\nfinish: [cancel]\n`,
          "bench",
        ),
        targets: [target],
        drivers: [drivers["grpc-wire"], drivers["websocket-wire"]],
        seed: 1,
        threads: {
          script: new URL("../src/harness/load-worker.js", import.meta.url),
          contractReferences: [reference === "cel" ? celContract : reference],
          count: workers,
        },
      });
      const { counters } = record;
      const received = record.windows.reduce((sum, window) => sum + window.received, 0);
      const perSecond = record.values?.["entries-per-cpu-second"] ?? 0;
      const faults = ["lost", "duplicated", "reordered", "stale-hard", "violations", "rejected"].reduce((sum, counter) => sum + (counters[counter] ?? 0), 0);
      return { entries: received, cpuMicros: perSecond === 0 ? 0 : (received / perSecond) * 1_000_000, faults };
    },
  };
}

/** Reads the same bytes and looks at none: what the kernel and Node's loop cost anyone. */
export function rawRead(transport: "grpc" | "ws"): Contestant {
  return {
    name: "raw node:net read",
    verifies: "nothing",
    run: (port, seconds) =>
      measure(seconds, (count) => {
        const buffer = Buffer.allocUnsafeSlow(256 * 1024);
        const onread = {
          buffer,
          callback: (bytes: number): boolean => {
            count(bytes / bytesOf[transport]);
            return true;
          },
        };
        const socket = connectTcp({ host: "127.0.0.1", port, onread });
        socket.on("error", () => undefined);
        socket.write(transport === "grpc" ? grpcOpening() : webSocketOpening());
        if (transport === "ws") {
          setTimeout(() => socket.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x7b, 0x7d])), 50);
        }
        return () => socket.destroy();
      }),
  };
}

/** @grpc/grpc-js and protobufjs, as a user of them would check order, filter and lag. */
export const grpcJs: Contestant = {
  name: "@grpc/grpc-js + protobufjs",
  verifies: "sequence, filter, lag",
  async run(port, seconds) {
    const root = await protobuf.load(`${packageFolder}contracts/logger.proto`);
    const entry = root.lookupType("logger.MonitorResponse");
    return measure(seconds, (count, fault) => {
      const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
      const check = checker(fault);
      const call = client.makeBidiStreamRequest(
        "/logger.Logger/Monitor",
        () => Buffer.alloc(0),
        (bytes: Buffer) => entry.decode(bytes) as unknown as PeerEntry,
      );
      call.on("data", (message: PeerEntry) => {
        check(Number(message.sequence), message);
        count(1);
      });
      call.on("error", () => undefined);
      call.write({});
      return () => {
        call.cancel();
        client.close();
      };
    });
  },
};

/** ws and JSON.parse, likewise. */
export const wsJson: Contestant = {
  name: "ws + JSON.parse",
  verifies: "sequence, filter, lag",
  run: (port, seconds) =>
    measure(seconds, (count, fault) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/logs/monitor`, { perMessageDeflate: false });
      const check = checker(fault);
      socket.on("open", () => socket.send("{}"));
      socket.on("message", (data: Buffer) => {
        const message = JSON.parse(data.toString()) as PeerEntry;
        check(Number(message.sequence), message);
        count(1);
      });
      socket.on("error", () => undefined);
      return () => socket.terminate();
    }),
};

interface PeerEntry {
  readonly sequence: unknown;
  readonly time: string;
  readonly source: string;
}

function checker(fault: () => void): (sequence: number, entry: PeerEntry) => void {
  let last = 0;
  const lags = new Float64Array(4096);
  return (sequence, { source, time }) => {
    if ((last !== 0 && sequence !== last + 1) || source !== "alpha") {
      fault();
    }
    last = sequence;
    const lagMs = Math.max(0, Math.min(4095, Math.round(Date.now() - Date.parse(time))));
    lags[lagMs] = (lags[lagMs] ?? 0) + 1;
  };
}

/** Runs a client for the warm-up and the measured time, and takes its CPU time in the latter. */
async function measure(seconds: number, start: (count: (entries: number) => void, fault: () => void) => () => void): Promise<Tally> {
  let entries = 0;
  let faults = 0;
  const stop = start(
    (more) => (entries += more),
    () => faults++,
  );
  await pause(warmUpSeconds);
  const before = entries;
  const cpu = process.cpuUsage();
  await pause(seconds);
  const { user, system } = process.cpuUsage(cpu);
  const after = entries;
  stop();
  return { entries: after - before, cpuMicros: user + system, faults };
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

function grpcOpening(): Buffer {
  const wide = 2 ** 31 - 1;
  const block = new HpackEncoder().encode([
    [":method", "POST"],
    [":scheme", "http"],
    [":path", "/logger.Logger/Monitor"],
    [":authority", "bench"],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
  ]);
  return Buffer.concat([
    Buffer.from(CLIENT_PREFACE),
    encodeFrame({ type: FRAME.SETTINGS, payload: encodeSettingsPayload(new Map([[SETTING.INITIAL_WINDOW_SIZE, wide]])) }),
    encodeFrame({ type: FRAME.WINDOW_UPDATE, payload: encodeUint32(wide - 65_535) }),
    encodeFrame({ type: FRAME.HEADERS, flags: FLAG.END_HEADERS, streamId: 1, payload: block }),
    encodeFrame({ type: FRAME.DATA, streamId: 1, payload: Buffer.alloc(5) }),
  ]);
}

function webSocketOpening(): string {
  return "GET /logs/monitor HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
}
