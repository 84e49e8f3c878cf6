import { readFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { main } from "../../src/cli/main.js";
import type { Report } from "../../src/core/report.js";
import { startReferenceServer } from "../../src/reference/server.js";
import { recordingConsole } from "./recording-console.js";

t.test("shards of a run merge to the run, and two runs are compared check by check", async (t) => {
  const [right, faulty] = await Promise.all([startReferenceServer(), startReferenceServer({ faults: ["any-version-upgraded"] })]);
  t.teardown(() => Promise.all([right.kill(), faulty.kill()]));
  const folder = t.testdir();
  const halfclose = async (...args: readonly string[]) => {
    const console = recordingConsole({ folder });
    return { code: await main(args, console), said: console.errors(), printed: console.output() };
  };
  const read = (name: string): Report => JSON.parse(readFileSync(path.join(folder, name, "results.json"), "utf8")) as Report;
  const url = `ws://127.0.0.1:${right.httpPort}/logs/monitor`;
  const narrow = ["--grep", "opening/*", "--transport", "ws"];

  t.equal((await halfclose("run", url, ...narrow, "-o", "whole")).code, 0);
  for (const part of ["1/2", "2/2"]) {
    t.equal((await halfclose("run", url, ...narrow, "--shard", part, "-o", `shard-${part[0] ?? ""}`)).code, 0);
  }
  t.equal((await halfclose("merge", "shard-1/results.json", "shard-2/results.json", "-o", "merged")).code, 0);
  t.strictSame(
    read("merged").checks.map(({ id }) => id),
    read("whole").checks.map(({ id }) => id),
  );

  const twice = await halfclose("merge", "shard-1/results.json", "whole/results.json", "-o", "merged");
  t.equal(twice.code, 2);
  t.match(twice.said, /shards have no check in common/);

  t.equal((await halfclose("run", `ws://127.0.0.1:${faulty.httpPort}/logs/monitor`, ...narrow, "-o", "after")).code, 1);
  const worse = await halfclose("compare", "whole/results.json", "after/results.json");
  t.equal(worse.code, 1);
  t.match(worse.printed, /Newly failing\n {2}opening\/ws-version-refused \(ws\)/);
  const better = await halfclose("compare", "after/results.json", "whole/results.json");
  t.equal(better.code, 0);
  t.match(better.printed, /Fixed\n {2}opening\/ws-version-refused \(ws\)/);
});
