import { gzipSync } from "node:zlib";
import t, { type Test } from "tap";

import { startReferenceServer, type ReferenceServer, type ReferenceServerOptions } from "../../src/reference/server.js";
import { callHeaders, encodeFilter, eventually, framed, GrpcClient, http2Frame, http2Frames, rawHttp2, type GrpcOptions, type SeenFrame } from "./clients.js";

async function start(t: Test, options: ReferenceServerOptions = {}): Promise<ReferenceServer> {
  const server = await startReferenceServer(options);
  t.teardown(() => server.kill());
  return server;
}

function call(t: Test, server: ReferenceServer, options: GrpcOptions = {}): GrpcClient {
  const client = new GrpcClient(server, options);
  t.teardown(() => client.close());
  return client;
}

t.test("headers come before the first entry, and a half-close ends the call with OK in the trailers", async (t) => {
  const server = await start(t);
  const client = call(t, server);
  await client.changed.until(() => client.headers !== undefined, "the headers");
  t.match(client.headers, { ":status": 200, "content-type": "application/grpc" });
  t.equal(client.entries.length, 0);
  client.end();
  await client.ended();
  t.equal(client.trailers?.["grpc-status"], "0");
  t.equal(client.trailers?.["grpc-message"], undefined);
  t.equal(client.stream.rstCode, 0);
  await eventually(() => server.stats().openStreams === 0, "the release");
});

const refusals: readonly { readonly title: string; readonly headers: Record<string, string>; readonly status: string }[] = [
  { title: "an unknown method", headers: { ":path": "/logger.Logger/Watch" }, status: "12" },
  { title: "an unknown service", headers: { ":path": "/nothing" }, status: "12" },
  { title: "an unknown encoding", headers: { "grpc-encoding": "snappy" }, status: "12" },
  { title: "a timeout without a known unit", headers: { "grpc-timeout": "1x" }, status: "13" },
  { title: "a timeout of nine digits", headers: { "grpc-timeout": "123456789n" }, status: "13" },
];
for (const { title, headers, status } of refusals) {
  t.test(`${title} is refused by a response of headers alone, and the client is told to stop`, async (t) => {
    const client = call(t, await start(t), { headers });
    await client.ended();
    t.match(client.headers, { ":status": 200, "content-type": "application/grpc", "grpc-status": status });
    t.equal(client.trailers, undefined);
    t.equal(client.stream.rstCode, 0);
  });
}

t.test("an encoding that is not supported is answered with those that are", async (t) => {
  const client = call(t, await start(t), { headers: { "grpc-encoding": "snappy" } });
  await client.ended();
  t.equal(client.headers?.["grpc-accept-encoding"], "identity,gzip");
});

t.test("a request that is not gRPC gets an HTTP status", async (t) => {
  const server = await start(t);
  const wrongType = call(t, server, { headers: { "content-type": "application/json" } });
  const get = call(t, server, { headers: { ":method": "GET" } });
  const likely = call(t, server, { headers: { "content-type": "application/grpc+proto" } });
  await wrongType.ended();
  await get.ended();
  t.equal(wrongType.headers?.[":status"], 415);
  t.equal(get.headers?.[":status"], 405);
  likely.end();
  await likely.ended();
  t.equal(likely.status, "0");
});

const endsByMessage: readonly { readonly title: string; readonly bytes: Buffer; readonly end?: boolean; readonly status: string }[] = [
  { title: "an unknown level", bytes: framed(encodeFilter({ min_level: "shouting" })), status: "3" },
  { title: "an empty level", bytes: framed(encodeFilter({ min_level: "" })), status: "3" },
  { title: "a contains of 257 bytes", bytes: framed(encodeFilter({ contains: "ä".repeat(128) + "x" })), status: "3" },
  { title: "bytes that are no protobuf", bytes: framed(Buffer.from([0x0a, 0xff])), status: "13" },
  { title: "a compressed flag without an encoding", bytes: framed(gzipSync(Buffer.alloc(0)), 1), status: "13" },
  { title: "a flag that does not exist", bytes: framed(Buffer.alloc(0), 2), status: "13" },
  { title: "a truncated message and END_STREAM", bytes: framed(encodeFilter({ contains: "x" })).subarray(0, 6), end: true, status: "13" },
  { title: "a truncated prefix and END_STREAM", bytes: Buffer.alloc(3), end: true, status: "13" },
  { title: "a message of 65,537 bytes", bytes: framed(Buffer.alloc(65_537)).subarray(0, 5), status: "8" },
];
for (const { title, bytes, end, status } of endsByMessage) {
  t.test(`${title} ends the call with ${status}`, async (t) => {
    const server = await start(t);
    const client = call(t, server);
    client.stream.write(bytes);
    if (end === true) client.end();
    await client.ended();
    t.equal(client.status, status);
    t.not(client.statusMessage, "");
    await eventually(() => server.stats().openStreams === 0, "the release");
  });
}

t.test("a message of 65,536 bytes is taken: unknown fields count, and are skipped", async (t) => {
  const client = call(t, await start(t));
  const unknown = Buffer.concat([Buffer.from([0x7a, 0xfc, 0xff, 0x03]), Buffer.alloc(65_532)]);
  t.equal(unknown.length, 65_536);
  client.stream.write(framed(unknown));
  await client.seen(() => true);
});

t.test("messages may be split and joined anywhere, and compressed where the call says so", async (t) => {
  const client = call(t, await start(t), { headers: { "grpc-encoding": "gzip" } });
  const bytes = Buffer.concat([
    framed(encodeFilter({ sources: ["alpha"] })),
    framed(gzipSync(encodeFilter({ sources: ["beta"] })), 1),
    framed(encodeFilter({ sources: ["gamma"], min_level: "warn" })),
  ]);
  for (const byte of bytes) client.stream.write(Buffer.from([byte]));
  await client.seen((entry) => entry.source === "gamma");
  const after = client.entries.slice(client.entries.findIndex((entry) => entry.source === "gamma"));
  t.ok(after.every((entry) => entry.source === "gamma" && ["warn", "error"].includes(entry.level)));
});

t.test("a compressed message that grows beyond the limit ends the call with 8", async (t) => {
  const client = call(t, await start(t), { headers: { "grpc-encoding": "gzip" } });
  client.stream.write(framed(gzipSync(Buffer.alloc(1 << 20)), 1));
  await client.ended();
  t.equal(client.status, "8");
});

t.test("the status message is percent-encoded UTF-8", async (t) => {
  const client = call(t, await start(t));
  client.send({ min_level: "schön 100%" });
  await client.ended();
  t.match(client.statusMessage, /^[\x20-\x7e]*$/);
  t.match(decodeURIComponent(client.statusMessage), /schön 100%/);
});

t.test("the server keeps the deadline itself, also while nothing matches, and not before it", async (t) => {
  const client = call(t, await start(t), { headers: { "grpc-timeout": "120m" } });
  client.send({ sources: ["no-such-source"] });
  const startMs = performance.now();
  await client.ended();
  t.ok(performance.now() - startMs >= 118);
  t.equal(client.status, "4");
});

t.test("a deadline ends a call whose reader takes nothing", async (t) => {
  const server = await start(t, { rate: 0 });
  const client = call(t, server, { headers: { "grpc-timeout": "100m" } });
  client.send({});
  await client.changed.until(() => client.headers !== undefined, "the headers");
  client.stream.pause();
  server.append(Array.from({ length: 200 }, () => ({ level: "info" as const, source: "alpha", message: "x".repeat(1000) })));
  await eventually(() => server.stats().openStreams === 0, "the release");
  client.stream.resume();
  await client.ended();
  t.ok(client.status === "4" || client.stream.rstCode === 8);
});

t.test("a timeout longer than any timer, and none, leave the call open", async (t) => {
  const server = await start(t);
  for (const headers of [{ "grpc-timeout": "99999999H" }, {}]) {
    const client = call(t, server, { headers });
    client.send({});
    await client.seen(() => true);
    client.end();
    await client.ended();
    t.equal(client.status, "0");
  }
});

t.test("a pure reset releases the call: before the first filter, idle, and under flow", async (t) => {
  const server = await start(t);
  for (const filter of [undefined, { sources: ["no-such-source"] }, {}]) {
    const abort = new AbortController();
    const client = call(t, server, { signal: abort.signal });
    await client.changed.until(() => client.headers !== undefined, "the headers");
    if (filter !== undefined) client.send(filter);
    if (filter !== undefined && !("sources" in filter)) await client.seen(() => true);
    t.equal(server.stats().openStreams, 1);
    abort.abort();
    await eventually(() => server.stats().openStreams === 0, "the release");
  }
});

t.test("a cancelled call leaves its sibling on the connection alone, and a lost connection releases both", async (t) => {
  const server = await start(t);
  const sibling = call(t, server);
  const abort = new AbortController();
  const client = call(t, server, { session: sibling.session, signal: abort.signal });
  sibling.send({});
  client.send({});
  await client.seen(() => true);
  abort.abort();
  await eventually(() => server.stats().openStreams === 1, "the release");
  const seen = sibling.entries.length;
  await sibling.changed.until(() => sibling.entries.length > seen, "more entries");
  sibling.session.destroy();
  await eventually(() => server.stats().openStreams === 0, "the release");
});

t.test("after an early end the call is reset with NO_ERROR, after a half-close it is not", async (t) => {
  const server = await start(t);
  for (const { message, flags, resets } of [
    { message: framed(encodeFilter({ min_level: "loud" })), flags: 0, resets: 1 },
    { message: framed(encodeFilter({})), flags: 1, resets: 0 },
  ]) {
    const raw = rawHttp2(server);
    t.teardown(() => raw.close());
    raw.write(Buffer.concat([http2Frame(1, 4, 1, callHeaders()), http2Frame(0, flags, 1, message)]));
    const ended = (): boolean => http2Frames(raw.received).some((frame) => frame.type === 1 && (frame.flags & 1) === 1);
    await raw.until(ended, "the trailers");
    const resetsSeen = (): SeenFrame[] => http2Frames(raw.received).filter((frame) => frame.type === 3);
    if (resets === 1) await raw.until(() => resetsSeen().length === 1, "the reset");
    // A ping is answered after what was sent before it.
    raw.write(http2Frame(6, 0, 0, Buffer.alloc(8)));
    await raw.until(() => http2Frames(raw.received).some((frame) => frame.type === 6), "the ping's answer");
    t.strictSame(
      resetsSeen().map((frame) => frame.payload.readUInt32BE(0)),
      resets === 1 ? [0] : [],
    );
  }
});

t.test("the limit of concurrent calls is advertised, and calls above it are refused", async (t) => {
  const server = await start(t, { limits: { maxConcurrentStreams: 2 } });
  const raw = rawHttp2(server);
  t.teardown(() => raw.close());
  const settings = (): Buffer | undefined => http2Frames(raw.received).find((frame) => frame.type === 4 && frame.flags === 0)?.payload;
  await raw.until(() => settings() !== undefined, "SETTINGS");
  t.match(settings()?.toString("hex"), /000300000002/);
  raw.write(Buffer.concat([1, 3, 5].map((id) => http2Frame(1, 4, id, callHeaders()))));
  const reset = (): number | undefined =>
    http2Frames(raw.received)
      .find((frame) => frame.type === 3 && frame.streamId === 5)
      ?.payload.readUInt32BE(0);
  await raw.until(() => reset() !== undefined, "the refusal");
  t.equal(reset(), 7);
  t.equal(server.stats().openStreams, 2);
});

t.test("binary metadata may be padded, unpadded and repeated", async (t) => {
  const client = call(t, await start(t), { headers: { "trace-bin": ["AAE=", "AAE", "AAECAw,BAU="] } });
  client.end();
  await client.ended();
  t.equal(client.status, "0");
});

t.test("many resets on one connection do not end it", async (t) => {
  const server = await start(t);
  const survivor = call(t, server);
  survivor.send({ sources: ["alpha"] });
  for (let round = 0; round < 18; round++) {
    const calls = Array.from({ length: 50 }, () => {
      const abort = new AbortController();
      return { abort, client: new GrpcClient(server, { session: survivor.session, signal: abort.signal }) };
    });
    await Promise.all(calls.map(({ client }) => client.changed.until(() => client.headers !== undefined, "the headers")));
    for (const { abort } of calls) abort.abort();
  }
  await eventually(() => server.stats().openStreams === 1, "the release");
  const seen = survivor.entries.length;
  await survivor.changed.until(() => survivor.entries.length > seen, "more entries");
  t.notOk(survivor.closed);
});
