import { createRandom } from "../core/random.js";
import { median } from "./measurement.js";

/** Where a ratio lies, 95 times of 100. */
export interface Interval {
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
}

const resamples = 2000;

/**
 * The ratio of the medians of two sets of runs, with a 95 % interval by the bootstrap: runs are drawn again with replacement, as another day
 * might have brought them. The same seed gives the same interval. NaN when a set is empty.
 */
export function ratioOfRuns(before: readonly number[], after: readonly number[], seed: number): Interval {
  const ratio = ratioOf(medianOf(after), medianOf(before));
  const random = createRandom(seed);
  const draw = (runs: readonly number[]): number => medianOf(runs.map(() => runs[Math.floor(random() * runs.length)] ?? Number.NaN));
  const ratios = Array.from({ length: resamples }, () => ratioOf(draw(after), draw(before))).toSorted((a, b) => a - b);
  return { ratio, low: quantileOf(ratios, 0.025), high: quantileOf(ratios, 0.975) };
}

/**
 * The ratio of a statistic of two single runs, with a 95 % interval from drawing each anew: it holds what varies within a run, not from run to run.
 * @param drawBefore the statistic of the run before, drawn anew with the given random numbers; so `drawAfter`.
 */
export function ratioOfDraws(
  measured: { readonly before: number; readonly after: number },
  draw: { readonly before: (random: () => number) => number; readonly after: (random: () => number) => number },
  seed: number,
): Interval {
  const random = createRandom(seed);
  const ratios = Array.from({ length: resamples }, () => ratioOf(draw.after(random), draw.before(random))).toSorted((a, b) => a - b);
  return { ratio: ratioOf(measured.after, measured.before), low: quantileOf(ratios, 0.025), high: quantileOf(ratios, 0.975) };
}

/** The middle one, or the mean of the two in the middle; NaN of none. */
export function medianOf(values: readonly number[]): number {
  return median(values.toSorted((a, b) => a - b));
}

/** Two zeros are alike. */
function ratioOf(after: number, before: number): number {
  return after === before ? 1 : after / before;
}

function quantileOf(ascending: readonly number[], q: number): number {
  return ascending[Math.min(ascending.length - 1, Math.floor(q * ascending.length))] ?? Number.NaN;
}
