import { type EventLoopUtilization, performance, PerformanceObserver } from "node:perf_hooks";
import type { Clock } from "../core/clock.js";
import type { Meter } from "./meter.js";
import type { Pace } from "./pace.js";

/** How busy a thread's event loop was, spinning in wait not counted. */
export interface LoopWatch {
  /** Share of the time since the last call in which the loop worked. */
  window(): number;
  /** Ends the watch. */
  close(): { readonly loopUtilisation: number; readonly longestStallMicros: number };
}

const sampleEveryMs = 20;

/** Watches this thread's loop; its lateness and its garbage collections go into the meter as loop-delay and gc. */
export function watchLoop({ clock, pace, meter }: { readonly clock: Clock; readonly pace: Pace; readonly meter: Meter | undefined }): LoopWatch {
  const started = { utilization: performance.eventLoopUtilization(), spunMicros: pace.spunMicros };
  let last = started;
  let longestStallMicros = 0;
  let expectedMicros = clock.nowMicros() + sampleEveryMs * 1000;
  const sampler = setInterval(() => {
    const now = clock.nowMicros();
    const late = Math.max(0, now - expectedMicros);
    // Whatever is under a millisecond is the timer's own grain.
    meter?.time("loop-delay").record(late);
    longestStallMicros = Math.max(longestStallMicros, late);
    expectedMicros = now + sampleEveryMs * 1000;
  }, sampleEveryMs);
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      meter?.time("gc").record(entry.duration * 1000);
    }
  });
  observer.observe({ entryTypes: ["gc"] });
  return {
    window() {
      const now = { utilization: performance.eventLoopUtilization(), spunMicros: pace.spunMicros };
      const share = busyShare(now.utilization, last.utilization, now.spunMicros - last.spunMicros);
      last = now;
      return share;
    },
    close() {
      clearInterval(sampler);
      observer.disconnect();
      return { loopUtilisation: busyShare(performance.eventLoopUtilization(), started.utilization, pace.spunMicros - started.spunMicros), longestStallMicros };
    },
  };
}

function busyShare(now: EventLoopUtilization, before: EventLoopUtilization, spunMicros: number): number {
  const { active, idle } = performance.eventLoopUtilization(now, before);
  const total = active + idle;
  return total <= 0 ? 0 : Math.max(0, Math.min(1, (active - spunMicros / 1000) / total));
}
