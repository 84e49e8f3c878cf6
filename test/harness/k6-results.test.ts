import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { histogramFromRecord } from "../../src/load/histogram-record.js";
import { exportK6 } from "../../src/harness/k6-export.js";
import { mergeK6Results } from "../../src/harness/k6-results.js";
import { startReferenceServer } from "../../src/reference/server.js";
import { installedK6 } from "../engines/installed-k6.js";

const k6 = await installedK6();
const run = promisify(execFile);

interface Point {
  readonly metric: string;
  readonly type: string;
  readonly data: { readonly value: number };
}

async function pointsOf(file: string): Promise<Point[]> {
  const text = await readFile(file, "utf8");
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Point)
    .filter(({ type }) => type === "Point");
}

t.test(
  "two k6 processes with execution segments make one report: counts are their sum, percentiles those of all samples together",
  { skip: "missing" in k6 ? k6.missing : false },
  async (t) => {
    const folder = t.testdir();
    const server = await startReferenceServer({ rate: 300 });
    t.teardown(() => server.stop({ graceMs: 200 }));
    const command = ["halfclose", "export"];
    const files = await exportK6({
      urls: [server.urls.grpc, server.urls.websocket],
      folder,
      out: "k6",
      workload: "filter-churn",
      streams: 4,
      durationSeconds: 2,
      command,
    });
    t.strictSame(files, ["README.md", "halfclose.json", "plan.json", "script.js", "types-0.protoset"]);
    // Just as the README says.
    const readme = await readFile(path.join(folder, "k6", "README.md"), "utf8");
    const lines = readme.split("\n").filter((line) => line.includes("--execution-segment-sequence"));
    t.equal(lines.length, 2);
    const binary = "path" in k6 ? k6.path : "k6";
    await Promise.all(
      lines.map((line) =>
        run(binary, [...line.trim().split(/\s+/).slice(1, -1), "--quiet", "--no-usage-report", "script.js"], { cwd: path.join(folder, "k6"), timeout: 60_000 }),
      ),
    );

    const names = ["points-1.json", "points-2.json"].map((name) => path.join("k6", name));
    const report = await mergeK6Results({ folder, exported: "k6", files: names, command });
    const [record] = report.workloads;
    const parts = await Promise.all(names.map((name) => pointsOf(path.join(folder, name))));
    const sum = (metric: string, of: readonly Point[]): number =>
      of.filter((point) => point.metric === metric).reduce((total, { data }) => total + data.value, 0);
    for (const [counter, metric] of [
      ["received", "hc_received"],
      ["sent", "hc_sent"],
      ["opened", "hc_opened"],
    ] as const) {
      t.ok(
        parts.every((part) => sum(metric, part) > 0),
        `both instances have ${counter}`,
      );
      t.equal(record?.counters[counter], sum(metric, parts.flat()), counter);
    }
    t.equal(record?.counters["opened"], 4, "each stream was opened by one instance");
    const pooled = parts
      .flat()
      .filter(({ metric }) => metric === "hc_filter_apply")
      .map(({ data }) => Math.round(data.value * 1000));
    // On a machine that is too busy an update may not apply within its bound: that is a sample as well.
    const beyond = Array.from({ length: sum("hc_beyond_filter_apply", parts.flat()) }, () => Infinity);
    const samples = [...pooled, ...beyond].toSorted((a, b) => a - b);
    const histogram = histogramFromRecord(record!.histograms["filter-apply"]!);
    t.equal(histogram.total, samples.length);
    for (const q of [0.5, 0.9, 0.99, 1]) {
      const exact = samples[Math.max(1, Math.ceil(q * samples.length - 1e-9)) - 1]!;
      const merged = histogram.quantile(q);
      t.ok(merged === exact || Math.abs(merged - exact) <= exact / 1000 + 1, `p${q * 100}: ${merged} against ${exact}`);
    }
    t.equal(record?.engine, "k6");
    t.strictSame([...(record?.transports ?? [])].toSorted(), ["grpc", "ws"]);
    t.ok(
      record?.thresholds.some(({ text, status }) => text === "stale-hard == 0" && status === "passed"),
      "thresholds are judged on the whole",
    );
  },
);

t.test("what is no export, no result, or of another workload is said", async (t) => {
  const folder = t.testdir({ empty: {}, old: { "halfclose.json": "{}" } });
  const merge = (exported: string, files: readonly string[]) => mergeK6Results({ folder, exported, files, command: [] });
  await t.rejects(merge("empty", ["x"]), { code: "usage", message: /empty\/halfclose\.json cannot be read/ });
  await t.rejects(merge("old", ["x"]), { code: "usage", message: /was not written by this version/ });
  const server = await startReferenceServer({ rate: 0 });
  t.teardown(() => server.stop({ graceMs: 200 }));
  await exportK6({ urls: [server.urls.grpc], folder, out: "k6", workload: "throughput", command: [] });
  await t.rejects(merge("k6", ["nowhere.json"]), { code: "usage", message: /nowhere\.json cannot be read/ });
  await writeFile(path.join(folder, "nothing.json"), "hello\n");
  await t.rejects(merge("k6", ["nothing.json"]), { code: "usage", message: /holds nothing that the exported script measured/ });
  const point = (metric: string, value: number, group: string): string =>
    `${JSON.stringify({ metric, type: "Point", data: { time: "2030-01-01T00:00:00Z", value, tags: { group } } })}\n`;
  await writeFile(path.join(folder, "other.json"), point("hc_begin", 0, "else") + point("hc_received", 1, "else"));
  await t.rejects(merge("k6", ["other.json"]), { code: "usage", message: /it names the group "else"/ });
});

t.test("manifests for Kubernetes are written beside the rest, and only for as many instances as have streams", async (t) => {
  const folder = t.testdir();
  const server = await startReferenceServer({ rate: 0 });
  t.teardown(() => server.stop({ graceMs: 200 }));
  const given = { urls: [server.urls.grpc], folder, out: "k6", workload: "filter-churn", command: [] };
  const files = await exportK6({ ...given, operator: { parallelism: 2 } });
  t.strictSame(files, ["README.md", "halfclose.json", "operator.yaml", "plan.json", "points-reader.yaml", "script.js", "types-0.protoset"]);
  const readme = await readFile(path.join(folder, "k6", "README.md"), "utf8");
  t.match(readme, /kubectl apply -f operator\.yaml/);
  t.match(readme, /halfclose merge --k6-export k6 k6\/points\/\*\.json/);
  await t.rejects(exportK6({ ...given, streams: 2, operator: { parallelism: 3 } }), { code: "usage", message: /3 instances cannot share 2 streams/ });
});

t.test("an export does not write among other files, and names what k6 cannot perform", async (t) => {
  const folder = t.testdir({ mine: { "thesis.txt": "" } });
  const server = await startReferenceServer({ rate: 0 });
  t.teardown(() => server.stop({ graceMs: 200 }));
  const given = { urls: [server.urls.grpc], folder, command: [] };
  await t.rejects(exportK6({ ...given, out: "mine", workload: "throughput" }), { code: "usage", message: /other files in it: thesis\.txt/ });
  await t.rejects(exportK6({ ...given, out: "k6", workload: "slow-reader" }), { code: "workload", message: /k6 reads always/ });
});
