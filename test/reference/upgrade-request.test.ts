import t, { type Test } from "tap";

import { startReferenceServer, type ReferenceServer, type ReferenceServerOptions } from "../../src/reference/server.js";
import { GrpcClient, handshake, RawClient, WebSocketClient } from "./clients.js";

async function start(t: Test, options: ReferenceServerOptions = {}): Promise<ReferenceServer> {
  const server = await startReferenceServer(options);
  t.teardown(() => server.kill());
  return server;
}

async function answerTo(t: Test, server: ReferenceServer, request: string): Promise<string> {
  const raw = new RawClient(server.httpPort);
  t.teardown(() => raw.close());
  raw.write(request);
  await raw.until(() => raw.text.includes("\r\n\r\n"), "an answer");
  return raw.text;
}

t.test("the tokens of Connection and Upgrade are read in any case and company", async (t) => {
  const server = await start(t);
  for (const headers of [{ Connection: "keep-alive, Upgrade" }, { Connection: "UPGRADE", Upgrade: "WebSocket" }, { Connection: "upgrade,keep-alive" }]) {
    const answer = await answerTo(t, server, handshake(headers));
    t.match(answer, /^HTTP\/1\.1 101 /);
    t.match(answer, /sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/i);
  }
});

t.test("any version but 13 gets 426 and the version that is spoken", async (t) => {
  const server = await start(t);
  for (const version of ["8", "12", "14", "thirteen", undefined]) {
    const answer = await answerTo(t, server, handshake({ "Sec-WebSocket-Version": version }));
    t.match(answer, /^HTTP\/1\.1 426 /);
    t.match(answer, /sec-websocket-version: 13\r\n/i);
  }
});

t.test("a key that is not 16 bytes in base64 gets 400", async (t) => {
  const server = await start(t);
  for (const key of [undefined, "", "AAAA", "not base64 at all, no!!!", "AAAAAAAAAAAAAAAAAAAAAAAAAAAA"]) {
    t.match(await answerTo(t, server, handshake({ "Sec-WebSocket-Key": key })), /^HTTP\/1\.1 400 /);
  }
});

t.test("a plain GET of the monitor gets 426, another path 404, another upgrade 426", async (t) => {
  const server = await start(t);
  t.match(await answerTo(t, server, "GET /logs/monitor HTTP/1.1\r\nHost: x\r\n\r\n"), /^HTTP\/1\.1 426 /);
  t.match(await answerTo(t, server, handshake({}, "/logs/monitors")), /^HTTP\/1\.1 404 /);
  t.match(await answerTo(t, server, handshake({}, "/")), /^HTTP\/1\.1 404 /);
  t.match(await answerTo(t, server, handshake({}, "/logs/monitor?since=1")), /^HTTP\/1\.1 101 /);
  t.match(await answerTo(t, server, handshake({ Upgrade: "h2c" })), /^HTTP\/1\.1 426 /);
});

t.test("neither a subprotocol nor an extension is invented or selected", async (t) => {
  const server = await start(t);
  const offer = { "Sec-WebSocket-Protocol": "foo, bar", "Sec-WebSocket-Extensions": "permessage-deflate" };
  const answer = await answerTo(t, server, handshake(offer));
  t.match(answer, /^HTTP\/1\.1 101 /);
  t.notMatch(answer, /sec-websocket-(protocol|extensions)/i);
});

t.test("the upgrade does not wait for an entry", async (t) => {
  const server = await start(t, { rate: 0 });
  t.match(await answerTo(t, server, handshake()), /^HTTP\/1\.1 101 /);
  t.equal(server.stats().openStreams, 1);
});

t.test("without the bearer token there is no stream: 401 before the upgrade, and UNAUTHENTICATED", async (t) => {
  const server = await start(t, { token: "secret" });
  t.match(await answerTo(t, server, handshake()), /^HTTP\/1\.1 401 /);
  t.match(await answerTo(t, server, handshake({ Authorization: "Bearer wrong" })), /^HTTP\/1\.1 401 /);
  const refused = new GrpcClient(server);
  t.teardown(() => refused.close());
  await refused.ended();
  t.equal(refused.headers?.["grpc-status"], "16");
  t.equal(server.stats().openStreams, 0);

  const grpc = new GrpcClient(server, { headers: { authorization: "Bearer secret" } });
  const webSocket = new WebSocketClient(server, { headers: { authorization: "Bearer secret" } });
  t.teardown(() => grpc.close());
  t.teardown(() => webSocket.close());
  await webSocket.opened();
  grpc.send({});
  webSocket.send({});
  await grpc.seen(() => true);
  await webSocket.seen(() => true);
});

t.test("an origin that is not allowed gets 403; one that is, and none, are upgraded", async (t) => {
  const server = await start(t, { allowedOrigins: ["https://good.example"] });
  t.match(await answerTo(t, server, handshake({ Origin: "https://evil.example" })), /^HTTP\/1\.1 403 /);
  t.match(await answerTo(t, server, handshake({ Origin: "https://good.example" })), /^HTTP\/1\.1 101 /);
  t.match(await answerTo(t, server, handshake()), /^HTTP\/1\.1 101 /);
});
