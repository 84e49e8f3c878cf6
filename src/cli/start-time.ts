import { parseDuration } from "../core/duration.js";
import { HarnessError } from "../core/errors.js";

/** No run waits longer for its start. */
const latestMs = 24 * 60 * 60 * 1000;

/**
 * When to begin, in milliseconds since the Unix epoch: an RFC 3339 time with its zone, or `+30s` from now on.
 * @throws HarnessError `usage` for anything else, a time that has passed, or one more than a day ahead.
 */
export function readStartTime(text: string, place: string, nowMs: number): number {
  const ahead = text.startsWith("+") ? parseDuration(text.slice(1)) : undefined;
  const absolute = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : Number.NaN;
  const atMs = ahead === undefined ? absolute : nowMs + ahead;
  if (Number.isNaN(atMs)) {
    throw new HarnessError("usage", `${place} is "${text}", not a time such as 2030-01-31T12:00:00Z, or +30s.`, { place });
  }
  if (atMs <= nowMs) {
    throw new HarnessError("usage", `${place} ${text} has passed: it is ${new Date(nowMs).toISOString()}.`, {
      place,
      hint: "streams are opened before it: leave some seconds",
    });
  }
  if (atMs - nowMs > latestMs) {
    throw new HarnessError("usage", `${place} ${text} is more than a day ahead.`, { place });
  }
  return atMs;
}
