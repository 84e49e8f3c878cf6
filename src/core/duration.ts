const unitMs: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** What parseDuration accepts, as an anchored regular expression for schemas. */
export const durationPattern = /^\d+(\.\d+)?(us|ms|s|m|h)$/;

/** Milliseconds of a text such as `250ms`, `1.5s`, `2m`; undefined when it is no duration. */
export function parseDuration(text: string): number | undefined {
  if (!durationPattern.test(text)) {
    return undefined;
  }
  const unit = /[a-z]+$/.exec(text)?.[0] ?? "";
  const perUnit = unitMs[unit];
  return perUnit === undefined ? undefined : Number(text.slice(0, -unit.length)) * perUnit;
}
