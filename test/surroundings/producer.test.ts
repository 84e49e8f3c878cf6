import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Server as GrpcServer, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import t, { type Test } from "tap";
import { loadContract } from "../../src/contract/load-contract.js";
import { createJsonCodec } from "../../src/contract/json-codec.js";
import type { Contract, EntryDraft, ProducerRule } from "../../src/core/contract.js";
import { startReferenceServer } from "../../src/reference/server.js";
import { createProducer } from "../../src/surroundings/producer.js";
import { rawMethod } from "./raw-method.js";

const contract = await loadContract("logger");
const drafts: readonly EntryDraft[] = [
  { level: "warn", source: "alpha", message: "one" },
  { level: "error", source: "beta", message: 'two "quoted" \\ {level} ☃' },
];

t.test("entries written by HTTP are in the log in order, one request for all, and their numbers come back", async (t) => {
  const server = await startReferenceServer({ rate: 0 });
  t.teardown(() => server.kill());
  const producer = createProducer(contract, { httpOrigin: server.urls.http });
  t.teardown(() => producer?.close());
  t.match(await producer?.produce(drafts), { kind: "produced", sequences: [1, 2], numbers: [1, 2] });
  t.match(await producer?.produce([{ level: "warn", source: "alpha" }]), { kind: "produced", sequences: [3, 3] }, "a draft without a token gets one");
  t.match(await producer?.produce([{ level: "nonsense", source: "alpha", message: "x" }]), { kind: "failed", reason: /HTTP 400/ });
});

t.test("a JSON list is repeated, values are escaped, anything else is one request an entry", async (t) => {
  const { origin, bodies } = await recorder(t, 200, "{}");
  const list = createProducer(contract, { httpOrigin: origin });
  await list?.produce(drafts);
  t.same(JSON.parse(bodies[0] ?? ""), drafts);
  const single = createProducer(
    withProducer({ kind: "http", method: "PUT", path: "/x", body: '{"m":"{token}","fixed":"{unknown}"}', contentType: "application/json" }),
    { httpOrigin: origin },
  );
  await single?.produce(drafts);
  t.same(
    bodies.slice(1).map((body) => JSON.parse(body) as unknown),
    drafts.map((draft) => ({ m: draft["message"], fixed: "{unknown}" })),
  );
  const text = createProducer(withProducer({ kind: "http", method: "POST", path: "/x", body: "{level} {token}", contentType: "text/plain" }), {
    httpOrigin: origin,
  });
  await text?.produce(drafts.slice(0, 1));
  t.equal(bodies.at(-1), "warn one");
  const number = createProducer(
    withProducer({
      kind: "http",
      method: "POST",
      path: "/x",
      body: '[{"n":"{level:number}","on":"{on:boolean}","m":"{token:base64}"}]',
      contentType: "application/json",
    }),
    { httpOrigin: origin },
  );
  await number?.produce([{ level: "3", on: "false", message: "x" }]);
  t.equal(bodies.at(-1), '[{"n":3,"on":false,"m":"eA=="}]');
  await number?.close();
  await Promise.all([list?.close(), single?.close(), text?.close()]);
});

t.test("values go into the path as well, percent-encoded, one request an entry", async (t) => {
  const { origin, bodies, paths } = await recorder(t, 200, "{}");
  const producer = createProducer(
    withProducer({ kind: "http", method: "PUT", path: "/sources/{source}/entries?m={token}", body: '[{"m":"{token}"}]', contentType: "application/json" }),
    { httpOrigin: origin },
  );
  await producer?.produce([
    { source: "a/b", message: "one" },
    { source: "alpha", message: "two & three" },
  ]);
  t.same(paths, ["/sources/a%2Fb/entries?m=one", "/sources/alpha/entries?m=two%20%26%20three"]);
  t.same(bodies, ['[{"m":"one"}]', '[{"m":"two & three"}]']);
  await producer?.close();
});

t.test("a great burst is split, in order", async (t) => {
  const { origin, bodies } = await recorder(t, 202, '{"first":1,"last":2}');
  const producer = createProducer(contract, { httpOrigin: origin });
  const many = Array.from({ length: 25_000 }, (_, i) => ({ level: "info", source: "alpha", message: `entry ${i}` }));
  await producer?.produce(many);
  t.same(
    bodies.flatMap((body) => JSON.parse(body) as unknown[]),
    many,
  );
  t.ok(bodies.length > 1 && bodies.every((body) => Buffer.byteLength(body) <= 1024 * 1024 + 2));
  await producer?.close();
});

t.test("an answer numbers its entries only where its range is as long as they are many", async (t) => {
  const { origin } = await recorder(t, 202, '{"first":4,"last":9}');
  const producer = createProducer(contract, { httpOrigin: origin });
  const outcome = await producer?.produce(drafts);
  t.match(outcome, { kind: "produced", sequences: [4, 9] });
  t.notOk(outcome !== undefined && "numbers" in outcome);
  await producer?.close();
});

t.test("what is not there is unavailable, what refuses has failed", async (t) => {
  t.match(await createProducer(contract, {})?.produce(drafts), { kind: "unavailable", reason: /--http-url/ });
  const missing = await recorder(t, 404, "");
  t.match(await createProducer(contract, { httpOrigin: missing.origin })?.produce(drafts), { kind: "unavailable", reason: /HTTP 404/ });
  const broken = await recorder(t, 500, "boom");
  t.match(await createProducer(contract, { httpOrigin: broken.origin })?.produce(drafts), { kind: "failed", reason: /HTTP 500: boom/ });
  await new Promise((resolve) => broken.server.close(resolve));
  t.match(await createProducer(contract, { httpOrigin: broken.origin })?.produce(drafts), { kind: "unavailable", reason: /connection refused/ });
  const silent = await recorder(t, 0, "");
  t.match(await createProducer(contract, { httpOrigin: silent.origin, timeoutMs: 100 })?.produce(drafts), {
    kind: "failed",
    reason: /no answer within 100 ms/,
  });
});

t.test("a contract without a producer has none", async (t) => {
  t.equal(createProducer(withProducer({ kind: "declared-none" }), {}), undefined);
  t.equal(createProducer(withProducer({ kind: "unstated" }), {}), undefined);
});

t.test("a command gets its values as quoted words", async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), "producer-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const producer = createProducer(withProducer({ kind: "command", command: "printf '%s|' {source} {token} >> out" }), { folder });
  const nasty = `$(touch hacked) ' ; "x"`;
  t.match(
    await producer?.produce([
      { source: "alpha", message: nasty },
      { source: "beta", message: "2" },
    ]),
    { kind: "produced" },
  );
  t.equal(readFileSync(path.join(folder, "out"), "utf8"), `alpha|${nasty}|beta|2|`);
  t.match(await createProducer(withProducer({ kind: "command", command: "echo sorry; exit 4" }), {})?.produce(drafts), {
    kind: "failed",
    reason: /exit code 4: sorry/,
  });
  t.match(await createProducer(withProducer({ kind: "command", command: "no-such-command-at-all {token}" }), {})?.produce(drafts), { kind: "unavailable" });
  t.match(await createProducer(withProducer({ kind: "command", command: "sleep 60" }), { timeoutMs: 100 })?.produce(drafts), {
    kind: "failed",
    reason: /killed after 100 ms/,
  });
});

t.test("a gRPC call gets the filled message, and its answer the numbers", async (t) => {
  const codec = createJsonCodec("binary");
  const heard: unknown[] = [];
  const server = new GrpcServer();
  server.addService(
    {
      Put: rawMethod("/log.Writer/Put", false),
    },
    {
      Put(call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) {
        heard.push([codec.decode(call.request), call.metadata.get("x-key")]);
        answer(null, Buffer.from(codec.encode({ header: { revision: String(heard.length) } })));
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => (error === null ? resolve(bound) : reject(error))),
  );
  t.teardown(() => server.forceShutdown());
  const rule: ProducerRule = {
    kind: "grpc",
    method: "/log.Writer/Put",
    message: { value: "{token}", source: "{source}" },
    codec,
    sequences: { first: "header.revision", last: "header.revision" },
  };
  const address = { host: "127.0.0.1", port, headers: [["x-key", "secret"]] as const };
  const producer = createProducer(withProducer(rule), { grpc: address });
  t.teardown(() => producer?.close());
  t.match(await producer?.produce(drafts), { kind: "produced", sequences: [1, 2] });
  t.same(heard[0], [{ value: "one", source: "alpha" }, ["secret"]]);
  const wrong = createProducer(withProducer({ ...rule, method: "/log.Writer/Push" }), { grpc: address });
  t.match(await wrong?.produce(drafts), { kind: "unavailable", reason: /UNIMPLEMENTED/ });
  await wrong?.close();
  const misfit = { ...codec, encode: () => assert.fail('"value" is of type double, not "one"') };
  const untyped = createProducer(withProducer({ ...rule, codec: misfit }), { grpc: address });
  t.match(await untyped?.produce(drafts), { kind: "failed", reason: /of type double, not "one"; "\{field:number\}"/ });
  await untyped?.close();
});

function withProducer(producer: ProducerRule): Contract {
  return { ...contract, producer };
}

/** An HTTP server that gives one answer to all, or none at all for status 0. */
async function recorder(
  t: Test,
  status: number,
  answer: string,
): Promise<{
  readonly origin: string;
  readonly bodies: string[];
  readonly paths: string[];
  readonly server: Server;
}> {
  const bodies: string[] = [];
  const paths: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      bodies.push(Buffer.concat(chunks).toString());
      paths.push(request.url ?? "");
      if (status !== 0) {
        response.writeHead(status, { connection: "close" }).end(answer);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, bodies, paths, server };
}
