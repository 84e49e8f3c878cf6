import { deflateRawSync } from "node:zlib";
import { encodeSettingsPayload, FRAME, encodeFrame as encodeHttp2Frame } from "../../src/wire/http2-frames.js";
import { encodeClosePayload, encodeFrame, opcodes, type FrameToSend } from "../../src/wire/websocket-frames.js";
import { actNames, acts, type ActName } from "./acts.js";
import { randomBytes, type Behaviour } from "./behaviour.js";
import { flood, many } from "./line.js";
import { WebSocketPeer, type WebSocketScript } from "./websocket-server.js";

const http2 = encodeHttp2Frame({ type: FRAME.SETTINGS, payload: encodeSettingsPayload(new Map([[4, 65_535]])) });

/** A behaviour by a script; `judged` unless told otherwise. */
function ws(name: string, script: WebSocketScript, more: Partial<Behaviour> = {}): Behaviour {
  return {
    name: `ws/${name}`,
    transport: "ws",
    expect: "judged",
    serve: (socket, surroundings) => new WebSocketPeer(socket, script, surroundings).start(),
    ...more,
  };
}
const unreachable: Partial<Behaviour> = { expect: "unreachable" };

function act(name: ActName, peer: WebSocketPeer, goOn: () => void): void {
  acts[name]({ line: peer.line, random: peer.surroundings.random, foreign: http2, goOn });
}

const steps: Readonly<Record<string, (name: ActName) => WebSocketScript>> = {
  accept: (name) => ({ onAccept: (peer) => act(name, peer, () => peer.readRequest()) }),
  "http-head": (name) => ({
    onUpgrade(peer) {
      const head = peer.acceptance();
      peer.line.write(head.slice(0, 40));
      act(name, peer, () => {
        peer.line.write(head.slice(40));
        peer.beginFrames();
      });
    },
  }),
  "after-101": (name) => ({ afterUpgrade: (peer) => act(name, peer, () => undefined) }),
  "first-message": (name) => ({ onEntry: (peer, json) => act(name, peer, () => peer.text(json)) }),
  "mid-message": (name) => ({
    onEntry(peer, json, count) {
      if (count !== 4) {
        peer.text(json);
        return;
      }
      const frame = encodeFrame({ opcode: opcodes.text, mask: false, payload: json });
      peer.line.write(frame.subarray(0, 20));
      act(name, peer, () => peer.line.write(frame.subarray(20)));
    },
  }),
  end: (name) => ({ onEnd: (peer) => act(name, peer, () => peer.finish(1000)) }),
};

const early: readonly string[] = ["accept", "http-head"];

const atEachStep = Object.entries(steps).flatMap(([step, script]) =>
  actNames.map((name) => ws(`${step}/${name}`, script(name), early.includes(step) && name !== "one-byte-at-a-time" ? unreachable : {})),
);

/** In place of the 101: an answer as it is. */
const answered = (name: string, status: string, more: readonly string[] = [], body = "", expected: Partial<Behaviour> = unreachable): Behaviour =>
  ws(name, { onUpgrade: (peer) => peer.answer(status, body, more) }, expected);
const raw = (name: string, text: string, expected: Partial<Behaviour> = unreachable): Behaviour =>
  ws(name, { onUpgrade: (peer) => peer.line.write(text) }, expected);
/** A 101 with other lines. */
const head = (name: string, lines: (honest: string) => string, expected: Partial<Behaviour> = unreachable): Behaviour =>
  ws(
    name,
    {
      onUpgrade(peer) {
        peer.line.write(lines(peer.acceptance()));
        peer.beginFrames();
      },
    },
    expected,
  );

const openings = [
  answered("answer/redirect", "302 Found", ["Location: ws://elsewhere.example/logs/monitor"], "", { ...unreachable, says: /302/ }),
  answered("answer/redirect-to-itself", "307 Temporary Redirect", ["Location: /logs/monitor"], "", { ...unreachable, says: /307/ }),
  answered("answer/redirect-without-location", "301 Moved Permanently"),
  answered("answer/200-with-a-page", "200 OK", ["Content-Type: text/html"], "<html>\u001b[31mhello</html>".repeat(2000), { ...unreachable, says: /200/ }),
  answered("answer/204", "204 No Content"),
  answered("answer/400", "400 Bad Request", [], "no\r\n    at x (y.js:1:2)\r\n"),
  answered("answer/401", "401 Unauthorized", ["WWW-Authenticate: Bearer"], "", { ...unreachable, says: /401/ }),
  answered("answer/403", "403 Forbidden", [], "not you", { ...unreachable, says: /403/ }),
  answered("answer/404", "404 Not Found", [], "no such path", { ...unreachable, says: /404/ }),
  answered("answer/426", "426 Upgrade Required", ["Upgrade: websocket", "Sec-WebSocket-Version: 99"]),
  answered("answer/429", "429 Too Many Requests", ["Retry-After: 86400"]),
  answered("answer/500", "500 Internal Server Error", [], "boom", { ...unreachable, says: /500/ }),
  answered("answer/503", "503 Service Unavailable", ["Retry-After: 1"], "", { ...unreachable, says: /503/ }),
  answered("answer/999", "999 Whatever"),
  raw("answer/endless-body", `HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n${"x".repeat(30_000)}`),
  raw("answer/chunked-garbage", "HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
  raw("answer/chunk-of-4-gib", "HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\nx"),
  raw("answer/two-content-lengths", "HTTP/1.1 500 Oh\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
  raw("answer/body-that-never-comes", "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\n", { ...unreachable, says: /404/ }),
  raw("head/status-line-garbage", "HTTP/1.1 abc\r\n\r\n"),
  raw("head/http-0.9", "<html>hello</html>"),
  raw("head/http-2-in-words", "HTTP/2 200\r\n\r\n"),
  raw("head/no-colon", "HTTP/1.1 101 Switching Protocols\r\nUpgrade websocket\r\n\r\n"),
  raw("head/bare-line-feeds", "HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\nConnection: Upgrade\n\n"),
  raw("head/nul-bytes", "HTTP/1.1 101 Switching\u0000 Protocols\r\nUpgrade: web\u0000socket\r\n\r\n"),
  raw("head/over-16-kib", `HTTP/1.1 101 Switching Protocols\r\n${"X-Long: y\r\n".repeat(3000)}\r\n`),
  raw("head/one-line-without-end", `HTTP/1.1 101 ${"x".repeat(40_000)}`),
  raw("head/binary", "\u0000\u0001\u0002\u0003\u0004"),
  raw("head/tls-alert", "\u0015\u0003\u0003\u0000\u0002\u0002\u0050", { ...unreachable, says: /TLS/ }),
  raw("head/ssh-banner", "SSH-2.0-OpenSSH_9.2\r\n", { ...unreachable, says: /SSH-2/ }),
  raw("head/smtp-banner", "220 mail.example ESMTP\r\n", { ...unreachable, says: /220/ }),
  raw("head/redis-error", "-ERR unknown command 'GET'\r\n", { ...unreachable, says: /ERR/ }),
  ws(
    "head/endless-headers",
    {
      onUpgrade(peer) {
        peer.line.write("HTTP/1.1 101 Switching Protocols\r\n");
        flood(peer.line, many(Buffer.from("X-More: and more\r\n")));
      },
    },
    unreachable,
  ),
  ws("head/informational-storm", { onUpgrade: (peer) => flood(peer.line, many(Buffer.from("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"))) }, unreachable),
  ws("head/informational-then-honest", {
    onUpgrade(peer) {
      peer.line.write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n");
      peer.upgrade();
    },
  }),
  head("101/wrong-accept-key", (honest) => honest.replace(/Accept: .*/, "Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA="), { ...unreachable, says: /[Aa]ccept/ }),
  head("101/no-accept-key", (honest) => honest.replace(/Sec-WebSocket-Accept: .*\r\n/, "")),
  head("101/two-accept-keys", (honest) => honest.replace(/(Sec-WebSocket-Accept: .*\r\n)/, "$1$1")),
  head("101/accept-key-of-a-megabyte", (honest) => honest.replace(/Accept: .*/, `Accept: ${"A".repeat(1024 * 1024)}`)),
  head("101/no-upgrade-header", (honest) => honest.replace(/Upgrade: websocket\r\n/, "")),
  head("101/upgrade-to-h2c", (honest) => honest.replace(/Upgrade: websocket/, "Upgrade: h2c")),
  head("101/connection-close", (honest) => honest.replace(/Connection: Upgrade/, "Connection: close")),
  head("101/extension-never-offered", (honest) => honest.replace(/\r\n\r\n$/, "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"), {
    ...unreachable,
    says: /extension/i,
  }),
  head("101/unknown-extension", (honest) => honest.replace(/\r\n\r\n$/, "\r\nSec-WebSocket-Extensions: x-ray; on=1\r\n\r\n")),
  head("101/subprotocol-never-offered", (honest) => honest.replace(/\r\n\r\n$/, "\r\nSec-WebSocket-Protocol: chat\r\n\r\n"), {
    ...unreachable,
    says: /subprotocol/i,
  }),
  head("101/with-content-length", (honest) => honest.replace(/\r\n\r\n$/, "\r\nContent-Length: 5\r\n\r\n"), {}),
  head("101/http-1.0", (honest) => honest.replace("HTTP/1.1", "HTTP/1.0"), { expect: "either" }),
  head("101/in-capitals", (honest) => honest.toUpperCase().replace(/SEC-WEBSOCKET-ACCEPT: .*/, /Sec-WebSocket-Accept: .*/.exec(honest)?.[0] ?? ""), {
    expect: "either",
  }),
  ws("101/to-every-path", {
    onPlainRequest(peer) {
      peer.line.write(peer.acceptance());
      peer.beginFrames();
    },
  }),
  ws("101/frames-in-the-same-segment", {
    onUpgrade(peer) {
      peer.line.write(Buffer.concat([Buffer.from(peer.acceptance(), "latin1"), many(encodeFrame({ opcode: opcodes.text, mask: false, payload: "{}" }), 4000)]));
      peer.beginFrames();
    },
  }),
];

/** After the 101, at once: frames as they are. */
const framesAtOnce = (name: string, ...frames: readonly (FrameToSend | Uint8Array)[]): Behaviour => ws(name, { afterUpgrade: (peer) => sendAll(peer, frames) });
/** In place of the first entry: frames as they are. */
const framesAs = (name: string, ...frames: readonly (FrameToSend | Uint8Array)[]): Behaviour => ws(name, { onEntry: (peer) => sendAll(peer, frames) });

function sendAll(peer: WebSocketPeer, frames: readonly (FrameToSend | Uint8Array)[]): void {
  for (const frame of frames) {
    if (frame instanceof Uint8Array) {
      peer.line.write(frame);
    } else {
      peer.frame(frame);
    }
  }
}

const { text, binary, continuation, ping, pong, close } = opcodes;
const illFormed = [
  framesAs("frame/masked", { opcode: text, mask: true, payload: "{}" }),
  framesAs("frame/rsv1-without-extension", { opcode: text, rsv: 4, payload: "{}" }),
  framesAs("frame/rsv2", { opcode: text, rsv: 2, payload: "{}" }),
  framesAs("frame/rsv3-on-ping", { opcode: ping, rsv: 1 }),
  framesAs("frame/opcode-3", { opcode: 3, payload: "x" }),
  framesAs("frame/opcode-7", { opcode: 7 }),
  framesAs("frame/opcode-11", { opcode: 11, payload: "x" }),
  framesAs("frame/opcode-15", { opcode: 15 }),
  framesAs("frame/ping-of-126-bytes", { opcode: ping, payload: Buffer.alloc(126) }),
  framesAs("frame/fragmented-ping", { opcode: ping, fin: false }),
  framesAs("frame/pong-of-64-kib", { opcode: pong, payload: Buffer.alloc(65_536) }),
  framesAs("frame/orphan-continuation", { opcode: continuation, payload: "{}" }),
  framesAs("frame/text-inside-fragments", { opcode: text, fin: false, payload: "{" }, { opcode: text, payload: "}" }),
  framesAs("frame/fragments-without-end", ...Array.from({ length: 200 }, (_, n) => ({ opcode: n === 0 ? text : continuation, fin: false, payload: " " }))),
  framesAs("frame/empty-fragments", { opcode: text, fin: false }, ...Array.from({ length: 500 }, () => ({ opcode: continuation, fin: false }))),
  framesAs("frame/2-gib-declared", { opcode: text, declaredLength: 2 ** 31, payload: "{" }),
  framesAs("frame/2-to-the-63-declared", { opcode: text, declaredLength: 2n ** 63n, payload: "{" }),
  framesAs("frame/2-to-the-64-less-1-declared", { opcode: binary, declaredLength: 2n ** 64n - 1n, payload: "{" }),
  framesAs("frame/length-longer-than-needed", { opcode: text, lengthBits: 64, payload: "{}" }),
  framesAs("frame/binary-entry", { opcode: binary, payload: Buffer.from("{}") }),
  framesAs("frame/half-a-header", Buffer.from([0x81])),
  ws("frame/half-a-header-then-fin", {
    onEntry(peer) {
      peer.line.write(Buffer.from([0x81, 0x7e, 0x01]));
      peer.line.fin();
    },
  }),
  ws(
    "frame/1-gib-and-bytes-without-end",
    {
      onFilter(peer) {
        peer.frame({ opcode: text, declaredLength: 2 ** 30, payload: "{" });
        flood(peer.line, Buffer.alloc(16_384, 0x20));
      },
    },
    { heavy: true },
  ),
  framesAs("frame/invalid-utf-8", { opcode: text, payload: Buffer.from([0x22, 0xc3, 0x28, 0x22]) }),
  framesAs("frame/utf-8-surrogate", { opcode: text, payload: Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]) }),
  framesAs("frame/utf-8-cut-at-the-end", { opcode: text, payload: Buffer.from([0x22, 0xe2, 0x82]) }),
  framesAs(
    "frame/utf-8-broken-across-fragments",
    { opcode: text, fin: false, payload: Buffer.from([0x22, 0xe2]) },
    { opcode: continuation, payload: Buffer.from([0x22, 0x22]) },
  ),
  framesAs("frame/byte-order-mark", { opcode: text, payload: "\ufeff{}" }),
  framesAs("deflate/bomb-never-agreed", { opcode: text, rsv: 4, payload: deflateRawSync(Buffer.alloc(2 * 1024 * 1024, 0x20)) }),
  framesAs("deflate/garbage-never-agreed", { opcode: text, rsv: 4, payload: Buffer.alloc(50, 0xff) }),
  ws(
    "deflate/agreed-unasked-and-a-bomb",
    {
      onUpgrade(peer) {
        peer.upgrade(["Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover"]);
        peer.frame({ opcode: text, rsv: 4, payload: deflateRawSync(Buffer.alloc(4 * 1024 * 1024, 0x20)) });
      },
    },
    unreachable,
  ),
];

const closings = [
  framesAtOnce("close/at-once", { opcode: close, payload: encodeClosePayload(1000) }),
  framesAtOnce("close/at-once-without-code", { opcode: close }),
  ws("close/at-once-and-fin", { afterUpgrade: (peer) => peer.finish(1001) }),
  ws("close/at-once-policy", { afterUpgrade: (peer) => peer.finish(1008) }),
  framesAs("close/of-one-byte", { opcode: close, payload: Buffer.from([3]) }),
  framesAs("close/of-126-bytes", { opcode: close, payload: Buffer.alloc(126, 0x41) }),
  framesAs("close/code-0", { opcode: close, payload: encodeClosePayload(0) }),
  framesAs("close/code-999", { opcode: close, payload: encodeClosePayload(999) }),
  framesAs("close/code-1005", { opcode: close, payload: encodeClosePayload(1005) }),
  framesAs("close/code-1006", { opcode: close, payload: encodeClosePayload(1006) }),
  framesAs("close/code-1015", { opcode: close, payload: encodeClosePayload(1015) }),
  framesAs("close/code-65535", { opcode: close, payload: encodeClosePayload(65_535) }),
  framesAs("close/reason-is-no-utf-8", { opcode: close, payload: Buffer.from([0x03, 0xe8, 0xc3, 0x28]) }),
  framesAs("close/reason-with-control-characters", { opcode: close, payload: encodeClosePayload(1011, "\u001b[2J\r\n    at boom (x.js:1:2)") }),
  framesAs("close/fragmented", { opcode: close, fin: false, payload: encodeClosePayload(1000) }),
  ws("close/never-answered", { onClose: () => undefined }),
  ws("close/answered-with-another-code", { onClose: (peer) => peer.finish(1011) }),
  ws("close/answered-and-tcp-kept", { onClose: (peer, code) => peer.close(code) }),
  ws(
    "close/answered-by-entries",
    { onClose: (peer) => flood(peer.line, many(encodeFrame({ opcode: text, mask: false, payload: "{}" })), { forMs: 300 }) },
    { heavy: true },
  ),
  ws(
    "close/entries-after-it",
    {
      onEnd(peer) {
        peer.close(1000);
        flood(peer.line, many(encodeFrame({ opcode: text, mask: false, payload: "{}" })), { forMs: 300 });
      },
    },
    { heavy: true },
  ),
  ws("close/end-answered-by-fin-alone", { onEnd: (peer) => peer.line.fin() }),
  ws("close/end-answered-by-null", { onEnd: (peer) => peer.text("null") }),
  ws("close/end-never-answered", { onEnd: () => undefined }),
];

function flooding(name: string, frame: FrameToSend, script: Partial<WebSocketScript> = {}): Behaviour {
  return ws(name, { onFilter: (peer) => flood(peer.line, many(encodeFrame({ mask: false, ...frame }))), ...script }, { heavy: true });
}
const floods = [
  ws(
    "close-storm",
    { afterUpgrade: (peer) => flood(peer.line, many(encodeFrame({ opcode: close, mask: false, payload: encodeClosePayload(1000) }))) },
    { heavy: true },
  ),
  flooding("flood/close", { opcode: close, payload: encodeClosePayload(1000) }),
  flooding("flood/ping", { opcode: ping, payload: "x".repeat(100) }),
  flooding("flood/ping-empty", { opcode: ping }),
  flooding("flood/pong", { opcode: pong }),
  flooding("flood/empty-text", { opcode: text }),
  flooding("flood/million-tiny-frames", { opcode: text, payload: "1" }),
  flooding(
    "flood/empty-continuations",
    { opcode: continuation, fin: false },
    {
      onFilter: (peer) => {
        peer.frame({ opcode: text, fin: false, payload: "{" });
        flood(peer.line, many(encodeFrame({ opcode: continuation, fin: false, mask: false })));
      },
    },
  ),
  flooding(
    "flood/one-byte-fragments",
    { opcode: continuation },
    {
      onFilter: (peer) => {
        peer.frame({ opcode: text, fin: false, payload: "{" });
        flood(peer.line, many(encodeFrame({ opcode: continuation, fin: false, mask: false, payload: " " })));
      },
    },
  ),
  flooding("flood/valid-json-that-is-no-entry", { opcode: text, payload: '{"x":1}' }),
  flooding("flood/entries-all-alike", {
    opcode: text,
    payload: JSON.stringify({ sequence: 1, time: "2020-01-01T00:00:00Z", level: "error", source: "alpha", message: "x" }),
  }),
  ws(
    "flood/entries-before-any-filter",
    {
      afterUpgrade: (peer) =>
        flood(
          peer.line,
          many(
            encodeFrame({
              opcode: text,
              mask: false,
              payload: JSON.stringify({ sequence: 1, time: "2020-01-01T00:00:00Z", level: "error", source: "alpha", message: "x" }),
            }),
          ),
          { forMs: 400 },
        ),
    },
    { heavy: true },
  ),
  ws(
    "flood/random-frames",
    {
      afterUpgrade: (peer) =>
        flood(peer.line, () =>
          encodeFrame({ opcode: Math.floor(peer.surroundings.random() * 16), mask: false, payload: randomBytes(peer.surroundings.random, 20) }),
        ),
    },
    { heavy: true },
  ),
];

const entry = { sequence: 7, time: "2020-01-01T00:00:00Z", level: "error", source: "alpha", message: "x" };
/** In place of each entry: a text. */
const textAs = (name: string, payload: string | ((json: Buffer, count: number) => string), more: Partial<Behaviour> = {}): Behaviour =>
  ws(name, { onEntry: (peer, json, count) => peer.text(typeof payload === "string" ? payload : payload(json, count)) }, more);
const changed = (name: string, change: (entry: Record<string, unknown>, count: number) => unknown): Behaviour =>
  textAs(name, (json, count) => JSON.stringify(change(JSON.parse(json.toString("utf8")) as Record<string, unknown>, count)));

const payloads = [
  textAs("json/none-at-all", "hello there"),
  textAs("json/empty-text", ""),
  textAs("json/spaces", "   \n\t "),
  textAs("json/null", "null"),
  textAs("json/true", "true"),
  textAs("json/number", "1e999"),
  textAs("json/string", '"\\ud800"'),
  textAs("json/array", "[]"),
  textAs("json/array-of-entries", (json) => `[${json.toString("utf8")}]`),
  textAs("json/two-values", (json) => `${json.toString("utf8")}${json.toString("utf8")}`),
  textAs("json/ndjson", (json) => `${json.toString("utf8")}\n${json.toString("utf8")}\n`),
  textAs("json/cut-short", (json) => json.toString("utf8").slice(0, -4)),
  textAs("json/100k-deep-arrays", "[".repeat(100_000) + "]".repeat(100_000)),
  textAs("json/100k-deep-objects", `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`),
  textAs("json/100k-deep-in-a-field", (json) => json.toString("utf8").replace(/}$/, `,"x":${"[".repeat(100_000)}${"]".repeat(100_000)}}`), { heavy: true }),
  textAs(
    "json/100k-deep-message",
    () => `{"sequence":1,"time":"2020-01-01T00:00:00Z","level":"error","source":"alpha","message":${"[".repeat(9000)}${"]".repeat(9000)}}`,
  ),
  textAs("json/deep-and-open", "[".repeat(60_000)),
  textAs("json/huge-number", '{"sequence":1e400,"time":"t","level":"error","source":"alpha","message":"x"}'),
  textAs("json/number-of-10k-digits", `{"sequence":${"9".repeat(10_000)},"time":"t","level":"error","source":"alpha","message":"x"}`),
  textAs("json/duplicate-keys", (json) => json.toString("utf8").replace(/^{/, '{"sequence":0,"message":1,')),
  textAs("json/proto-key", (json) => json.toString("utf8").replace(/^{/, '{"__proto__":{"sequence":1},"constructor":null,"toString":1,')),
  textAs("json/hundred-thousand-keys", () => JSON.stringify({ ...entry, ...Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`k${n}`, n])) }), {
    heavy: true,
  }),
  textAs("json/key-of-a-megabyte", () => JSON.stringify({ ...entry, ["k".repeat(1024 * 1024)]: 1 }), { heavy: true }),
  textAs("json/message-of-a-megabyte", () => JSON.stringify({ ...entry, message: "m".repeat(1024 * 1024) }), { heavy: true }),
  textAs("json/message-of-5-megabytes", () => JSON.stringify({ ...entry, message: "m".repeat(5 * 1024 * 1024) }), { heavy: true }),
  textAs("json/escapes-only", () => JSON.stringify({ ...entry, message: "\u0000\u001b[31m\u2028\ud800".repeat(50) })),
  changed("entry/empty-object", () => ({})),
  changed("entry/without-sequence", ({ sequence: _, ...rest }) => rest),
  changed("entry/without-message", ({ message: _, ...rest }) => rest),
  changed("entry/fields-null", (honest) => Object.fromEntries(Object.keys(honest).map((key) => [key, null]))),
  changed("entry/fields-of-the-wrong-type", (honest) => Object.fromEntries(Object.keys(honest).map((key) => [key, [{ a: 1 }]]))),
  changed("entry/sequence-as-text", (honest) => ({ ...honest, sequence: "seven" })),
  changed("entry/sequence-negative", (honest) => ({ ...honest, sequence: -1 })),
  changed("entry/sequence-fraction", (honest) => ({ ...honest, sequence: 1.5 })),
  changed("entry/sequence-goes-back", (honest, count) => ({ ...honest, sequence: 1_000_000 - count })),
  changed("entry/sequence-beyond-2-to-the-53", (honest, count) => ({ ...honest, sequence: 2 ** 60 + count })),
  changed("entry/sequence-always-the-same", (honest) => ({ ...honest, sequence: 1 })),
  changed("entry/time-nonsense", (honest) => ({ ...honest, time: "yesterday \u001b[0m" })),
  changed("entry/level-unknown", (honest) => ({ ...honest, level: "SHOUTING" })),
  changed("entry/message-always-the-same", (honest) => ({ ...honest, message: "same" })),
  changed("entry/nested-in-an-envelope", (honest) => ({ data: { entry: honest } })),
  ws("entry/each-one-thrice", { onEntry: (peer, json) => [1, 2, 3].forEach(() => peer.text(json)) }),
  ws("entry/every-other-lost", { onEntry: (peer, json, count) => count % 2 === 0 && peer.text(json) }),
  ws("entry/each-byte-a-fragment", {
    onEntry: (peer, json) =>
      json.forEach((byte, at) => peer.frame({ opcode: at === 0 ? text : continuation, fin: at === json.length - 1, payload: Buffer.from([byte]) })),
  }),
  ws("entry/before-any-filter", { afterUpgrade: (peer) => peer.text(JSON.stringify(entry)) }),
  ws("entry/echo-of-every-filter", {
    onFilter(peer, _, listen) {
      peer.text("{}");
      listen();
    },
  }),
];

/** What the producer and the probe say. */
const beside = (name: string, answer: (peer: WebSocketPeer) => void, more: Partial<Behaviour> = {}): Behaviour => ws(name, { onPlainRequest: answer }, more);
const others = [
  beside("beside/hangs", (peer) => peer.line.stop()),
  beside("beside/fin", (peer) => peer.line.fin()),
  beside("beside/rst", (peer) => peer.line.rst()),
  beside("beside/garbage", (peer) => peer.line.write("\u0000\u0001garbage\r\n\r\n")),
  beside(
    "beside/endless-body",
    (peer) => {
      peer.line.write("HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
      flood(peer.line, Buffer.from(`4000\r\n${" ".repeat(16_384)}\r\n`), { forMs: 400 });
    },
    { heavy: true },
  ),
  beside("beside/informational-storm", (peer) => flood(peer.line, many(Buffer.from("HTTP/1.1 103 Early Hints\r\n\r\n")), { forMs: 400 }), {
    heavy: true,
    expect: "either",
  }),
  beside("beside/endless-headers", (peer) => flood(peer.line, many(Buffer.from("HTTP/1.1 200 OK\r\nX: y\r\n")), { forMs: 400 })),
  beside("beside/upgrades-everything", (peer) => peer.line.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")),
  beside("beside/redirects", (peer) => peer.answer("307 Temporary Redirect", "", ["Location: /logs"])),
  beside("beside/accepted-and-json-nonsense", (peer) => peer.answer("202 Accepted", '{"first":"1e9","last":-4,"open_streams":"many","rss_bytes":1e400}')),
  beside("beside/accepted-and-deep-json", (peer) => peer.answer("202 Accepted", "[".repeat(100_000))),
  beside("beside/accepted-and-nothing-written", (peer) => peer.answer("202 Accepted", '{"first":1,"last":1,"open_streams":0,"rss_bytes":1}')),
  beside("beside/probe-counts-backwards", (peer) =>
    peer.answer("200 OK", `{"first":1,"last":1,"open_streams":${-Math.floor(peer.surroundings.random() * 1e6)},"rss_bytes":-1}`),
  ),
  beside("beside/500", (peer) => peer.answer("500 Internal Server Error", "    at boom (x.js:1:2)")),
];

const lives = [
  ws("ping/never-answered", { onPing: () => undefined }),
  ws("ping/answered-with-other-bytes", { onPing: (peer) => peer.frame({ opcode: pong, payload: "other" }) }),
  ws("ping/answered-a-thousand-times", { onPing: (peer, payload) => peer.line.write(many(encodeFrame({ opcode: pong, mask: false, payload }))) }),
  ws(
    "every-second-connection-hangs",
    { onAccept: (peer) => (peer.surroundings.connectionsBefore % 2 === 0 ? peer.readRequest() : peer.line.stop()) },
    { expect: "either", heavy: true },
  ),
  ws(
    "every-second-connection-is-reset",
    { onAccept: (peer) => (peer.surroundings.connectionsBefore % 2 === 0 ? peer.readRequest() : peer.line.rst()) },
    { expect: "either" },
  ),
  ws(
    "upgrades-only-once",
    { onUpgrade: (peer) => (peer.surroundings.connectionsBefore < 6 ? peer.upgrade() : peer.answer("503 Service Unavailable")) },
    { expect: "either" },
  ),
  ws("never-reads", { afterUpgrade: (peer) => void peer.line.socket.pause() }),
  ws("stops-reading-after-the-first-filter", {
    onFilter(peer, _, listen) {
      listen();
      peer.line.socket.pause();
    },
  }),
  ws("half-closes-tcp-and-goes-on", {
    onFilter(peer, _, listen) {
      listen();
      peer.line.socket.end();
    },
  }),
];

/** Hostile over WebSocket and beside it. */
export const websocketBehaviours: readonly Behaviour[] = [...atEachStep, ...openings, ...illFormed, ...closings, ...floods, ...payloads, ...others, ...lives];
