import type { Clock } from "../core/clock.js";

/** Waits for points in time; holds the count of what waiting exactly costs. */
export interface Pace {
  /** Resolves at or just after the time, never before; at once when `stop` is aborted. */
  until(atMicros: number, stop: AbortSignal): Promise<void>;
  /** Time that the loop spun in wait, in microseconds: it is idle time, though the loop looks busy. */
  readonly spunMicros: number;
}

/** Timers of Node fire up to a millisecond late, so the last stretch is waited out turn by turn of the loop, in which I/O goes on. */
const spinMicros = 1500;
/** A turn of the spinning loop that took longer did something else. */
const idleTurnMicros = 30;

export function createPace(clock: Clock): Pace {
  let spunMicros = 0;
  return {
    until(atMicros, stop) {
      return new Promise((resolve) => {
        let timer: NodeJS.Timeout | undefined;
        const done = (): void => {
          clearTimeout(timer);
          stop.removeEventListener("abort", done);
          resolve();
        };
        let turnedMicros = 0;
        const look = (): void => {
          const now = clock.nowMicros();
          if (turnedMicros > 0) {
            spunMicros += Math.min(idleTurnMicros, now - turnedMicros);
          }
          const leftMicros = atMicros - now;
          if (leftMicros <= 0 || stop.aborted) {
            done();
          } else if (leftMicros > spinMicros + 1000) {
            turnedMicros = 0;
            timer = setTimeout(look, Math.floor((leftMicros - spinMicros) / 1000));
          } else {
            turnedMicros = now;
            setImmediate(look);
          }
        };
        stop.addEventListener("abort", done, { once: true });
        look();
      });
    },
    get spunMicros() {
      return spunMicros;
    },
  };
}
