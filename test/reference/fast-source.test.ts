import { connect } from "node:http2";
import t, { type Test } from "tap";

import { startReferenceServer, type ReferenceServer } from "../../src/reference/server.js";
import { endOf, eventually, GrpcClient, openers, type Client, type SeenEntry } from "./clients.js";

async function start(t: Test): Promise<ReferenceServer> {
  const server = await startReferenceServer({ rate: "max" });
  t.teardown(() => server.kill());
  return server;
}

const gapless = (entries: readonly SeenEntry[]): boolean => entries.every((entry, index) => entry.sequence === (entries[0]?.sequence ?? 0) + index);

for (const transport of ["grpc", "websocket"] as const) {
  const open = async (t: Test, server: ReferenceServer): Promise<Client> => {
    const client = await openers[transport](server);
    t.teardown(() => client.close());
    return client;
  };

  t.test(`${transport}: from the first filter on matching entries come without a gap, and an update takes effect`, async (t) => {
    const server = await start(t);
    const client = await open(t, server);
    await eventually(() => server.stats().openStreams === 1, "the stream");
    t.equal(client.entries.length, 0);
    client.send({ sources: ["beta"], min_level: "warn", contains: 'needle "ü"' });
    await client.changed.until(() => client.entries.length > 3000, "entries");
    client.send({ sources: ["alpha"] });
    await client.seen((entry) => entry.source === "alpha");
    client.end();
    await client.ended();
    t.equal(endOf(client), transport === "grpc" ? "0" : "1000");
    t.equal(server.stats().openStreams, 0);
    t.ok(gapless(client.entries));
    const updated = client.entries.findIndex((entry) => entry.source === "alpha");
    const [before, after] = [client.entries.slice(0, updated), client.entries.slice(updated)];
    t.ok(before.every((entry) => entry.source === "beta" && ["warn", "error"].includes(entry.level) && entry.message.includes('needle "ü"')));
    t.ok(after.every((entry) => entry.source === "alpha"));
    t.match(client.entries[0]?.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    t.ok(Math.abs(Date.parse(client.entries[0]?.time ?? "") - Date.now()) < 60_000);
  });

  t.test(`${transport}: a filter that no entry of the source passes leaves the stream silent, and open`, async (t) => {
    const server = await start(t);
    const client = await open(t, server);
    const other = await open(t, server);
    client.send({ sources: ["no-such-source"] });
    other.send({});
    await other.changed.until(() => other.entries.length > 3000, "entries elsewhere");
    t.equal(client.entries.length, 0);
    client.end();
    await client.ended();
    t.equal(endOf(client), transport === "grpc" ? "0" : "1000");
  });

  t.test(`${transport}: a reader that pauses gets the rest when it resumes`, async (t) => {
    const server = await start(t);
    const client = await open(t, server);
    const other = await open(t, server);
    const stream = client instanceof GrpcClient ? client.stream : client.socket;
    client.send({});
    await client.seen(() => true);
    stream.pause();
    other.send({});
    await other.changed.until(() => other.entries.length > 5000, "entries elsewhere");
    const seen = client.entries.length;
    stream.resume();
    await client.changed.until(() => client.entries.length > seen + 5000, "more entries");
    t.ok(gapless(client.entries));
  });
}

t.test("grpc: the windows of a connection and of its calls are kept to, and calls share the connection", async (t) => {
  const server = await start(t);
  const session = connect(`http://127.0.0.1:${server.grpcPort}`, { settings: { initialWindowSize: 2000 } });
  t.teardown(() => session.destroy());
  const clients = [1, 2, 3].map(() => new GrpcClient(server, { session }));
  for (const client of clients) client.send({});
  for (const client of clients) await client.changed.until(() => client.entries.length > 2000, "entries");
  for (const client of clients) t.ok(gapless(client.entries));
  clients[0]?.end();
  await clients[0]?.ended();
  t.equal(clients[0]?.status, "0");
  const [, second] = clients;
  const seen = second?.entries.length ?? 0;
  await second?.changed.until(() => second.entries.length > seen + 1000, "more entries");
});

t.test("there is no producer beside the fast source", async (t) => {
  const server = await start(t);
  t.equal((await fetch(`${server.urls.http}/logs`, { method: "POST", body: "[]" })).status, 404);
});
