import type { Clock } from "../core/clock.js";

/** How far the wall clock may drift from the monotonic one before it is anchored again, in microseconds. */
const driftMicros = 2000;

/**
 * The clock of this thread, on the scale of the thread whose `performance.timeOrigin` is given: what workers stamp can be compared.
 * The wall clock follows adjustments of the system's at once a second, with microsecond steps between.
 * @param originMs `performance.timeOrigin` of the scale; default this thread's.
 */
export function createSystemClock(originMs: number = performance.timeOrigin): Clock {
  const shiftMs = performance.timeOrigin - originMs;
  const nowMicros = (): number => Math.round((performance.now() + shiftMs) * 1000);
  let offsetMicros = performance.timeOrigin * 1000 - shiftMs * 1000;
  let checkedMicros = 0;
  return {
    nowMicros,
    wallMicros() {
      const now = nowMicros();
      if (now - checkedMicros > 1_000_000) {
        checkedMicros = now;
        const systemMicros = Date.now() * 1000;
        // Date.now() is cut to milliseconds, so up to one of them is no drift.
        if (Math.abs(systemMicros + 500 - (now + offsetMicros)) > driftMicros) {
          offsetMicros = systemMicros + 500 - now;
        }
      }
      return Math.round(now + offsetMicros);
    },
  };
}
