/** Places values on a logarithmic axis. */
export interface LogScale {
  /** The least and greatest value of the axis: 1, 2 or 5 times a power of ten. */
  readonly from: number;
  readonly to: number;
  /** Where grid lines stand: 1, 2 and 5 times powers of ten, or powers of ten alone where that were too many. */
  readonly ticks: readonly number[];
  at(value: number): number;
}

/** An axis from `least` to `greatest`, both at least 1 after rounding, at `start` and `end` of the drawing. */
export function logScale(least: number, greatest: number, start: number, end: number): LogScale {
  const steps = stepsBetween(Math.max(1, least), Math.max(1, greatest));
  const from = steps[0] ?? 1;
  const to = Math.max(from * 2, steps.at(-1) ?? 1);
  const wide = steps.filter((value) => Number.isInteger(Math.log10(value)));
  return {
    from,
    to,
    ticks: steps.length > 9 ? wide : steps,
    at: (value) => start + (Math.log(Math.min(to, Math.max(from, value)) / from) / Math.log(to / from)) * (end - start),
  };
}

/** 1, 2 and 5 times powers of ten, from the last at or under `least` to the first at or over `greatest`. */
function stepsBetween(least: number, greatest: number): number[] {
  const all: number[] = [];
  for (let exponent = Math.floor(Math.log10(least)); exponent <= Math.ceil(Math.log10(greatest)); exponent++) {
    all.push(...[1, 2, 5].map((digit) => digit * 10 ** exponent));
  }
  const from = all.findLastIndex((value) => value <= least);
  const to = all.findIndex((value) => value >= greatest);
  return all.slice(Math.max(0, from), (to < 0 ? all.length - 1 : to) + 1);
}
