import { createServer as createHttpServer } from "node:http";
import { type AddressInfo } from "node:net";
import t, { type Test } from "tap";
import { loadContract } from "../../src/contract/load-contract.js";
import { diagnose } from "../../src/harness/diagnosis.js";
import { parseTargetUrl } from "../../src/harness/target-url.js";
import { startReferenceServer } from "../../src/reference/server.js";

async function look(url: string) {
  return diagnose({ url: parseTargetUrl(url), contract: await loadContract("logger"), headers: [], tls: {}, timeoutMs: 1000 });
}

async function reference(t: Test) {
  const server = await startReferenceServer();
  t.teardown(() => server.kill());
  return server;
}

t.test("a monitor in the right place has nothing that is bad", async (t) => {
  const server = await reference(t);
  for (const url of [server.urls.grpc, `ws://127.0.0.1:${server.httpPort}/logs/monitor`]) {
    t.strictSame(
      (await look(url)).filter(({ status }) => status === "bad"),
      [],
      url,
    );
  }
});

t.test("the ports of the two transports, mixed up, are told apart", async (t) => {
  const server = await reference(t);
  t.match(
    (await look(`grpc://127.0.0.1:${server.httpPort}`)).find(({ status }) => status === "bad"),
    { what: "HTTP/2", hint: /write ws:\/\// },
  );
  t.match(
    (await look(`ws://127.0.0.1:${server.grpcPort}`)).find(({ status }) => status === "bad"),
    { what: "upgrade", hint: /write grpc:\/\// },
  );
});

t.test("a wrong path is answered with the one that is upgraded", async (t) => {
  const server = await reference(t);
  t.match(
    (await look(`ws://127.0.0.1:${server.httpPort}/nowhere`)).find(({ status }) => status === "bad"),
    { says: /answered 404/, hint: new RegExp(`did you mean ws://127.0.0.1:${server.httpPort}/logs/monitor`) },
  );
});

t.test("TLS where there is none, and a port where nobody listens, end the questions", async (t) => {
  const server = createHttpServer((_, response) => response.end());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  t.match((await look(`wss://127.0.0.1:${port}`)).at(-1), { status: "bad", says: /does not speak TLS/, hint: /write ws:\/\// });
  await new Promise((resolve) => server.close(resolve));
  t.match((await look(`ws://127.0.0.1:${port}`)).at(-1), { status: "bad", says: /nothing listens/ });
});
