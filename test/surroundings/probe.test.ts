import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { addAdminServicesToServer, Client, credentials, Metadata, Server as GrpcServer, ServerCredentials, type ServerDuplexStream } from "@grpc/grpc-js";
import t, { type Test } from "tap";
import { loadContract } from "../../src/contract/load-contract.js";
import type { Contract, ProbeRule } from "../../src/core/contract.js";
import { startReferenceServer } from "../../src/reference/server.js";
import { createProbe } from "../../src/surroundings/probe.js";
import { startTarget } from "../../src/surroundings/start-target.js";
import { identity, rawMethod } from "./raw-method.js";

const contract = await loadContract("logger");

t.test("a JSON page is read by path", async (t) => {
  const server = await startReferenceServer({ rate: 0 });
  t.teardown(() => server.kill());
  const probe = createProbe(contract, { httpOrigin: server.urls.http });
  t.teardown(() => probe?.close());
  t.match(await probe?.read(), { openStreams: 0, rssBytes: Number });
  const origin = await page(t, '{"a":{"streams":3}}');
  t.same(await read({ kind: "http", path: "/", openStreams: "a.streams" }, origin), { openStreams: 3 });
  t.match(
    await read({ kind: "http", path: "/", openStreams: "a.b" }, origin),
    { kind: "unavailable", reason: /no number "a\.b"/ },
    "a missing value is not zero",
  );
  t.match(await read({ kind: "http", path: "/", openStreams: "x" }, await page(t, "<html>")), { kind: "unavailable", reason: /JSON/ });
  t.match(await read({ kind: "http", path: "/", openStreams: "x" }, await page(t, "", 404)), { kind: "unavailable", reason: /HTTP 404/ });
  t.match(await read({ kind: "http", path: "/", openStreams: "x" }, undefined), { kind: "unavailable", reason: /--http-url/ });
});

t.test("a gauge on a Prometheus page is summed over its label sets, or those that a selector names", async (t) => {
  const origin = await page(
    t,
    [
      "# HELP streams open",
      "# TYPE streams gauge",
      'streams{kind="ws",note="a \\"b\\" } 9"} 2',
      'streams{kind="grpc"} 5 1700000000000',
      "streams_total 99",
      "process_resident_memory_bytes 1.5e+07",
      "odd NaN",
    ].join("\n"),
  );
  t.same(await read({ kind: "prometheus", path: "/metrics", openStreams: "streams", rssBytes: "process_resident_memory_bytes" }, origin), {
    openStreams: 7,
    rssBytes: 15_000_000,
  });
  t.same(await read({ kind: "prometheus", path: "/metrics", openStreams: 'streams{kind="ws"}' }, origin), { openStreams: 2 });
  t.match(await read({ kind: "prometheus", path: "/metrics", openStreams: 'streams{kind="sse"}' }, origin), { kind: "unavailable" });
});

t.test("channelz tells the open streams of a gRPC server, its own call not counted", async (t) => {
  const server = new GrpcServer();
  server.addService(
    {
      Hold: rawMethod("/x.Y/Hold", true),
    },
    {
      Hold(call: ServerDuplexStream<Buffer, Buffer>) {
        call.sendMetadata(new Metadata());
        call.resume();
        call.on("end", () => call.end());
      },
    },
  );
  addAdminServicesToServer(server);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => (error === null ? resolve(bound) : reject(error))),
  );
  t.teardown(() => server.forceShutdown());
  const probe = createProbe(withProbe({ kind: "channelz" }), { grpc: { host: "127.0.0.1", port } });
  t.teardown(() => probe?.close());
  t.same(await probe?.read(), { openStreams: 0 });
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  t.teardown(() => client.close());
  const call = client.makeBidiStreamRequest("/x.Y/Hold", identity, identity);
  await new Promise((resolve) => call.once("metadata", resolve));
  t.same(await probe?.read(), { openStreams: 1 });
  const over = new Promise((resolve) => call.once("status", resolve));
  call.resume();
  call.end();
  await over;
  t.same(await probe?.read(), { openStreams: 0 });
});

t.test("a server without channelz makes the probe unavailable", async (t) => {
  const server = await startReferenceServer({ rate: 0 });
  t.teardown(() => server.kill());
  const probe = createProbe(withProbe({ kind: "channelz" }), { grpc: { host: "127.0.0.1", port: server.grpcPort } });
  t.match(await probe?.read(), { kind: "unavailable", reason: /channelz/i });
  await probe?.close();
});

t.test("a process group tells its memory, CPU, threads and open files", { skip: process.platform !== "linux" && "there is no /proc" }, async (t) => {
  const target = await startTarget({
    command: `${JSON.stringify(process.execPath)} -e 'console.log("ready http=1"); setInterval(() => {}, 1000)'`,
    timeoutMs: 20_000,
  });
  const probe = createProbe(withProbe({ kind: "unstated" }), { processGroup: () => target.pid });
  const reading = await probe?.read();
  t.match(reading, { rssBytes: Number, cpuMicros: Number, threads: Number, openFiles: Number });
  t.ok(reading !== undefined && !("kind" in reading) && (reading.rssBytes ?? 0) > 10_000_000 && (reading.openFiles ?? 0) > 3);
  await target.stop();
  t.match(await probe?.read(), { kind: "unavailable" });
});

t.test("the contract's own values stand beside those of the process", { skip: process.platform !== "linux" && "there is no /proc" }, async (t) => {
  const origin = await page(t, '{"streams":3,"rss":7}');
  const probe = createProbe(withProbe({ kind: "http", path: "/", openStreams: "streams", rssBytes: "rss" }), {
    httpOrigin: origin,
    processGroup: () => process.pid,
  });
  t.match(await probe?.read(), { openStreams: 3, rssBytes: 7 });
  await probe?.close();
  t.equal(createProbe(withProbe({ kind: "declared-none" }), {}), undefined);
  t.match(await createProbe(withProbe({ kind: "process" }), {})?.read(), { kind: "unavailable", reason: /--start/ });
});

function withProbe(probe: ProbeRule): Contract {
  return { ...contract, probe };
}

async function read(rule: ProbeRule, origin: string | undefined): Promise<unknown> {
  const probe = createProbe(withProbe(rule), origin === undefined ? {} : { httpOrigin: origin });
  const outcome = await probe?.read();
  await probe?.close();
  return outcome;
}

async function page(t: Test, body: string, status = 200): Promise<string> {
  const server = createServer((_, response) => response.writeHead(status).end(body));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
