import { defaultContract } from "../contract/load-contract.js";
import type { Transport } from "../core/contract.js";
import { metrics } from "../core/metric.js";
import { formatMicros } from "../core/quantity.js";
import type { WorkloadRecord } from "../core/report.js";
import { holds, parseThreshold } from "../core/threshold.js";
import { recordedValue } from "../load/judge.js";
import { performWorkload, type WorkloadOptions } from "./perform-workload.js";
import type { StartCommand } from "./owned-target.js";
import { openSurroundings, type SurroundingsOptions } from "./surroundings.js";

/** What a workload is performed like, beside where. */
export interface CalibrationOptions extends Pick<
  WorkloadOptions,
  "workload" | "seed" | "durationSeconds" | "streams" | "workers" | "engine" | "signal" | "floodElsewhere"
> {
  /** Starts a server of the default contract. */
  readonly start: StartCommand;
  readonly driver: SurroundingsOptions["driver"];
  /** Those of the target. */
  readonly transports: readonly Transport[];
}

/** It need not be told finely. */
const longestSeconds = 5;

/**
 * Performs a workload, for a few seconds, against a server that is known to be right: what is measured of it, this machine and the generator take by
 * themselves.
 * @throws HarnessError `workload` when the workload names filters that only the target's own contract has.
 */
export async function calibrate({ start, driver, transports, ...options }: CalibrationOptions): Promise<WorkloadRecord> {
  const surroundings = await openSurroundings({ urls: [], start, driver, signal: options.signal });
  try {
    const targets = Object.fromEntries(Object.entries(surroundings.targets).filter(([transport]) => transports.includes(transport as Transport)));
    const seconds = Math.min(longestSeconds, options.durationSeconds ?? options.workload.durationMs / 1000);
    return await performWorkload({ ...surroundings, targets }, { ...options, durationSeconds: seconds, contract: defaultContract });
  } finally {
    await surroundings.close();
  }
}

/** Latencies that the machine has a part in. */
const shown = ["open", "first-entry", "filter-apply", "delivery-lag"] as const;

/** Says beside a target's record what was measured without it. A limit on a time that both miss cannot be told here: the generator is invalid. */
export function besideCalibration(record: WorkloadRecord, { histograms, generator }: WorkloadRecord): WorkloadRecord {
  const kept = Object.fromEntries(shown.flatMap((name) => (histograms[name] === undefined ? [] : [[name, histograms[name]]])));
  const figures = Object.entries(kept).map(([name, { p50, p99 }]) => `${name} p50 ${formatMicros(p50)}, p99 ${formatMicros(p99)}`);
  const missed = record.thresholds.flatMap(({ text, status }) => {
    const threshold = parseThreshold(text);
    if (status !== "failed" || "problem" in threshold || threshold.against !== "limit" || metrics[threshold.metric].kind !== "time") {
      return [];
    }
    const value = recordedValue(threshold, { histograms: kept });
    return value === undefined || holds(value, threshold.operator, threshold.limit)
      ? []
      : [`"${text}" is missed by the server that comes with halfclose as well, by ${formatMicros(value)}: this machine cannot tell.`];
  });
  const more = generator.status === "valid" ? "." : `, and more than they should: ${generator.reasons.join(" ")}`;
  const reasons = [...record.generator.reasons, ...missed];
  return {
    ...record,
    generator: { status: reasons.length === 0 ? "valid" : "invalid", reasons },
    remarks: [
      ...record.remarks,
      `The server that comes with halfclose, under the same load: ${figures.join("; ") || "no latency"}. So much this machine and the generator take by themselves${more}`,
    ],
    calibration: { histograms: kept },
  };
}
