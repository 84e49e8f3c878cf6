import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import t, { type Test } from "tap";
import { pourRequests } from "../../src/conformance/request-flood.js";
import type { Session } from "../../src/conformance/session.js";

/** As much of a session as a flood needs. */
function sessionOn(t: Test, port: number): Session {
  const wake = new Set<() => void>();
  const session = {
    target: { host: "127.0.0.1", port, tls: undefined, path: "/logs/monitor", headers: [["authorization", "Bearer x"]] },
    defer: (close: () => void) => t.teardown(close),
    waiter: { poke: () => wake.forEach((look) => look()) },
    until: <T>(test: () => T | undefined, boundMs: number) =>
      new Promise<T | undefined>((resolve) => {
        const done = (value: T | undefined): void => {
          clearTimeout(timer);
          wake.delete(look);
          resolve(value);
        };
        const look = (): void => {
          const value = test();
          if (value !== undefined) {
            done(value);
          }
        };
        const timer = setTimeout(() => done(undefined), boundMs);
        wake.add(look);
        look();
      }),
  };
  return session as unknown as Session;
}

async function listener(
  t: Test,
  answers: boolean,
): Promise<{ readonly port: number; readonly requests: IncomingMessage[]; readonly open: () => Promise<number> }> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    if (answers) {
      response.writeHead(426).end();
    }
  });
  server.on("upgrade", (request, socket) => {
    requests.push(request);
    if (answers) {
      socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    }
    socket.on("error", () => undefined);
    // Only what is read is seen to end.
    socket.on("end", () => socket.end()).resume();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const open = () => new Promise<number>((resolve, reject) => server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))));
  return { port: (server.address() as AddressInfo).port, requests, open };
}

t.test("plain requests and wrong upgrades are sent in equal number, each with the target's credentials", async (t) => {
  const { port, requests } = await listener(t, true);
  const flood = pourRequests(sessionOn(t, port), { requests: 30, connections: 4, boundMs: 30_000 });
  await flood.settled;
  t.strictSame([flood.sent, flood.answered, flood.over], [30, 30, true]);
  const upgrades = requests.filter(({ headers }) => headers.upgrade !== undefined);
  t.equal(upgrades.length, 15);
  t.equal(requests.length, 30);
  t.ok(upgrades.every(({ headers }) => headers["sec-websocket-version"] === "99"));
  t.ok(requests.every(({ url, headers }) => url === "/logs/monitor" && headers.authorization === "Bearer x"));
});

t.test("a server that never answers is given up at the bound, and nothing is left open", async (t) => {
  const { port, open } = await listener(t, false);
  const flood = pourRequests(sessionOn(t, port), { requests: 30, connections: 4, boundMs: 200 });
  await flood.settled;
  t.equal(flood.answered, 0);
  t.ok(flood.over);
  while ((await open()) > 0) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.pass("the server sees every connection end");
});

t.test("a server that is not there harms nobody", async (t) => {
  const flood = pourRequests(sessionOn(t, 9), { requests: 10, connections: 4, boundMs: 5000 });
  await flood.settled;
  t.strictSame([flood.sent, flood.answered], [10, 0]);
});
