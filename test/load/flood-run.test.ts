import t from "tap";
import type { FloodProcess, FloodTask } from "../../src/core/flood.js";
import { performWorkload } from "../../src/harness/perform-workload.js";
import { openSurroundings } from "../../src/harness/surroundings.js";
import { floodTaskFor, prepareFloodRun } from "../../src/load/flood-run.js";
import { createSystemClock } from "../../src/load/system-clock.js";
import { parseWorkload } from "../../src/load/workload-file.js";
import { startReferenceServer } from "../../src/reference/server.js";
import { unservedTarget } from "../engines/engine-task.js";

/** Whether a child process is left; Node lets go of one that has ended a few turns after it has said so. */
async function hasChild(): Promise<boolean> {
  const has = (): boolean => process.getActiveResourcesInfo().includes("ProcessWrap");
  for (let turn = 0; turn < 20 && has(); turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  return has();
}

const flooded = (flood: string) => parseWorkload(`name: flooded\nabout: a\nduration: 3s\nbegin: [send: $broad]\nflood: ${flood}\n`, "flooded.yaml");

t.test("the flood goes to the WebSocket target with its credentials, and elsewhere only when that is meant, without them", async (t) => {
  const target = await unservedTarget("ws", { headers: [["authorization", "Bearer x"]] });
  const taskFor = (flood: string, elsewhere = false): FloodTask => {
    const workload = flooded(flood);
    return floodTaskFor(workload.flood!, workload, [target], elsewhere);
  };
  t.match(taskFor("{}"), {
    url: "http://127.0.0.1:9/logs/monitor",
    headers: { authorization: "Bearer x" },
    method: "GET",
    of: ["plain", "wrong-upgrade"],
    connections: 10,
    durationMs: 1000,
  });
  t.equal(taskFor("{ url: /other }").url, "http://127.0.0.1:9/other");
  t.equal(taskFor("{ url: 'ws://127.0.0.1:8/x' }").url, "http://127.0.0.1:8/x", "another port is the same host");
  t.throws(() => taskFor("{ url: 'http://elsewhere.test/' }"), {
    code: "usage",
    message: /floods elsewhere\.test, which is no target/,
    hint: /--flood-elsewhere/,
  });
  t.match(taskFor("{ url: 'http://elsewhere.test/' }", true), { url: "http://elsewhere.test/", headers: {} });
  const grpc = await unservedTarget("grpc");
  const workload = flooded("{}");
  t.throws(() => floodTaskFor(workload.flood!, workload, [grpc], false), { code: "workload", message: /no target was given for it/, hint: /ws:/ });
});

t.test("streams, handshakes and counts are told before, during and after the flood, and no process is left", async (t) => {
  const server = await startReferenceServer({ rate: 200 });
  t.teardown(() => server.kill());
  const surroundings = await openSurroundings({ urls: [`${server.urls.websocket}/logs/monitor`] });
  try {
    const record = await performWorkload(surroundings, {
      workload: parseWorkload(
        "name: flooded\nabout: a\nduration: 3s\nstreams: 2\nbegin: [send: $disjoint.1, expect: applied]\neach: [send: { next-of: [$disjoint.2, $disjoint.1] }, expect: applied]\nclosed: { think: 50ms }\nflood: { from: 1s, duration: 1s, connections: 2, rate: 40/s }\n",
        "flooded.yaml",
      ),
      seed: 1,
    });
    const { flood } = record;
    t.match(flood, { url: `http://127.0.0.1:${server.httpPort}/logs/monitor`, connections: 2, failed: 0, before: { lost: 0, ended: 0 } });
    t.ok((flood?.statuses["426"] ?? 0) > 0, "what the server says to plain requests");
    for (const phase of ["before", "during", "after"] as const) {
      t.strictSame(flood?.[phase].unexpected, {}, phase);
    }
    t.ok((flood?.before.accepted ?? 0) > 0 && (flood?.before.refused ?? 0) > 0, "handshakes before it");
    t.ok((record.histograms["handshake-reject"]?.count ?? 0) >= (flood?.before.refused ?? 0), "handshakes count as any do");
    t.ok(record.values?.["bystander-ratio"] !== undefined);
  } finally {
    await surroundings.close();
  }
  t.notOk(await hasChild(), "no child process");
});

t.test("a run that is stopped ends its flood", async (t) => {
  const server = await startReferenceServer({ rate: 200 });
  t.teardown(() => server.kill());
  const surroundings = await openSurroundings({ urls: [`${server.urls.websocket}/logs/monitor`] });
  const stop = new AbortController();
  try {
    const record = await performWorkload(surroundings, {
      workload: parseWorkload("name: flooded\nabout: a\nduration: 10m\nbegin: [send: $broad]\nflood: { from: 0s, duration: 10m }\n", "flooded.yaml"),
      seed: 1,
      signal: stop.signal,
      onEvent: () => stop.abort(),
    });
    t.ok(record.elapsedSeconds < 600);
    t.ok(record.flood !== undefined);
  } finally {
    await surroundings.close();
  }
  t.notOk(await hasChild(), "no child process");
});

t.test("a flood that did not come about makes the run invalid, not the target bad", async (t) => {
  const clock = createSystemClock();
  const outcome = { statuses: {}, failed: 0, problem: "its process ended with exit code 1" };
  const dead: FloodProcess = { begin: () => undefined, stop: () => undefined, ended: Promise.resolve(outcome) };
  const workload = flooded("{ url: 'http://127.0.0.1:9/x?secret=1', from: 0s }");
  const target = await unservedTarget("grpc");
  const task = floodTaskFor(workload.flood!, workload, [target], false);
  const run = await prepareFloodRun(task, workload.flood!, {
    prepare: () => Promise.resolve(dead),
    targets: [target],
    clock,
    stop: new AbortController().signal,
  });
  const measured = await run.close();
  t.match(measured, { url: "http://127.0.0.1:9/x", outcome: { problem: /exit code 1/ }, probed: undefined });
  t.equal(measured.fromMicros, Infinity, "it was never begun");
});
