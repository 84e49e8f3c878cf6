import t, { type Test } from "tap";

import { connectHttp2, type Http2Connection } from "../../src/wire/http2-connection.js";
import type { Http2ConnectOptions } from "../../src/wire/http2-options.js";
import { encodeFrame, encodeGoawayPayload, encodeUint32, ERROR_CODE, FLAG, FRAME, type FrameToSend } from "../../src/wire/http2-frames.js";
import type { Http2Stream } from "../../src/wire/http2-stream.js";
import { startHttp2Peer, type PeerConnection } from "./http2-peer.js";

const REQUEST = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "localhost"],
] as const;
const RESPONSE = [[":status", "200"]] as const;

interface Meeting {
  readonly connection: Http2Connection;
  readonly streams: readonly [Http2Stream, Http2Stream];
  readonly received: Buffer[];
}

/** Two requests on one connection to a peer that plays `script` once both have come. */
async function meet(test: Test, script: (peer: PeerConnection) => void | Promise<void>, options: Partial<Http2ConnectOptions> = {}): Promise<Meeting> {
  const peer = await startHttp2Peer(async (peer) => {
    await peer.request(3);
    await script(peer);
  });
  const connection = await connectHttp2({ host: "127.0.0.1", port: peer.port, connectTimeoutMs: 10_000, ...options });
  test.teardown(async () => {
    await connection.close();
    await peer.close();
  });
  const received: Buffer[] = [];
  const open = (): Http2Stream => connection.request(REQUEST, { onEvent: (event) => void (event.kind === "data" && received.push(Buffer.from(event.data))) });
  return { connection, streams: [open(), open()], received };
}

const headers = (streamId: number, block: string, flags = 0): FrameToSend => ({
  type: FRAME.HEADERS,
  flags: FLAG.END_HEADERS | flags,
  streamId,
  payload: Buffer.from(block, "hex"),
});
const OK = "88";

const CONNECTION_ERRORS: readonly (readonly [title: string, code: string, frames: readonly (FrameToSend | Uint8Array)[], reply?: number])[] = [
  ["a frame longer than MAX_FRAME_SIZE", "FRAME_SIZE_ERROR", [{ type: FRAME.DATA, streamId: 1, length: 16_385 }]],
  ["a frame of 16 MiB", "FRAME_SIZE_ERROR", [{ type: 0xee, length: 0xffffff }]],
  ["DATA on stream 0", "PROTOCOL_ERROR", [{ type: FRAME.DATA, payload: Buffer.from("x") }]],
  ["DATA on an idle stream", "PROTOCOL_ERROR", [{ type: FRAME.DATA, streamId: 7, payload: Buffer.from("x") }]],
  ["DATA on a stream of the server", "PROTOCOL_ERROR", [{ type: FRAME.DATA, streamId: 2, payload: Buffer.from("x") }]],
  ["HEADERS on stream 0", "PROTOCOL_ERROR", [headers(0, OK)]],
  ["HEADERS on an idle stream", "PROTOCOL_ERROR", [headers(9, OK)]],
  ["RST_STREAM on stream 0", "PROTOCOL_ERROR", [{ type: FRAME.RST_STREAM, payload: encodeUint32(0) }]],
  ["RST_STREAM on an idle stream", "PROTOCOL_ERROR", [{ type: FRAME.RST_STREAM, streamId: 5, payload: encodeUint32(0) }]],
  ["RST_STREAM of 3 bytes", "FRAME_SIZE_ERROR", [{ type: FRAME.RST_STREAM, streamId: 1, payload: Buffer.alloc(3) }]],
  ["WINDOW_UPDATE on an idle stream", "PROTOCOL_ERROR", [{ type: FRAME.WINDOW_UPDATE, streamId: 5, payload: encodeUint32(1) }]],
  ["WINDOW_UPDATE of 0 on the connection", "PROTOCOL_ERROR", [{ type: FRAME.WINDOW_UPDATE, payload: encodeUint32(0) }]],
  ["WINDOW_UPDATE of 5 bytes", "FRAME_SIZE_ERROR", [{ type: FRAME.WINDOW_UPDATE, payload: Buffer.alloc(5) }]],
  ["a connection window beyond 2^31-1", "FLOW_CONTROL_ERROR", [{ type: FRAME.WINDOW_UPDATE, payload: encodeUint32(0x7fffffff) }]],
  ["SETTINGS on a stream", "PROTOCOL_ERROR", [{ type: FRAME.SETTINGS, streamId: 1 }]],
  ["SETTINGS of 5 bytes", "FRAME_SIZE_ERROR", [{ type: FRAME.SETTINGS, payload: Buffer.alloc(5) }]],
  ["a SETTINGS acknowledgement with a payload", "FRAME_SIZE_ERROR", [{ type: FRAME.SETTINGS, flags: FLAG.ACK, payload: Buffer.alloc(6) }]],
  ["INITIAL_WINDOW_SIZE beyond 2^31-1", "FLOW_CONTROL_ERROR", [{ type: FRAME.SETTINGS, payload: Buffer.from("000480000000", "hex") }]],
  ["MAX_FRAME_SIZE of 1", "PROTOCOL_ERROR", [{ type: FRAME.SETTINGS, payload: Buffer.from("000500000001", "hex") }]],
  ["ENABLE_PUSH of 2", "PROTOCOL_ERROR", [{ type: FRAME.SETTINGS, payload: Buffer.from("000200000002", "hex") }]],
  [
    "INITIAL_WINDOW_SIZE that lifts a stream's window beyond 2^31-1",
    "FLOW_CONTROL_ERROR",
    [
      { type: FRAME.WINDOW_UPDATE, streamId: 1, payload: encodeUint32(0x7fff0000) },
      { type: FRAME.SETTINGS, payload: Buffer.from("000400fff000", "hex") },
    ],
  ],
  ["PING on a stream", "PROTOCOL_ERROR", [{ type: FRAME.PING, streamId: 1, payload: Buffer.alloc(8) }]],
  ["PING of 7 bytes", "FRAME_SIZE_ERROR", [{ type: FRAME.PING, payload: Buffer.alloc(7) }]],
  ["GOAWAY on a stream", "PROTOCOL_ERROR", [{ type: FRAME.GOAWAY, streamId: 1, payload: encodeGoawayPayload(0, 0) }]],
  ["GOAWAY of 7 bytes", "FRAME_SIZE_ERROR", [{ type: FRAME.GOAWAY, payload: Buffer.alloc(7) }]],
  ["PUSH_PROMISE", "PROTOCOL_ERROR", [{ type: FRAME.PUSH_PROMISE, flags: FLAG.END_HEADERS, streamId: 1, payload: Buffer.from("0000000282", "hex") }]],
  ["CONTINUATION without HEADERS", "PROTOCOL_ERROR", [{ type: FRAME.CONTINUATION, flags: FLAG.END_HEADERS, streamId: 1, payload: Buffer.from(OK, "hex") }]],
  [
    "a frame between HEADERS and CONTINUATION",
    "PROTOCOL_ERROR",
    [
      { type: FRAME.HEADERS, streamId: 1 },
      { type: FRAME.PING, payload: Buffer.alloc(8) },
    ],
  ],
  [
    "DATA between HEADERS and CONTINUATION",
    "PROTOCOL_ERROR",
    [
      { type: FRAME.HEADERS, streamId: 1 },
      { type: FRAME.DATA, streamId: 1 },
    ],
  ],
  [
    "CONTINUATION on another stream",
    "PROTOCOL_ERROR",
    [
      { type: FRAME.HEADERS, streamId: 1 },
      { type: FRAME.CONTINUATION, streamId: 3 },
    ],
  ],
  ["HEADERS with more padding than payload", "PROTOCOL_ERROR", [headers(1, "0588", FLAG.PADDED)]],
  ["HEADERS with a cut-off priority", "FRAME_SIZE_ERROR", [headers(1, "000000", FLAG.PRIORITY)]],
  ["a header block that HPACK forbids", "COMPRESSION_ERROR", [headers(1, "80")]],
  ["a header block that ends in the middle", "COMPRESSION_ERROR", [headers(1, "0003")]],
];

t.test("what RFC 9113 makes a connection error ends the connection with its code and place, after GOAWAY", async (t) => {
  for (const [title, code, frames] of CONNECTION_ERRORS) {
    await t.test(title, async (t) => {
      let goaway: Promise<{ payload: Buffer } | undefined> | undefined;
      let before = 0;
      const { connection, streams } = await meet(t, (peer) => {
        before = peer.socket.bytesWritten;
        goaway = peer.frame((frame) => frame.type === FRAME.GOAWAY);
        peer.send(...frames);
      });
      const end = await connection.closed;
      t.match(end, { kind: "protocol-error", error: { name: "WireError", code } });
      t.ok((end.error?.atByte ?? -1) >= before, `at byte ${end.error?.atByte}`);
      for (const stream of streams) t.match(await stream.ended, { kind: "connection" });
      t.equal((await goaway)?.payload.readUInt32BE(4), ERROR_CODE[code as keyof typeof ERROR_CODE]);
    });
  }
});

const STREAM_ERRORS: readonly (readonly [title: string, code: string, frames: (peer: PeerConnection) => readonly FrameToSend[], reset?: number])[] = [
  ["DATA before HEADERS", "PROTOCOL_ERROR", () => [{ type: FRAME.DATA, streamId: 1, payload: Buffer.from("x") }]],
  ["DATA beyond the stream's window", "FLOW_CONTROL_ERROR", () => [headers(1, OK), { type: FRAME.DATA, streamId: 1, payload: Buffer.alloc(101) }]],
  [
    "padding that is longer than DATA",
    "PROTOCOL_ERROR",
    () => [headers(1, OK), { type: FRAME.DATA, flags: FLAG.PADDED, streamId: 1, payload: Buffer.from([9, 1]) }],
  ],
  ["padded DATA without a pad length", "FRAME_SIZE_ERROR", () => [headers(1, OK), { type: FRAME.DATA, flags: FLAG.PADDED, streamId: 1 }]],
  ["DATA after END_STREAM", "STREAM_CLOSED", () => [headers(1, OK, FLAG.END_STREAM), { type: FRAME.DATA, streamId: 1, payload: Buffer.from("x") }]],
  ["HEADERS after END_STREAM", "STREAM_CLOSED", () => [headers(1, OK, FLAG.END_STREAM), headers(1, OK)]],
  ["trailers without END_STREAM", "PROTOCOL_ERROR", (peer) => [headers(1, OK), headers(1, peer.block([["a", "b"]]).toString("hex"))]],
  ["trailers with :status", "PROTOCOL_ERROR", () => [headers(1, OK), headers(1, OK, FLAG.END_STREAM)]],
  ["headers without :status", "PROTOCOL_ERROR", (peer) => [headers(1, peer.block([["a", "b"]]).toString("hex"))]],
  ["two :status", "PROTOCOL_ERROR", () => [headers(1, OK + OK)]],
  ["a :status that is no number", "PROTOCOL_ERROR", (peer) => [headers(1, peer.block([[":status", "2xx"]]).toString("hex"))]],
  ["a pseudo-header of requests", "PROTOCOL_ERROR", (peer) => [headers(1, peer.block([...RESPONSE, [":path", "/"]]).toString("hex"))]],
  ["a pseudo-header after a regular one", "PROTOCOL_ERROR", (peer) => [headers(1, peer.block([["a", "b"], ...RESPONSE]).toString("hex"))]],
  ["an upper-case header name", "PROTOCOL_ERROR", (peer) => [headers(1, peer.block([...RESPONSE, ["Server", "x"]]).toString("hex"))]],
  ["a connection header", "PROTOCOL_ERROR", (peer) => [headers(1, peer.block([...RESPONSE, ["connection", "close"]]).toString("hex"))]],
  ["a line break in a value", "PROTOCOL_ERROR", (peer) => [headers(1, peer.block([...RESPONSE, ["a", "b\nc"]]).toString("hex"))]],
  ["1xx with END_STREAM", "PROTOCOL_ERROR", (peer) => [headers(1, peer.block([[":status", "103"]]).toString("hex"), FLAG.END_STREAM)]],
  [
    "less DATA than content-length",
    "PROTOCOL_ERROR",
    (peer) => [
      headers(1, peer.block([...RESPONSE, ["content-length", "3"]]).toString("hex")),
      { type: FRAME.DATA, flags: FLAG.END_STREAM, streamId: 1, payload: Buffer.from("x") },
    ],
  ],
  ["two lengths", "PROTOCOL_ERROR", (peer) => [headers(1, peer.block([...RESPONSE, ["content-length", "3"], ["content-length", "4"]]).toString("hex"))]],
  ["WINDOW_UPDATE of 0 on a stream", "PROTOCOL_ERROR", () => [{ type: FRAME.WINDOW_UPDATE, streamId: 1, payload: encodeUint32(0) }]],
  ["a stream's window beyond 2^31-1", "FLOW_CONTROL_ERROR", () => [{ type: FRAME.WINDOW_UPDATE, streamId: 1, payload: encodeUint32(0x7fffffff) }]],
  ["a header list beyond our limit", "ENHANCE_YOUR_CALM", (peer) => [headers(1, peer.block([...RESPONSE, ["a", "b".repeat(1000)]]).toString("hex"))]],
];

t.test("what RFC 9113 makes a stream error resets that stream with its code, and the other lives on", async (t) => {
  for (const [title, code, frames] of STREAM_ERRORS) {
    await t.test(title, async (t) => {
      let reset: Promise<{ payload: Buffer } | undefined> | undefined;
      const script = (peer: PeerConnection): void => {
        reset = peer.frame((frame) => frame.type === FRAME.RST_STREAM && frame.streamId === 1);
        peer.send(...frames(peer), headers(3, OK), { type: FRAME.DATA, flags: FLAG.END_STREAM, streamId: 3, payload: Buffer.from("alive") });
      };
      const violations: string[] = [];
      const { connection, streams, received } = await meet(t, script, {
        settings: { INITIAL_WINDOW_SIZE: 100 },
        maxHeaderListBytes: 500,
        onViolation: (error) => violations.push(error.code),
      });
      const end = await streams[0].ended;
      if (code === "STREAM_CLOSED") {
        t.equal(end.kind, "end-stream", "the end that came first counts");
        t.same(violations, ["STREAM_CLOSED"]);
      } else t.match(end, { kind: "protocol-error", error: { name: "WireError", code } });
      t.match(await streams[1].ended, { kind: "end-stream" });
      t.equal(received.at(-1)?.toString(), "alive");
      t.equal((await reset)?.payload.readUInt32BE(0), ERROR_CODE[code as keyof typeof ERROR_CODE]);
      t.equal(connection.end, undefined);
    });
  }
});

t.test("DATA beyond the connection's window is a connection error, although each stream's window held", async (t) => {
  const { connection } = await meet(
    t,
    (peer) => {
      peer.send(headers(1, OK), headers(3, OK));
      for (let at = 0; at < 5; at += 1) peer.send({ type: FRAME.DATA, streamId: at < 4 ? 1 : 3, payload: Buffer.alloc(16_384) });
    },
    { replenish: "manual", connectionWindowBytes: 65_535, settings: { INITIAL_WINDOW_SIZE: 100_000 } },
  );
  t.match(await connection.closed, { kind: "protocol-error", error: { code: "FLOW_CONTROL_ERROR" } });
});

const FLOODS: readonly (readonly [title: string, frame: FrameToSend, options?: Partial<Http2ConnectOptions>])[] = [
  ["PING", { type: FRAME.PING, payload: Buffer.alloc(8) }],
  ["SETTINGS", { type: FRAME.SETTINGS }],
  ["empty DATA", { type: FRAME.DATA, streamId: 1 }],
  ["DATA that is all padding", { type: FRAME.DATA, flags: FLAG.PADDED, streamId: 1, payload: Buffer.from([2, 0, 0]) }],
  ["WINDOW_UPDATE", { type: FRAME.WINDOW_UPDATE, streamId: 1, payload: encodeUint32(1) }],
  ["PRIORITY", { type: FRAME.PRIORITY, streamId: 1, payload: Buffer.alloc(5) }],
  ["frames of an unknown type", { type: 0xfe }],
  ["RST_STREAM on a closed stream", { type: FRAME.RST_STREAM, streamId: 3, payload: encodeUint32(0) }],
  ["GOAWAY", { type: FRAME.GOAWAY, payload: encodeGoawayPayload(0x7fffffff, 0) }],
  ["103 responses", headers(1, "0803313033")],
];

t.test("a flood of frames that carry no message ends the connection with ENHANCE_YOUR_CALM", async (t) => {
  for (const [title, frame] of FLOODS) {
    await t.test(title, async (t) => {
      const { connection } = await meet(t, (peer) => {
        peer.send(...(title === "103 responses" ? [] : [headers(1, OK)]), { type: FRAME.RST_STREAM, streamId: 3, payload: encodeUint32(0) });
        const flood = Buffer.concat(Array.from({ length: 1000 }, () => encodeFrame(frame)));
        const more = (): void => {
          if (peer.socket.destroyed) return;
          if (peer.socket.write(flood)) setImmediate(more);
          else peer.socket.once("drain", more);
        };
        more();
      });
      t.match(await connection.closed, { kind: "protocol-error", error: { code: "ENHANCE_YOUR_CALM" } });
    });
  }
});

t.test("CONTINUATION without end is cut off by its total", async (t) => {
  const { connection } = await meet(t, (peer) => {
    peer.send({ type: FRAME.HEADERS, streamId: 1 });
    for (let at = 0; at < 20; at += 1) peer.send({ type: FRAME.CONTINUATION, streamId: 1, payload: Buffer.alloc(16_000) });
  });
  t.match(await connection.closed, { kind: "protocol-error", error: { code: "ENHANCE_YOUR_CALM" } });
});

t.test("a header bomb is refused without being stored, and the table stays in step for the other stream", async (t) => {
  const { streams } = await meet(t, (peer) => {
    const entry = Buffer.concat([Buffer.from("88400161", "hex"), Buffer.from([0x7f, 0xa1, 0x1d]), Buffer.alloc(3872, "b")]);
    const bomb = Buffer.concat([entry, Buffer.alloc(12_000, 0xbe)]);
    peer.send({ type: FRAME.HEADERS, flags: FLAG.END_HEADERS, streamId: 1, payload: bomb }, headers(3, "88be", FLAG.END_STREAM));
  });
  t.match(await streams[0].ended, { kind: "protocol-error", error: { code: "ENHANCE_YOUR_CALM" } });
  t.match(await streams[1].ended, { kind: "end-stream" });
});

t.test("a peer that has us answer and does not read is left", async (t) => {
  const peer = await startHttp2Peer(async (peer) => {
    await peer.request(3);
    peer.socket.pause();
    const pings = Buffer.concat(Array.from({ length: 500 }, () => encodeFrame({ type: FRAME.PING, payload: Buffer.alloc(8) })));
    peer.socket.write(pings);
  });
  const connection = await connectHttp2({ host: "127.0.0.1", port: peer.port, connectTimeoutMs: 10_000, maxUnsentBytes: 4000 });
  t.teardown(async () => {
    await connection.close();
    await peer.close();
  });
  connection.request(REQUEST);
  connection.request(REQUEST);
  t.match(await connection.closed, { kind: "protocol-error", error: { code: "ENHANCE_YOUR_CALM", actual: /unread/ } });
});

t.test("what was under way on a stream that we reset is no flood, however small its frames", async (t) => {
  const { connection, streams } = await meet(t, async (peer) => {
    peer.send(headers(1, OK), headers(3, OK));
    await peer.frame((frame) => frame.type === FRAME.RST_STREAM);
    const late = Buffer.concat(Array.from({ length: 1000 }, () => encodeFrame({ type: FRAME.DATA, streamId: 1, payload: Buffer.from("x") })));
    for (let times = 0; times < 30; times += 1) peer.send(late);
    peer.send({ type: FRAME.DATA, flags: FLAG.END_STREAM, streamId: 3, payload: Buffer.from("alive") });
  });
  streams[0].reset();
  t.match(await streams[1].ended, { kind: "end-stream" });
  t.equal(connection.end, undefined);
});
