import t, { type Test } from "tap";

import type { PlantedOptions } from "../../src/reference/planted.js";
import { startReferenceServer, type ReferenceServer, type ReferenceServerOptions } from "../../src/reference/server.js";
import type { Client, SeenEntry } from "./clients.js";
import { eventually, openers } from "./clients.js";

async function start(t: Test, planted: PlantedOptions, options: ReferenceServerOptions = {}): Promise<ReferenceServer> {
  const server = await startReferenceServer({ ...options, planted });
  t.teardown(() => server.kill());
  return server;
}

for (const transport of ["grpc", "websocket"] as const) {
  const open = async (t: Test, server: ReferenceServer): Promise<Client> => {
    const client = await openers[transport](server);
    t.teardown(() => client.close());
    return client;
  };
  const received = (client: Client, count: number): Promise<void> => client.changed.until(() => client.entries.length >= count, `${count} entries`);

  t.test(`${transport}: losses, duplicates and reorders are as many as the record says`, async (t) => {
    const server = await start(t, { loseEvery: 10, duplicateEvery: 7, reorderEvery: 13 });
    const client = await open(t, server);
    client.send({});
    await received(client, 400);
    client.end();
    await client.ended();
    const { total, streams } = server.planted();
    t.equal(total.sent, client.entries.length);
    t.match(streams, [{ transport, sent: total.sent }]);
    const sequences = client.entries.map((entry) => entry.sequence);
    const once = new Set(sequences);
    t.equal(sequences.length - once.size, total.duplicated);
    const span = Math.max(...sequences) - Math.min(...sequences) + 1;
    t.ok(Math.abs(span - once.size - total.lost) <= 1, "the last one lost or held may lie outside");
    t.equal(sequences.filter((sequence, index) => sequence < (sequences[index - 1] ?? 0)).length, total.reordered);
    t.ok(total.lost > 30 && total.duplicated > 40 && total.reordered > 20);
  });

  t.test(`${transport}: each update is followed by the planted stale entries, before and after it takes effect`, async (t) => {
    const server = await start(t, { staleInFlight: 3, staleHard: 2 });
    const client = await open(t, server);
    client.send({ sources: ["alpha"] });
    await received(client, 3);
    const sent = server.planted().total.sent;
    client.send({ sources: ["beta"] });
    await client.changed.until(() => client.entries.filter((entry) => entry.source === "beta").length > 10, "beta");
    const { total } = server.planted();
    t.match(total, { staleInFlight: 3, staleHard: 2 });
    const firstNew = client.entries.findIndex((entry) => entry.source === "beta");
    t.equal(client.entries.slice(firstNew).filter((entry) => entry.source === "alpha").length, 2);
    t.ok(firstNew >= sent + 3);
    const sequences = client.entries.map((entry) => entry.sequence);
    t.strictSame(
      sequences,
      [...sequences].sort((a, b) => a - b),
      "stale entries keep the order of the log",
    );
  });

  t.test(`${transport}: a filter takes effect the planted delay after it arrived, by the server's own record and by the entries`, async (t) => {
    const server = await start(t, { applyDelayMs: 40, slowStartMs: 60 });
    const client = await open(t, server);
    for (const source of ["alpha", "beta"]) {
      client.send({ sources: [source] });
      await client.seen((entry) => entry.source === source);
    }
    const [stream] = server.planted().streams;
    const delays = stream?.applied.map((filter) => filter.appliedMicros - filter.receivedMicros) ?? [];
    t.equal(delays.length, 2);
    t.ok((delays[0] ?? 0) >= 99_900 && (delays[1] ?? 0) >= 39_900);
    // A client may have an entry before the server hears that it has left.
    await eventually(() => server.planted().streams[0]?.applied.every(({ shownMicros }) => shownMicros !== undefined) === true, "the entries have left");
    t.ok(server.planted().streams[0]?.applied.every(({ appliedMicros, shownMicros = 0 }) => shownMicros >= appliedMicros - 100));
    const written = (entry: SeenEntry): number => Date.parse(entry.time);
    const firstOf = (source: string): SeenEntry | undefined => client.entries.find((entry) => entry.source === source);
    for (const [index, source] of ["alpha", "beta"].entries()) {
      const entry = firstOf(source);
      const appliedMs = (stream?.applied[index]?.receivedMicros ?? 0) / 1000 + (index === 0 ? 100 : 40);
      t.ok(entry !== undefined && written(entry) >= appliedMs - 3, "entries written before are not sent");
    }
  });

  t.test(`${transport}: during a stall nothing is sent, and afterwards nothing is missing`, async (t) => {
    const server = await start(t, { stallEveryMs: 60, stallForMs: 40 });
    const client = await open(t, server);
    client.send({});
    await received(client, 400);
    const sequences = client.entries.map((entry) => entry.sequence);
    t.strictSame(
      sequences,
      sequences.map((_, index) => (sequences[0] ?? 0) + index),
    );
    client.end();
    await client.ended();
  });

  t.test(`${transport}: the first entries of a stream come together where a backlog is planted`, async (t) => {
    const server = await start(t, { backlog: 50 });
    const client = await open(t, server);
    client.send({});
    await received(client, 60);
    const sequences = client.entries.map((entry) => entry.sequence);
    t.strictSame(
      sequences,
      sequences.map((_, index) => (sequences[0] ?? 0) + index),
    );
    const lastHeld = Date.parse(client.entries[49]?.time ?? "");
    t.ok(lastHeld - Date.parse(client.entries[0]?.time ?? "") >= 40);
  });

  t.test(`${transport}: a ceiling on entries makes a stream wait in its own buffer, in order`, async (t) => {
    const server = await start(t, { maxEntriesPerSecond: 2000 }, { rate: 0 });
    const client = await open(t, server);
    client.send({});
    await eventually(() => server.append([{ level: "info", source: "alpha", message: "hello" }]).first > 0 && client.entries.length > 0, "the first entry");
    const batch = Array.from({ length: 400 }, (_, index) => ({ level: "info" as const, source: "alpha", message: `${index}` }));
    const startMs = performance.now();
    const { last } = server.append(batch);
    await client.seen((entry) => entry.sequence === last);
    t.ok(performance.now() - startMs >= 180, "400 entries take 200 ms, less a burst of 10 ms");
    const sequences = client.entries.slice(-400).map((entry) => entry.sequence);
    t.strictSame(
      sequences,
      sequences.map((_, index) => last - 399 + index),
    );
  });

  t.test(`${transport}: a ceiling on updates makes them wait, in order`, async (t) => {
    const server = await start(t, { maxUpdatesPerSecond: 200 });
    const client = await open(t, server);
    for (let n = 0; n < 20; n++) client.send({ sources: ["alpha"] });
    client.send({ sources: ["beta"] });
    await client.seen((entry) => entry.source === "beta");
    const applied = server.planted().streams[0]?.applied ?? [];
    t.equal(applied.length, 21);
    t.ok((applied[20]?.appliedMicros ?? 0) - (applied[0]?.appliedMicros ?? 0) >= 80_000);
  });
}

t.test("where nothing is planted nothing is counted", async (t) => {
  const server = await startReferenceServer();
  t.teardown(() => server.kill());
  t.strictSame(server.planted(), { total: { sent: 0, lost: 0, duplicated: 0, reordered: 0, staleInFlight: 0, staleHard: 0 }, streams: [] });
});
