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

/** Entries under way. */
export interface Sentinels {
  stop(): void;
  /** Why the producer made none, when it made none: what did not come says nothing then. */
  readonly refused: string | undefined;
}

/**
 * Makes entries that all of `yes` and none of `no` let through, one every 60 ms until stopped: a filter takes effect at a time that nobody announces.
 * @param written hears the token of each once it is in the log.
 */
export function sentinels(session: Waiting, yes: readonly Filter[], no: readonly Filter[], written?: (token: string) => void): Sentinels {
  if (session.supply.producer.kind !== "ready") {
    return { stop: () => undefined, refused: undefined };
  }
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let made = 0;
  let reason: string | undefined;
  const refuse = (text: string): void => {
    if (reason === undefined) {
      session.note(`no entry made: ${text}`);
    }
    reason = text;
  };
  const next = async (): Promise<void> => {
    const produced = await session.supply.produce(yes, no);
    if (produced.kind === "produced") {
      made += 1;
      for (const token of produced.tokens) {
        written?.(token);
      }
      session.waiter.poke();
    } else {
      refuse(produced.reason);
    }
    again();
  };
  const again = (): void => {
    if (!stopped) {
      timer = setTimeout(begin, everyMs);
    }
  };
  const begin = (): void => {
    next().catch((thrown: unknown) => refuse(messageOf(thrown)));
  };
  begin();
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
    get refused() {
      return made === 0 ? reason : undefined;
    },
  };
}
