import { generate } from "selfsigned";
import t, { type Test } from "tap";

import { startReferenceServer, type ReferenceServer, type ReferenceServerOptions } from "../../src/reference/server.js";
import type { EntryInput } from "../../src/reference/log-entry.js";
import { endOf, eventually, GrpcClient, openers, rawHttp2, RawClient, WebSocketClient, type Client } from "./clients.js";

async function start(t: Test, options: ReferenceServerOptions = {}): Promise<ReferenceServer> {
  const server = await startReferenceServer(options);
  t.teardown(() => server.kill());
  return server;
}

const entry = (message: string, source = "alpha"): EntryInput => ({ level: "info", source, message });

for (const transport of ["grpc", "websocket"] as const) {
  const open = async (t: Test, server: ReferenceServer): Promise<Client> => {
    const client = await openers[transport](server);
    t.teardown(() => client.close());
    return client;
  };
  /** The stream's own answer to an update: the first entry of the source asked for. */
  const settled = async (client: Client, source: string): Promise<void> => {
    client.send({ sources: [source] });
    await client.seen((seen) => seen.source === source);
  };

  t.test(`${transport}: nothing comes before the first filter, and an empty one lets everything through without a gap`, async (t) => {
    const server = await start(t);
    const bystander = await open(t, server);
    const client = await open(t, server);
    bystander.send({});
    await bystander.changed.until(() => bystander.entries.length > 20, "entries elsewhere");
    t.equal(client.entries.length, 0);
    client.send({});
    await client.changed.until(() => client.entries.length > 50, "entries");
    const first = client.entries[0]?.sequence ?? 0;
    t.strictSame(
      client.entries.map((seen) => seen.sequence),
      client.entries.map((_, index) => first + index),
    );
    const kinds = new Set(client.entries.map((seen) => `${seen.source} ${seen.level}`));
    t.equal(kinds.size, 12);
    t.ok(client.entries.every((seen) => /^tick \d+$/.test(seen.message)));
  });

  t.test(`${transport}: a filter replaces the one before it whole, and no entry of the old one follows the first of the new one`, async (t) => {
    const server = await start(t);
    const client = await open(t, server);
    for (const source of ["alpha", "beta", "gamma"]) await settled(client, source);
    client.send({ min_level: "error" });
    await client.seen((seen) => seen.source !== "gamma" && seen.level === "error");
    const sources = client.entries.map((seen) => seen.source);
    const runs = sources.filter((source, index) => source !== sources[index - 1]);
    t.strictSame(runs.slice(0, 3), ["alpha", "beta", "gamma"]);
    const sequences = client.entries.map((seen) => seen.sequence);
    t.strictSame(
      sequences,
      [...new Set(sequences)].sort((a, b) => a - b),
    );
  });

  t.test(`${transport}: all constraints of a filter hold at once`, async (t) => {
    const server = await start(t);
    const client = await open(t, server);
    client.send({ sources: ["alpha", "beta"], min_level: "warn", contains: "7" });
    await client.changed.until(() => client.entries.length > 10, "entries");
    t.ok(client.entries.every((seen) => ["alpha", "beta"].includes(seen.source) && ["warn", "error"].includes(seen.level) && seen.message.includes("7")));
  });

  t.test(`${transport}: of a burst of filters the last one wins`, async (t) => {
    const server = await start(t);
    const client = await open(t, server);
    for (let n = 0; n < 999; n++) client.send({ sources: [n % 2 === 0 ? "alpha" : "beta"] });
    await settled(client, "gamma");
    const after = client.entries.slice(client.entries.findIndex((seen) => seen.source === "gamma"));
    t.ok(after.every((seen) => seen.source === "gamma"));
  });

  t.test(`${transport}: the end of the client ends the stream cleanly before any filter, idle and under flow`, async (t) => {
    const server = await start(t);
    for (const filter of [undefined, { sources: ["no-such-source"] }, {}]) {
      const client = await open(t, server);
      if (filter !== undefined) client.send(filter);
      if (filter !== undefined && !("sources" in filter)) await client.seen(() => true);
      client.end();
      await client.ended();
      t.equal(endOf(client), transport === "grpc" ? "0" : "1000");
      await eventually(() => server.stats().openStreams === 0, "the release");
    }
  });

  const pause = (client: Client): void => void (client instanceof GrpcClient ? client.stream : client.socket).pause();
  const resume = (client: Client): void => void (client instanceof GrpcClient ? client.stream : client.socket).resume();
  const big = (bytes: number, count: number, source = "alpha"): EntryInput[] => Array.from({ length: count }, () => entry("x".repeat(bytes), source));
  const opened = async (t: Test, server: ReferenceServer): Promise<Client> => {
    const client = await open(t, server);
    client.send({ sources: ["alpha"] });
    await eventually(() => server.append([entry("hello")]).first > 0 && client.entries.length > 0, "the first entry");
    return client;
  };

  t.test(`${transport}: a slow reader gets a gapless prefix and an error, holds no stream, and harms no other`, async (t) => {
    const server = await start(t, { rate: 0, limits: { sendBufferBytes: 1 << 20 } });
    const client = await opened(t, server);
    const other = await opened(t, server);
    pause(client);
    let rounds = 0;
    while (server.stats().openStreams === 2 && rounds++ < 400) {
      const { last } = server.append(big(50_000, 4));
      await other.seen((seen) => seen.sequence === last);
    }
    t.equal(server.stats().openStreams, 1);
    resume(client);
    await client.ended();
    t.equal(endOf(client), transport === "grpc" ? "8" : "1013");
    const first = client.entries[0]?.sequence ?? 0;
    t.strictSame(
      client.entries.map((seen) => seen.sequence),
      client.entries.map((_, index) => first + index),
    );
  });

  t.test(`${transport}: a reader that pauses and resumes loses nothing, and updates are read while sends are blocked`, async (t) => {
    const server = await start(t, { rate: 0, limits: { sendBufferBytes: 1 << 26 } });
    const client = await opened(t, server);
    pause(client);
    server.append(big(50_000, 400));
    client.send({ sources: ["beta"] });
    let marked = 0;
    await eventually(() => {
      marked = server.append([entry("old"), entry("new", "beta")]).last;
      return marked > 450;
    }, "the update");
    resume(client);
    await client.seen((seen) => seen.sequence === marked);
    const firstNew = client.entries.findIndex((seen) => seen.source === "beta");
    t.ok(client.entries.slice(firstNew).every((seen) => seen.source === "beta"));
    t.ok((client.entries[firstNew]?.sequence ?? marked) < marked);
    const sequences = client.entries.slice(0, firstNew).map((seen) => seen.sequence);
    const first = sequences[0] ?? 0;
    // Entries of the two sources alternate after the big ones: every alpha before the update is there.
    t.ok(sequences.every((sequence, index) => sequence === first + index || sequence === (sequences[index - 1] ?? 0) + 2));
  });

  t.test(`${transport}: the end is honoured after a blocked send`, async (t) => {
    const server = await start(t, { rate: 0, limits: { sendBufferBytes: 1 << 26 } });
    const client = await opened(t, server);
    pause(client);
    server.append(big(50_000, 400));
    client.end();
    await eventually(() => server.stats().openStreams === 0, "the release");
    resume(client);
    await client.ended();
    t.equal(endOf(client), transport === "grpc" ? "0" : "1000");
    const first = client.entries[0]?.sequence ?? 0;
    t.strictSame(
      client.entries.map((seen) => seen.sequence),
      client.entries.map((_, index) => first + index),
    );
  });

  t.test(`${transport}: a graceful stop ends live streams and frees the ports`, async (t) => {
    const server = await start(t);
    const client = await open(t, server);
    client.send({});
    await client.seen(() => true);
    await server.stop();
    await client.ended();
    t.equal(endOf(client), transport === "grpc" ? "14" : "1001");
    const raw = new RawClient(transport === "grpc" ? server.grpcPort : server.httpPort);
    await raw.until(() => raw.closed, "the refusal");
    t.equal(server.stats().openStreams, 0);
  });
}

t.test("a stop does not wait for clients that never answer", async (t) => {
  const server = await start(t);
  const silent = [new RawClient(server.grpcPort), new RawClient(server.httpPort), rawHttp2(server)];
  for (const client of silent) t.teardown(() => client.close());
  await Promise.all(silent.map((client) => new Promise((resolve) => client.socket.once("connect", resolve))));
  await server.stop({ graceMs: 50 });
  await Promise.all(silent.map((client) => client.until(() => client.closed || client.ended, "the end")));
});

t.test("a connection that says nothing whole is dropped", async (t) => {
  const server = await start(t, { limits: { handshakeTimeoutMs: 30 } });
  const silent = [new RawClient(server.grpcPort), new RawClient(server.httpPort), new RawClient(server.httpPort)];
  silent[2]?.write("GET /logs/monitor HTTP/1.1\r\nHost: x\r\n");
  const spoken = await new WebSocketClient(server).opened();
  t.teardown(() => spoken.close());
  for (const client of silent) {
    t.teardown(() => client.close());
    await client.until(() => client.ended || client.closed, "the end");
  }
  spoken.send({});
  await spoken.seen(() => true);
});

t.test("both ports speak TLS where a certificate is given", async (t) => {
  const pem = await generate([{ name: "commonName", value: "localhost" }], { keySize: 2048 });
  const server = await start(t, { tls: { cert: pem.cert, key: pem.private } });
  t.match(server.urls, { grpc: /^grpcs:/, websocket: /^wss:/, http: /^https:/ });
  const grpc = new GrpcClient(server);
  const webSocket = new WebSocketClient(server);
  t.teardown(() => grpc.close());
  t.teardown(() => webSocket.close());
  await webSocket.opened();
  grpc.send({ sources: ["alpha"] });
  webSocket.send({ sources: ["alpha"] });
  await grpc.seen(() => true);
  await webSocket.seen(() => true);
  grpc.end();
  webSocket.end();
  await grpc.ended();
  await webSocket.ended();
  t.equal(grpc.status, "0");
  t.equal(webSocket.closeCode, 1000);
  const silent = new RawClient(server.grpcPort);
  t.teardown(() => silent.close());
  await server.kill();
});

t.test("a port that is taken is an error, and leaves nothing open", async (t) => {
  const server = await start(t);
  await t.rejects(startReferenceServer({ httpPort: server.httpPort }), { code: "EADDRINUSE" });
});
