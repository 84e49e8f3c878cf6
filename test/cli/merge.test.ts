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

t.test("shards of a load run merge to one record, whose thresholds are judged on the whole", async (t) => {
  const server = await startReferenceServer({ rate: 200 });
  t.teardown(() => server.kill());
  const folder = t.testdir();
  const halfclose = async (...args: readonly string[]) => {
    const console = recordingConsole({ folder });
    return { code: await main(args, console), said: console.errors(), printed: console.output() };
  };
  const read = (name: string): Report => JSON.parse(readFileSync(path.join(folder, name, "results.json"), "utf8")) as Report;
  const url = `ws://127.0.0.1:${server.httpPort}/logs/monitor`;
  const shared = (shard: string) =>
    halfclose("load", "throughput", url, "-d", "1s", "--shard", shard, "--start-at", "+1s", "-t", "received rate > 1000000/s", "-o", `shard-${shard[0] ?? ""}`);
  const shards = await Promise.all([shared("1/2"), shared("2/2")]);
  for (const { code, said } of shards) {
    t.ok(code === 0 || code === 6, `${code}: a shard judges no threshold. ${said}`);
  }
  const merged = await halfclose("merge", "shard-1/results.json", "shard-2/results.json", "-o", "merged");
  t.match(merged.printed + merged.said, /received rate > 1000000\/s/);
  const [whole] = read("merged").workloads;
  const parts = ["shard-1", "shard-2"].map((name) => read(name).workloads[0]);
  t.equal(
    whole?.counters["received"],
    parts.reduce((sum, record) => sum + (record?.counters["received"] ?? 0), 0),
  );
  t.equal(whole?.streams, 4);
  t.match(whole?.thresholds, [{ status: "failed" }]);
  t.equal(merged.code, whole?.generator.status === "valid" ? 99 : 6);

  const lone = await halfclose("merge", "shard-1/results.json", "-o", "lone");
  t.equal(lone.code, 6, "half of the load says nothing about the whole");
  const refused = await halfclose("load", "throughput", url, "--shard", "1/2", "--engine", "k6");
  t.equal(refused.code, 2);
  t.match(refused.said, /execution segments/);
  t.match((await halfclose("load", "throughput", url, "--shard", "3/2")).said, /--shard is "3\/2", not a part such as 1\/3/);
  t.match((await halfclose("load", "throughput", url, "--start-at", "yesterday")).said, /not a time such as/);
});
