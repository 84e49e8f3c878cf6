import { performance } from "node:perf_hooks";
import { setImmediate } from "node:timers";
import { tooBusy, VerdictSignal } from "../core/verdict.js";
import type { LoopWatch } from "./loop-watch.js";

/** The wait that used most of its bound. */
export interface BoundUse {
  usedMs: number;
  boundMs: number;
}

/** Waits on conditions that change when something is heard; every wait has a bound. */
export interface Waiter {
  /** Say that something may have changed; cheap, coalesced to once a loop turn. */
  poke(): void;
  /**
   * The first value other than undefined that `test` gives, or undefined once the bound has passed.
   * Time in which this process's loop did not run is not counted; when that was most of the bound, the verdict is broken.
   * @param options.quiet do not count this wait as use of a bound (it proves an absence).
   */
  until<T>(test: () => T | undefined, boundMs: number, options?: { readonly quiet?: boolean }): Promise<T | undefined>;
  /** Reports a wait that was made by other means. */
  used(usedMs: number, boundMs: number): void;
  /** Rejects every wait under way: the check is over. */
  abort(reason: Error): void;
  readonly use: BoundUse | undefined;
  /** Milliseconds that waits came to nothing in, and those of them by which the loop was late: a verdict that rests on them may be our own doing. */
  readonly inVain: { readonly waitedMs: number; readonly lateMs: number };
}

export function createWaiter(watch: LoopWatch): Waiter {
  const waiting = new Set<() => void>();
  let pending = false;
  let aborted: Error | undefined;
  let use: BoundUse | undefined;
  const inVain = { waitedMs: 0, lateMs: 0 };
  let vainUntilMs = 0;

  const noteUse = (usedMs: number, boundMs: number): void => {
    if (use === undefined || usedMs / boundMs > use.usedMs / use.boundMs) {
      use = { usedMs, boundMs };
    }
  };
  const wake = (): void => {
    pending = false;
    for (const look of [...waiting]) {
      look();
    }
  };

  return {
    poke() {
      if (!pending && waiting.size > 0) {
        pending = true;
        setImmediate(wake);
      }
    },
    until(test, boundMs, options = {}) {
      const startMs = performance.now();
      return new Promise((resolve, reject) => {
        let timer: NodeJS.Timeout | undefined;
        const settle = (finish: () => void): void => {
          clearTimeout(timer);
          waiting.delete(look);
          finish();
        };
        const look = (): void => {
          if (aborted !== undefined) {
            const reason = aborted;
            settle(() => reject(reason));
            return;
          }
          let value;
          try {
            value = test();
          } catch (thrown) {
            settle(() => reject(thrown));
            return;
          }
          if (value !== undefined) {
            if (options.quiet !== true) {
              noteUse(performance.now() - startMs, boundMs);
            }
            settle(() => resolve(value));
          }
        };
        const expire = (): void => {
          // Whatever has arrived but was not read yet is heard before the verdict.
          setImmediate(() =>
            setImmediate(() => {
              if (!waiting.has(look)) {
                return;
              }
              look();
              if (!waiting.has(look)) {
                return;
              }
              const elapsedMs = performance.now() - startMs;
              const lateMs = watch.latenessMsSince(startMs);
              const leftMs = boundMs + lateMs - elapsedMs;
              if (leftMs > 5 && elapsedMs < boundMs * 5) {
                timer = setTimeout(expire, leftMs);
                return;
              }
              if (options.quiet !== true) {
                // Waits side by side share what they were late.
                const sinceMs = Math.max(startMs, vainUntilMs);
                vainUntilMs = performance.now();
                inVain.lateMs += watch.latenessMsSince(sinceMs);
                inVain.waitedMs += vainUntilMs - sinceMs;
              }
              // A quiet wait that lasted longer proves no less.
              if (lateMs > boundMs && options.quiet !== true) {
                settle(() => reject(lateness(lateMs, boundMs)));
                return;
              }
              settle(() => resolve(undefined));
            }),
          );
        };
        waiting.add(look);
        look();
        if (waiting.has(look)) {
          timer = setTimeout(expire, boundMs);
        }
      });
    },
    used: noteUse,
    abort(reason) {
      aborted = reason;
      wake();
    },
    get use() {
      return use;
    },
    inVain,
  };
}

function lateness(lateMs: number, boundMs: number): VerdictSignal {
  return new VerdictSignal({
    status: "broken",
    cause: `the harness's own loop was late by ${Math.round(lateMs)} ms within a bound of ${boundMs} ms: ${tooBusy}; run again with fewer --jobs or a larger --bound`,
  });
}

/** What a promise came to within the bound, waited for as everything else is; undefined when it had not settled. */
export function outcomeOf<T>(
  waiter: Waiter,
  promise: Promise<T>,
  boundMs: number,
  options?: { readonly quiet?: boolean },
): Promise<{ readonly value: T } | { readonly thrown: unknown } | undefined> {
  let settled: { readonly value: T } | { readonly thrown: unknown } | undefined;
  promise
    .then(
      (value) => (settled = { value }),
      (thrown: unknown) => (settled = { thrown }),
    )
    .finally(() => waiter.poke());
  return waiter.until(() => settled, boundMs, options);
}
