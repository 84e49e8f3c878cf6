/** The server's clock for the `time` field: RFC 3339 in UTC with nine fraction digits. */
export interface EntryClock {
  /** The wall-clock time of this moment, to the microsecond. */
  now(): string;
}

const TOLERANCE_MS = 2;

/**
 * A wall clock with the resolution of the monotonic clock. It follows the system's clock: where the two differ
 * by more than 2 ms (a clock was set, or slewed during a long run) it is set to the system's time again.
 */
export function createEntryClock(): EntryClock {
  let originMs = performance.timeOrigin;
  let formattedMs = -1;
  let formatted = "";
  return {
    now(): string {
      const monotonicMs = performance.now();
      const systemMs = Date.now();
      if (Math.abs(originMs + monotonicMs - systemMs) > TOLERANCE_MS) originMs = systemMs - monotonicMs;
      const wallMs = originMs + monotonicMs;
      const wholeMs = Math.floor(wallMs);
      if (wholeMs !== formattedMs) {
        formattedMs = wholeMs;
        formatted = new Date(wholeMs).toISOString().slice(0, -1);
      }
      const micros = Math.floor((wallMs - wholeMs) * 1000);
      return `${formatted}${String(micros).padStart(3, "0")}000Z`;
    },
  };
}
