import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
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
import { openGrpcCall } from "../src/wire/grpc-call.js";
import { connectHttp2 } from "../src/wire/http2-connection.js";
import { CLIENT_PREFACE, encodeFrame, encodeSettingsPayload, encodeUint32, FLAG, FRAME, SETTING } from "../src/wire/http2-frames.js";
import { upgrade } from "../src/wire/websocket-upgrade.js";
import { type Contestant, measure, readBufferBytes, warmUpSeconds } from "./contest.js";

const bytesOf = { grpc: 164, ws: 205 } as const;
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
    readonly goal?: number;
    readonly of?: Contestant["of"];
  },
): Contestant {
  const { transport, filter = "$broad", streams = 1, workers = 1, contract: reference = "logger", tls, goal, of } = options;
  return {
    name,
    verifies: reference === "cel" ? "sequence, filter by CEL, lag, shape" : "sequence, filter, lag; one in 64 whole",
    ...(goal === undefined ? {} : { goal }),
    ...(of === undefined ? {} : { of }),
    async run({ port }, seconds) {
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
          `name: flood\nabout: bench\nduration: ${seconds * 1000}ms\nwarm-up: ${warmUpSeconds * 1000}ms\nstreams: ${streams}\nbegin: [send: ${filter}]\nfinish: [cancel]\n`,
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

/** Reads the same bytes through Node's TLS and looks at none. */
export const rawTlsRead: Contestant = {
  name: "raw node:tls read",
  verifies: "nothing",
  run: ({ port }, seconds) =>
    measure(seconds, (count) => {
      const socket = connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false, ALPNProtocols: ["h2"] });
      socket.on("error", () => undefined);
      let unreturned = 0;
      socket.on("data", (chunk: Buffer) => {
        count(chunk.length / bytesOf.grpc);
        unreturned += chunk.length;
        if (unreturned > halfWindow) {
          socket.write(windowUpdates(halfWindow));
          unreturned -= halfWindow;
        }
      });
      socket.write(grpcOpening());
      return () => socket.destroy();
    }),
};

const wide = 16 * 1024 * 1024;

/** Frames and messages found, none looked into. */
export const grpcRanges: Contestant = {
  name: "src/wire, messages found",
  verifies: "frames, windows",
  run: ({ port }, seconds) =>
    measure(seconds, (count) => {
      const connected = connectHttp2({
        host: "127.0.0.1",
        port,
        connectTimeoutMs: 10_000,
        connectionWindowBytes: wide,
        settings: { INITIAL_WINDOW_SIZE: wide },
        readBufferBytes,
      });
      void connected.then((connection) =>
        openGrpcCall(connection, { path: "/logger.Logger/Monitor", messageRanges: { take: () => count(1) } }).send(Buffer.alloc(0)),
      );
      return () => void connected.then((connection) => connection.destroy());
    }),
};

/** Likewise over WebSocket. */
export const webSocketRanges: Contestant = {
  name: "src/wire, messages found",
  verifies: "frames",
  run: ({ port }, seconds) =>
    measure(seconds, (count) => {
      const upgraded = upgrade({
        host: "127.0.0.1",
        port,
        path: "/logs/monitor",
        timeoutMs: 10_000,
        readBuffer: Buffer.allocUnsafeSlow(readBufferBytes),
        messageRanges: { take: () => count(1) },
      });
      void upgraded.then((outcome) => outcome.kind === "accepted" && outcome.connection.sendText("{}"));
      return () => void upgraded.then((outcome) => outcome.kind === "accepted" && outcome.connection.destroy());
    }),
};

/** Reads the same bytes and looks at none: what the kernel and Node's loop cost anyone, from one socket or from many in turn. */
export function rawRead(transport: "grpc" | "ws", sockets = 1): Contestant {
  return {
    name: sockets === 1 ? rawReadName : `${rawReadName}, ${sockets} sockets`,
    verifies: "nothing",
    ...(sockets === 1 ? {} : { of: { name: rawReadName } }),
    run: ({ port }, seconds) =>
      measure(seconds, (count) => {
        const buffer = Buffer.allocUnsafeSlow(readBufferBytes);
        const opened = Array.from({ length: sockets }, () => readRaw(transport, port, buffer, count));
        return () => {
          for (const socket of opened) {
            socket.destroy();
          }
        };
      }),
  };
}

const rawReadName = "raw node:net read";

function readRaw(transport: "grpc" | "ws", port: number, buffer: Buffer, count: (entries: number) => void): Socket {
  let unreturned = 0;
  const onread = {
    buffer,
    callback: (bytes: number): boolean => {
      count(bytes / bytesOf[transport]);
      unreturned += bytes;
      if (transport === "grpc" && unreturned > halfWindow) {
        socket.write(windowUpdates(halfWindow));
        unreturned -= halfWindow;
      }
      return true;
    },
  };
  const socket = connectTcp({ host: "127.0.0.1", port, onread });
  socket.on("error", () => undefined);
  socket.write(transport === "grpc" ? grpcOpening() : webSocketOpening());
  if (transport === "ws") {
    setTimeout(() => socket.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x7b, 0x7d])), 50);
  }
  return socket;
}

/** @grpc/grpc-js and protobufjs, as a user of them would check order, filter and lag. */
export const grpcJs: Contestant = {
  name: "@grpc/grpc-js + protobufjs",
  verifies: "sequence, filter, lag",
  async run({ port }, seconds) {
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
  run: ({ port }, seconds) =>
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

const widest = 2 ** 31 - 1;
const halfWindow = 2 ** 30;

/** Returns so much to the windows of the connection and of its first stream. */
export function windowUpdates(bytes: number): Buffer {
  const payload = encodeUint32(bytes);
  return Buffer.concat([encodeFrame({ type: FRAME.WINDOW_UPDATE, payload }), encodeFrame({ type: FRAME.WINDOW_UPDATE, streamId: 1, payload })]);
}

function grpcOpening(): Buffer {
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
    encodeFrame({ type: FRAME.SETTINGS, payload: encodeSettingsPayload(new Map([[SETTING.INITIAL_WINDOW_SIZE, widest]])) }),
    encodeFrame({ type: FRAME.WINDOW_UPDATE, payload: encodeUint32(widest - 65_535) }),
    encodeFrame({ type: FRAME.HEADERS, flags: FLAG.END_HEADERS, streamId: 1, payload: block }),
    encodeFrame({ type: FRAME.DATA, streamId: 1, payload: Buffer.alloc(5) }),
  ]);
}

function webSocketOpening(): string {
  return "GET /logs/monitor HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
}
