import type { Filter } from "../core/contract.js";
import { messageOf } from "../core/errors.js";
import type { Supply } from "./supply.js";

const everyMs = 60;

/** Who waits for the entries. */
interface Waiting {
  readonly supply: Supply;
  readonly waiter: { poke(): void };
  note(what: string): void;
}

/**
 * Makes entries that all of `yes` and none of `no` let through, one every 60 ms until stopped: a filter takes effect at a time that nobody announces.
 * @param written hears the token of each once it is in the log.
 */
export function sentinels(session: Waiting, yes: readonly Filter[], no: readonly Filter[], written?: (token: string) => void): () => void {
  if (session.supply.producer.kind !== "ready") {
    return () => undefined;
  }
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  const next = async (): Promise<void> => {
    const produced = await session.supply.produce(yes, no);
    if (produced.kind === "produced") {
      for (const token of produced.tokens) {
        written?.(token);
      }
      session.waiter.poke();
    }
    if (!stopped && produced.kind === "produced") {
      timer = setTimeout(() => void next(), everyMs);
    } else if (!stopped && produced.kind === "unavailable") {
      session.note(`no entry made: ${produced.reason}`);
    }
  };
  void next().catch((thrown: unknown) => session.note(`no entry made: ${messageOf(thrown)}`));
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
