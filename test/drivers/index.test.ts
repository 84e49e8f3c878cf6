import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer as createTcpServer } from "node:net";
import { generate } from "selfsigned";
import t, { type Test } from "tap";
import { loadContract } from "../../src/contract/load-contract.js";
import type { Contract, Filter } from "../../src/core/contract.js";
import { HarnessError } from "../../src/core/errors.js";
import type { Driver } from "../../src/core/stream.js";
import { drivers } from "../../src/drivers/index.js";
import { startReferenceServer, type ReferenceServer, type ReferenceServerOptions } from "../../src/reference/server.js";
import { hear, targetOf, type Heard } from "./listener.js";

const contract: Contract = await loadContract("logger");
const filterNamed = (name: string): Filter => contract.filters[name] as Filter;

for (const driver of Object.values<Driver>(drivers)) {
  t.test(`${driver.name}: entries that the filter lets through come in order, and a half-close ends the stream cleanly`, async (t) => {
    const { connection, server } = await connected(t, driver);
    const heard = await hear(connection, contract);
    await effective(heard, server, "alpha", filterNamed("alpha"));
    server.append([draft("beta", "not for us"), draft("alpha", "one"), draft("alpha", "two")]);
    await heard.until(() => heard.messages.find((entry) => entry["message"] === "two"));
    t.equal(heard.messages.at(-2)?.["message"], "one");
    t.ok(heard.messages.every((entry) => entry["source"] === "alpha"));
    t.equal(heard.events[0]?.kind === "frame" ? heard.events.find((event) => event.kind !== "frame")?.kind : heard.events[0]?.kind, "opened");
    await heard.stream.end();
    t.match(await heard.stream.ended, { kind: "completed" });
    t.equal(heard.events.filter((event) => event.kind === "ended").length, 1);
    t.equal(heard.events.at(-1)?.kind, "ended", "nothing is told after the end");
    await t.rejects(heard.stream.send({}), "sending after the end");
    await heard.stream.end();
    heard.stream.cancel();
    heard.stream.pause();
    heard.stream.resume();
  });

  t.test(`${driver.name}: an update replaces the filter`, async (t) => {
    const { connection, server } = await connected(t, driver);
    const heard = await hear(connection, contract);
    await heard.filter(filterNamed("alpha"));
    await effective(heard, server, "alpha");
    await heard.filter(filterNamed("beta"));
    await effective(heard, server, "beta");
    const from = heard.messages.length;
    server.append([draft("alpha", "old"), draft("beta", "new")]);
    await heard.until(() => heard.messages.find((entry) => entry["message"] === "new"));
    t.notOk(heard.messages.slice(from).some((entry) => entry["source"] === "alpha"));
  });

  t.test(`${driver.name}: a refused filter is an end with its code`, async (t) => {
    const { connection } = await connected(t, driver);
    const heard = await hear(connection, contract);
    await heard.filter(filterNamed("invalid"));
    const end = await heard.stream.ended;
    t.equal(end.kind, "rejected");
    t.equal(end.kind === "rejected" && (driver.transport === "grpc" ? end.code === 3 : end.code !== 1000), true);
  });

  t.test(`${driver.name}: cancel and abort end the stream here and release it there, and leave its siblings alone`, async (t) => {
    const { connection, server } = await connected(t, driver);
    const sibling = await hear(connection, contract);
    await sibling.filter(filterNamed("alpha"));
    await effective(sibling, server, "alpha");
    const cancelled = await hear(connection, contract);
    const controller = new AbortController();
    const aborted = await hear(connection, contract, { signal: controller.signal });
    await effective(cancelled, server, "alpha", filterNamed("alpha"));
    await effective(aborted, server, "alpha", filterNamed("alpha"));
    cancelled.stream.cancel();
    controller.abort();
    t.equal((await cancelled.stream.ended).kind, "lost");
    t.equal((await aborted.stream.ended).kind, "lost");
    await effective(sibling, server, "alpha");
    t.equal(sibling.end, undefined);
    while (server.stats().openStreams > 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  });

  t.test(`${driver.name}: a paused stream delivers everything once it is resumed`, async (t) => {
    const { connection, server } = await connected(t, driver);
    const heard = await hear(connection, contract);
    await heard.filter(filterNamed("alpha"));
    await effective(heard, server, "alpha");
    heard.stream.pause();
    const last = server.append(Array.from({ length: 500 }, (_, i) => draft("alpha", `entry ${i} ${"x".repeat(100)}`))).last;
    heard.stream.resume();
    await heard.until(() => heard.messages.find((entry) => entry["sequence"] === last));
    t.equal(heard.messages.filter((entry) => String(entry["message"]).startsWith("entry ")).length, 500);
  });

  t.test(`${driver.name}: closing the connection ends its streams`, async (t) => {
    const { connection } = await connected(t, driver);
    const heard = await hear(connection, contract);
    await heard.filter(filterNamed("alpha"));
    await connection.close();
    t.equal((await heard.stream.ended).kind, "lost");
  });

  t.test(`${driver.name}: a server that dies ends the stream as lost`, async (t) => {
    const { connection, server } = await connected(t, driver);
    const heard = await hear(connection, contract);
    await heard.filter(filterNamed("alpha"));
    await effective(heard, server, "alpha");
    await server.kill();
    t.equal((await heard.stream.ended).kind, "lost");
  });

  t.test(`${driver.name}: headers go with the stream`, async (t) => {
    const { connection } = await connected(t, driver, { token: "secret" });
    const refused = await hear(connection, contract);
    refused.filter(filterNamed("alpha")).catch(() => undefined);
    t.equal((await refused.stream.ended).kind, "rejected");
    const accepted = await hear(connection, contract, { headers: [["authorization", "Bearer secret"]] });
    await accepted.filter(filterNamed("everything"));
    await accepted.stream.end();
    t.equal((await accepted.stream.ended).kind, "completed");
  });

  t.test(`${driver.name}: TLS is verified against the authority given, and only then`, async (t) => {
    const pair = await generate([{ name: "commonName", value: "localhost" }], {
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
    const server = await startReferenceServer({ rate: 0, tls: { cert: pair.cert, key: pair.private } });
    t.teardown(() => server.kill());
    for (const tls of [{ ca: pair.cert }, { insecure: true }]) {
      const connection = await driver.connect(targetOf(driver, contract, server, { tls }), { timeoutMs: 5000 });
      const heard = await hear(connection, contract);
      await heard.filter(filterNamed("everything"));
      await heard.stream.end();
      t.equal((await heard.stream.ended).kind, "completed", JSON.stringify(Object.keys(tls)));
      await connection.close();
    }
    const error = await failure(driver, targetOf(driver, contract, server, { tls: {} }));
    t.match(error, { name: "HarnessError", code: "unreachable", message: /certificate of 127\.0\.0\.1:\d+ is not trusted/ });
  });

  t.test(`${driver.name}: what cannot be reached is said in one sentence`, async (t) => {
    const free = await freePort();
    t.match(await failure(driver, targetOf(driver, contract, { grpcPort: free, httpPort: free })), {
      code: "unreachable",
      message: new RegExp(`nothing listens on 127\\.0\\.0\\.1:${free}`),
    });
    const server = await startReferenceServer({ rate: 0 });
    t.teardown(() => server.kill());
    t.match(await failure(driver, targetOf(driver, contract, server, { tls: { insecure: true } })), {
      code: "unreachable",
      message: /does not speak TLS|TLS handshake/,
    });
  });
}

for (const driver of Object.values<Driver>(drivers).filter((driver) => driver.transport === "grpc")) {
  t.test(`${driver.name}: a port that answers in HTTP/1.1 is named as such`, async (t) => {
    const http = createServer((_, response) => response.end("hello"));
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    t.teardown(() => http.close());
    const port = (http.address() as AddressInfo).port;
    t.match(await failure(driver, targetOf(driver, contract, { grpcPort: port, httpPort: port })), { code: "unreachable", message: /answers in HTTP\/1\.1/ });
  });

  t.test(`${driver.name}: grpc-timeout reaches the server, which enforces it`, async (t) => {
    const { connection } = await connected(t, driver);
    const heard = await hear(connection, contract, { grpcTimeout: "150m" });
    await heard.filter(filterNamed("nothing"));
    const end = await heard.stream.ended;
    t.equal(end.kind, "rejected");
    t.match(end.native, /DEADLINE_EXCEEDED|RST_STREAM CANCEL/);
  });

  t.test(`${driver.name}: a call of a method that is not there is an end, not an error of the harness`, async (t) => {
    const server = await startReferenceServer({ rate: 0 });
    t.teardown(() => server.kill());
    const connection = await driver.connect(targetOf(driver, contract, server, { path: "/logger.Logger/Watch" }), { timeoutMs: 5000 });
    t.teardown(() => connection.close());
    const heard = await hear(connection, contract);
    t.match(await heard.stream.ended, { kind: "rejected", code: 12, native: "UNIMPLEMENTED" });
  });
}

async function connected(
  t: Test,
  driver: Driver,
  options: ReferenceServerOptions = {},
): Promise<{ readonly server: ReferenceServer; readonly connection: Awaited<ReturnType<Driver["connect"]>> }> {
  const server = await startReferenceServer({ rate: 0, ...options });
  t.teardown(() => server.kill());
  const connection = await driver.connect(targetOf(driver, contract, server), { timeoutMs: 5000 });
  t.teardown(() => connection.close());
  return { server, connection };
}

/** Awaits an entry of the source on the stream, writing such entries until one comes: the filter sent last is then in effect. */
async function effective(heard: Heard, server: ReferenceServer, source: string, filter?: Filter): Promise<void> {
  if (filter !== undefined) {
    await heard.filter(filter);
  }
  const from = heard.messages.length;
  const came = heard.until(() => heard.messages.slice(from).find((entry) => entry["source"] === source));
  const over = new AbortController();
  came.then(
    () => over.abort(),
    () => over.abort(),
  );
  while (!over.signal.aborted) {
    server.append([draft(source, "is the filter in effect?")]);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await came;
}

function draft(source: string, message: string): { level: "info"; source: string; message: string } {
  return { level: "info", source, message };
}

async function failure(driver: Driver, target: ReturnType<typeof targetOf>): Promise<HarnessError> {
  try {
    const connection = await driver.connect(target, { timeoutMs: 2000 });
    // A WebSocket driver dials with each stream.
    const heard = await hear(connection, contract);
    await connection.close();
    throw new Error(`connected: ${JSON.stringify(heard.events)}`);
  } catch (thrown) {
    if (thrown instanceof HarnessError) {
      return thrown;
    }
    throw thrown;
  }
}

async function freePort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
