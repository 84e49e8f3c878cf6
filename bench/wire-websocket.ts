/**
 * Receive cost of WebSocket text frames: a source in a child process floods one connection, and each reader takes the same bytes.
 * `node dist/bench/wire-websocket.js [messages] [rounds]`; rounds are interleaved, and each figure is the median of its rounds.
 */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer, connect, type AddressInfo, type Socket } from "node:net";
import { availableParallelism, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { WebSocket } from "ws";
import { encodeFrame, opcodes } from "../src/wire/websocket-frames.js";
import { acceptKey, requestFieldValue, upgradeRequestText } from "../src/wire/websocket-handshake.js";
import { WebSocketScanner } from "../src/wire/websocket-scanner.js";
import { upgrade } from "../src/wire/websocket-upgrade.js";

const payloadBytes = 200;
const frame = encodeFrame({ opcode: opcodes.text, mask: false, payload: "x".repeat(payloadBytes) });

/** Reads `messages` messages of the source; resolves when they have come. */
type Reader = (port: number, messages: number) => Promise<void>;

const readers: Readonly<Record<string, Reader>> = {
  "raw node:net": readRaw,
  "halfclose, scanned": readScanned,
  "halfclose, every frame": readEveryFrame,
  ws: readWs,
};

if (process.argv[2] === "source") serveSource();
else await compare(Number(process.argv[2] ?? 4_000_000), Number(process.argv[3] ?? 5));

async function compare(messages: number, rounds: number): Promise<void> {
  const source = fork(fileURLToPath(import.meta.url), ["source"]);
  try {
    const port = await portOf(source);
    const rates = new Map<string, number[]>();
    // The first round warms up, and does not count.
    for (let round = 0; round <= rounds; round += 1) {
      for (const [name, read] of Object.entries(readers)) {
        const share = name === "raw node:net" || name === "halfclose, scanned" ? messages : Math.ceil(messages / 4);
        const perSecond = await measure(() => read(port, share), share);
        if (round > 0) rates.set(name, [...(rates.get(name) ?? []), perSecond]);
      }
      const perSecond = await measure(() => Promise.resolve(scanAlone(messages)), messages);
      if (round > 0) rates.set("scanner without a socket", [...(rates.get("scanner without a socket") ?? []), perSecond]);
    }
    print(rates, messages, rounds);
  } finally {
    source.kill();
  }
}

/** Messages per second of this process's CPU, user and system. */
async function measure(read: () => Promise<void>, messages: number): Promise<number> {
  const before = process.cpuUsage();
  await read();
  const { user, system } = process.cpuUsage(before);
  return (messages / (user + system)) * 1e6;
}

function print(rates: ReadonlyMap<string, readonly number[]>, messages: number, rounds: number): void {
  const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
  const raw = median(rates.get("raw node:net") ?? []);
  console.log(
    `${payloadBytes}-byte text frames, ${messages} messages, median of ${rounds} rounds, node ${process.version}, ${availableParallelism()} cores, load ${(loadavg()[0] ?? 0).toFixed(1)}`,
  );
  console.log("reader                      M messages/CPU-s  spread       ns/message  CPU / raw");
  for (const [name, values] of rates) {
    const rate = median(values);
    const spread = `${(Math.min(...values) / 1e6).toFixed(2)}–${(Math.max(...values) / 1e6).toFixed(2)}`;
    console.log(
      `${name.padEnd(27)} ${(rate / 1e6).toFixed(2).padStart(16)}  ${spread.padEnd(11)}  ${(1e9 / rate).toFixed(0).padStart(10)}  ${(raw / rate).toFixed(2).padStart(9)}`,
    );
  }
}

async function readRaw(port: number, messages: number): Promise<void> {
  const buffer = Buffer.allocUnsafeSlow(65536);
  const wanted = messages * frame.length;
  let bytes = 0;
  const socket: Socket = connect({
    host: "127.0.0.1",
    port,
    onread: {
      buffer,
      callback(read) {
        bytes += read;
        if (bytes >= wanted) socket.destroy();
        return true;
      },
    },
  });
  socket.write(upgradeRequestText({ host: "127.0.0.1", path: "/", key: "AAAAAAAAAAAAAAAAAAAAAA==" }));
  await once(socket, "close");
}

async function readScanned(port: number, messages: number): Promise<void> {
  let left = messages;
  const outcome = await upgrade({
    host: "127.0.0.1",
    port,
    path: "/",
    timeoutMs: 5000,
    readBuffer: Buffer.allocUnsafeSlow(65536),
    scan: (_buffer, start, end) => {
      if (end - start !== payloadBytes) throw new Error("a message of another length");
      left -= 1;
      if (left === 0 && outcome.kind === "accepted") outcome.connection.destroy();
    },
  });
  if (outcome.kind === "accepted") await outcome.connection.ended;
}

async function readEveryFrame(port: number, messages: number): Promise<void> {
  let left = messages;
  const outcome = await upgrade({ host: "127.0.0.1", port, path: "/", timeoutMs: 5000 });
  if (outcome.kind !== "accepted") return;
  const { connection } = outcome;
  connection.onEvent = (event) => {
    if (event.kind !== "message") return;
    left -= 1;
    if (left === 0) connection.destroy();
  };
  await connection.ended;
}

async function readWs(port: number, messages: number): Promise<void> {
  let left = messages;
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: false });
  socket.on("message", () => {
    left -= 1;
    if (left === 0) socket.terminate();
  });
  await once(socket, "close");
}

/** The scanner on a chunk that lies in memory: its own cost, without the system's. */
function scanAlone(messages: number): void {
  const chunk = Buffer.concat(Array.from({ length: Math.ceil(65536 / frame.length) + 1 }, () => frame));
  let read = 0;
  const scanner = new WebSocketScanner({ maxMessageBytes: 65536, onMessage: () => (read += 1), onControl: () => undefined });
  let offset = 0;
  for (let bytes = 0; bytes < messages * frame.length; bytes += 65536) {
    // Chunks of 64 KiB whose borders fall anywhere in a frame.
    scanner.push(chunk, offset, offset + 65536);
    offset = (offset + 65536) % frame.length;
  }
  if (read < messages - 1) throw new Error(`the scanner found ${read} of ${messages} messages`);
}

async function portOf(source: ChildProcess): Promise<number> {
  const [message] = (await once(source, "message")) as [{ port: number }];
  return message.port;
}

/** Answers every upgrade, and writes frames as fast as they are taken. */
function serveSource(): void {
  const flood = Buffer.concat(Array.from({ length: 5000 }, () => frame));
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", (request: Buffer) => {
      const key = requestFieldValue(request.toString("latin1"), "sec-websocket-key") ?? "";
      socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptKey(key)}\r\n\r\n`);
      const write = (): void => {
        while (socket.writable && socket.write(flood));
      };
      socket.on("drain", write);
      write();
    });
  });
  server.listen(0, "127.0.0.1", () => process.send?.({ port: (server.address() as AddressInfo).port }));
  process.on("disconnect", () => process.exit());
}
