import { fork } from "node:child_process";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import t, { type Test } from "tap";
import type { FloodTask } from "../../src/core/flood.js";
import { prepareAutocannon } from "../../src/engines/autocannon.js";

/** A server that answers plain requests 426 and upgrades 400, and keeps what was asked. */
async function listener(t: Test): Promise<{ readonly url: string; readonly requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    response.writeHead(426).end("no");
  });
  server.on("upgrade", (request, socket) => {
    requests.push(request);
    socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/logs/monitor?a=b`, requests };
}

function taskOf(url: string, more: Partial<FloodTask> = {}): FloodTask {
  return {
    url,
    method: "GET",
    of: ["plain"],
    connections: 3,
    ratePerSecond: undefined,
    durationMs: 60_000,
    requests: 60,
    headers: { authorization: "Bearer x" },
    clientCertificate: undefined,
    ...more,
  };
}

t.test("answers are counted by status, as many as asked for and no more", async (t) => {
  const { url, requests } = await listener(t);
  const flood = await prepareAutocannon(taskOf(url));
  t.equal(requests.length, 0, "nothing is sent before it begins");
  flood.begin();
  const { statuses, failed, problem } = await flood.ended;
  t.strictSame(statuses, { 426: 60 });
  t.equal(failed, 0);
  t.equal(problem, undefined);
  t.equal(requests.length, 60);
  t.match(requests[0], { method: "GET", url: "/logs/monitor?a=b", headers: { authorization: "Bearer x" } });
});

t.test("a wrong upgrade is one in every header but the version, and answers that close are counted too", async (t) => {
  const { url, requests } = await listener(t);
  const flood = await prepareAutocannon(taskOf(url, { of: ["plain", "wrong-upgrade"], method: "POST", requests: 40 }));
  flood.begin();
  const { statuses, problem } = await flood.ended;
  t.equal(problem, undefined);
  t.ok((statuses["426"] ?? 0) > 0 && (statuses["400"] ?? 0) > 0, JSON.stringify(statuses));
  const upgrade = requests.find(({ headers }) => headers.upgrade !== undefined);
  t.match(upgrade, { method: "GET", headers: { upgrade: "websocket", connection: /upgrade/i, "sec-websocket-version": "99" } });
  t.equal(requests.find(({ headers }) => headers.upgrade === undefined)?.method, "POST");
});

t.test("it ends with its time, and when it is asked to", async (t) => {
  const { url } = await listener(t);
  const short = await prepareAutocannon(taskOf(url, { durationMs: 300, requests: 1e8 }));
  short.begin();
  t.equal((await short.ended).problem, undefined);
  const long = await prepareAutocannon(taskOf(url, { requests: 1e8 }));
  long.begin();
  long.stop();
  await long.ended;
  const unbegun = await prepareAutocannon(taskOf(url));
  unbegun.stop();
  t.strictSame(await unbegun.ended, { statuses: {}, failed: 0, problem: undefined });
});

t.test("a server that is not there makes failures, not answers", async (t) => {
  const flood = await prepareAutocannon(taskOf("http://127.0.0.1:9/", { durationMs: 200 }));
  flood.begin();
  const { statuses, failed, problem } = await flood.ended;
  t.strictSame(statuses, {});
  t.ok(failed > 0);
  t.equal(problem, undefined);
});

t.test("a process that does not come up, dies, or never ends is killed and said", async (t) => {
  const folder = t.testdir({
    "silent.mjs": "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000);",
    "dead.mjs": "throw new Error('no such thing');",
    "deaf.mjs": "process.send({ kind: 'ready' }); setInterval(() => {}, 1000);",
  });
  const prepare = (file: string) =>
    prepareAutocannon(taskOf("http://127.0.0.1:9/", { durationMs: 50 }), { script: pathToFileURL(path.join(folder, file)), readyWithinMs: 5000, slackMs: 50 });
  const silent = await prepareAutocannon(taskOf("http://127.0.0.1:9/"), { script: pathToFileURL(path.join(folder, "silent.mjs")), readyWithinMs: 300 });
  t.match((await silent.ended).problem, /did not come up in time/);
  const dead = await prepare("dead.mjs");
  dead.begin();
  t.match((await dead.ended).problem, /exit code 1 \(Error: no such thing\)/);
  const deaf = await prepare("deaf.mjs");
  deaf.begin();
  t.match((await deaf.ended).problem, /did not end in time and was killed/);
});

t.test("the process does not outlive its parent, and no signal from a terminal ends it", async (t) => {
  const child = fork(fileURLToPath(new URL("../../src/engines/flood-child.js", import.meta.url)), [], { execArgv: [] });
  await new Promise((resolve) => child.once("message", resolve));
  child.kill("SIGINT");
  const exited = new Promise((resolve) => child.once("exit", (code, signal) => resolve([code, signal])));
  child.disconnect();
  t.strictSame(await exited, [0, null]);
});
