import { HarnessError } from "../core/errors.js";
import { isForbidden } from "../core/metric.js";
import type { RatioRecord, WorkloadRecord } from "../core/report.js";
import { parseThresholds } from "../core/threshold.js";
import { compareRuns, type CompareOptions, comparisonSentence, interleaved } from "./compare.js";
import { tightestLimit } from "./judge.js";
import { runLoad, type RunLoadOptions } from "./run-load.js";

/** What differs between the two sides; everything else is alike. */
export type ComparedSide = Pick<RunLoadOptions, "targets" | "drivers" | "threads" | "produce" | "sampleTarget">;

export interface RunCompareOptions extends Omit<RunLoadOptions, keyof ComparedSide>, Omit<CompareOptions, "seed"> {
  readonly before: ComparedSide;
  readonly after: ComparedSide;
  /** Runs of each side, and as many again where they differ; default and least 5. */
  readonly rounds?: number;
  /** A run is done, of `total` as it stands: a round that the generator spoiled is made again. */
  readonly onRun?: (side: "before" | "after", record: WorkloadRecord, done: number, total: number) => void;
}

export interface Comparison {
  /** Of the rounds that count. */
  readonly before: readonly WorkloadRecord[];
  readonly after: readonly WorkloadRecord[];
  readonly ratios: readonly RatioRecord[];
  /** Rounds that the generator spoiled and that were made again; they are in none of the figures. */
  readonly repeated: number;
  /** Why the numbers cannot be believed; empty when they can. */
  readonly spoiled: readonly string[];
  /** What ended it before it had a result: an interrupt, or a side that could not be measured any more. The figures are of the rounds until then. */
  readonly stopped: HarnessError | undefined;
  readonly sentence: string;
}

/**
 * Runs a workload against two targets in turns and compares what was measured. A round in which the generator was invalid on either side is made
 * again, on both: other work on the machine comes and goes. When more rounds are spoiled than were wanted, the comparison ends, and says why.
 * What differs is measured once more, in as many rounds: of some ten figures one may part by chance in five rounds, hardly in ten.
 * What is not a verdict yet when it is stopped does not become one; what the contract forbids is a fact whenever it was seen.
 * @throws what `runLoad` throws, and `interrupted` when the signal ended it, before the first round that counts.
 */
export async function runCompare(options: RunCompareOptions): Promise<Comparison> {
  const { before: earlier, after: later, onRun, seed, signal, workload } = options;
  // Nothing is judged by thresholds here; the tightest says how exactly the generator must keep its schedule.
  const limitMicros = tightestLimit(parseThresholds(options.thresholds ?? workload.thresholds, workload.source, "workload"));
  const thresholds = limitMicros === 0 ? [] : [`filter-apply p99 <= ${limitMicros}us min 1 samples`];
  const kept: Round[] = [];
  const spoilt: Round[] = [];
  let done = 0;
  const perform = async (count: number): Promise<void> => {
    const orders = interleaved(count);
    while (kept.length < count && spoilt.length <= count) {
      const round: Partial<Record<"before" | "after", WorkloadRecord>> = {};
      for (const side of orders[kept.length] ?? []) {
        // Both runs of a round offer the same load.
        const record = await runLoad({ ...options, thresholds, ...(side === "before" ? earlier : later), seed: seed + kept.length });
        if (signal?.aborted === true) {
          throw new HarnessError("interrupted", "The comparison was stopped before it had a result.");
        }
        round[side] = record;
        onRun?.(side, record, ++done, 2 * (count + spoilt.length));
      }
      const whole = round as Round;
      (reasonsOf([whole]).length === 0 ? kept : spoilt).push(whole);
    }
  };
  const compared = (rounds: readonly Round[]): RatioRecord[] =>
    compareRuns(
      rounds.map(({ before }) => before),
      rounds.map(({ after }) => after),
      options,
    );
  const wanted = interleaved(options.rounds ?? 5).length;
  let asked = wanted;
  let first: readonly RatioRecord[] = [];
  let stopped: HarnessError | undefined;
  try {
    await perform(wanted);
    const once = compared(kept);
    if (kept.length === wanted && once.some(differs)) {
      asked = 2 * wanted;
      await perform(asked);
    }
    first = once;
  } catch (thrown) {
    if (!(thrown instanceof HarnessError) || kept.length === 0) {
      throw thrown;
    }
    stopped = thrown;
  }
  const isEnough = kept.length === asked || stopped !== undefined;
  const counting = isEnough ? kept : [...kept, ...spoilt];
  const isConfirmed = (ratio: RatioRecord): boolean => isForbidden(ratio.of) || first.some(({ of, verdict }) => of === ratio.of && verdict === ratio.verdict);
  const ratios = compared(counting).map((ratio) => (differs(ratio) && !isConfirmed(ratio) ? unclear(ratio) : ratio));
  return {
    before: counting.map(({ before }) => before),
    after: counting.map(({ after }) => after),
    ratios,
    repeated: isEnough ? spoilt.length : 0,
    spoiled: isEnough ? [] : reasonsOf(spoilt),
    stopped,
    sentence:
      stopped === undefined || ratios.some(differs)
        ? comparisonSentence(ratios, options.tolerance)
        : `Inconclusive: ${kept.length} of ${asked} rounds were made.`,
  };
}

function differs({ verdict }: RatioRecord): boolean {
  return verdict === "worse" || verdict === "better";
}

/** What parted only when it was measured again is not told apart either. */
function unclear(ratio: RatioRecord): RatioRecord {
  return { ...ratio, verdict: "unclear" };
}

type Round = Readonly<Record<"before" | "after", WorkloadRecord>>;

/** Why the generator was invalid in them, each reason once. */
function reasonsOf(rounds: readonly Round[]): string[] {
  return [...new Set(rounds.flatMap(({ before, after }) => [...before.generator.reasons, ...after.generator.reasons]))];
}
