import { connect as connectHttp2Library } from "node:http2";
import { connect as connectTcp } from "node:net";
import { Duplex } from "node:stream";

import { Client, credentials } from "@grpc/grpc-js";

import { openGrpcCall, type GrpcCallOptions } from "../src/wire/grpc-call.js";
import { HpackEncoder } from "../src/wire/hpack.js";
import { connectHttp2, type Http2ConnectOptions } from "../src/wire/http2-connection.js";
import { CLIENT_PREFACE, encodeFrame, encodeSettingsPayload, encodeUint32, FLAG, FRAME, SETTING } from "../src/wire/http2-frames.js";
import { type Contestant, measure, readBufferBytes } from "./contest.js";
import { windowUpdates } from "./load-contestants.js";
import { dataFrames, MESSAGE_BYTES, wireBytesPerMessage, type Shape } from "./http2-source.js";

/** One way to receive: it calls `count` with the messages got until `signal` says that it is enough. */
type Receive = (port: number, count: (messages: number) => void, signal: AbortSignal) => Promise<void>;

const WINDOW_BYTES = 16 * 1024 * 1024;
const PATH = "/bench.Bench/Stream";
const WIDE: Omit<Http2ConnectOptions, "port"> = {
  host: "127.0.0.1",
  connectTimeoutMs: 10_000,
  connectionWindowBytes: WINDOW_BYTES,
  settings: { INITIAL_WINDOW_SIZE: WINDOW_BYTES },
  readBufferBytes,
};

/** What is compared for one shape; the scan alone needs no source. */
export function http2Contestants(shape: Shape): readonly Contestant[] {
  const perMessage = wireBytesPerMessage(shape);
  const raw = "raw node:net read";
  return [
    contestant(raw, { verifies: "nothing" }, (port, count, signal) => readRaw(port, (bytes) => count(bytes / perMessage), signal)),
    contestant("src/wire, scan alone", { verifies: "frames, windows", ...(shape === "single" ? { goal: 12 } : {}) }, (_port, count, signal) =>
      scanAlone(shape, count, signal),
    ),
    contestant("src/wire, messages found", { verifies: "frames, windows", of: { name: raw, share: 0.5 } }, (port, count, signal) =>
      receive(port, { messageRanges: { take: () => count(1) } }, signal),
    ),
    contestant("src/wire, messages kept", { verifies: "frames, windows" }, (port, count, signal) => receive(port, { onMessage: () => count(1) }, signal)),
    contestant("node:http2", { verifies: "frames, windows; no messages" }, (port, count, signal) =>
      receiveByLibrary(port, (bytes) => count(bytes / (5 + MESSAGE_BYTES)), signal),
    ),
    contestant("@grpc/grpc-js", { verifies: "frames, windows" }, (port, count, signal) => receiveByGrpcJs(port, () => count(1), signal)),
  ];
}

function contestant(name: string, more: Omit<Contestant, "name" | "run" | "missing">, receive: Receive): Contestant {
  return {
    name,
    ...more,
    run: ({ port }, seconds) =>
      measure(seconds, (count) => {
        const controller = new AbortController();
        void receive(port, count, controller.signal);
        return () => controller.abort();
      }),
  };
}

/** Reads the same bytes and does nothing with them: what the kernel and node's loop cost anyone. */
function readRaw(port: number, onBytes: (bytes: number) => void, signal: AbortSignal): Promise<void> {
  const settings = encodeSettingsPayload(new Map([[SETTING.INITIAL_WINDOW_SIZE, 2 ** 31 - 1]]));
  const block = new HpackEncoder().encode([
    [":method", "POST"],
    [":scheme", "http"],
    [":path", PATH],
    [":authority", "bench"],
  ]);
  const opening = [
    Buffer.from(CLIENT_PREFACE),
    encodeFrame({ type: FRAME.SETTINGS, payload: settings }),
    encodeFrame({ type: FRAME.WINDOW_UPDATE, payload: encodeUint32(2 ** 31 - 1 - 65_535) }),
    encodeFrame({ type: FRAME.HEADERS, flags: FLAG.END_HEADERS | FLAG.END_STREAM, streamId: 1, payload: block }),
  ];
  return new Promise((resolve, reject) => {
    const onread = {
      buffer: Buffer.alloc(readBufferBytes),
      callback: (bytes: number): boolean => {
        onBytes(bytes);
        unreturned += bytes;
        if (unreturned > 2 ** 30) {
          socket.write(windowUpdates(2 ** 30));
          unreturned -= 2 ** 30;
        }
        return true;
      },
    };
    let unreturned = 0;
    const socket = connectTcp({ host: "127.0.0.1", port, onread }, () => socket.write(Buffer.concat(opening)));
    socket.on("error", reject).on("close", () => resolve());
    signal.addEventListener("abort", () => socket.destroy());
  });
}

async function receive(port: number, handlers: Partial<GrpcCallOptions>, signal: AbortSignal): Promise<void> {
  const connection = await connectHttp2({ ...WIDE, port });
  signal.addEventListener("abort", () => connection.destroy());
  openGrpcCall(connection, { path: PATH, endStream: true, ...handlers });
  await connection.closed;
}

/** The whole receive path on bytes that are already in memory, in chunks of 64 KiB as a socket gives them. */
async function scanAlone(shape: Shape, count: (messages: number) => void, signal: AbortSignal): Promise<void> {
  const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  setImmediate(() => socket.emit("data", encodeFrame({ type: FRAME.SETTINGS })));
  const connection = await connectHttp2({ ...WIDE, port: 0, socket });
  openGrpcCall(connection, { path: PATH, endStream: true, messageRanges: { take: () => count(1) } });
  const headers = new HpackEncoder().encode([
    [":status", "200"],
    ["content-type", "application/grpc"],
  ]);
  socket.emit("data", encodeFrame({ type: FRAME.HEADERS, flags: FLAG.END_HEADERS, streamId: 1, payload: headers }));
  const { bytes } = dataFrames(shape);
  while (!signal.aborted) {
    for (let at = 0; at < bytes.length; at += 65_536) socket.emit("data", bytes.subarray(at, at + 65_536));
    await new Promise((resolve) => setImmediate(resolve));
  }
  connection.destroy();
}

function receiveByLibrary(port: number, onBytes: (bytes: number) => void, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2Library(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: WINDOW_BYTES } });
    session.on("connect", () => session.setLocalWindowSize(WINDOW_BYTES));
    session.on("error", reject).on("close", () => resolve());
    const stream = session.request({ ":method": "POST", ":path": PATH, te: "trailers", "content-type": "application/grpc" });
    stream.on("data", (chunk: Buffer) => onBytes(chunk.length));
    stream.on("error", () => {});
    signal.addEventListener("abort", () => session.destroy());
  });
}

function receiveByGrpcJs(port: number, onMessage: () => void, signal: AbortSignal): Promise<void> {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const identity = (bytes: Buffer): Buffer => bytes;
  return new Promise((resolve) => {
    const call = client.makeServerStreamRequest(PATH, identity, identity, Buffer.alloc(0));
    call.on("data", onMessage).on("error", () => {});
    call.on("close", () => {
      client.close();
      resolve();
    });
    signal.addEventListener("abort", () => call.cancel());
  });
}
