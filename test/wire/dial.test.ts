import { createSecureServer, createServer as createHttp2Server } from "node:http2";
import { createServer, type AddressInfo, type Server } from "node:net";
import { duplexPair } from "node:stream";
import { createServer as createTlsServer } from "node:tls";

import { generate } from "selfsigned";
import t, { type Test } from "tap";

import { connectHttp2 } from "../../src/wire/http2-connection.js";
import { startBytePeer } from "./byte-peer.js";

const BOUND = { connectTimeoutMs: 10_000 };
const certificate = await generate([{ name: "commonName", value: "localhost" }], {
  algorithm: "sha256",
  extensions: [
    {
      name: "subjectAltName",
      altNames: [
        { type: 2, value: "localhost" },
        { type: 7, ip: "127.0.0.1" },
      ],
    },
  ],
});

async function listen(test: Test, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  test.teardown(() => new Promise((resolve) => server.close(resolve)));
  return (server.address() as AddressInfo).port;
}

t.test("a port that nobody listens on is CONNECT_FAILED", async (t) => {
  const server = createServer();
  const port = await listen(t, server);
  await new Promise((resolve) => server.close(resolve));
  await t.rejects(connectHttp2({ host: "127.0.0.1", port, ...BOUND }), { code: "CONNECT_FAILED", atByte: -1 });
});

t.test("a server that accepts and stays silent is CONNECT_TIMEOUT, over TCP and TLS", async (t) => {
  const peer = await startBytePeer((socket) => void socket.resume());
  t.teardown(() => peer.close());
  await t.rejects(connectHttp2({ host: "127.0.0.1", port: peer.port, connectTimeoutMs: 50 }), { code: "CONNECT_TIMEOUT", actual: "0 bytes and then silence" });
  await t.rejects(connectHttp2({ host: "127.0.0.1", port: peer.port, connectTimeoutMs: 50, tls: {} }), { code: "CONNECT_TIMEOUT" });
});

t.test("an abort ends the dial, before it and in it", async (t) => {
  const peer = await startBytePeer((socket) => void socket.resume());
  t.teardown(() => peer.close());
  const options = { host: "127.0.0.1", port: peer.port, ...BOUND };
  await t.rejects(connectHttp2({ ...options, signal: AbortSignal.abort() }), { code: "CONNECT_ABORTED" });
  for (const tls of [undefined, {}]) {
    const controller = new AbortController();
    const dialling = connectHttp2({ ...options, ...(tls === undefined ? {} : { tls }), signal: controller.signal });
    setImmediate(() => controller.abort());
    await t.rejects(dialling, { code: "CONNECT_ABORTED" });
  }
});

t.test("an answer that is not HTTP/2 is NOT_HTTP2 and is shown, whatever MAX_FRAME_SIZE we allow", async (t) => {
  const answers = ["HTTP/1.1 400 Bad Request\r\n\r\n", "\x15\x03\x01\x00\x02\x02\x46", "SSH-2.0-OpenSSH_9.6\r\n"];
  for (const answer of answers) {
    const peer = await startBytePeer((socket) => void socket.end(Buffer.from(answer, "latin1")));
    const connecting = connectHttp2({ host: "127.0.0.1", port: peer.port, ...BOUND, settings: { MAX_FRAME_SIZE: 2 ** 24 - 1 } });
    await t.rejects(connecting, { code: "NOT_HTTP2", atByte: 0 });
    await peer.close();
  }
});

t.test("a first frame that is not SETTINGS is a PROTOCOL_ERROR, a close before it CONNECT_FAILED, a cut-off one TRUNCATED_FRAME", async (t) => {
  const cases = [
    ["0000080600000000000102030405060708", "PROTOCOL_ERROR"],
    ["000000040100000000", "PROTOCOL_ERROR"],
    ["", "CONNECT_FAILED"],
    ["0000060400", "TRUNCATED_FRAME"],
  ] as const;
  for (const [answer, code] of cases) {
    const peer = await startBytePeer((socket) => void socket.end(Buffer.from(answer, "hex")));
    await t.rejects(connectHttp2({ host: "127.0.0.1", port: peer.port, ...BOUND }), { code });
    await peer.close();
  }
});

t.test("with skipPeerSettings a silent server is connected to", async (t) => {
  const peer = await startBytePeer((socket) => void socket.resume().on("end", () => socket.end()));
  t.teardown(() => peer.close());
  const connection = await connectHttp2({ host: "127.0.0.1", port: peer.port, ...BOUND, skipPeerSettings: true });
  t.equal(connection.bytesReceived, 0);
  await connection.close();
});

t.test("over TLS the certificate is verified, h2 agreed on by ALPN, and a reset reaches the peer", async (t) => {
  const server = createSecureServer({ cert: certificate.cert, key: certificate.private });
  const codes: (string | undefined)[] = [];
  const closed: Promise<unknown>[] = [];
  server.on("secureConnection", (socket) => {
    socket.on("error", (error: NodeJS.ErrnoException) => codes.push(error.code));
    closed.push(new Promise((resolve) => socket.once("close", resolve)));
  });
  server.on("sessionError", () => {});
  const port = await listen(t, server);
  const options = { host: "127.0.0.1", port, ...BOUND };
  await t.rejects(connectHttp2({ ...options, tls: {} }), { code: "TLS_FAILED" }, "self-signed");
  await t.rejects(connectHttp2({ ...options, tls: { ca: certificate.cert, servername: "example.com" } }), { code: "TLS_FAILED" }, "another name");
  await t.rejects(
    connectHttp2({ ...options, tls: { ca: certificate.cert, maxVersion: "TLSv1.1", minVersion: "TLSv1" } }),
    { code: "TLS_FAILED" },
    "an old version",
  );
  const unverified = await connectHttp2({ ...options, tls: { rejectUnauthorized: false } });
  await unverified.close();
  const connection = await connectHttp2({ ...options, tls: { ca: certificate.cert } });
  t.equal(connection.secure, true);
  t.type(await connection.ping({ withinMs: 10_000 }), "number");
  connection.destroy();
  t.match(await connection.closed, { kind: "closed-locally" });
  await Promise.all(closed);
  t.same(codes, ["ECONNRESET"]);
});

t.test("a TLS server without h2 is ALPN_MISMATCH", async (t) => {
  const port = await listen(
    t,
    createTlsServer({ cert: certificate.cert, key: certificate.private }, (socket) => void socket.on("error", () => {})),
  );
  await t.rejects(connectHttp2({ host: "127.0.0.1", port, ...BOUND, tls: { ca: certificate.cert } }), { code: "ALPN_MISMATCH", actual: "none" });
});

t.test("TLS to a server that speaks plain HTTP/2, and the other way round, fails with a type", async (t) => {
  const plain = await listen(
    t,
    createHttp2Server().on("sessionError", () => {}),
  );
  await t.rejects(connectHttp2({ host: "127.0.0.1", port: plain, ...BOUND, tls: {} }), { code: "TLS_FAILED" });
  const secure = await listen(
    t,
    createTlsServer({ cert: certificate.cert, key: certificate.private }).on("tlsClientError", () => {}),
  );
  await t.rejects(connectHttp2({ host: "127.0.0.1", port: secure, ...BOUND }), { name: "WireError" });
});

t.test("an adopted stream carries a connection", async (t) => {
  const [ours, theirs] = duplexPair();
  theirs.once("data", () => theirs.write(Buffer.from("000000040000000000", "hex")));
  const connection = await connectHttp2({ host: "nowhere", port: 1, socket: ours, ...BOUND });
  t.equal(connection.authority, "nowhere:1");
  connection.destroy();
  t.match(await connection.closed, { kind: "closed-locally" });
});
