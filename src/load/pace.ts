import type { Clock } from "../core/clock.js";

/** Waits for points in time; holds the count of what waiting exactly costs. */
export interface Pace {
  /** Resolves at or just after the time, never before; at once when `stop` is aborted. */
  until(atMicros: number, stop: AbortSignal): Promise<void>;
  /** Time that the loop spun in wait, in microseconds: it is idle time, though the loop looks busy. However many wait, each moment counts once. */
  readonly spunMicros: number;
}

/** Timers of Node fire up to a millisecond late, so the last stretch is waited out turn by turn of the loop, in which I/O goes on. */
const spinMicros = 1500;
/** Bounds of what a turn of the loop takes in which nothing is done. */
const idleTurnMicros = { least: 2, most: 30 };
/** By how much of itself the estimate of an idle turn rises with each longer turn; a shorter one brings it down at once. */
const estimateRise = 1 / 512;

interface Waiter {
  readonly atMicros: number;
  readonly stop: AbortSignal;
  readonly done: () => void;
}

export function createPace(clock: Clock): Pace {
  const spinning = new Set<Waiter>();
  let spunMicros = 0;
  let turnedMicros = 0;
  let idleMicros = idleTurnMicros.most;
  const turn = (): void => {
    const now = clock.nowMicros();
    const took = now - turnedMicros;
    idleMicros = Math.max(idleTurnMicros.least, Math.min(took, idleMicros * (1 + estimateRise), idleTurnMicros.most));
    // Of a turn that took much longer the rest was work.
    spunMicros += Math.min(took, 2 * idleMicros);
    turnedMicros = now;
    for (const waiter of spinning) {
      if (waiter.atMicros <= now || waiter.stop.aborted) {
        spinning.delete(waiter);
        waiter.done();
      }
    }
    if (spinning.size > 0) {
      setImmediate(turn);
    }
  };
  const spin = (waiter: Waiter): void => {
    spinning.add(waiter);
    if (spinning.size === 1) {
      turnedMicros = clock.nowMicros();
      setImmediate(turn);
    }
  };
  return {
    until(atMicros, stop) {
      return new Promise((resolve) => {
        let timer: NodeJS.Timeout | undefined;
        const done = (): void => {
          clearTimeout(timer);
          stop.removeEventListener("abort", done);
          resolve();
        };
        const waiter = { atMicros, stop, done };
        const look = (): void => {
          const leftMicros = atMicros - clock.nowMicros();
          if (leftMicros <= 0 || stop.aborted) {
            done();
          } else if (leftMicros > spinMicros + 1000) {
            timer = setTimeout(look, Math.floor((leftMicros - spinMicros) / 1000));
          } else {
            spin(waiter);
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
