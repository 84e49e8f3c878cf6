import type { Report } from "./core/report.js";
import type { RenderOptions } from "./core/reporter.js";
import { type ReporterName, reporters } from "./reporters/index.js";

export { HarnessError, type HarnessErrorCode } from "./core/errors.js";
export type { CheckRecord, GateRecord, HistogramRecord, Report, RunEvent, ThresholdRecord, WindowRecord, WorkloadRecord } from "./core/report.js";
export type { TimelineEvent } from "./core/timeline.js";
export type { Level, VerdictStatus } from "./core/verdict.js";
export type { Transport } from "./core/contract.js";
export { type ConformanceOptions as RunOptions, runConformance as run } from "./harness/conformance-run.js";
export { type LoadOptions, runWorkload as load } from "./harness/load-run.js";
export { type ReferenceServer, type ReferenceServerOptions, startReferenceServer } from "./reference/server.js";
export type { ReporterName } from "./reporters/index.js";

/** One view of a report, such as `text` for the message of a failed assertion; without colour and 100 columns wide unless said otherwise. */
export function render(report: Report, reporter: ReporterName = "text", options: Partial<RenderOptions> = {}): string {
  return reporters[reporter].render(report, { colour: false, columns: 100, ...options });
}
