import t from "tap";
import { ownServer } from "../../src/cli/own-server.js";
import { Histogram } from "../../src/core/histogram.js";
import { besideCalibration } from "../../src/harness/calibration.js";
import { runWorkload } from "../../src/harness/load-run.js";
import { histogramRecord } from "../../src/load/histogram-record.js";
import { startReferenceServer } from "../../src/reference/server.js";
import { workloadRecord } from "../reporters/fixtures.js";

/** A record whose updates took so long, each the same. */
function tookMs(ms: number, change: Parameters<typeof workloadRecord>[0] = {}) {
  const histogram = new Histogram();
  histogram.recordMany(ms * 1000, 200);
  return workloadRecord({ histograms: { "filter-apply": histogramRecord(histogram) }, generator: { status: "valid", reasons: [] }, ...change });
}

t.test("a limit that a server which is known to be right misses as well cannot be told on this machine", (t) => {
  const text = "filter-apply p99 < 5ms";
  const failed = tookMs(20, { thresholds: [{ text, status: "failed", measured: "20ms" }] });
  t.match(besideCalibration(failed, tookMs(8)).generator, { status: "invalid", reasons: [/"filter-apply p99 < 5ms" is missed by .* as well, by 8.*ms/] });
  t.equal(besideCalibration(failed, tookMs(2)).generator.status, "valid", "the target alone misses it");
  const passed = tookMs(3, { thresholds: [{ text, status: "passed", measured: "3ms" }] });
  t.equal(besideCalibration(passed, tookMs(8)).generator.status, "valid", "what the target keeps is kept");
  const invalid = tookMs(2, { generator: { status: "invalid", reasons: ["Its loop was late."] } });
  const beside = besideCalibration(failed, invalid);
  t.equal(beside.generator.status, "valid");
  t.match(beside.remarks.at(-1), /filter-apply p50 2.*ms, p99 2.*ms.* and more than they should: Its loop was late\.$/);
  t.end();
});

t.test("a load is calibrated on the transports of its target, and by as many streams", async (t) => {
  const server = await startReferenceServer({ planted: { applyDelayMs: 60 } });
  t.teardown(() => server.kill());
  const report = await runWorkload({
    urls: [`grpc://127.0.0.1:${server.grpcPort}`],
    workload: "filter-churn",
    durationSeconds: 1,
    seed: 1,
    workers: 1,
    thresholds: ["filter-apply p50 < 1h"],
    calibrate: ownServer(),
  });
  const [record] = report.workloads;
  t.same(record?.transports, ["grpc"]);
  const [own, calibrated] = [record?.histograms["filter-apply"], record?.calibration?.histograms["filter-apply"]];
  t.ok((own?.min ?? 0) >= 59_000, "the target's own figures are kept apart");
  t.ok((calibrated?.count ?? 0) > 0 && (calibrated?.p50 ?? Infinity) < (own?.p50 ?? 0), "a server without the delay is faster");
  t.match(record?.remarks.join("\n"), /The server that comes with halfclose, under the same load: .*filter-apply p50/);
  await t.rejects(runWorkload({ urls: ["ws://127.0.0.1:9"], workload: "throughput", calibrate: ownServer(), shard: { index: 0, count: 2 } }), {
    name: "HarnessError",
    code: "usage",
    place: "--calibrate",
  });
});
