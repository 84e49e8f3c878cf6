import t from "tap";
import type { ThresholdRecord } from "../../src/core/report.js";
import { headline } from "../../src/reporters/summary.js";
import { loadReport } from "./fixtures.js";

t.test("a missed threshold is named, and only what takes time or has a rate is too slow", async (t) => {
  const said = (...thresholds: readonly ThresholdRecord[]): string => {
    const report = loadReport();
    const { word, sentence } = headline({
      ...report,
      exitCode: 99,
      partial: false,
      workloads: report.workloads.slice(0, 1).map((one) => ({ ...one, thresholds })),
    });
    return `${word}: ${sentence}`;
  };
  const latency: ThresholdRecord = { text: "filter-apply p99 < 50ms", status: "failed", measured: "61 ms" };
  const rate: ThresholdRecord = { text: "received rate > 25000/s", status: "failed", measured: "21,400/s" };
  const loss: ThresholdRecord = { text: "lost == 0", status: "failed", measured: "3" };
  const empty: ThresholdRecord = { text: "cancel-quiet p99 < 1s", status: "no-samples" };
  const kept: ThresholdRecord = { text: "stale-hard == 0", status: "passed", measured: "0" };
  t.equal(said(loss, kept), "MISSED: A threshold of a workload was missed: lost == 0.");
  t.equal(said(empty), "MISSED: A threshold of a workload was missed: cancel-quiet p99 < 1s.");
  t.equal(said(loss, latency), "TOO SLOW: A threshold of a workload was missed: lost == 0, filter-apply p99 < 50ms.");
  t.equal(said(rate), "TOO SLOW: A threshold of a workload was missed: received rate > 25000/s.");
  t.equal(
    said(loss, latency, rate, empty),
    "TOO SLOW: A threshold of a workload was missed: lost == 0, filter-apply p99 < 50ms, received rate > 25000/s and more.",
  );
});
