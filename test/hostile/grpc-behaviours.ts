import { gzipSync } from "node:zlib";
import { encodeGrpcMessage } from "../../src/reference/log-entry.js";
import type { Header } from "../../src/wire/hpack.js";
import { encodeInteger } from "../../src/wire/hpack.js";
import { encodeFrame, encodeGoawayPayload, encodeSettingsPayload, encodeUint32, FLAG, FRAME, type FrameToSend } from "../../src/wire/http2-frames.js";
import { actNames, acts, type ActName } from "./acts.js";
import { randomBytes, type Behaviour } from "./behaviour.js";
import { Http2Peer, type Http2Call, type Http2Script } from "./http2-server.js";
import { flood, many } from "./line.js";

const http1 = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nno\n";
const ok: readonly Header[] = [
  [":status", "200"],
  ["content-type", "application/grpc"],
];

/** A behaviour by a script; `judged` unless told otherwise. */
function grpc(name: string, script: Http2Script, more: Partial<Behaviour> = {}): Behaviour {
  return {
    name: `grpc/${name}`,
    transport: "grpc",
    expect: "judged",
    serve: (socket, surroundings) => new Http2Peer(socket, script, surroundings).start(),
    ...more,
  };
}

/** Carries out an act on a peer's line. */
function act(name: ActName, peer: Http2Peer, goOn: () => void): void {
  acts[name]({ line: peer.line, random: peer.surroundings.random, foreign: http1, goOn });
}

const steps: Readonly<Record<string, (name: ActName) => Http2Script>> = {
  accept: (name) => ({ onAccept: (peer) => act(name, peer, () => peer.sendSettings()) }),
  settings: (name) => ({
    onAccept(peer) {
      const frame = encodeFrame({ type: FRAME.SETTINGS, payload: encodeSettingsPayload(new Map([[3, 100]])) });
      peer.line.write(frame.subarray(0, 11));
      act(name, peer, () => peer.line.write(frame.subarray(11)));
    },
  }),
  headers: (name) => ({ onRequest: (call) => act(name, call.peer, () => call.answer()) }),
  "first-message": (name) => ({ onEntry: (call, message) => act(name, call.peer, () => call.send(message)) }),
  "mid-message": (name) => ({
    onEntry(call, message, count) {
      if (count !== 4) {
        call.send(message);
        return;
      }
      const frame = encodeFrame({ type: FRAME.DATA, streamId: call.id, payload: message });
      call.peer.line.write(frame.subarray(0, 20));
      act(name, call.peer, () => call.peer.line.write(frame.subarray(20)));
    },
  }),
  end: (name) => ({ onHalfClose: (call) => act(name, call.peer, () => call.status(0)) }),
};

const early: readonly string[] = ["accept", "settings"];

const atEachStep = Object.entries(steps).flatMap(([step, script]) =>
  actNames.map((name) => {
    // What follows half of the SETTINGS may make it whole.
    const expected = step === "settings" && ["garbage", "endless-bytes", "wrong-protocol"].includes(name) ? "either" : "unreachable";
    return grpc(`${step}/${name}`, script(name), early.includes(step) && name !== "one-byte-at-a-time" ? { expect: expected } : {});
  }),
);

const goaway = (lastStreamId: number, code: number): FrameToSend => ({ type: FRAME.GOAWAY, payload: encodeGoawayPayload(lastStreamId, code) });
const goaways = [
  grpc("goaway/after-settings", { afterSettings: (peer) => peer.send(goaway(0, 0)) }),
  grpc(
    "goaway/after-settings-then-fin",
    {
      afterSettings(peer) {
        peer.send(goaway(0, 11));
        peer.line.fin();
      },
    },
    { expect: "either" },
  ),
  grpc("goaway/in-place-of-headers", { onRequest: (call) => call.peer.send(goaway(0, 0)) }),
  grpc("goaway/at-first-message", { onEntry: (call) => call.peer.send(goaway(call.id, 0)) }),
  grpc("goaway/enhance-your-calm-mid-stream", {
    onEntry(call, message, count) {
      call.send(message);
      if (count === 5) {
        call.peer.send(goaway(call.id, 11));
        call.peer.line.fin();
      }
    },
  }),
  grpc("goaway/at-the-end", { onHalfClose: (call) => call.peer.send(goaway(0, 2)) }),
  grpc("goaway/growing-last-stream", { onEntry: (call, _, count) => call.peer.send(goaway(count * 2 + 1, 0)) }),
  grpc("goaway/with-a-megabyte-of-debug-data", {
    onEntry(call) {
      call.peer.send({ type: FRAME.GOAWAY, payload: encodeGoawayPayload(call.id, 0, Buffer.alloc(16_000, 0x1b)) });
    },
  }),
];

/** Floods, once the first filter is there. */
function flooding(name: string, frame: (call: Http2Call) => Uint8Array | (() => Uint8Array)): Behaviour {
  return grpc(name, { onFilter: (call) => flood(call.peer.line, frame(call)) }, { heavy: true });
}
const repeated = (frame: FrameToSend): Buffer => many(encodeFrame(frame));
const message = (bytes: number, fill = 0x61): Buffer => Buffer.concat([Buffer.from([0]), encodeUint32(bytes), Buffer.alloc(bytes, fill)]);

const floods = [
  grpc("flood/settings-at-once", { afterSettings: (peer) => flood(peer.line, repeated({ type: FRAME.SETTINGS })) }, { heavy: true, expect: "either" }),
  grpc(
    "flood/ping-at-once",
    { afterSettings: (peer) => flood(peer.line, repeated({ type: FRAME.PING, payload: Buffer.alloc(8) })) },
    { heavy: true, expect: "either" },
  ),
  flooding("flood/settings", () => repeated({ type: FRAME.SETTINGS })),
  flooding("flood/settings-acks", () => repeated({ type: FRAME.SETTINGS, flags: FLAG.ACK })),
  flooding("flood/ever-changing-settings", () => {
    let n = 0;
    return () =>
      Buffer.concat(
        Array.from({ length: 300 }, () => {
          n += 1;
          return encodeFrame({
            type: FRAME.SETTINGS,
            payload: encodeSettingsPayload(
              new Map([
                [4, n % 2 === 0 ? 0 : 2 ** 31 - 1],
                [1, n % 4096],
                [3, n % 7],
                [5, 16_384 + (n % 1000)],
              ]),
            ),
          });
        }),
      );
  }),
  flooding("flood/ping", () => repeated({ type: FRAME.PING, payload: Buffer.alloc(8) })),
  flooding("flood/ping-acks", () => repeated({ type: FRAME.PING, flags: FLAG.ACK, payload: Buffer.alloc(8) })),
  flooding("flood/window-update-on-stream", (call) => repeated({ type: FRAME.WINDOW_UPDATE, streamId: call.id, payload: encodeUint32(1) })),
  flooding("flood/window-update-on-connection", () => repeated({ type: FRAME.WINDOW_UPDATE, payload: encodeUint32(1) })),
  flooding("flood/rst-stream", (call) => repeated({ type: FRAME.RST_STREAM, streamId: call.id, payload: encodeUint32(8) })),
  flooding("flood/priority", (call) => repeated({ type: FRAME.PRIORITY, streamId: call.id, payload: Buffer.alloc(5) })),
  flooding("flood/unknown-frames", () => repeated({ type: 0xfa, payload: Buffer.alloc(3) })),
  flooding("flood/goaway", () => repeated({ type: FRAME.GOAWAY, payload: encodeGoawayPayload(2 ** 31 - 1, 0) })),
  flooding("flood/empty-data", (call) => repeated({ type: FRAME.DATA, streamId: call.id })),
  flooding("flood/padding-only-data", (call) => repeated({ type: FRAME.DATA, flags: FLAG.PADDED, streamId: call.id, payload: Buffer.from([0]) })),
  grpc(
    "flood/million-tiny-frames",
    { onFilter: (call) => flood(call.peer.line, repeated({ type: FRAME.DATA, streamId: call.id, payload: Buffer.from([0]) }), { mostBytes: 10_000_000 }) },
    { heavy: true },
  ),
  flooding("flood/empty-messages", (call) => repeated({ type: FRAME.DATA, streamId: call.id, payload: message(0) })),
  flooding("flood/empty-messages-coalesced", (call) => encodeFrame({ type: FRAME.DATA, streamId: call.id, payload: many(message(0), 16_000) })),
  flooding("flood/data-beyond-every-window", (call) => encodeFrame({ type: FRAME.DATA, streamId: call.id, payload: message(16_000) })),
  flooding("flood/continuation-without-end", (call) =>
    Buffer.concat([
      encodeFrame({ type: FRAME.HEADERS, streamId: call.id, payload: Buffer.from([0x88]) }),
      many(encodeFrame({ type: FRAME.CONTINUATION, streamId: call.id, payload: Buffer.alloc(1000, 0x82) })),
    ]),
  ),
  grpc(
    "flood/informational-responses",
    {
      onRequest: (call) =>
        flood(
          call.peer.line,
          many(encodeFrame({ type: FRAME.HEADERS, flags: FLAG.END_HEADERS, streamId: call.id, payload: call.peer.encoder.encode([[":status", "103"]]) })),
        ),
    },
    { heavy: true },
  ),
  grpc(
    "flood/entries-without-any-filter",
    {
      onRequest(call) {
        call.answer();
        flood(call.peer.line, encodeFrame({ type: FRAME.DATA, streamId: call.id, payload: many(message(20), 4000) }), { forMs: 500 });
      },
    },
    { heavy: true },
  ),
  grpc("flood/reset-again-and-again", {
    onReset: (call) => call.peer.send(many(encodeFrame({ type: FRAME.RST_STREAM, streamId: call.id, payload: encodeUint32(5) }))),
  }),
  grpc("flood/data-after-reset", {
    onReset: (call) => call.peer.send(many(encodeFrame({ type: FRAME.DATA, streamId: call.id, payload: Buffer.alloc(100) }), 60_000)),
  }),
];

/** In place of the response headers: a header block as it is. */
const block = (name: string, make: (call: Http2Call) => Uint8Array, flags = FLAG.END_HEADERS, more: Partial<Behaviour> = {}): Behaviour =>
  grpc(name, { onRequest: (call) => call.frame(FRAME.HEADERS, make(call), flags) }, more);
const listOf = (name: string, list: readonly Header[], flags = 0, more: Partial<Behaviour> = {}): Behaviour =>
  grpc(name, { onRequest: (call) => call.headers(list, flags) }, more);

/** A literal with a name and a value of the given length, both declared in HPACK. */
function literal(name: string, value: string, indexed: boolean): Buffer {
  const parts: number[] = [indexed ? 0x40 : 0];
  encodeInteger(parts, name.length, 7, 0);
  parts.push(...Buffer.from(name));
  encodeInteger(parts, value.length, 7, 0);
  parts.push(...Buffer.from(value));
  return Buffer.from(parts);
}

const headerBlocks = [
  block("hpack/bomb-of-references", () => Buffer.concat([Buffer.from([0x88]), literal("a", "b".repeat(3800), true), Buffer.alloc(12_000, 0xbe)])),
  block("hpack/bomb-again-and-again", () =>
    Buffer.concat([Buffer.from([0x88]), ...Array.from({ length: 3 }, (_, n) => literal(`a${n}`, "b".repeat(3800), true)), Buffer.alloc(4000, 0xbe)]),
  ),
  block("hpack/index-out-of-range", () => Buffer.from([0xff, 0xff, 0x7f])),
  block("hpack/index-zero", () => Buffer.from([0x80])),
  block("hpack/endless-integer", () => Buffer.concat([Buffer.from([0x88, 0x7f]), Buffer.alloc(4000, 0xff)])),
  block("hpack/string-longer-than-block", () => Buffer.from([0x88, 0x40, 0x7f, 0xff, 0xff, 0x03])),
  block("hpack/bad-huffman", () => Buffer.from([0x88, 0x40, 0x84, 0xff, 0xff, 0xff, 0xff, 0x00])),
  block("hpack/table-size-over-limit", () => Buffer.from([0x3f, 0xff, 0xff, 0x03, 0x88])),
  block("hpack/size-update-after-field", () => Buffer.from([0x88, 0x20])),
  block("hpack/random-bytes", (call) => randomBytes(call.peer.surroundings.random, 200)),
  block("hpack/empty-block", () => Buffer.alloc(0)),
  grpc(
    "headers/endless",
    {
      onRequest(call) {
        call.frame(FRAME.HEADERS, Buffer.from([0x88]));
        let n = 0;
        flood(call.peer.line, () => {
          n += 1;
          return encodeFrame({ type: FRAME.CONTINUATION, streamId: call.id, payload: literal(`x-${n}`, "v".repeat(8000), false) });
        });
      },
    },
    { heavy: true },
  ),
  listOf("headers/list-over-limit", [...ok, ...Array.from({ length: 14 }, (_, n): Header => [`x-${n}`, "v".repeat(1000)])]),
  listOf("headers/without-status", [["content-type", "application/grpc"]]),
  listOf("headers/status-is-no-number", [[":status", "2xx"]]),
  listOf("headers/two-statuses", [
    [":status", "200"],
    [":status", "200"],
  ]),
  listOf("headers/request-pseudo-headers", [...ok, [":path", "/x"]]),
  listOf("headers/upper-case-name", [...ok, ["Server", "x"]]),
  listOf("headers/connection-specific", [...ok, ["transfer-encoding", "chunked"]]),
  listOf("headers/control-characters", [...ok, ["x", "a\u0000b\u001b[31m\r\nc"]]),
  listOf("headers/latin-1-value", [...ok, ["x", "\u00e9\u00ff\u0080"]]),
  listOf("headers/content-type-html", [
    [":status", "200"],
    ["content-type", "text/html"],
  ]),
  listOf("headers/no-content-type", [[":status", "200"]]),
  listOf("headers/unknown-encoding", [...ok, ["grpc-encoding", "zstd-of-our-own"]]),
  listOf("headers/content-length-lies", [...ok, ["content-length", "7"]]),
  listOf("headers/content-length-is-no-number", [...ok, ["content-length", "99999999999999999999999"]]),
  grpc("headers/twice", {
    onRequest(call) {
      call.headers(ok);
      call.headers(ok);
    },
  }),
  grpc("headers/trailers-without-end-stream", { onFilter: (call) => call.headers([["grpc-status", "0"]]) }),
  ...[200, 204, 302, 400, 401, 403, 404, 429, 500, 503].map((status) =>
    listOf(
      `http-status/${status}`,
      [
        [":status", String(status)],
        ["content-type", "text/html"],
        ["location", "https://elsewhere.example/"],
      ],
      FLAG.END_STREAM,
      [401, 403, 404].includes(status) ? { expect: "unreachable" } : {},
    ),
  ),
  grpc("http-status/502-with-an-html-page", {
    onRequest(call) {
      call.headers([
        [":status", "502"],
        ["content-type", "text/html"],
      ]);
      call.data("<html>\u001b]0;title\u0007</html>".repeat(100), FLAG.END_STREAM);
    },
  }),
  listOf("http-status/999", [[":status", "999"]], FLAG.END_STREAM),
  listOf("http-status/101", [[":status", "101"]]),
];

/** Trailers alone, in place of everything. */
const trailersOnly = (name: string, list: readonly Header[], more: Partial<Behaviour> = {}): Behaviour =>
  grpc(
    name,
    {
      onRequest: (call) => {
        call.headers([...ok, ...list], FLAG.END_STREAM);
        call.forget();
      },
    },
    more,
  );
/** Trailers in place of the first entry. */
const trailers = (name: string, list: readonly Header[]): Behaviour =>
  grpc(name, {
    onEntry: (call) => {
      call.headers(list, FLAG.END_STREAM);
      call.forget();
    },
  });

const statuses = [
  trailersOnly("status/trailers-only-with-a-long-message", [
    ["grpc-status", "13"],
    ["grpc-message", "x".repeat(15_000)],
  ]),
  grpc("status/trailers-only-with-a-megabyte", {
    onRequest(call) {
      const payload = call.peer.encoder.encode([...ok, ["grpc-status", "13"], ["grpc-message", "y".repeat(1024 * 1024)]]);
      call.frame(FRAME.HEADERS, payload.subarray(0, 16_384), FLAG.END_STREAM);
      for (let at = 16_384; at < payload.length; at += 16_384) {
        call.frame(FRAME.CONTINUATION, payload.subarray(at, at + 16_384), at + 16_384 >= payload.length ? FLAG.END_HEADERS : 0);
      }
    },
  }),
  trailersOnly("status/percent-garbage", [
    ["grpc-status", "3"],
    ["grpc-message", "%zz%%%f%E2%28%A1%00%1b[31m%0a%ff"],
  ]),
  trailersOnly("status/out-of-range", [["grpc-status", "4242"]]),
  trailersOnly("status/negative", [["grpc-status", "-1"]]),
  trailersOnly("status/no-number", [["grpc-status", "OK"]]),
  trailersOnly("status/empty", [["grpc-status", ""]]),
  trailersOnly("status/huge-number", [["grpc-status", "9".repeat(400)]]),
  trailersOnly("status/twice", [
    ["grpc-status", "0"],
    ["grpc-status", "13"],
  ]),
  trailersOnly("status/ok-at-once", [["grpc-status", "0"]]),
  trailersOnly("status/unimplemented", [["grpc-status", "12"]], { expect: "unreachable", says: /does not serve/ }),
  trailersOnly(
    "status/unauthenticated",
    [
      ["grpc-status", "16"],
      ["grpc-message", "who%20are%20you"],
    ],
    { expect: "unreachable", says: /who are you/ },
  ),
  trailersOnly(
    "status/permission-denied-with-control-characters",
    [
      ["grpc-status", "7"],
      ["grpc-message", "%1b[2J%0aat x (y.js:1:2)"],
    ],
    { expect: "unreachable" },
  ),
  trailersOnly("status/details-of-binary-garbage", [
    ["grpc-status", "13"],
    ["grpc-status-details-bin", "////!!!not base64"],
  ]),
  trailers("status/none-in-trailers", [["x", "y"]]),
  trailers("status/empty-trailers", []),
  trailers("status/http-status-in-trailers", [
    [":status", "200"],
    ["grpc-status", "0"],
  ]),
  grpc("status/end-stream-on-data", { onEntry: (call, bytes) => call.data(bytes, FLAG.END_STREAM) }),
  grpc("status/end-stream-on-empty-data", { onHalfClose: (call) => call.data("", FLAG.END_STREAM) }),
  grpc("status/then-more-data", {
    onEntry: (call, bytes) => {
      call.headers([["grpc-status", "0"]], FLAG.END_STREAM);
      call.data(bytes);
      call.data(bytes);
    },
  }),
  grpc("status/twice-in-two-frames", {
    onHalfClose: (call) => {
      call.headers([["grpc-status", "0"]], FLAG.END_STREAM);
      call.headers([["grpc-status", "13"]], FLAG.END_STREAM);
    },
  }),
];

/** In place of the first entry: DATA as it is. */
const dataAs = (name: string, make: (call: Http2Call, honest: Buffer) => Uint8Array, more: Partial<Behaviour> = {}): Behaviour =>
  grpc(name, { onEntry: (call, honest) => call.data(make(call, honest)) }, more);
/** In place of the first entry: frames as they are. */
const framesAs = (name: string, make: (call: Http2Call, honest: Buffer) => readonly (FrameToSend | Uint8Array)[], more: Partial<Behaviour> = {}): Behaviour =>
  grpc(name, { onEntry: (call, honest) => call.peer.send(...make(call, honest)) }, more);
const prefixed = (flag: number, declaredBytes: number, payload: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([flag]), encodeUint32(declaredBytes), payload]);
const anEntry = encodeGrpcMessage({ sequence: 1, time: "2020-01-01T00:00:00Z", level: "error", source: "alpha", message: "the same" });
const whole = (payload: Uint8Array, flag = 0): Buffer => prefixed(flag, payload.length, payload);

/** Made when it is first needed, once. */
const bombs: Buffer[] = [];
const messages = [
  dataAs("2-gib-length-prefix", () => prefixed(0, 2 ** 31, Buffer.alloc(100))),
  dataAs("4-gib-length-prefix", () => prefixed(0, 2 ** 32 - 1, Buffer.alloc(100))),
  grpc(
    "message/2-gib-and-bytes-without-end",
    {
      onFilter: (call) => {
        call.data(prefixed(0, 2 ** 31, Buffer.alloc(0)));
        flood(call.peer.line, encodeFrame({ type: FRAME.DATA, streamId: call.id, payload: Buffer.alloc(16_000) }));
      },
    },
    { heavy: true },
  ),
  dataAs("message/3-mib-announced-and-no-more", () => prefixed(0, 3 * 1024 * 1024, Buffer.alloc(10))),
  dataAs("message/flag-of-7", () => prefixed(7, 5, Buffer.alloc(5))),
  dataAs("message/flag-of-compression-without-encoding", () => whole(gzipSync("x"), 1)),
  dataAs("message/bad-protobuf", () => whole(Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff]))),
  dataAs("message/protobuf-of-endless-varint", () => whole(Buffer.alloc(200, 0x80))),
  dataAs("message/protobuf-field-of-2-gib", () => whole(Buffer.from([0x12, 0xff, 0xff, 0xff, 0xff, 0x07]))),
  dataAs("message/protobuf-groups-100k-deep", () => whole(Buffer.alloc(15_000, 0x3b))),
  dataAs("message/protobuf-unknown-fields", () => whole(Buffer.alloc(12_000, 0x78))),
  dataAs("message/invalid-utf-8", () => whole(Buffer.from([0x22, 0x03, 0xc3, 0x28, 0xff]))),
  dataAs("message/every-field-missing", () => message(0)),
  dataAs("message/fields-of-the-wrong-type", () => whole(Buffer.from([0x0a, 0x01, 0x41, 0x10, 0x05, 0x18, 0x07]))),
  dataAs("message/sequence-of-2-to-the-64", () => whole(Buffer.from([0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]))),
  dataAs("message/same-field-a-thousand-times", () => whole(Buffer.concat(Array.from({ length: 1000 }, (_, n) => Buffer.from([0x08, n % 128]))))),
  dataAs("message/text-with-control-characters", () => whole(Buffer.from("\u0008\u0001\u0022\u0009\u001b[31m\r\n\u0000x\u0085", "latin1"))),
  grpc("message/same-entry-for-ever", { onEntry: (call) => call.send(anEntry) }),
  grpc("message/sequence-goes-back", {
    onEntry: (call, honest) => {
      call.send(honest);
      call.send(anEntry);
    },
  }),
  grpc("message/every-entry-thrice", { onEntry: (call, honest) => [1, 2, 3].forEach(() => call.send(honest)) }),
  grpc("message/every-other-lost", { onEntry: (call, honest, count) => count % 2 === 0 && call.send(honest) }),
  grpc("message/entries-for-nobody", {
    onFilter: (call, _, listen) => {
      listen();
      flood(call.peer.line, encodeFrame({ type: FRAME.DATA, streamId: call.id, payload: message(30) }), { mostBytes: 20_000 });
    },
  }),
  grpc(
    "message/gzip-bomb",
    {
      onRequest: (call) => call.headers([...ok, ["grpc-encoding", "gzip"]]),
      onEntry: (call) => {
        const bomb = (bombs[0] ??= whole(bombOf(64), 1));
        for (let at = 0; at < bomb.length; at += 16_000) {
          call.data(bomb.subarray(at, at + 16_000));
        }
      },
    },
    { heavy: true },
  ),
  grpc("message/gzip-garbage", {
    onRequest: (call) => call.headers([...ok, ["grpc-encoding", "gzip"]]),
    onEntry: (call) => call.data(whole(Buffer.alloc(50, 0x1f), 1)),
  }),
  grpc("message/gzip-cut-short", {
    onRequest: (call) => call.headers([...ok, ["grpc-encoding", "gzip"]]),
    onEntry: (call, honest) => call.data(whole(gzipSync(honest).subarray(0, 20), 1)),
  }),
  grpc("message/half-a-prefix-then-status", {
    onEntry: (call) => {
      call.data(Buffer.from([0, 0]));
      call.status(0);
    },
  }),
  grpc("message/half-a-message-then-status", {
    onEntry: (call, honest) => {
      call.data(honest.subarray(0, 12));
      call.status(0);
    },
  }),
  grpc("data/before-headers", {
    onRequest: (call) => {
      call.data(message(4));
      call.headers(ok);
    },
  }),
  grpc("data/without-headers", { onRequest: () => undefined, onFilter: (call) => call.data(message(4)) }),
  framesAs("data/on-idle-stream", () => [{ type: FRAME.DATA, streamId: 9999, payload: Buffer.alloc(3) }]),
  framesAs("data/on-stream-zero", () => [{ type: FRAME.DATA, payload: Buffer.alloc(3) }]),
  framesAs("data/on-server-stream", () => [{ type: FRAME.DATA, streamId: 2, payload: Buffer.alloc(3) }]),
  framesAs("data/more-padding-than-payload", (call) => [{ type: FRAME.DATA, streamId: call.id, flags: FLAG.PADDED, payload: Buffer.from([200, 1]) }]),
  framesAs("data/frame-of-16-mib", (call) => [{ type: FRAME.DATA, streamId: call.id, length: 0xff_ff_ff, payload: Buffer.alloc(10) }]),
  framesAs("data/reserved-bit-of-stream-id", (call, honest) => [{ type: FRAME.DATA, streamId: (call.id | 0x80_00_00_00) >>> 0, payload: honest }]),
  grpc("data/each-byte-a-frame", {
    onEntry: (call, honest) => call.peer.send(...Array.from(honest, (byte) => ({ type: FRAME.DATA, streamId: call.id, payload: Buffer.from([byte]) }))),
  }),
];

const settingsAs = (name: string, payload: readonly (readonly [number, number])[], more: Partial<Behaviour> = {}): Behaviour =>
  grpc(name, { settings: payload }, more);

const control = [
  settingsAs("settings/window-of-zero", [[4, 0]]),
  settingsAs("settings/window-overflow", [[4, 2 ** 31]], { expect: "unreachable" }),
  settingsAs("settings/window-of-one", [[4, 1]]),
  settingsAs("settings/no-streams-at-all", [[3, 0]]),
  settingsAs("settings/one-stream", [[3, 1]]),
  settingsAs("settings/frame-size-of-one", [[5, 1]], { expect: "unreachable" }),
  settingsAs("settings/header-table-of-4-gib", [[1, 2 ** 32 - 1]]),
  settingsAs("settings/header-list-of-zero", [[6, 0]]),
  settingsAs("settings/enable-push-2", [[2, 2]], { expect: "unreachable" }),
  settingsAs(
    "settings/two-thousand-unknown",
    Array.from({ length: 2000 }, (_, n) => [100 + n, n] as const),
  ),
  grpc("settings/never-acknowledged", { onSettings: () => undefined }),
  grpc("settings/of-five-bytes", { onAccept: (peer) => peer.send({ type: FRAME.SETTINGS, payload: Buffer.alloc(5) }) }, { expect: "unreachable" }),
  grpc("settings/first-frame-is-ping", { onAccept: (peer) => peer.send({ type: FRAME.PING, payload: Buffer.alloc(8) }) }, { expect: "unreachable" }),
  grpc("settings/first-frame-is-ack", { onAccept: (peer) => peer.send({ type: FRAME.SETTINGS, flags: FLAG.ACK }) }, { expect: "unreachable" }),
  grpc("settings/in-the-middle-of-headers", {
    onRequest: (call) => call.peer.send({ type: FRAME.HEADERS, streamId: call.id, payload: Buffer.from([0x88]) }, { type: FRAME.SETTINGS }),
  }),
  grpc("settings/window-shrinks-below-zero", {
    onFilter: (call, _, listen) => {
      listen();
      call.peer.send({ type: FRAME.SETTINGS, payload: encodeSettingsPayload(new Map([[4, 0]])) });
    },
  }),
  grpc("ping/never-answered", { onPing: () => undefined }),
  grpc("ping/answered-with-other-bytes", { onPing: (peer) => peer.send({ type: FRAME.PING, flags: FLAG.ACK, payload: Buffer.alloc(8, 0x5a) }) }),
  grpc("ping/answered-a-thousand-times", { onPing: (peer, payload) => peer.line.write(many(encodeFrame({ type: FRAME.PING, flags: FLAG.ACK, payload }))) }),
  framesAs("ping/of-seven-bytes", () => [{ type: FRAME.PING, payload: Buffer.alloc(7) }]),
  framesAs("window/update-of-zero-on-stream", (call) => [{ type: FRAME.WINDOW_UPDATE, streamId: call.id, payload: encodeUint32(0) }]),
  framesAs("window/update-of-zero-on-connection", () => [{ type: FRAME.WINDOW_UPDATE, payload: encodeUint32(0) }]),
  framesAs("window/overflow-on-stream", (call) => [{ type: FRAME.WINDOW_UPDATE, streamId: call.id, payload: encodeUint32(2 ** 31 - 1) }]),
  framesAs("window/overflow-on-connection", () => [{ type: FRAME.WINDOW_UPDATE, payload: encodeUint32(2 ** 31 - 1) }]),
  framesAs("window/update-on-idle-stream", () => [{ type: FRAME.WINDOW_UPDATE, streamId: 4001, payload: encodeUint32(1) }]),
  framesAs("reset/on-idle-stream", () => [{ type: FRAME.RST_STREAM, streamId: 4001, payload: encodeUint32(1) }]),
  framesAs("reset/with-unknown-code", (call) => [{ type: FRAME.RST_STREAM, streamId: call.id, payload: encodeUint32(0xde_ad_be_ef) }]),
  grpc("reset/in-place-of-headers", { onRequest: (call) => call.reset(7) }),
  grpc("reset/refused-for-ever", { onRequest: (call) => call.reset(7), onReset: () => undefined }),
  grpc("reset/no-error-without-status", { onFilter: (call) => call.reset(0) }),
  grpc("reset/in-place-of-the-end", { onHalfClose: (call) => call.reset(2) }),
  framesAs("push-promise", (call) => [{ type: FRAME.PUSH_PROMISE, streamId: call.id, flags: FLAG.END_HEADERS, payload: Buffer.from("0000000282", "hex") }]),
  framesAs("continuation/without-headers", (call) => [{ type: FRAME.CONTINUATION, streamId: call.id, flags: FLAG.END_HEADERS, payload: Buffer.from([0x88]) }]),
  framesAs("continuation/on-another-stream", (call) => [
    { type: FRAME.HEADERS, streamId: call.id },
    { type: FRAME.CONTINUATION, streamId: call.id + 2 },
  ]),
  framesAs("headers/on-idle-stream", () => [{ type: FRAME.HEADERS, flags: FLAG.END_HEADERS, streamId: 4001, payload: Buffer.from([0x88]) }]),
  framesAs("headers/on-stream-zero", () => [{ type: FRAME.HEADERS, flags: FLAG.END_HEADERS, payload: Buffer.from([0x88]) }]),
  grpc(
    "every-second-connection-hangs",
    { onAccept: (peer) => (peer.surroundings.connectionsBefore % 2 === 0 ? peer.sendSettings() : peer.line.stop()) },
    { expect: "either", heavy: true },
  ),
  grpc(
    "every-second-connection-is-reset",
    { onAccept: (peer) => (peer.surroundings.connectionsBefore % 2 === 0 ? peer.sendSettings() : peer.line.rst()) },
    { expect: "either" },
  ),
  grpc(
    "only-the-first-connection-works",
    { onAccept: (peer) => (peer.surroundings.connectionsBefore === 0 ? peer.sendSettings() : peer.line.rst()) },
    { expect: "either" },
  ),
  grpc("never-reads", { afterSettings: (peer) => void peer.line.socket.pause() }),
  grpc("stops-reading-after-the-first-filter", {
    onFilter: (call, _, listen) => {
      listen();
      call.peer.line.socket.pause();
    },
  }),
];

/** Zeros of so many mebibytes, gzipped. */
function bombOf(mebibytes: number): Buffer {
  return gzipSync(Buffer.alloc(mebibytes * 1024 * 1024), { level: 1 });
}

/** Hostile over HTTP/2. */
export const grpcBehaviours: readonly Behaviour[] = [...atEachStep, ...goaways, ...floods, ...headerBlocks, ...statuses, ...messages, ...control];
