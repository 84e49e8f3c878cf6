import { constants } from "node:http2";
import { connect } from "node:tls";
import { generate } from "selfsigned";
import t, { type Test } from "tap";

import type { FaultName } from "../../src/reference/faults.js";
import { startReferenceServer, type ReferenceServer, type ReferenceServerOptions } from "../../src/reference/server.js";
import { eventually, GrpcClient, WebSocketClient } from "./clients.js";

async function start(t: Test, fault: FaultName, options: ReferenceServerOptions = {}): Promise<ReferenceServer> {
  const server = await startReferenceServer({ ...options, faults: [fault] });
  t.teardown(() => server.kill());
  return server;
}

/** The protocol that a TLS handshake agrees on, or the error that it ends with. */
function shake(port: number, options: { readonly maxVersion?: "TLSv1.1"; readonly ALPNProtocols?: string[] }): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ciphers: "DEFAULT@SECLEVEL=0", minVersion: "TLSv1", ...options }, () => {
      resolve(`${socket.getProtocol() ?? ""} ${String(socket.alpnProtocol)}`);
      socket.destroy();
    });
    socket.once("error", (error) => resolve(`error ${error.message}`));
  });
}

t.test("TLS: 1.2 at least and h2 by ALPN, but for the faults", async (t) => {
  const pem = await generate([{ name: "commonName", value: "localhost" }], { keySize: 2048 });
  const tls = { cert: pem.cert, key: pem.private };
  const right = await startReferenceServer({ tls });
  t.teardown(() => right.kill());
  t.match(await shake(right.grpcPort, { maxVersion: "TLSv1.1" }), /^error/);
  t.match(await shake(right.grpcPort, { ALPNProtocols: ["h2"] }), /^TLSv1\.[23] h2$/);
  const old = await start(t, "tls-1.1-allowed", { tls });
  t.equal(await shake(old.grpcPort, { maxVersion: "TLSv1.1" }), "TLSv1.1 false");
  const silent = await start(t, "alpn-missing", { tls });
  t.match(await shake(silent.grpcPort, { ALPNProtocols: ["h2"] }), /^TLSv1\.[23] false$/);
});

t.test("a stop without goodbye drops streams without a status and without a Close frame", async (t) => {
  const server = await start(t, "stop-without-goodbye");
  const grpc = new GrpcClient(server);
  const webSocket = await new WebSocketClient(server).opened();
  grpc.send({});
  await grpc.seen(() => true);
  await server.stop();
  await grpc.ended();
  await webSocket.ended();
  t.equal(grpc.status, undefined);
  t.equal(webSocket.closeCode, 1006);
});

t.test("an entry goes out before a refusal for want of credentials", async (t) => {
  const server = await start(t, "entry-before-auth", { token: "secret" });
  const client = new GrpcClient(server);
  t.teardown(() => client.close());
  await client.ended();
  t.equal(client.entries.length, 1);
  t.equal(client.status, "16");
});

t.test("calls above the advertised limit get no answer", async (t) => {
  const server = await start(t, "calls-over-limit-swallowed", { limits: { maxConcurrentStreams: 100 } });
  const first = new GrpcClient(server);
  t.teardown(() => first.close());
  const calls = Array.from({ length: 99 }, () => new GrpcClient(server, { session: first.session }));
  for (const call of [first, ...calls]) await call.changed.until(() => call.headers !== undefined, "the headers");
  t.equal(first.session.remoteSettings.maxConcurrentStreams, 100);
  t.equal(server.stats().openStreams, 100);
});

t.test("DATA goes beyond the client's window", async (t) => {
  const server = await start(t, "window-ignored", { rate: 0 });
  const client = new GrpcClient(server);
  t.teardown(() => client.close());
  client.send({});
  await client.changed.until(() => client.headers !== undefined, "the headers");
  client.stream.pause();
  const batch = Array.from({ length: 100 }, () => ({ level: "info" as const, source: "alpha", message: "x".repeat(10_000) }));
  // Written again until the filter holds; node's client resets a stream that breaks its window.
  await eventually(() => {
    if (!client.closed) server.append(batch);
    return client.closed;
  }, "the reset");
  t.equal(client.stream.rstCode, constants.NGHTTP2_FLOW_CONTROL_ERROR);
});
