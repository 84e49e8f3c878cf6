import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { HarnessError, load, render, run, startReferenceServer } from "../src/index.js";
import { packageFolder } from "../src/harness/suites.js";

const execute = promisify(execFile);
const root = packageFolder(".");
const serve = `${process.execPath} ${path.join(root, "dist/src/cli.js")} serve --grpc-port 0 --http-port 0`;

t.test("a program can judge a server and show what came of it", async (t) => {
  const server = await startReferenceServer({ faults: ["invalid-filter-coerced"] });
  t.teardown(() => server.kill());
  const report = await run({ urls: [server.urls.grpc], select: { ids: ["bad-input/invalid-filter"] } });
  t.equal(report.exitCode, 1);
  t.match(render(report), /bad-input\/invalid-filter/);
  t.match(render(report, "junit"), /<failure/);
});

t.test("a program can measure a server", async (t) => {
  const report = await load({ urls: [], start: { command: `exec ${serve}` }, workload: "throughput", durationSeconds: 1, streams: 2, workers: 1 });
  t.match(report.workloads, [{ name: "throughput" }]);
  t.ok((report.workloads[0]?.counters["received"] ?? 0) > 0);
});

t.test("what the caller can mend is a HarnessError with a code", async (t) => {
  await t.rejects(run({ urls: ["localhost:1"] }), HarnessError);
  await t.rejects(run({ urls: ["grpc://127.0.0.1:1"] }), { code: "unreachable" });
});

for (const example of ["node-test", "tap"]) {
  t.test(`the example for ${example} passes as it is written`, async (t) => {
    const environment = { PATH: process.env["PATH"], HOME: process.env["HOME"], MONITOR: `exec ${serve}` };
    const { stdout } = await execute(process.execPath, [path.join(root, "examples", example, "monitor.test.js")], {
      cwd: root,
      env: environment,
      timeout: 60_000,
    });
    t.match(stdout, /the monitor conforms/);
    t.notMatch(stdout, /not ok/);
  });
}
