import { performance } from "node:perf_hooks";
import { rootsOfHeldStreams } from "../src/conformance/roots.js";
import type { Session } from "../src/conformance/session.js";
import { fail, unproven } from "../src/core/verdict.js";

/** How often the probe is read while something is awaited. */
const everyMs = 20;

/** The number of open streams once two readings in a row agree, or the last one after the release bound: others may share the server. */
export async function steadyStreams(session: Session): Promise<number> {
  const startMs = performance.now();
  let previous = await openStreams(session);
  while (performance.now() - startMs < session.bounds.releaseMs) {
    await session.until(() => undefined, everyMs, { quiet: true });
    const reading = await openStreams(session);
    if (reading === previous) {
      return reading;
    }
    previous = reading;
  }
  return previous;
}

/** Fails unless the server's open streams are back at `before` within the release bound. */
export async function released(session: Session, before: number, after: string, boundMs = session.bounds.releaseMs): Promise<void> {
  const startMs = performance.now();
  let reading = await openStreams(session);
  while (reading > before) {
    const elapsedMs = performance.now() - startMs - session.context.watch.latenessMsSince(startMs);
    if (elapsedMs > boundMs) {
      fail(
        `the server holds ${before} open ${before === 1 ? "stream" : "streams"} again within ${boundMs} ms after ${after}`,
        `it still holds ${reading}`,
        rootsOfHeldStreams,
      );
    }
    await session.until(() => undefined, everyMs, { quiet: true });
    reading = await openStreams(session);
  }
  session.waiter.used(performance.now() - startMs, boundMs);
}

/** The number of streams that the server says it holds. */
async function openStreams(session: Session): Promise<number> {
  const reading = await session.probe.read();
  if ("kind" in reading) {
    unproven(`a probe of the server's open streams: ${reading.reason}`);
  }
  if (reading.openStreams === undefined) {
    unproven("a probe that counts open streams");
  }
  session.record({ stream: "probe", direction: "received", what: `${reading.openStreams} open streams` });
  return reading.openStreams;
}
