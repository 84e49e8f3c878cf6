import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";

/** Measures how late this process's own event loop is, so that its lateness is never blamed on the target. */
export interface LoopWatch {
  /** Milliseconds, summed, by which the loop was late since the given `performance.now()`. */
  latenessMsSince(startMs: number): number;
  stop(): void;
}

const tickMs = 20;
/** Lateness under this is the ordinary coarseness of timers. */
const ignoredMs = 10;
const kept = 3000;

/** A watch that ticks every 20 ms and keeps the last minute; it does not keep the process alive. */
export function watchLoop(): LoopWatch {
  const late: { readonly atMs: number; readonly byMs: number }[] = [];
  let previousMs = performance.now();
  const tick = (): void => {
    const nowMs = performance.now();
    const byMs = nowMs - previousMs - tickMs;
    previousMs = nowMs;
    if (byMs > ignoredMs) {
      late.push({ atMs: nowMs, byMs });
      if (late.length > kept) {
        late.shift();
      }
    }
  };
  const timer = setInterval(tick, tickMs);
  timer.unref();
  return {
    latenessMsSince(startMs) {
      let sum = Math.max(0, performance.now() - previousMs - tickMs - ignoredMs);
      for (let i = late.length - 1; i >= 0; i--) {
        const entry = late[i];
        if (entry === undefined || entry.atMs < startMs) {
          break;
        }
        sum += Math.min(entry.byMs, entry.atMs - startMs);
      }
      return sum;
    },
    stop() {
      clearInterval(timer);
    },
  };
}

/** Waits until the loop was on time for half a second, at most for 3 s. */
export async function untilCalm(watch: LoopWatch): Promise<void> {
  for (let waited = 0; waited < 6; waited++) {
    const startMs = performance.now();
    await sleep(500);
    if (watch.latenessMsSince(startMs) < 50) {
      return;
    }
  }
}
