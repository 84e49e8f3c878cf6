import t from "tap";
import { ResponseHeadReader } from "../../src/wire/http1-response.js";
import type { UpgradeOffer } from "../../src/wire/websocket-handshake.js";
import { acceptKey, requestFieldValue, upgradeRequestText, verifyUpgrade } from "../../src/wire/websocket-handshake.js";

const key = "dGhlIHNhbXBsZSBub25jZQ==";
const right = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="];

function verify(lines: readonly string[], offer: Partial<UpgradeOffer> = {}): ReturnType<typeof verifyUpgrade> {
  const { head } = new ResponseHeadReader(2000, 0).push(Buffer.from(["HTTP/1.1 101 A", ...lines, "", ""].join("\r\n")))!;
  return verifyUpgrade(head, { key, subprotocols: [], deflate: false, ...offer }, 0);
}

t.test("a request has what RFC 6455 asks for, and what else is offered", (t) => {
  t.equal(
    upgradeRequestText({ host: "h:1", path: "/p?q", key, subprotocols: ["a", "b"], deflate: true, headers: [["X-Token", "t"]] }),
    `GET /p?q HTTP/1.1\r\nHost: h:1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n` +
      "Sec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nX-Token: t\r\n\r\n",
  );
  t.end();
});

t.test("a given header replaces the request's own, or takes it away", (t) => {
  const headers = [
    ["connection", "keep-alive, Upgrade"],
    ["SEC-WEBSOCKET-KEY", null],
    ["X", "1"],
    ["X", "2"],
  ] as const;
  const text = upgradeRequestText({ host: "h", path: "/", key, version: "8", headers });
  t.equal(text, "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\nconnection: keep-alive, Upgrade\r\nX: 1\r\nX: 2\r\n\r\n");
  t.equal(requestFieldValue(text, "Sec-WebSocket-Key"), undefined);
  t.equal(requestFieldValue(text, "host"), "h");
  t.end();
});

t.test("the accept key of RFC 6455's example is right, and another is not", (t) => {
  t.equal(acceptKey(key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  t.strictSame(verify(right), { subprotocol: undefined, deflate: undefined });
  t.strictSame(verify(["upgrade: h2c, WebSocket", "CONNECTION: keep-alive, upgrade", right[2]!]), { subprotocol: undefined, deflate: undefined });
  const wrong = "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
  t.throws(() => verify([right[0]!, right[1]!, wrong]), { code: "BAD_ACCEPT_KEY", actual: '"S3pPLMBiTxaQ9kYGzzhZRbK+xOo="', atByte: 16 + 20 + 21 });
  t.throws(() => verify([...right, right[2]!]), { code: "BAD_ACCEPT_KEY" }, "twice");
  t.throws(() => verify(right.slice(0, 2)), { code: "BAD_ACCEPT_KEY", actual: "no such header" });
  t.doesNotThrow(() => verify(right.slice(0, 2), { key: undefined }), "a request without key has no wrong answer");
  t.throws(() => verify(right.slice(1)), { code: "BAD_UPGRADE_HEADER" });
  t.throws(() => verify(["Upgrade: websockets", ...right.slice(1)]), { code: "BAD_UPGRADE_HEADER" });
  t.throws(() => verify([right[0]!, "Connection: close", right[2]!]), { code: "BAD_CONNECTION_HEADER" });
  t.end();
});

t.test("only what was offered may be selected", (t) => {
  const protocol = [...right, "Sec-WebSocket-Protocol: b"];
  t.equal(verify(protocol, { subprotocols: ["a", "b"] }).subprotocol, "b");
  t.throws(() => verify(protocol, { subprotocols: ["a"] }), { code: "UNOFFERED_SUBPROTOCOL", actual: '"b"' });
  t.throws(() => verify(protocol), { code: "UNOFFERED_SUBPROTOCOL", expected: "no subprotocol, for none was offered" });
  const extension = [...right, "Sec-WebSocket-Extensions: permessage-deflate"];
  t.strictSame(verify(extension, { deflate: true }).deflate, { serverNoContextTakeover: false, clientMaxWindowBits: 15 });
  t.throws(() => verify(extension), { code: "UNOFFERED_EXTENSION" });
  t.throws(() => verify([...extension, "Sec-WebSocket-Extensions: foo"], { deflate: true }), { code: "UNOFFERED_EXTENSION" });
  t.end();
});

t.test("permessage-deflate parameters are those of RFC 7692, each once", (t) => {
  const deflate = (parameters: string): unknown => verify([...right, `Sec-WebSocket-Extensions: permessage-deflate; ${parameters}`], { deflate: true }).deflate;
  t.strictSame(deflate('server_no_context_takeover; client_max_window_bits="9"; server_max_window_bits=12; client_no_context_takeover'), {
    serverNoContextTakeover: true,
    clientMaxWindowBits: 9,
  });
  for (const bad of [
    "client_max_window_bits=16",
    "client_max_window_bits",
    "server_no_context_takeover=1",
    "other",
    "client_no_context_takeover; client_no_context_takeover",
  ]) {
    t.throws(() => deflate(bad), { code: "BAD_EXTENSION" }, bad);
  }
  t.end();
});
