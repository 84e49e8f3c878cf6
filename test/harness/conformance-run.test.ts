import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import type { Check } from "../../src/conformance/check.js";
import type { Report } from "../../src/core/report.js";
import { fail } from "../../src/core/verdict.js";
import { quoteForShell, runConformance } from "../../src/harness/conformance-run.js";
import { startReferenceServer } from "../../src/reference/server.js";

function check(name: string, run: Check["run"], more: Partial<Check> = {}): Check {
  return { id: `opening/${name}`, on: ["grpc", "ws"], level: "must", requirement: "r", clause: "c", why: "w", exchange: [], causes: {}, run, ...more };
}

async function server(t: Test) {
  const started = await startReferenceServer();
  t.teardown(() => started.kill());
  return started;
}

const fine = check("fine", () => Promise.resolve());
const wrong = check("wrong", () => {
  fail("this", "that");
});

const cli = fileURLToPath(new URL("../../src/cli.js", import.meta.url));

t.test("each check becomes a record on each transport, and what failed says how to run just it again", async (t) => {
  const { urls } = await server(t);
  const report = await runConformance({ urls: [urls.grpc, urls.websocket], checks: [fine, wrong], seed: 7 });
  t.match(report.checks, [
    { id: "opening/fine", transport: "grpc", status: "passed" },
    { id: "opening/fine", transport: "ws", status: "passed" },
    { id: "opening/wrong", transport: "grpc", status: "failed", expected: "this", actual: "that" },
    { id: "opening/wrong", transport: "ws", status: "failed" },
  ]);
  t.match(report, { exitCode: 1, partial: false, seed: 7, target: { suite: "conformance", contract: { name: "logger", source: "contracts/logger.yaml" } } });
  t.equal(report.checks[2]?.reproduce, `halfclose run ${urls.grpc} ${urls.websocket} --grep opening/wrong --transport grpc --seed 7`);
});

t.test("the report is there before anything runs, and grows", async (t) => {
  const { urls } = await server(t);
  const states: Report[] = [];
  await runConformance({ urls: [urls.grpc], checks: [fine], onReport: (report) => void states.push(report()) });
  t.match(states[0], { partial: true, checks: [] });
  t.match(states.at(-1), { partial: true, checks: [{ status: "passed" }] });
});

t.test("of several runs the worst verdict stands, and says how often it came", async (t) => {
  const { urls } = await server(t);
  let runs = 0;
  const sometimes = check("sometimes", () => {
    runs += 1;
    if (runs === 2) {
      fail("this", "that");
    }
    return Promise.resolve();
  });
  const report = await runConformance({ urls: [urls.grpc], checks: [sometimes], repeat: 3 });
  t.match(report.checks, [{ status: "failed", actual: "that (failed in 1 of 3 runs)" }]);
});

t.test("a pass on a retry is marked flaky", async (t) => {
  const { urls } = await server(t);
  let runs = 0;
  const second = check("second", () => {
    runs += 1;
    if (runs === 1) {
      fail("this", "that");
    }
    return Promise.resolve();
  });
  const report = await runConformance({ urls: [urls.grpc], checks: [second], retries: 1 });
  t.match(report.checks, [{ status: "passed", flaky: 2 }]);
  t.equal(report.exitCode, 0);
});

t.test("a target that dies is no bug of the harness: exit code 4, and what it printed last", async (t) => {
  const pidFile = path.join(t.testdir(), "server.pid");
  const fatal = check("fatal", async (session) => {
    process.kill(Number(readFileSync(pidFile, "utf8")), "SIGKILL");
    const refused = (): Promise<boolean> =>
      session.connect().then(
        () => false,
        () => true,
      );
    while (!(await refused())) {
      await session.settle(20);
    }
    await session.connect();
  });
  const report = await runConformance({
    urls: [],
    start: { command: `${process.execPath} ${cli} serve --grpc-port 0 --http-port 0 & echo $! > ${pidFile}; wait $!; echo out of memory; exit 3` },
    checks: [{ ...fatal, on: ["grpc"] }],
  });
  t.match(report, { exitCode: 4, checks: [{ status: "broken" }] });
  t.match(report.problems.join(), /exit code 3.*out of memory/s);
});

t.test("words that a shell would take apart are quoted", (t) => {
  t.equal(quoteForShell("grpc://localhost:50051"), "grpc://localhost:50051");
  t.equal(quoteForShell("it's $HOME"), String.raw`'it'\''s $HOME'`);
  t.end();
});

t.test("the HTTP side of a server that was started is at the port of its ready line, though no WebSocket URL is given", async (t) => {
  for (const httpUrl of [undefined, "http://127.0.0.1:0"]) {
    const report = await runConformance({
      urls: ["grpc://127.0.0.1:0"],
      ...(httpUrl === undefined ? {} : { httpUrl }),
      headers: [],
      seed: 1,
      start: { command: `exec ${process.execPath} ${cli} serve --grpc-port 0 --http-port 0 --rate 0` },
      select: { ids: ["first-filter/none-missing"] },
    });
    t.match(report.checks, [{ status: "passed" }], String(httpUrl));
  }
});
