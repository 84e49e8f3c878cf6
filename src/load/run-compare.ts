import { HarnessError } from "../core/errors.js";
import type { RatioRecord, WorkloadRecord } from "../core/report.js";
import { compareRuns, type CompareOptions, comparisonSentence, interleaved } from "./compare.js";
import { runLoad, type RunLoadOptions } from "./run-load.js";

/** What differs between the two sides; everything else is alike. */
export type ComparedSide = Pick<RunLoadOptions, "targets" | "drivers" | "threads" | "produce" | "sampleTarget">;

export interface RunCompareOptions extends Omit<RunLoadOptions, keyof ComparedSide>, Omit<CompareOptions, "seed"> {
  readonly before: ComparedSide;
  readonly after: ComparedSide;
  /** Runs of each side; default and least 5. */
  readonly rounds?: number;
  readonly onRun?: (side: "before" | "after", record: WorkloadRecord, done: number, total: number) => void;
}

export interface Comparison {
  readonly before: readonly WorkloadRecord[];
  readonly after: readonly WorkloadRecord[];
  readonly ratios: readonly RatioRecord[];
  /** Why the numbers cannot be believed; empty when they can. */
  readonly spoiled: readonly string[];
  readonly sentence: string;
}

/**
 * Runs a workload against two targets in turns and compares what was measured.
 * @throws what `runLoad` throws; `interrupted` when the signal ended it.
 */
export async function runCompare(options: RunCompareOptions): Promise<Comparison> {
  const { before: earlier, after: later, rounds = 5, onRun, seed, signal } = options;
  const records: Record<"before" | "after", WorkloadRecord[]> = { before: [], after: [] };
  const order = interleaved(rounds);
  for (const [i, side] of order.entries()) {
    // Both runs of a round offer the same load.
    const record = await runLoad({ ...options, ...(side === "before" ? earlier : later), seed: seed + (i >> 1) });
    if (signal?.aborted === true) {
      throw new HarnessError("interrupted", "The comparison was stopped before it had a result.");
    }
    records[side].push(record);
    onRun?.(side, record, i + 1, order.length);
  }
  const ratios = compareRuns(records.before, records.after, options);
  const spoiled = [...new Set([...records.before, ...records.after].flatMap(({ generator }) => generator.reasons))];
  return { ...records, ratios, spoiled, sentence: comparisonSentence(ratios, options.tolerance) };
}
