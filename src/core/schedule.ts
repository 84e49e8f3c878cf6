import { createRandom } from "./random.js";

/** How a rate changes over time: it goes straight from one value to the other. A rate that holds has both alike. */
export interface RateStage {
  readonly durationMs: number;
  readonly fromPerSecond: number;
  readonly toPerSecond: number;
}

/** `uniform`: evenly spaced by the rate; `poisson`: independent arrivals, as from many users, of the same rate. */
export type Spacing = "uniform" | "poisson";

/**
 * Due times in microseconds since the schedule's start, ascending, absolute: what the server does has no influence on them.
 * Ends with the last stage. The same seed gives the same times.
 */
export function* arrivals(stages: readonly RateStage[], spacing: Spacing, seed: number): Generator<number, void, undefined> {
  const random = createRandom(seed);
  let startMicros = 0;
  /** Arrivals due before the current stage, as a fraction: the integral of the rate. */
  let before = 0;
  // The first uniform arrival is due at once; a Poisson process begins with a gap.
  let target = spacing === "uniform" ? 0 : exponential(random);
  for (const stage of stages) {
    const whole = arrivalsIn(stage);
    while (target - before < whole) {
      yield startMicros + timeOf(stage, target - before);
      target += spacing === "uniform" ? 1 : exponential(random);
    }
    before += whole;
    startMicros += stage.durationMs * 1000;
  }
}

/** The number of arrivals that stages stand for, as a fraction. */
export function expectedArrivals(stages: readonly RateStage[]): number {
  return stages.reduce((sum, stage) => sum + arrivalsIn(stage), 0);
}

/** Total length in milliseconds. */
export function lengthMs(stages: readonly RateStage[]): number {
  return stages.reduce((sum, stage) => sum + stage.durationMs, 0);
}

/** The stages cut or prolonged to a length; the last rate holds on. */
export function fitTo(stages: readonly RateStage[], wantedMs: number): RateStage[] {
  const fitted: RateStage[] = [];
  let leftMs = wantedMs;
  for (const stage of stages) {
    if (leftMs <= 0) {
      break;
    }
    const durationMs = Math.min(stage.durationMs, leftMs);
    const part = stage.durationMs === 0 ? 1 : durationMs / stage.durationMs;
    fitted.push({ durationMs, fromPerSecond: stage.fromPerSecond, toPerSecond: stage.fromPerSecond + (stage.toPerSecond - stage.fromPerSecond) * part });
    leftMs -= durationMs;
  }
  const last = stages.at(-1);
  if (leftMs > 0 && last !== undefined) {
    fitted.push({ durationMs: leftMs, fromPerSecond: last.toPerSecond, toPerSecond: last.toPerSecond });
  }
  return fitted;
}

/** The same shape with every rate multiplied. */
export function scaleRates(stages: readonly RateStage[], factor: number): RateStage[] {
  return stages.map((stage) => ({ ...stage, fromPerSecond: stage.fromPerSecond * factor, toPerSecond: stage.toPerSecond * factor }));
}

/** A rate that holds. */
export function steady(perSecond: number, durationMs: number): RateStage[] {
  return [{ durationMs, fromPerSecond: perSecond, toPerSecond: perSecond }];
}

function arrivalsIn(stage: RateStage): number {
  return ((stage.fromPerSecond + stage.toPerSecond) / 2) * (stage.durationMs / 1000);
}

/** When the integral of a stage's rate reaches `amount`, in microseconds since the stage began. */
function timeOf(stage: RateStage, amount: number): number {
  const { fromPerSecond: from, toPerSecond: to } = stage;
  const seconds = stage.durationMs / 1000;
  const slope = (to - from) / seconds;
  // The root of from·t + slope·t²/2 = amount in the form that does not cancel when the slope is small.
  const root = Math.sqrt(Math.max(0, from * from + 2 * slope * amount));
  const sum = from + root;
  const at = sum === 0 ? 0 : (2 * amount) / sum;
  return Math.min(seconds, at) * 1_000_000;
}

function exponential(random: () => number): number {
  return -Math.log(1 - random());
}
