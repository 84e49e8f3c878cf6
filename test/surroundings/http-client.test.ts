import { createServer } from "node:http";
import { createServer as createTcpServer } from "node:net";
import type { AddressInfo } from "node:net";
import t from "tap";
import { createHttpClient } from "../../src/surroundings/http-client.js";

t.test("a request that meets the end of an idle connection is sent again, and only that one", async (t) => {
  let requests = 0;
  // Answers the first request of a connection, and ends the connection at the second without reading it.
  const server = createTcpServer((socket) => {
    let seen = 0;
    socket.on("error", () => undefined);
    socket.on("data", () => {
      seen += 1;
      if (seen > 1) {
        socket.resetAndDestroy();
        return;
      }
      requests += 1;
      socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  const client = createHttpClient({ origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  t.teardown(() => client.close());
  t.match(await client.request("POST", "/", { text: "a", contentType: "text/plain" }), { status: 200, body: "ok" });
  t.match(await client.request("POST", "/", { text: "b", contentType: "text/plain" }), { status: 200, body: "ok" });
  t.equal(requests, 2);
});

t.test("a fresh connection that is reset is a failure", async (t) => {
  const server = createTcpServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.resetAndDestroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  const client = createHttpClient({ origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  await t.rejects(client.request("POST", "/", { text: "a", contentType: "text/plain" }), { message: /ECONNRESET|hang up/ });
});

t.test("an answer that is too long, that never ends, or that is not HTTP is a failure", async (t) => {
  const server = createServer((request, response) => {
    if (request.url === "/endless") {
      response.write("x");
    } else {
      response.end(Buffer.alloc(9 * 1024 * 1024));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await t.rejects(createHttpClient({ origin, timeoutMs: 100 }).request("GET", "/endless"), { message: "no answer within 100 ms" });
  const client = createHttpClient({ origin, timeoutMs: 20_000 });
  t.teardown(() => client.close());
  await t.rejects(client.request("GET", "/long"), { message: /longer than/ });
  const other = createTcpServer((socket) => socket.on("error", () => undefined).end("SSH-2.0-x\r\n"));
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  t.teardown(() => other.close());
  await t.rejects(createHttpClient({ origin: `http://127.0.0.1:${(other.address() as AddressInfo).port}` }).request("GET", "/"), {
    message: /not HTTP|Parse Error/,
  });
});
