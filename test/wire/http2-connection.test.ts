import { createServer as createHttp2Server, type Http2Server, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";

import t, { type Test } from "tap";

import { HpackDecoder } from "../../src/wire/hpack.js";
import { connectHttp2, type FrameRecord } from "../../src/wire/http2-connection.js";
import { encodeFrame, encodeGoawayPayload, encodeUint32, ERROR_CODE, FLAG, FRAME } from "../../src/wire/http2-frames.js";
import type { Http2StreamEvent } from "../../src/wire/http2-stream.js";
import { startHttp2Peer, type PeerConnection } from "./http2-peer.js";
import { chunksOf } from "./splits.js";

const BOUND = { connectTimeoutMs: 10_000 };

const REQUEST = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/echo"],
  [":authority", "localhost"],
] as const;

async function echoServer(test: Test, onStream?: (stream: ServerHttp2Stream) => void): Promise<{ port: number; server: Http2Server }> {
  const server = createHttp2Server();
  server.on("stream", (stream) => {
    stream.on("error", () => {});
    if (onStream) onStream(stream);
    else {
      stream.respond({ ":status": 200 });
      stream.pipe(stream);
    }
  });
  server.on("sessionError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  test.teardown(() => new Promise((resolve) => server.close(resolve)));
  return { port: (server.address() as AddressInfo).port, server };
}

t.test("a request to node's http2 server comes back in order and ends", async (t) => {
  const { port } = await echoServer(t);
  const connection = await connectHttp2({ host: "127.0.0.1", port, ...BOUND });
  const body = Buffer.alloc(300_000, "abcdefghij");
  const received: Buffer[] = [];
  const kinds: string[] = [];
  const stream = connection.request(REQUEST, {
    onEvent: (event: Http2StreamEvent) => {
      if (event.kind !== "window" && kinds.at(-1) !== event.kind) kinds.push(event.kind);
      if (event.kind === "data") received.push(Buffer.from(event.data));
    },
  });
  t.equal(await stream.write(body, { endStream: true }), true);
  t.match(await stream.ended, { kind: "end-stream" });
  t.ok(Buffer.concat(received).equals(body));
  t.same(kinds, ["headers", "data", "ended"]);
  t.ok((await connection.ping({ withinMs: 5000 })) !== undefined);
  t.equal(connection.openStreams, 0);
  await connection.close();
  t.match(await connection.closed, { kind: "closed-locally" });
});

t.test("reset sends RST_STREAM without a half-close before it", async (t) => {
  let settle: (code: number) => void = () => {};
  const code = new Promise<number>((resolve) => (settle = resolve));
  const { port } = await echoServer(t, (stream) => {
    stream.respond({ ":status": 200 });
    stream.on("close", () => settle(stream.rstCode ?? -1));
    stream.resume();
  });
  const sent: number[] = [];
  const onFrame = (frame: FrameRecord): void => void (frame.direction === "sent" && frame.streamId === 1 && sent.push(frame.type));
  const connection = await connectHttp2({ host: "127.0.0.1", port, ...BOUND, onFrame });
  const stream = connection.request(REQUEST, { onEvent: (event) => event.kind === "headers" && stream.reset() });
  t.match(await stream.ended, { kind: "reset-locally", code: 8 });
  t.equal(await code, 8);
  t.same(sent, [FRAME.HEADERS, FRAME.RST_STREAM]);
  await connection.close();
});

t.test("a window of one byte is never exceeded and nothing is lost", async (t) => {
  const { port } = await echoServer(t);
  const sizes: number[] = [];
  const connection = await connectHttp2({ host: "127.0.0.1", port, ...BOUND, settings: { INITIAL_WINDOW_SIZE: 1 } });
  const received: Buffer[] = [];
  const stream = connection.request(REQUEST, {
    onEvent: (event) => {
      if (event.kind !== "data") return;
      sizes.push(event.data.length);
      received.push(Buffer.from(event.data));
    },
  });
  void stream.write(Buffer.from("one byte at a time"), { endStream: true });
  t.match(await stream.ended, { kind: "end-stream" });
  t.equal(Buffer.concat(received).toString(), "one byte at a time");
  t.equal(Math.max(...sizes), 1);
  await connection.close();
});

t.test("with manual windows the peer sends what was granted and no more, until more is", async (t) => {
  const { port } = await echoServer(t);
  const connection = await connectHttp2({ host: "127.0.0.1", port, ...BOUND, replenish: "manual", settings: { INITIAL_WINDOW_SIZE: 10 } });
  let bytes = 0;
  let onBytes: () => void = () => {};
  const stream = connection.request(REQUEST, {
    onEvent: (event) => {
      if (event.kind === "data") bytes += event.data.length;
      onBytes();
    },
  });
  const reach = (count: number): Promise<void> =>
    new Promise((resolve) => {
      onBytes = () => void (bytes >= count && resolve());
      onBytes();
    });
  void stream.write(Buffer.alloc(25), { endStream: true });
  await reach(10);
  // The answer to a PING comes after whatever else the server would send by itself.
  await connection.ping({ withinMs: 10_000 });
  t.equal(bytes, 10);
  t.equal(stream.receiveWindowBytes, 0);
  stream.grant(7);
  await reach(17);
  await connection.ping({ withinMs: 10_000 });
  t.equal(bytes, 17);
  stream.grant(100);
  await stream.ended;
  t.equal(bytes, 25);
  await connection.close();
});

t.test("a stream may have a wider window than the others", async (t) => {
  const { port } = await echoServer(t);
  const sent: [streamId: number, type: number][] = [];
  const onFrame = (frame: FrameRecord): void => void (frame.direction === "sent" && frame.streamId > 0 && sent.push([frame.streamId, frame.type]));
  const connection = await connectHttp2({ host: "127.0.0.1", port, ...BOUND, onFrame });
  const stream = connection.request(REQUEST, { windowBytes: 1_000_000, endStream: true });
  t.equal(stream.receiveWindowBytes, 1_000_000);
  t.equal(connection.request(REQUEST, { windowBytes: 10, endStream: true }).receiveWindowBytes, 65_535);
  t.same(sent, [
    [1, FRAME.HEADERS],
    [1, FRAME.WINDOW_UPDATE],
    [3, FRAME.HEADERS],
  ]);
  await connection.close();
});

t.test("a connection's window is widened where more is wanted when bytes are returned, and never narrowed", async (t) => {
  const { port } = await echoServer(t);
  const wanted = [100_000, 150_000, 400_000, 80_000];
  const granted: number[] = [];
  const connection = await connectHttp2({
    host: "127.0.0.1",
    port,
    ...BOUND,
    settings: { INITIAL_WINDOW_SIZE: 1_000_000 },
    connectionWindowBytes: () => (wanted.length > 1 ? wanted.shift() : wanted[0]) ?? 0,
    onFrame: (frame: FrameRecord) =>
      void (frame.direction === "sent" && frame.streamId === 0 && frame.type === FRAME.WINDOW_UPDATE && granted.push(frame.payload.readUInt32BE(0))),
  });
  let received = 0;
  const stream = connection.request(REQUEST, { onEvent: (event: Http2StreamEvent) => void (received += event.kind === "data" ? event.data.length : 0) });
  t.equal(await stream.write(Buffer.alloc(600_000), { endStream: true }), true);
  t.match(await stream.ended, { kind: "end-stream" });
  t.equal(received, 600_000);
  t.equal(granted[0], 100_000 - 65_535);
  const window = 65_535 + granted.reduce((sum, bytes) => sum + bytes, 0);
  t.ok(window - received <= 400_000 && window - received > 200_000, "all but what is not returned yet of 400,000");
  await connection.close();
});

t.test("more than the socket takes waits for it, also where the peer's windows are wide", async (t) => {
  const server = createHttp2Server({ settings: { initialWindowSize: 20_000_000 } });
  let bytes = 0;
  server.on("session", (session) => session.setLocalWindowSize(20_000_000));
  server.on("stream", (stream) => {
    stream.on("data", (chunk: Buffer) => (bytes += chunk.length));
    stream.on("end", () => {
      stream.respond({ ":status": 200 }, { endStream: true });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => new Promise((resolve) => server.close(resolve)));
  const connection = await connectHttp2({ host: "127.0.0.1", port: (server.address() as AddressInfo).port, ...BOUND });
  await connection.ping({ withinMs: 10_000 });
  const stream = connection.request(REQUEST);
  const writing = stream.write(Buffer.alloc(10_000_000), { endStream: true });
  t.ok(stream.queuedBytes > 9_000_000, "not all of it is in the socket at once");
  t.equal(await writing, true);
  t.match(await stream.ended, { kind: "end-stream" });
  t.equal(bytes, 10_000_000);
  await connection.close();
});

t.test("nothing is sent behind END_STREAM", async (t) => {
  const { port } = await echoServer(t);
  const connection = await connectHttp2({ host: "127.0.0.1", port, ...BOUND });
  const stream = connection.request(REQUEST);
  const last = stream.write(Buffer.alloc(100_000), { endStream: true });
  t.equal(await stream.write(Buffer.from("late")), false);
  t.equal(await last, true);
  t.match(await stream.ended, { kind: "end-stream" });
  await connection.close();
});

t.test("a paused stream gets what its window holds, then nothing until it is resumed, and another flows on", async (t) => {
  const { port } = await echoServer(t);
  const connection = await connectHttp2({ host: "127.0.0.1", port, ...BOUND, settings: { INITIAL_WINDOW_SIZE: 1000 } });
  let bytes = 0;
  const paused = connection.request(REQUEST, { onEvent: (event) => void (event.kind === "data" && (bytes += event.data.length)) });
  paused.pause();
  void paused.write(Buffer.alloc(50_000), { endStream: true });
  const other = connection.request(REQUEST);
  void other.write(Buffer.alloc(50_000), { endStream: true });
  t.match(await other.ended, { kind: "end-stream" });
  await connection.ping({ withinMs: 10_000 });
  t.equal(bytes, 1000);
  paused.resume();
  t.match(await paused.ended, { kind: "end-stream" });
  t.equal(bytes, 50_000);
  await connection.close();
});

t.test("a write waits for the peer's windows and tells when they took it", async (t) => {
  const { port } = await echoServer(t, (stream) => {
    stream.respond({ ":status": 200 });
    stream.pause();
    stream.session?.on("ping", () => stream.resume());
  });
  const connection = await connectHttp2({ host: "127.0.0.1", port, ...BOUND, maxQueuedBytes: 200_000 });
  const stream = connection.request(REQUEST);
  const body = Buffer.alloc(200_000);
  let taken = false;
  const writing = stream.write(body).then((ok) => (taken = ok));
  t.ok(stream.queuedBytes > 0);
  t.equal(await stream.write(body), false, "more than may wait is refused");
  t.equal(taken, false);
  await connection.ping({ withinMs: 10_000 });
  t.equal(await writing, true);
  stream.reset();
  t.equal(await stream.write(body), false, "a stream that is over takes nothing");
  await connection.close();
});

t.test("DATA goes out in frames of at most MAX_FRAME_SIZE, and a forced frame exactly as given", async (t) => {
  const peer = await startHttp2Peer(async (peer) => {
    await peer.frame((frame) => frame.type === FRAME.DATA && (frame.flags & FLAG.END_STREAM) !== 0);
    peer.headers(1, [[":status", "200"]], FLAG.END_STREAM);
    const data = peer.received.filter((frame) => frame.type === FRAME.DATA);
    t.same(
      data.map((frame) => frame.payload.length),
      [16_384, 3616, 5 + 3 + 1, 0],
    );
    t.same(
      data.map((frame) => frame.flags),
      [0, 0, FLAG.PADDED, FLAG.END_STREAM],
    );
  });
  const connection = await connectHttp2({ host: "127.0.0.1", port: peer.port, ...BOUND });
  const stream = connection.request(REQUEST);
  await stream.write(Buffer.alloc(20_000));
  stream.writeFrame(Buffer.from("abcde"), { paddingBytes: 3 });
  await stream.write(Buffer.alloc(0), { endStream: true });
  t.match(await stream.ended, { kind: "end-stream" });
  await connection.close();
  await peer.close();
});

t.test("header lists larger than a frame go and come in CONTINUATION, with padding and priority", async (t) => {
  const long = [...REQUEST, ["x-long", "y".repeat(40_000)]] as const;
  const peer = await startHttp2Peer(async (peer) => {
    const last = await peer.frame((frame) => frame.type === FRAME.CONTINUATION && (frame.flags & FLAG.END_HEADERS) !== 0);
    t.ok(last);
    const blocks = peer.received.filter((frame) => frame.streamId === 1).map((frame) => frame.payload);
    t.same(new HpackDecoder({ maxHeaderListBytes: 1e6 }).decode(Buffer.concat(blocks)).headers, long);
    const block = peer.block([
      [":status", "200"],
      ["a", "b".repeat(100)],
    ]);
    const head = Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 16]), block.subarray(0, 10), Buffer.alloc(2)]);
    peer.send({ type: FRAME.HEADERS, flags: FLAG.PADDED | FLAG.PRIORITY, streamId: 1, payload: head });
    for (const byte of block.subarray(10)) peer.send({ type: FRAME.CONTINUATION, streamId: 1, payload: Buffer.from([byte]) });
    peer.send({ type: FRAME.CONTINUATION, streamId: 1, flags: FLAG.END_HEADERS }, { type: FRAME.DATA, flags: FLAG.END_STREAM, streamId: 1 });
  });
  const connection = await connectHttp2({ host: "127.0.0.1", port: peer.port, ...BOUND });
  const events: Http2StreamEvent[] = [];
  const stream = connection.request(long, { onEvent: (event) => events.push(event) });
  t.match(await stream.ended, { kind: "end-stream" });
  t.match(events[0], {
    kind: "headers",
    status: 200,
    headers: [
      [":status", "200"],
      ["a", "b".repeat(100)],
    ],
    trailing: false,
    endStream: false,
  });
  await connection.close();
  await peer.close();
});

t.test("the same bytes give the same events, in one segment or a byte at a time", async (t) => {
  const run = async (oneByOne: boolean): Promise<unknown[]> => {
    const peer = await startHttp2Peer(async (peer) => {
      await peer.request();
      const trailers = peer.block([["grpc-status", "0"]]);
      const bytes = Buffer.concat(
        [
          { type: FRAME.PING, payload: Buffer.from("12345678") },
          { type: 0xbb, flags: 0xff, streamId: 1, payload: Buffer.from("unknown") },
          { type: FRAME.HEADERS, flags: FLAG.END_HEADERS, streamId: 1, payload: peer.block([[":status", "103"]]) },
          { type: FRAME.HEADERS, flags: FLAG.END_HEADERS, streamId: 1, payload: peer.block([[":status", "200"]]) },
          { type: FRAME.DATA, streamId: 1, payload: Buffer.from("hello") },
          { type: FRAME.DATA, flags: FLAG.PADDED, streamId: 1, payload: Buffer.from([2, 104, 105, 0, 0]) },
          { type: FRAME.WINDOW_UPDATE, streamId: 1, payload: encodeUint32(5) },
          { type: FRAME.HEADERS, flags: FLAG.END_HEADERS | FLAG.END_STREAM, streamId: 1, payload: trailers },
          { type: FRAME.RST_STREAM, streamId: 1, payload: encodeUint32(0) },
          { type: FRAME.GOAWAY, payload: encodeGoawayPayload(1, 0, Buffer.from("bye")) },
        ].map(encodeFrame),
      );
      for (const piece of oneByOne ? chunksOf(bytes, 1) : [bytes]) {
        peer.socket.write(piece);
        if (oneByOne) await new Promise((resolve) => setImmediate(resolve));
      }
      t.equal((await peer.frame((frame) => frame.type === FRAME.PING))?.flags, FLAG.ACK);
      peer.socket.end();
    });
    const seen: unknown[] = [];
    const connection = await connectHttp2({
      host: "127.0.0.1",
      port: peer.port,
      ...BOUND,
      onGoaway: ({ debug, lastStreamId }) => seen.push({ debug, lastStreamId }),
    });
    const stream = connection.request(REQUEST, {
      onEvent: (event) => {
        if (event.kind === "headers")
          seen.push({ headers: event.headers, informational: event.informational, trailing: event.trailing, endStream: event.endStream });
        else if (event.kind === "data") seen.push(event.data.toString());
        else if (event.kind === "window") seen.push(event.availableBytes);
        else if (event.kind === "reset") seen.push(event.code);
        else seen.push(event.end.kind);
      },
    });
    const end = await connection.closed;
    t.match(end, { kind: "goaway", goaway: { debug: "bye" } });
    t.match(stream.end, { kind: "end-stream" });
    t.throws(() => connection.request(REQUEST), { code: "CONNECTION_CLOSED" });
    await peer.close();
    return seen;
  };
  const whole = await run(false);
  t.same(whole, [
    { headers: [[":status", "103"]], informational: true, trailing: false, endStream: false },
    { headers: [[":status", "200"]], informational: false, trailing: false, endStream: false },
    "hello",
    "hi",
    65_540,
    { headers: [["grpc-status", "0"]], informational: false, trailing: true, endStream: true },
    "end-stream",
    0,
    { debug: "bye", lastStreamId: 1 },
  ]);
  t.same(await run(true), whole);
});

t.test("GOAWAY refuses the streams above it, and requests after it unless they are forced", async (t) => {
  const peer = await startHttp2Peer(async (peer) => {
    await peer.request(3);
    peer.send({ type: FRAME.GOAWAY, payload: encodeGoawayPayload(1, ERROR_CODE.ENHANCE_YOUR_CALM) });
    await peer.request(5);
    peer.headers(1, [[":status", "200"]], FLAG.END_STREAM);
  });
  const connection = await connectHttp2({ host: "127.0.0.1", port: peer.port, ...BOUND });
  const [first, second] = [connection.request(REQUEST), connection.request(REQUEST)];
  t.match(await second.ended, { kind: "refused-by-goaway", code: ERROR_CODE.ENHANCE_YOUR_CALM });
  t.throws(() => connection.request(REQUEST), { code: "GOAWAY_RECEIVED" });
  connection.request(REQUEST, { force: true });
  t.match(await first.ended, { kind: "end-stream" });
  await connection.close();
  await peer.close();
});

t.test("MAX_CONCURRENT_STREAMS is kept, unless a request is forced", async (t) => {
  const peer = await startHttp2Peer(async (peer) => {
    peer.settings([[3, 2]]);
    await peer.request(5);
    peer.send({ type: FRAME.RST_STREAM, streamId: 5, payload: encodeUint32(ERROR_CODE.REFUSED_STREAM) });
  });
  const connection = await connectHttp2({ host: "127.0.0.1", port: peer.port, ...BOUND });
  while (connection.peerSettings.MAX_CONCURRENT_STREAMS !== 2) await connection.settings({});
  const first = connection.request(REQUEST);
  connection.request(REQUEST);
  t.throws(() => connection.request(REQUEST), { code: "TOO_MANY_STREAMS" });
  t.match(await connection.request(REQUEST, { force: true }).ended, { kind: "reset", code: ERROR_CODE.REFUSED_STREAM });
  first.reset();
  t.equal(connection.openStreams, 1);
  t.equal(connection.request(REQUEST).id, 7);
  await connection.close();
  await peer.close();
});

t.test("a smaller INITIAL_WINDOW_SIZE makes a window negative, and writes wait until it is not", async (t) => {
  const peer = await startHttp2Peer(async (peer) => {
    await peer.frame((frame) => frame.type === FRAME.DATA);
    peer.settings([[4, 10]]);
    await peer.frame((frame) => frame.type === FRAME.PING);
    peer.send(
      { type: FRAME.WINDOW_UPDATE, streamId: 1, payload: encodeUint32(1000 - 10 + 1) },
      { type: FRAME.PING, flags: FLAG.ACK, payload: Buffer.alloc(8) },
    );
    await peer.frame((frame) => frame.type === FRAME.DATA && frame.payload.length === 1);
    peer.headers(1, [[":status", "200"]], FLAG.END_STREAM);
  });
  const connection = await connectHttp2({ host: "127.0.0.1", port: peer.port, ...BOUND });
  const stream = connection.request(REQUEST);
  t.equal(await stream.write(Buffer.alloc(1000)), true);
  while (connection.peerSettings.INITIAL_WINDOW_SIZE !== 10) await new Promise((resolve) => setImmediate(resolve));
  t.equal(stream.sendWindowBytes, 10 - 1000);
  void stream.write(Buffer.alloc(2));
  t.equal(stream.queuedBytes, 2);
  t.type(await connection.ping({ withinMs: 10_000, opaque: Buffer.alloc(8) }), "number");
  t.match(await stream.ended, { kind: "end-stream" });
  await connection.close();
  await peer.close();
});

t.test("a PING without an answer is undefined after its bound, and at the end of the connection", async (t) => {
  const peer = await startHttp2Peer(() => {});
  const connection = await connectHttp2({ host: "127.0.0.1", port: peer.port, ...BOUND });
  t.equal(await connection.ping({ withinMs: 1 }), undefined);
  const pings = Array.from({ length: 65 }, () => connection.ping({ withinMs: 60_000 }));
  t.equal(await pings.at(-1), undefined, "64 may be under way");
  connection.destroy();
  t.same(await Promise.all(pings), Array(65).fill(undefined));
  t.equal(await connection.settings({}), false);
  t.equal(await connection.ping({ withinMs: 60_000 }), undefined);
  await peer.close();
});

t.test("FIN, RST, a cut-off frame and a local reset are told apart, and end every stream", async (t) => {
  const cases = [
    ["fin", (peer: PeerConnection) => void peer.socket.end()],
    ["rst", (peer: PeerConnection) => void peer.socket.resetAndDestroy()],
    ["protocol-error", (peer: PeerConnection) => void peer.socket.end(Buffer.from("000008060000", "hex"))],
    ["protocol-error", (peer: PeerConnection) => void peer.socket.end(encodeFrame({ type: FRAME.HEADERS, streamId: 1 }))],
  ] as const;
  for (const [kind, act] of cases) {
    const peer = await startHttp2Peer(async (peer) => {
      await peer.request();
      act(peer);
    });
    const connection = await connectHttp2({ host: "127.0.0.1", port: peer.port, ...BOUND });
    const stream = connection.request(REQUEST);
    const end = await connection.closed;
    t.equal(end.kind, kind);
    t.equal(end.error?.code, kind === "protocol-error" ? "TRUNCATED_FRAME" : undefined);
    t.match(await stream.ended, { kind: "connection", end });
    t.equal(connection.openStreams, 0);
    await connection.close();
    await peer.close();
  }
});

t.test("what the peer said before it reset the connection is heard", async (t) => {
  const peer = await startHttp2Peer(async (peer) => {
    await peer.request();
    peer.socket.pause();
    peer.headers(1, [[":status", "200"]], FLAG.END_STREAM);
    peer.send({ type: FRAME.GOAWAY, payload: encodeGoawayPayload(1, ERROR_CODE.NO_ERROR) });
    peer.socket.end(() => peer.socket.destroy());
  });
  const connection = await connectHttp2({ host: "127.0.0.1", port: peer.port, ...BOUND });
  const stream = connection.request(REQUEST);
  void stream.write(Buffer.alloc(60_000));
  t.match(await stream.ended, { kind: "end-stream" });
  t.match(await connection.closed, { goaway: { lastStreamId: 1 } });
  await peer.close();
});

t.test("destroy sends RST, and nothing reaches a stream after it", async (t) => {
  let settle: (code: string | undefined) => void = () => {};
  const code = new Promise<string | undefined>((resolve) => (settle = resolve));
  const peer = await startHttp2Peer((peer) => void peer.socket.on("error", (error: NodeJS.ErrnoException) => settle(error.code)));
  const connection = await connectHttp2({ host: "127.0.0.1", port: peer.port, ...BOUND });
  const stream = connection.request(REQUEST);
  connection.destroy();
  t.match(await stream.ended, { kind: "connection", end: { kind: "closed-locally" } });
  t.equal(await code, "ECONNRESET");
  await peer.close();
});

t.test("endTcp sends FIN alone, and what the peer still says is heard", async (t) => {
  const peer = await startHttp2Peer(async (peer) => {
    peer.stayOpen = true;
    await new Promise((resolve) => peer.socket.once("end", resolve));
    t.notOk(peer.received.some((frame) => frame.type === FRAME.GOAWAY));
    peer.headers(1, [[":status", "200"]], FLAG.END_STREAM);
    peer.socket.end();
  });
  const connection = await connectHttp2({ host: "127.0.0.1", port: peer.port, ...BOUND });
  const stream = connection.request(REQUEST);
  connection.endTcp();
  t.match(await stream.ended, { kind: "end-stream" });
  t.match(await connection.closed, { kind: "fin" });
  await peer.close();
});

t.test("frames and bytes are sent as they are, and each is seen with its time and place", async (t) => {
  const peer = await startHttp2Peer(
    (peer) => void peer.frame((frame) => frame.type === 0xcc).then(() => peer.send({ type: 0xdd, payload: Buffer.from("seen") })),
  );
  const records: FrameRecord[] = [];
  let settle: () => void = () => {};
  const answered = new Promise<void>((resolve) => (settle = resolve));
  const onFrame = (frame: FrameRecord): void => {
    records.push({ ...frame, payload: Buffer.from(frame.payload) });
    if (frame.type === 0xdd) settle();
  };
  const connection = await connectHttp2({ host: "127.0.0.1", port: peer.port, ...BOUND, onFrame });
  connection.sendBytes(Buffer.from("0000", "hex"));
  connection.sendBytes(Buffer.from("01cc07000000096f", "hex"));
  connection.sendFrame({ type: 0xce, flags: 3, streamId: 4, payload: Buffer.from("y") });
  await answered;
  const sent = records.filter((frame) => frame.direction === "sent");
  t.match(sent.slice(-3), [{ type: -1 }, { type: -1 }, { type: 0xce, flags: 3, streamId: 4, payload: Buffer.from("y") }]);
  for (const [at, frame] of sent.entries()) {
    const previous = sent[at - 1];
    if (previous === undefined) t.equal(frame.atByte, 0);
    else t.equal(frame.atByte, previous.atByte + previous.payload.length + (previous.type < 0 ? 0 : 9));
  }
  t.match(records.at(-1), { direction: "received", payload: Buffer.from("seen"), atMicros: connection.lastInboundAtMicros, atByte: 18 });
  t.equal(connection.bytesReceived, 18 + 13);
  await connection.close();
  await peer.close();
});

t.test("a connection whose reading is paused hears nothing until it is resumed", async (t) => {
  const { port } = await echoServer(t);
  const connection = await connectHttp2({ host: "127.0.0.1", port, ...BOUND });
  await connection.settings({});
  connection.pauseReading();
  const before = connection.bytesReceived;
  t.equal(await connection.ping({ withinMs: 50 }), undefined);
  t.equal(connection.bytesReceived, before);
  connection.resumeReading();
  t.type(await connection.ping({ withinMs: 10_000 }), "number");
  await connection.close();
});
