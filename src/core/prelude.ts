import type { Contract } from "./contract.js";
import type { StreamEvent } from "./stream.js";

/** Keeps what follows a contract's prelude back until the prelude is answered. */
export interface PreludeGate {
  /** To be given every event of the stream. */
  hear(event: StreamEvent): void;
  /** To be awaited before each message: the prelude's own pass at once, the others after the reply or the stream's end. */
  pass(): Promise<void>;
}

/** A gate for one stream; it stands open where the contract's prelude needs no answer. */
export function createPreludeGate(contract: Contract): PreludeGate {
  let answered: () => void = () => undefined;
  const reply = contract.preludeReply === undefined ? Promise.resolve() : new Promise<void>((resolve) => (answered = resolve));
  let passed = 0;
  return {
    hear(event) {
      if (event.kind === "ended" || (event.kind === "message" && contract.preludeReply?.(event.message) === true)) {
        answered();
      }
    },
    pass() {
      passed += 1;
      return passed <= contract.prelude.length ? Promise.resolve() : reply;
    },
  };
}
