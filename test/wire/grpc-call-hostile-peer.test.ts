import { gzipSync } from "node:zlib";

import t, { type Test } from "tap";

import { openGrpcCall, type GrpcCall, type GrpcCallOptions, type GrpcEnd } from "../../src/wire/grpc-call.js";
import { encodeMessage } from "../../src/wire/grpc-messages.js";
import type { Header } from "../../src/wire/hpack.js";
import { connectHttp2, type Http2Connection } from "../../src/wire/http2-connection.js";
import { encodeGoawayPayload, encodeUint32, ERROR_CODE, FLAG, FRAME } from "../../src/wire/http2-frames.js";
import { startHttp2Peer, type PeerConnection } from "./http2-peer.js";
import { chunksOf } from "./splits.js";

const HEADERS: readonly Header[] = [
  [":status", "200"],
  ["content-type", "application/grpc"],
];
const OK: readonly Header[] = [["grpc-status", "0"]];

interface Answer {
  readonly end: GrpcEnd;
  readonly messages: string[];
  readonly peer: PeerConnection;
  readonly call: GrpcCall;
}

/** One call to a peer that answers its HEADERS by `script`. */
async function answer(test: Test, script: (peer: PeerConnection) => void, options: Partial<GrpcCallOptions> = {}): Promise<Answer> {
  let connected: PeerConnection | undefined;
  const peer = await startHttp2Peer(async (one) => {
    connected = one;
    if ((await one.request()) !== undefined) script(one);
  });
  const connection: Http2Connection = await connectHttp2({ host: "127.0.0.1", port: peer.port, connectTimeoutMs: 10_000 });
  const messages: string[] = [];
  const call = openGrpcCall(connection, { path: "/a.B/C", onMessage: (message) => messages.push(message.toString()), ...options });
  const end = await call.ended;
  test.teardown(async () => {
    await connection.close();
    await peer.close();
  });
  if (connected === undefined) throw new Error("the peer was not met");
  return { end, messages, peer: connected, call };
}

const data = (payload: Uint8Array, flags = 0) => ({ type: FRAME.DATA, flags, streamId: 1, payload });
const reset = (code: number) => ({ type: FRAME.RST_STREAM, streamId: 1, payload: encodeUint32(code) });
const trailers = (peer: PeerConnection, list: readonly Header[] = OK): void => peer.headers(1, list, FLAG.END_STREAM);

t.test("messages split and joined anywhere over DATA frames come out whole", async (t) => {
  const texts = ["", "a", "x".repeat(1000), "", "last"];
  const bytes = Buffer.concat(texts.map((text) => encodeMessage(Buffer.from(text))));
  for (const size of [1, 2, 3, 5, 7, 1013, 100_000]) {
    const { end, messages } = await answer(t, (peer) => {
      peer.headers(1, HEADERS);
      for (const piece of chunksOf(bytes, size)) peer.send(data(piece), data(Buffer.alloc(0)));
      trailers(peer);
    });
    t.match(end, { status: 0, source: "trailers" });
    t.same(messages, texts);
  }
});

const UNREADABLE: readonly (readonly [title: string, code: string, status: number, payload: Uint8Array, encoding?: string])[] = [
  ["a flag byte of 2", "BAD_MESSAGE_FLAG", 13, Buffer.from("0200000000", "hex")],
  ["a flag byte of 255", "BAD_MESSAGE_FLAG", 13, Buffer.from("ff00000000", "hex")],
  ["a length of 4 GiB", "MESSAGE_TOO_LONG", 8, Buffer.from("00ffffffff", "hex")],
  ["a message over the limit", "MESSAGE_TOO_LONG", 8, Buffer.from("00000003e9", "hex")],
  ["a compressed message without grpc-encoding", "BAD_COMPRESSION", 13, encodeMessage(gzipSync("x"), { flagByte: 1 })],
  ["a compressed message of an unknown encoding", "BAD_COMPRESSION", 13, encodeMessage(gzipSync("x"), { flagByte: 1 }), "zstd"],
  ["a compressed message that is not gzip", "BAD_COMPRESSION", 13, encodeMessage(Buffer.from("x"), { flagByte: 1 }), "gzip"],
  ["a gzip bomb", "MESSAGE_TOO_LONG", 8, encodeMessage(gzipSync(Buffer.alloc(100_000)), { flagByte: 1 }), "gzip"],
];

t.test("a message that cannot be read ends the call with a type, after those before it, and resets the stream", async (t) => {
  for (const [title, code, status, payload, encoding] of UNREADABLE) {
    const { end, messages, peer } = await answer(
      t,
      (peer) => {
        peer.headers(1, encoding === undefined ? HEADERS : [...HEADERS, ["grpc-encoding", encoding]]);
        peer.send(data(Buffer.concat([encodeMessage(Buffer.from("before")), payload, encodeMessage(Buffer.from("after"))])));
      },
      { maxMessageBytes: 1000 },
    );
    t.match(end, { status, source: "decode-error", error: { name: "WireError", code } }, title);
    t.same(messages, ["before"], title);
    t.equal((await peer.frame((frame) => frame.type === FRAME.RST_STREAM))?.payload.readUInt32BE(), ERROR_CODE.CANCEL, title);
  }
});

t.test("a truncated tail is told, whatever status follows it", async (t) => {
  for (const tail of ["000000", "0000000005", "000000000568656c"]) {
    for (const withTrailers of [true, false]) {
      const { end, messages } = await answer(t, (peer) => {
        peer.headers(1, HEADERS);
        peer.send(data(Buffer.concat([encodeMessage(Buffer.from("whole")), Buffer.from(tail, "hex")]), withTrailers ? 0 : FLAG.END_STREAM));
        if (withTrailers) trailers(peer);
      });
      t.match(end, { status: 13, source: "decode-error", rawStatus: withTrailers ? "0" : undefined, error: { code: "TRUNCATED_MESSAGE" } });
      t.same(messages, ["whole"]);
    }
  }
});

t.test("gzip and plain messages may alternate after grpc-encoding: gzip", async (t) => {
  const { messages, end } = await answer(t, (peer) => {
    peer.headers(1, [...HEADERS, ["grpc-encoding", "gzip"]]);
    peer.send(data(Buffer.concat([encodeMessage(Buffer.from("a"), { compress: true }), encodeMessage(Buffer.from("b"))])));
    trailers(peer);
  });
  t.same(messages, ["a", "b"]);
  t.equal(end.status, 0);
});

t.test("the status is what the trailers say, its message percent-decoded, or what stands in for them", async (t) => {
  const cases: readonly (readonly [script: (peer: PeerConnection) => void, expected: Partial<GrpcEnd>])[] = [
    [
      (peer) => trailers(peer, [...HEADERS, ["grpc-status", "5"], ["grpc-message", "caf%C3%A9 %"]]),
      { status: 5, message: "café %", rawMessage: "caf%C3%A9 %", trailersOnly: true, source: "trailers" },
    ],
    [(peer) => (peer.headers(1, HEADERS), trailers(peer, [["grpc-status", "99"]])), { status: 99, source: "trailers", trailersOnly: false }],
    [(peer) => (peer.headers(1, HEADERS), trailers(peer, [["grpc-status", "-1"]])), { status: 2, source: "protocol-error", rawStatus: "-1" }],
    [(peer) => (peer.headers(1, HEADERS), trailers(peer, [["grpc-message", "no status"]])), { status: 2, source: "protocol-error", rawStatus: undefined }],
    [(peer) => (peer.headers(1, HEADERS), peer.send(data(Buffer.alloc(0), FLAG.END_STREAM))), { status: 2, source: "protocol-error" }],
    [
      (peer) =>
        peer.headers(1, [
          [":status", "404"],
          ["content-type", "text/html"],
        ]),
      { status: 12, source: "http-status", httpStatus: 404 },
    ],
    [(peer) => peer.headers(1, [[":status", "503"]], FLAG.END_STREAM), { status: 14, source: "http-status", httpStatus: 503 }],
    [
      (peer) =>
        peer.headers(
          1,
          [
            [":status", "503"],
            ["grpc-status", "8"],
          ],
          FLAG.END_STREAM,
        ),
      { status: 8, source: "trailers", httpStatus: 503 },
    ],
    [
      (peer) =>
        peer.headers(1, [
          [":status", "200"],
          ["content-type", "text/plain"],
        ]),
      { status: 2, source: "http-status" },
    ],
    [
      (peer) =>
        peer.headers(1, [
          [":status", "200"],
          ["content-type", "application/grpc-web"],
        ]),
      { status: 2, source: "http-status" },
    ],
    [(peer) => peer.send(reset(ERROR_CODE.REFUSED_STREAM)), { status: 14, source: "reset", resetCode: 7 }],
    [(peer) => (peer.headers(1, HEADERS), peer.send(reset(ERROR_CODE.CANCEL))), { status: 1, source: "reset", resetCode: 8 }],
    [(peer) => peer.send({ type: FRAME.GOAWAY, payload: encodeGoawayPayload(0, 0) }), { status: 14, source: "connection" }],
    [(peer) => peer.socket.end(), { status: 14, source: "connection" }],
    [(peer) => peer.socket.resetAndDestroy(), { status: 14, source: "connection" }],
    [(peer) => peer.headers(1, [["no", "status"]]), { status: 13, source: "protocol-error" }],
  ];
  for (const [script, expected] of cases) {
    const { end } = await answer(t, script);
    t.match(end, expected, end.detail);
  }
});

t.test("what a server sends after its early end is seen: RST_STREAM NO_ERROR", async (t) => {
  const codes: number[] = [];
  const { end, peer } = await answer(
    t,
    (peer) => {
      peer.headers(1, HEADERS);
      peer.socket.cork();
      trailers(peer);
      peer.send(reset(ERROR_CODE.NO_ERROR));
      peer.socket.uncork();
    },
    { onStreamEvent: (event) => void (event.kind === "reset" && codes.push(event.code)) },
  );
  t.match(end, { status: 0, source: "trailers" });
  t.same(codes, [ERROR_CODE.NO_ERROR]);
  t.notOk(peer.received.some((frame) => frame.type === FRAME.RST_STREAM));
});

t.test("a call that the server ended first is reset with NO_ERROR, or left as it is", async (t) => {
  const early = await answer(t, (peer) => trailers(peer, [...HEADERS, ...OK]));
  t.equal((await early.peer.frame((frame) => frame.type === FRAME.RST_STREAM))?.payload.readUInt32BE(), ERROR_CODE.NO_ERROR);
  const left = await answer(t, (peer) => trailers(peer, [...HEADERS, ...OK]), { afterEnd: "leave" });
  t.equal(await left.call.halfClose(), true, "our half is still open");
});

t.test("our own reset is told from the server's, and is one RST_STREAM", async (t) => {
  const peer = await startHttp2Peer(() => {});
  const connection = await connectHttp2({ host: "127.0.0.1", port: peer.port, connectTimeoutMs: 10_000 });
  const call = openGrpcCall(connection, { path: "/a.B/C" });
  call.reset();
  t.match(await call.ended, { status: 1, source: "cancelled-locally" });
  t.equal(await call.initialMetadata, undefined);
  t.equal(await call.send(Buffer.from("late")), false);
  await connection.close();
  await peer.close();
});

t.test("request headers are those of gRPC, metadata as given, and rawHeaders replace them all", async (t) => {
  const peer = await startHttp2Peer(() => {});
  const sent: Buffer[] = [];
  const connection = await connectHttp2({
    host: "127.0.0.1",
    port: peer.port,
    connectTimeoutMs: 10_000,
    onFrame: (frame) => void (frame.direction === "sent" && frame.type === FRAME.HEADERS && sent.push(Buffer.from(frame.payload))),
  });
  const { HpackDecoder } = await import("../../src/wire/hpack.js");
  const decoder = new HpackDecoder({ maxHeaderListBytes: 10_000 });
  openGrpcCall(connection, {
    path: "/a.B/C",
    grpcTimeout: "1x",
    encoding: "gzip",
    authority: "me",
    metadata: [
      ["a-bin", Buffer.from([1])],
      ["a-bin", "AQ=="],
      ["b", "c"],
    ],
  });
  t.same(decoder.decode(sent[0] ?? Buffer.alloc(0)).headers, [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", "/a.B/C"],
    [":authority", "me"],
    ["te", "trailers"],
    ["content-type", "application/grpc"],
    ["grpc-accept-encoding", "identity,gzip"],
    ["grpc-encoding", "gzip"],
    ["grpc-timeout", "1x"],
    ["a-bin", "AQ"],
    ["a-bin", "AQ=="],
    ["b", "c"],
  ]);
  openGrpcCall(connection, { path: "/a.B/C", rawHeaders: [["x", "y"]] });
  t.same(decoder.decode(sent[1] ?? Buffer.alloc(0)).headers, [["x", "y"]]);
  await connection.close();
  await peer.close();
});

t.test("for load, messages are handed out where they lie, those that were gzipped too", async (t) => {
  const seen: string[] = [];
  const { end } = await answer(
    t,
    (peer) => {
      peer.headers(1, [...HEADERS, ["grpc-encoding", "gzip"]]);
      peer.send(data(Buffer.concat([encodeMessage(Buffer.from("plain")), encodeMessage(Buffer.from("gzipped"), { compress: true })])));
      trailers(peer);
    },
    { messageRanges: { take: (buffer, start, end) => seen.push(buffer.toString("latin1", start, end)) } },
  );
  t.equal(end.status, 0);
  t.same(seen, ["plain", "gzipped"]);
});
