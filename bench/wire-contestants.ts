import { WebSocket } from "ws";

import { encodeFrame, opcodes } from "../src/wire/websocket-frames.js";
import { WebSocketScanner } from "../src/wire/websocket-scanner.js";
import { upgrade } from "../src/wire/websocket-upgrade.js";
import { type Contestant, measure } from "./contest.js";
import { rawRead, webSocketRanges } from "./load-contestants.js";

const payloadBytes = 200;
const chunkBytes = 65_536;

/** The scanner on chunks that lie in memory: its own cost, without the system's. */
const scanAlone: Contestant = {
  name: "src/wire, scan alone",
  verifies: "frames",
  goal: 8,
  run: (_source, seconds) =>
    measure(seconds, (count) => {
      const frame = encodeFrame({ opcode: opcodes.text, mask: false, payload: "x".repeat(payloadBytes) });
      const chunk = Buffer.concat(Array.from({ length: Math.ceil(chunkBytes / frame.length) + 1 }, () => frame));
      const scanner = new WebSocketScanner({ maxMessageBytes: chunkBytes, onMessage: () => count(1), onControl: () => undefined });
      let offset = 0;
      let next: NodeJS.Immediate;
      const scan = (): void => {
        for (let i = 0; i < 4; i++) {
          // The borders fall anywhere in a frame.
          scanner.push(chunk, offset, offset + chunkBytes);
          offset = (offset + chunkBytes) % frame.length;
        }
        next = setImmediate(scan);
      };
      scan();
      return () => clearImmediate(next);
    }),
};

/** As checks receive: each frame kept, each rule looked at. */
const everyFrame: Contestant = {
  name: "src/wire, messages kept",
  verifies: "frames, UTF-8",
  run: ({ port }, seconds) =>
    measure(seconds, (count) => {
      const upgraded = upgrade({ host: "127.0.0.1", port, path: "/logs/monitor", timeoutMs: 10_000 });
      void upgraded.then((outcome) => {
        if (outcome.kind === "accepted") {
          outcome.connection.onEvent = (event) => event.kind === "message" && count(1);
          void outcome.connection.sendText("{}");
        }
      });
      return () => void upgraded.then((outcome) => outcome.kind === "accepted" && outcome.connection.destroy());
    }),
};

const byWs: Contestant = {
  name: "ws",
  verifies: "frames, UTF-8",
  run: ({ port }, seconds) =>
    measure(seconds, (count) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/logs/monitor`, { perMessageDeflate: false });
      socket.on("open", () => socket.send("{}"));
      socket.on("message", () => count(1)).on("error", () => undefined);
      return () => socket.terminate();
    }),
};

export const webSocketContestants: readonly Contestant[] = [
  rawRead("ws"),
  scanAlone,
  { ...webSocketRanges, of: { name: "raw node:net read", share: 0.5 } },
  everyFrame,
  byWs,
];
