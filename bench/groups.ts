import { generate } from "selfsigned";

import type { Group } from "./contest.js";
import { ghz, grpcGo, k6Running, tonic, tungstenite } from "./foreign-contestants.js";
import { http2Contestants } from "./http2-contestants.js";
import { type Shape, startHttp2Source } from "./http2-source.js";
import { grpcJs, grpcRanges, harness, rawRead, rawTlsRead, webSocketRanges, wsJson } from "./load-contestants.js";
import { type FloodOptions, startFlood } from "./source/flood-server.js";
import { webSocketContestants } from "./wire-contestants.js";

const contains = "{ message: { contains: needle } }";
const plain = { base: 1_000_000_000n, ageMicros: 0 };
const hour = 3_600_000_000;
const one = "halfclose";

function flood(options: FloodOptions): Group["startSource"] {
  return () => startFlood(options);
}

async function floodOverTls(): ReturnType<Group["startSource"]> {
  const pem = await generate([{ name: "commonName", value: "127.0.0.1" }]);
  return startFlood({ transport: "grpc", ...plain, tls: { key: pem.private, cert: pem.cert } });
}

/** Every entry of a flood verified. The first row of a group is the floor, the row "halfclose" what the others are compared with. */
const load: readonly Group[] = [
  {
    name: "gRPC, one entry of 150 bytes a DATA frame",
    startSource: flood({ transport: "grpc", ...plain }),
    contestants: [
      rawRead("grpc"),
      grpcRanges,
      harness(one, { transport: "grpc", goal: 7 }),
      harness("halfclose, contains filter", { transport: "grpc", filter: contains, goal: 4.5 }),
      harness("halfclose, 50 streams", { transport: "grpc", streams: 50, of: { name: one, share: 0.9 } }),
      harness("halfclose, 2 workers", { transport: "grpc", streams: 2, workers: 2, of: { name: one, share: 0.9 } }),
      harness("halfclose, whole, by CEL", { transport: "grpc", filter: "alpha", contract: "cel", goal: 0.6 }),
      tonic,
      grpcGo,
      grpcJs,
      ghz,
      k6Running("grpc"),
    ],
  },
  {
    name: "gRPC over TLS",
    startSource: floodOverTls,
    contestants: [rawTlsRead, harness(one, { transport: "grpc", tls: { insecure: true }, goal: 1.5 })],
  },
  {
    name: "WebSocket, one entry of 200 bytes a text frame",
    startSource: flood({ transport: "ws", ...plain }),
    contestants: [
      rawRead("ws"),
      rawRead("ws", 50),
      webSocketRanges,
      harness(one, { transport: "ws", goal: 4.5 }),
      harness("halfclose, contains filter", { transport: "ws", filter: contains, goal: 3.5 }),
      harness("halfclose, 50 streams", { transport: "ws", streams: 50, of: { name: one, share: 0.9 } }),
      harness("halfclose, whole, by CEL", { transport: "ws", filter: "alpha", contract: "cel", goal: 0.6 }),
      tungstenite,
      wsJson,
      k6Running("ws"),
    ],
  },
  {
    name: "gRPC, paced: 10 entries each millisecond",
    startSource: flood({ transport: "grpc", ...plain, rate: 10_000 }),
    contestants: [rawRead("grpc"), harness(one, { transport: "grpc", goal: 0.14 }), grpcJs],
  },
  {
    name: "WebSocket, paced: 10 entries each millisecond",
    startSource: flood({ transport: "ws", ...plain, rate: 10_000 }),
    contestants: [rawRead("ws"), harness(one, { transport: "ws", goal: 0.14 }), wsJson],
  },
];

/** V8 must not fall back for ever where numbers leave the small integers. */
const deopt: readonly Group[] = [
  {
    name: "gRPC, lags of two hours",
    seconds: 1,
    startSource: flood({ transport: "grpc", base: 1_000_000_000n, ageMicros: 2 * hour }),
    contestants: [harness(one, { transport: "grpc", goal: 5 })],
  },
  {
    name: "gRPC, sequences that pass 2^31",
    seconds: 1,
    startSource: flood({ transport: "grpc", base: 2n ** 31n - 5_000_000n, ageMicros: 0 }),
    contestants: [harness(one, { transport: "grpc", goal: 5 })],
  },
  {
    name: "gRPC, sequences over 2^53",
    seconds: 1,
    startSource: flood({ transport: "grpc", base: 2n ** 60n, ageMicros: 0 }),
    contestants: [harness(one, { transport: "grpc", goal: 4 })],
  },
  {
    name: "WebSocket, lags of two hours",
    seconds: 1,
    startSource: flood({ transport: "ws", base: 1_000_000_000n, ageMicros: 2 * hour }),
    contestants: [harness(one, { transport: "ws", goal: 4 })],
  },
  {
    name: "WebSocket, sequences over 2^53 as strings",
    seconds: 1,
    startSource: flood({ transport: "ws", base: 2n ** 60n, ageMicros: 0, quoted: true }),
    contestants: [harness(one, { transport: "ws", goal: 3.5 })],
  },
];

async function messageSource(shape: Shape): ReturnType<Group["startSource"]> {
  return { port: await startHttp2Source(shape), count: 0 };
}

/** What receiving costs before anything is verified. */
const wire: readonly Group[] = [
  { name: "gRPC, messages of 150 bytes, one a DATA frame", seconds: 0.6, startSource: () => messageSource("single"), contestants: http2Contestants("single") },
  { name: "gRPC, messages of 150 bytes, packed", seconds: 0.6, startSource: () => messageSource("packed"), contestants: http2Contestants("packed") },
  { name: "WebSocket, text frames of 200 bytes", seconds: 0.6, startSource: flood({ transport: "ws", ...plain }), contestants: webSocketContestants },
];

export const topics = { wire, load, deopt } as const satisfies Record<string, readonly Group[]>;
export type Topic = keyof typeof topics;
