import { type EventLoopUtilization, performance } from "node:perf_hooks";

const leastBytes = 1024 * 1024;
/** 2.7 Gbit/s over a round trip of 50 ms. */
const mostBytes = 16 * 1024 * 1024;
/** Between two looks at how busy the thread is. */
const everyMs = 50;
/** A thread that is at work for more than this share of the time is what others wait for. */
const busyShare = 0.9;

/** Time at work and time waiting since `since`, in milliseconds. */
export type Utilization = (since?: EventLoopUtilization) => EventLoopUtilization;

/**
 * How much servers may send ahead of this thread, in bytes for each connection: little at first, and twice as much whenever the thread was seen to
 * wait for them, as it does behind a long round trip. What a thread that is at its limit lets them send ahead only waits in the kernel: it comes
 * later, and has left the caches by then.
 */
export function createReadingWindow(utilization: Utilization = (since) => performance.eventLoopUtilization(since)): () => number {
  let bytes = leastBytes;
  let seen = utilization();
  return () => {
    if (bytes < mostBytes) {
      const { idle, active } = utilization(seen);
      if (idle + active >= everyMs) {
        seen = utilization();
        bytes *= active < busyShare * (idle + active) ? 2 : 1;
      }
    }
    return bytes;
  };
}
