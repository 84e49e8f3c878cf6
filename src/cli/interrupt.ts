import { setMaxListeners } from "node:events";
import { HarnessError } from "../core/errors.js";
import { exitCodes } from "../core/exit-code.js";
import type { Console } from "./console.js";

/** What came of work that a signal may have ended. */
export type Interruptible<T> =
  | { readonly kind: "done"; readonly value: T; readonly signalCode: number | undefined }
  | { readonly kind: "failed"; readonly thrown: unknown; readonly signalCode: number | undefined };

/** How long the work may take to come to an end by itself after a signal. */
const graceMs = 4000;

/**
 * Does work that ends early on SIGINT or SIGTERM: the first signal asks, a second ends the process at once.
 * Work that does not listen to the first signal is given up after 4 s.
 */
export async function interruptible<T>(console: Console, work: (signal: AbortSignal) => Promise<T>): Promise<Interruptible<T>> {
  const controller = new AbortController();
  // Every check under way listens: many are no leak.
  setMaxListeners(0, controller.signal);
  let signalCode: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  let giveUp: (error: HarnessError) => void = () => undefined;
  const givenUp = new Promise<never>((_, reject) => {
    giveUp = reject;
  });
  const stopListening = console.onSignal((signal) => {
    const code = signal === "SIGINT" ? exitCodes.interrupted : exitCodes.terminated;
    if (signalCode !== undefined) {
      console.exitNow(code);
    }
    signalCode = code;
    console.redraw(undefined);
    console.err(`halfclose: stopping (${signal}); once more to stop at once\n`);
    controller.abort();
    timer = setTimeout(() => giveUp(new HarnessError("interrupted", `The run did not end within ${graceMs / 1000} s of ${signal} and was given up.`)), graceMs);
  });
  try {
    return { kind: "done", value: await Promise.race([work(controller.signal), givenUp]), signalCode };
  } catch (thrown) {
    return { kind: "failed", thrown, signalCode };
  } finally {
    clearTimeout(timer);
    stopListening();
  }
}
