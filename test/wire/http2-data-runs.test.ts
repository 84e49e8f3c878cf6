import { createServer as createHttp2Server } from "node:http2";
import type { AddressInfo } from "node:net";

import fc from "fast-check";
import t from "tap";

import { connectHttp2 } from "../../src/wire/http2-connection.js";
import { encodeFrame, encodeUint32, ERROR_CODE, FLAG, FRAME, type FrameToSend } from "../../src/wire/http2-frames.js";
import { startHttp2Peer } from "./http2-peer.js";
import { splitAt } from "./splits.js";

// DATA that comes in runs is taken past the frame-by-frame way, unless every frame is to be seen: both must say the same.

const BOUND = { connectTimeoutMs: 10_000 };
const REQUEST = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/run"],
  [":authority", "localhost"],
] as const;

const streamIds = fc.constantFrom(1, 1, 1, 3);
const data = (flags: number, least: number) =>
  fc.record({
    type: fc.constant<number>(FRAME.DATA),
    flags: fc.constant(flags),
    streamId: streamIds,
    payload: fc.uint8Array({ minLength: least, maxLength: 40 }),
  });
const frames = fc.array(
  fc.oneof(
    { weight: 150, arbitrary: data(0, 1) },
    { weight: 10, arbitrary: data(0, 0) },
    { weight: 5, arbitrary: data(FLAG.END_STREAM, 0) },
    { weight: 5, arbitrary: data(FLAG.PADDED, 1).map((frame) => ({ ...frame, payload: Uint8Array.from([0, ...frame.payload.subarray(1)]) })) },
    { weight: 5, arbitrary: fc.constant<FrameToSend>({ type: FRAME.PING, payload: Buffer.from("12345678") }) },
    { weight: 5, arbitrary: fc.constant<FrameToSend>({ type: FRAME.RST_STREAM, streamId: 3, payload: encodeUint32(ERROR_CODE.CANCEL) }) },
    // More than a frame may hold.
    { weight: 3, arbitrary: fc.constant<FrameToSend>({ type: FRAME.DATA, streamId: 1, payload: new Uint8Array(16_385) }) },
  ),
  { maxLength: 60, size: "max" },
);

/** What two streams heard of the same bytes; `observed`: frame by frame. */
async function heard(
  { given, cuts, windowBytes }: { readonly given: readonly FrameToSend[]; readonly cuts: readonly number[]; readonly windowBytes: number },
  observed: boolean,
): Promise<unknown> {
  const peer = await startHttp2Peer(async (peer) => {
    await peer.request(3);
    for (const streamId of [1, 3]) peer.headers(streamId, [[":status", "200"]]);
    for (const piece of splitAt(Buffer.concat(given.map((frame) => encodeFrame(frame))), cuts)) {
      peer.socket.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    peer.socket.end();
  });
  const violations: string[] = [];
  const connection = await connectHttp2({
    host: "127.0.0.1",
    port: peer.port,
    ...BOUND,
    replenish: "manual",
    settings: { INITIAL_WINDOW_SIZE: windowBytes },
    onViolation: ({ code }) => violations.push(code),
    ...(observed ? { onFrame: () => undefined } : {}),
  });
  const streams = [1, 3].map(() => {
    const ranges: string[] = [];
    const stream = connection.request(REQUEST, {
      onDataRange: (buffer, start, end, endStream) => ranges.push(`${buffer.toString("hex", start, end)}${endStream ? " end" : ""}`),
    });
    return { stream, ranges };
  });
  const { kind } = await connection.closed;
  const said = streams.map(({ stream, ranges }) => ({ ranges, end: stream.end?.kind, window: stream.receiveWindowBytes }));
  const result = { kind, said, window: connection.receiveWindowBytes, violations };
  await peer.close();
  return result;
}

t.test("a run says what its frames say one by one, whatever is between them and wherever the bytes are cut", async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.record({ given: frames, cuts: fc.array(fc.nat(), { maxLength: 4 }), windowBytes: fc.constantFrom(100, 65_535) }), async (bytes) => {
      t.same(await heard(bytes, false), await heard(bytes, true));
    }),
    { numRuns: 100, seed: 11 },
  );
});

t.test("windows go on being returned, so that a server that honours them sends everything", async (t) => {
  const body = Buffer.alloc(1_000_000, "0123456789");
  const server = createHttp2Server();
  server.on("stream", (stream) => {
    stream.respond({ ":status": 200 });
    stream.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const connection = await connectHttp2({ host: "127.0.0.1", port: (server.address() as AddressInfo).port, ...BOUND });
  const received: Buffer[] = [];
  const stream = connection.request(REQUEST, {
    endStream: true,
    onDataRange: (buffer, start, end) => received.push(Buffer.from(buffer.subarray(start, end))),
  });
  t.match(await stream.ended, { kind: "end-stream" });
  t.ok(Buffer.concat(received).equals(body));
  await connection.close();
  await new Promise((resolve) => server.close(resolve));
});

t.test("a stream that is reset in the middle of a run hears no more, and what follows still counts for the connection", async (t) => {
  const payload = Buffer.alloc(1000);
  const peer = await startHttp2Peer(async (peer) => {
    await peer.request(3);
    for (const streamId of [1, 3]) peer.headers(streamId, [[":status", "200"]]);
    const many = Array.from({ length: 40 }, () => ({ type: FRAME.DATA, streamId: 1, payload }));
    peer.send(...many, { type: FRAME.DATA, flags: FLAG.END_STREAM, streamId: 3, payload });
  });
  const connection = await connectHttp2({ host: "127.0.0.1", port: peer.port, ...BOUND });
  let taken = 0;
  const first = connection.request(REQUEST, {
    onDataRange: () => {
      if (++taken === 5) first.reset();
    },
  });
  const second = connection.request(REQUEST);
  t.match(await first.ended, { kind: "reset-locally" });
  t.match(await second.ended, { kind: "end-stream" });
  t.equal(taken, 5);
  // 41 KB came on a window of 64 KB: over half of it was returned.
  t.ok(connection.receiveWindowBytes > 65_535 - 41_000, `${connection.receiveWindowBytes}`);
  await connection.close();
  await peer.close();
});
