import t, { type Test } from "tap";

import { startReferenceServer, type ReferenceServer, type ReferenceServerOptions } from "../../src/reference/server.js";
import { WebSocketClient } from "./clients.js";

async function start(t: Test, options: ReferenceServerOptions = {}): Promise<ReferenceServer> {
  const server = await startReferenceServer({ rate: 0, ...options });
  t.teardown(() => server.kill());
  return server;
}

const post = (server: ReferenceServer, body: string | Buffer): Promise<Response> => fetch(`${server.urls.http}/logs`, { method: "POST", body });

t.test("a batch gets contiguous sequences, answered once they are in the log", async (t) => {
  const server = await start(t);
  const client = await new WebSocketClient(server).opened();
  t.teardown(() => client.close());
  client.send({ contains: "token" });
  client.socket.ping();
  await new Promise((resolve) => client.socket.once("pong", resolve));
  const entry = { level: "warn", source: "delta", message: "token ünïcödé \ud800 \u2028 😀", colour: "red" };
  const first = await post(server, JSON.stringify([entry, entry]));
  t.equal(first.status, 202);
  t.strictSame(await first.json(), { first: 1, last: 2 });
  t.strictSame(await (await post(server, JSON.stringify([entry]))).json(), { first: 3, last: 3 });
  await client.changed.until(() => client.entries.length === 3, "the entries");
  t.strictSame(
    client.entries.map((seen) => seen.sequence),
    [1, 2, 3],
  );
  t.match(client.entries[0], { level: "warn", source: "delta", message: "token ünïcödé \ufffd \u2028 😀" });
  t.match(client.entries[0]?.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
});

t.test("what is no batch gets 400, and writes nothing", async (t) => {
  const server = await start(t);
  const good = { level: "info", source: "a", message: "b" };
  const bodies = ["", "{", "{}", "[]", "null", "[1]", JSON.stringify([good, { ...good, level: "loud" }]), '[{"level":"info","source":"a"}]'];
  for (const body of [...bodies, Buffer.from([0x5b, 0x22, 0xff, 0x22, 0x5d])]) t.equal((await post(server, body)).status, 400);
  t.strictSame(await (await post(server, JSON.stringify([good]))).json(), { first: 1, last: 1 });
});

t.test("a body over the limit gets 413", async (t) => {
  const server = await start(t, { limits: { batchBytes: 1000 } });
  t.equal((await post(server, " ".repeat(1001))).status, 413);
});

t.test("the probe counts streams from the upgrade on, as JSON and as Prometheus text", async (t) => {
  const server = await start(t);
  const client = await new WebSocketClient(server).opened();
  t.teardown(() => client.close());
  const stats = (await (await fetch(`${server.urls.http}/stats`)).json()) as Record<string, number>;
  t.equal(stats["open_streams"], 1);
  t.ok((stats["rss_bytes"] ?? 0) > 1_000_000);
  const metrics = await (await fetch(`${server.urls.http}/metrics`)).text();
  t.match(metrics, /^logger_open_streams 1$/m);
  t.match(metrics, /^process_resident_memory_bytes \d{7,}$/m);
});

t.test("other methods get 405 and other paths 404", async (t) => {
  const server = await start(t);
  t.equal((await fetch(`${server.urls.http}/logs`)).status, 405);
  t.equal((await fetch(`${server.urls.http}/stats`, { method: "POST" })).status, 405);
  t.equal((await fetch(`${server.urls.http}/nothing`)).status, 404);
});
