import t from "tap";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import type { Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { generate } from "selfsigned";
import { WebSocketServer } from "ws";
import type { WebSocketEvent } from "../../src/wire/websocket-connection.js";
import { WireError } from "../../src/wire/wire-error.js";
import type { UpgradeOptions } from "../../src/wire/websocket-upgrade.js";
import { upgrade } from "../../src/wire/websocket-upgrade.js";
import { acceptResponse, readRequestHead, startBytePeer } from "./byte-peer.js";

/** Asks a peer that plays `onSocket`; the error, where the upgrade rejects. */
async function ask(
  onSocket: (socket: Socket) => void | Promise<void>,
  options: Partial<UpgradeOptions> = {},
): Promise<{ outcome?: Awaited<ReturnType<typeof upgrade>>; error?: WireError }> {
  const peer = await startBytePeer(onSocket);
  try {
    return { outcome: await upgrade({ host: "127.0.0.1", port: peer.port, path: "/", timeoutMs: 5000, ...options }) };
  } catch (error) {
    if (error instanceof WireError) return { error };
    throw error;
  } finally {
    await peer.close();
  }
}

t.test("a message goes both ways, and both sides close cleanly", async (t) => {
  for (const deflate of [false, true]) {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: deflate ? { threshold: 0 } : false });
    await once(server, "listening");
    server.on("connection", (socket) => {
      socket.ping("are you there");
      socket.on("message", (data, isBinary) => socket.send(data as Buffer, { binary: isBinary }));
    });
    const outcome = await upgrade({ host: "127.0.0.1", port: (server.address() as AddressInfo).port, path: "/", timeoutMs: 5000, deflate });
    if (outcome.kind !== "accepted") throw new Error("refused");
    t.equal(outcome.deflate, deflate);
    const { connection } = outcome;
    const events: WebSocketEvent[] = [];
    const messages: string[] = [];
    const text = "naïve ".repeat(100);
    connection.onEvent = (event) => {
      events.push(event);
      if (event.kind === "message") messages.push(Buffer.from(event.bytes).toString());
      if (messages.length === 3) void connection.sendClose(1000, "done");
    };
    for (const sent of [text, `${text}2`, ""]) t.equal(await connection.sendText(sent), true);
    const end = await connection.ended;
    t.strictSame(messages, [text, `${text}2`, ""]);
    t.strictSame(
      events.map((event) => event.kind),
      ["ping", "message", "message", "message", "close", "fin"],
    );
    t.match(end, { closeReceived: { code: 1000 }, closeSent: { code: 1000, reason: "done" }, tcp: "fin", cleanClose: true, violation: undefined });
    t.equal(await connection.sendText("late"), false, "a send after the end says that it did not happen");
    server.close();
  }
});

t.test("a refusal is an outcome with its body, however its length is told", async (t) => {
  const bodies: readonly (readonly [text: string, closes: boolean, more: object])[] = [
    ["Content-Length: 4\r\n\r\nnope", false, { response: { bodyComplete: true }, closedByServer: false }],
    ["Transfer-Encoding: chunked\r\n\r\n4\r\nnope\r\n0\r\n\r\n", false, { response: { bodyComplete: true } }],
    ["\r\nnope", true, { response: { bodyComplete: true }, closedByServer: true }],
    ["Content-Length: 9\r\n\r\nnope", true, { response: { bodyComplete: false }, closedByServer: true }],
  ];
  for (const [text, closes, more] of bodies) {
    const { outcome } = await ask((socket) => {
      socket.write(`HTTP/1.1 403 Forbidden\r\n${text}`);
      if (closes) socket.end();
    });
    t.match(outcome, { kind: "refused", ...more });
    if (outcome?.kind === "refused") {
      t.equal(outcome.response.status, 403);
      t.equal(outcome.response.body.toString(), "nope");
    }
  }
  const { outcome } = await ask((socket) => void socket.write("HTTP/1.1 500 A\r\nContent-Length: 9\r\n\r\nnope"), { timeoutMs: 50 });
  t.match(outcome, { kind: "refused", response: { status: 500, bodyComplete: false } }, "a body that does not end in time is cut");
  const flood = await ask((socket) => void socket.write(Buffer.concat([Buffer.from("HTTP/1.1 500 A\r\n\r\n"), Buffer.alloc(200_000)])));
  t.match(flood.outcome, { kind: "refused", response: { bodyComplete: false } });
  if (flood.outcome?.kind === "refused") t.equal(flood.outcome.response.body.length, 16384);
});

t.test("an informational response is passed over, and a flood of them is not", async (t) => {
  const { outcome } = await ask(async (socket) => {
    const head = await readRequestHead(socket);
    socket.write(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${acceptResponse(head)}`);
  });
  t.match(outcome, { kind: "accepted", response: { status: 101 } });
  if (outcome?.kind === "accepted") await outcome.connection.ended;
  const { error } = await ask((socket) => void socket.write("HTTP/1.1 100 A\r\n\r\n".repeat(50)));
  t.match(error, { code: "TOO_MANY_INTERIM_RESPONSES", atByte: 8 * 18 });
});

t.test("an answer that is no right answer names what was expected, what came, and where", async (t) => {
  const answers: readonly (readonly [bytes: string, code: string, atByte: number])[] = [
    ["220 mail.example ESMTP\r\n", "NOT_HTTP", 0],
    ["\x15\x03\x01\x00\x02\x02", "NOT_HTTP", 0],
    ["HTTP/1.1 banana\r\n\r\n", "BAD_STATUS_LINE", 0],
    ["HTTP/1.1 101 A\r\nbroken\r\n\r\n", "BAD_HEADER_FIELD", 16],
    ["HTTP/1.1 101 A\r\n\r\n", "BAD_UPGRADE_HEADER", 0],
    ["HTTP/1.1 101 A\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n", "BAD_ACCEPT_KEY", 57],
    [`HTTP/1.1 101 A\r\n${"X: y\r\n".repeat(5000)}`, "RESPONSE_HEAD_TOO_LONG", 16384],
  ];
  for (const [bytes, code, atByte] of answers) {
    const { error } = await ask((socket) => void socket.write(bytes, "latin1"));
    t.match(error, { code, atByte }, code);
  }
});

t.test("a server that ends, resets or says nothing is told apart", async (t) => {
  const fin = await ask((socket) => void socket.end("HTTP/1.1 10"));
  t.match(fin.error, { code: "CLOSED_BEFORE_RESPONSE", actual: "FIN after 11 bytes of it", atByte: 11 });
  const rst = await ask(async (socket) => {
    await readRequestHead(socket);
    socket.resetAndDestroy();
  });
  t.match(rst.error, { code: "CLOSED_BEFORE_RESPONSE", actual: "ECONNRESET after 0 bytes of it", atByte: 0 });
  const silence = await ask(() => {}, { timeoutMs: 30 });
  t.match(silence.error, { code: "RESPONSE_TIMEOUT", actual: "0 bytes of it" });
  const stalled = await ask((socket) => void socket.write("HTTP/1.1 101 A\r\n"), { timeoutMs: 30 });
  t.match(stalled.error, { code: "RESPONSE_TIMEOUT", actual: "16 bytes of it", atByte: 16 });
});

t.test("nobody listening is a refused connection, and an abort ends the wait", async (t) => {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  await t.rejects(upgrade({ host: "127.0.0.1", port, path: "/", timeoutMs: 5000 }), { code: "CONNECT_FAILED", atByte: -1 });
  const controller = new AbortController();
  const { error } = await ask(() => controller.abort(), { signal: controller.signal });
  t.match(error, { code: /ABORTED/ });
  const early = await ask(() => {}, { signal: AbortSignal.abort() });
  t.match(early.error, { code: /ABORTED/ });
});

t.test("the request is what was asked for, byte for byte", async (t) => {
  const heads: string[] = [];
  const record = async (socket: Socket): Promise<void> => {
    heads.push(await readRequestHead(socket));
    socket.end("HTTP/1.1 400 No\r\n\r\n");
  };
  await ask(record, {
    path: "/x?y",
    headers: [
      ["Sec-WebSocket-Version", "8"],
      ["Authorization", "t"],
    ],
    key: "short",
    hostHeader: "example:1",
  });
  t.equal(
    heads[0],
    "GET /x?y HTTP/1.1\r\nHost: example:1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: short\r\nSec-WebSocket-Version: 8\r\nAuthorization: t\r\n\r\n",
  );
  await ask(record, { rawRequest: "GET / HTTP/1.1\r\nno: key\r\n\r\n" });
  t.equal(heads[1], "GET / HTTP/1.1\r\nno: key\r\n\r\n");
  await ask(record);
  t.match(heads[2], /\r\nHost: 127\.0\.0\.1:[0-9]+\r\n(.*\r\n)*Sec-WebSocket-Key: [A-Za-z0-9+/]{22}==\r\n/);
});

t.test("a raw request's own key is what the answer must fit; nothing is asked of one without a key", async (t) => {
  const accept = async (socket: Socket): Promise<void> => void socket.write(acceptResponse(await readRequestHead(socket)));
  for (const key of ["Sec-WebSocket-Key: odd\r\n", ""]) {
    const { outcome } = await ask(accept, { rawRequest: Buffer.from(`GET / HTTP/1.1\r\n${key}\r\n`) });
    t.equal(outcome?.kind, "accepted");
    if (outcome?.kind === "accepted") await outcome.connection.ended;
  }
});

t.test("over TLS a message goes both ways; a wrong certificate or version is a TLS failure", async (t) => {
  const pem = await generate([{ name: "commonName", value: "localhost" }], {
    keySize: 2048,
    extensions: [{ name: "subjectAltName", altNames: [{ type: 2, value: "localhost" }] }],
  });
  const server = createTlsServer({ key: pem.private, cert: pem.cert, minVersion: "TLSv1.3" }, (socket) => {
    socket.on("error", () => {});
    void (async () => {
      const head = await readRequestHead(socket);
      // One text frame of 5 bytes, one empty Close frame.
      socket.end(Buffer.concat([Buffer.from(acceptResponse(head)), Buffer.from("\x81\x05hello\x88\x00", "latin1")]));
      socket.resume();
    })();
  });
  server.on("tlsClientError", () => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const options = { host: "127.0.0.1", port: (server.address() as AddressInfo).port, path: "/", timeoutMs: 5000 };
  const outcome = await upgrade({ ...options, tls: { ca: pem.cert, servername: "localhost" } });
  if (outcome.kind !== "accepted") throw new Error("refused");
  const events: string[] = [];
  outcome.connection.onEvent = (event) => events.push(event.kind === "message" ? Buffer.from(event.bytes).toString() : event.kind);
  const end = await outcome.connection.ended;
  t.strictSame(events, ["hello", "close", "fin"]);
  t.match(end, { tcp: "fin", closeReceived: { code: undefined }, cleanClose: true });
  const insecure = await upgrade({ ...options, tls: { rejectUnauthorized: false, ca: undefined } });
  if (insecure.kind !== "accepted") throw new Error("refused");
  insecure.connection.destroy();
  t.match(await insecure.connection.ended, { tcp: "local" });
  await t.rejects(upgrade({ ...options, tls: { rejectUnauthorized: undefined } }), { code: "TLS_FAILED" }, "unknown authority");
  await t.rejects(upgrade({ ...options, tls: { ca: pem.cert, servername: "other" } }), { code: "TLS_FAILED" }, "another name");
  await t.rejects(upgrade({ ...options, tls: { ca: pem.cert, servername: "localhost", maxVersion: "TLSv1.2" } }), { code: "TLS_FAILED" }, "too old a version");
  await t.rejects(upgrade(options), { code: "CLOSED_BEFORE_RESPONSE" }, "plain text");
  server.close();
  await once(server, "close");
  const { error } = await ask((socket) => void socket.once("data", () => socket.end("HTTP/1.1 400 No\r\n\r\n")), { tls: {} });
  t.match(error, { code: "TLS_FAILED" }, "a server without TLS");
});
