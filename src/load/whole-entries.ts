import { type Contract, type Entry, type Message, sequenceOf } from "../core/contract.js";
import type { PreparedFilter } from "./filters.js";
import type { EntryMatcher, StreamLedger } from "./ledger.js";
import type { Meter } from "./meter.js";

/** Where the entries of a stream are booked. */
export interface EntryBook {
  readonly ledger: StreamLedger<PreparedFilter>;
  readonly meter: Meter;
}

/** When a message came in: on the monotonic scale, and by the wall clock. */
export interface Arrival {
  readonly atMicros: number;
  readonly wallMicros: number;
}

/** Books decoded messages of one contract: every message becomes an object, and the contract's own predicate judges it. */
export class WholeEntries {
  readonly #contract: Contract;
  readonly #relative: (sequence: number | bigint | undefined) => number;
  /** Why the contract could not judge an entry that it did not let through, of the first such entry; undefined while it could judge all. */
  unjudged: string | undefined;
  #entry: Entry = {};
  readonly #matcher: EntryMatcher<PreparedFilter> & { sequence: number } = {
    sequence: Number.NaN,
    matches: ({ filter }) => {
      const passes = filter.matches(this.#entry);
      if (!passes) {
        this.unjudged ??= filter.unjudged?.(this.#entry);
      }
      return passes;
    },
  };

  /** @param relative counts sequence numbers from one base, for whoever else books entries of the same streams. */
  constructor(contract: Contract, relative: (sequence: number | bigint | undefined) => number) {
    this.#contract = contract;
    this.#relative = relative;
  }

  /** Books a message. @returns how many entries it held; `answer` takes what the protocol requires in answer. */
  take(message: Message, arrival: Arrival, { ledger, meter }: EntryBook, answer: (messages: readonly Message[]) => void): number {
    const contract = this.#contract;
    const { atMicros, wallMicros } = arrival;
    const { counts } = meter;
    let received;
    try {
      received = contract.classify(message);
    } catch {
      counts.violations++;
      return 0;
    }
    switch (received.kind) {
      case "entries":
        for (const entry of received.entries) {
          counts.received++;
          if (contract.violationOf(entry) !== undefined) {
            counts.violations++;
          }
          this.#entry = entry;
          this.#matcher.sequence = this.#relative(sequenceOf(contract.entries, entry));
          ledger.observe(this.#matcher, arrival);
          const written = contract.timeOf(entry);
          if (!Number.isNaN(written)) {
            bookLag(wallMicros - written, ledger, meter);
          }
        }
        return received.entries.length;
      case "ack":
        if (contract.semantics.takesEffect === "ack") {
          ledger.acknowledged(atMicros);
        }
        return 0;
      case "ignorable":
        if (received.answer.length > 0) {
          answer(received.answer);
        }
        return 0;
      case "rejection":
      case "violation":
        counts.violations++;
        return 0;
    }
  }
}

/** Books a delivery lag; a negative one says that the clocks differ. */
export function bookLag(lagMicros: number, ledger: StreamLedger<PreparedFilter>, meter: Meter): void {
  ledger.lastLagMicros = lagMicros;
  if (lagMicros < 0) {
    meter.counts["negative-lag"]++;
  }
  meter.deliveryLag.record(lagMicros);
}

/** Sequence numbers counted from the first one, so that differences are exact beyond 2^53 too; NaN for none. */
export function createSequenceBase(): (sequence: number | bigint | undefined) => number {
  let base: number | bigint | undefined;
  return (sequence) => {
    if (sequence === undefined) {
      return Number.NaN;
    }
    base ??= sequence;
    return typeof sequence === "number" && typeof base === "number" ? sequence - base : Number(BigInt(sequence) - BigInt(base));
  };
}
