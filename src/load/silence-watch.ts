/** What the watch must know of a stream. */
export interface WatchedStream {
  /** Ended, or never opened. */
  readonly over: boolean;
  readonly ledger: {
    /** The greatest sequence number received; −Infinity: none. */
    readonly lastSequence: number;
    /** When an entry came last, in microseconds; 0: none since its filter was sent. */
    readonly lastArrivalMicros: number;
    /** When its filter was written. */
    readonly latestWrittenMicros: number;
  };
}

/** A loop that looked at least so long ago has read since then what had come. */
const readingMicros = 500_000;
/** Looks that are remembered; a stream that was opened before the oldest is held against that one. */
const rememberedLooks = 64;

/**
 * Finds streams that went silent among those with the same filter on one target: nothing came on them for as long as an update may take, although
 * another stream had, before that time, an entry that was theirs as well. A log to which nothing is written makes no stream silent, and neither does
 * a stream that lags.
 */
export class SilenceWatch {
  readonly #streams: readonly WatchedStream[];
  readonly #boundMicros: number;
  readonly #looks: { readonly atMicros: number; readonly greatest: number }[] = [];

  /** @param boundMicros how long an entry may take to come. */
  constructor(streams: readonly WatchedStream[], boundMicros: number) {
    this.#streams = streams;
    this.#boundMicros = boundMicros;
  }

  /** Remembers how far the log is by now; called about once a second. */
  look(nowMicros: number): void {
    this.#looks.push({ atMicros: nowMicros, greatest: this.#streams.reduce((most, { ledger }) => Math.max(most, ledger.lastSequence), -Infinity) });
    if (this.#looks.length > rememberedLooks) {
      this.#looks.shift();
    }
  }

  /** @returns how many are silent now; undefined where nothing can be told: too little time, a loop that stood still, or no sequence numbers. */
  silent(nowMicros: number): number | undefined {
    const due = this.#looks.findLast(({ atMicros }) => atMicros <= nowMicros - this.#boundMicros);
    if (due === undefined || due.greatest === -Infinity || this.#streams.length < 2) {
      return undefined;
    }
    if (!this.#looks.some(({ atMicros }) => atMicros > due.atMicros && atMicros <= nowMicros - readingMicros)) {
      return undefined;
    }
    return this.#streams.filter((stream) => !stream.over && this.#isSilent(stream.ledger, due.greatest, nowMicros)).length;
  }

  #isSilent({ lastSequence, lastArrivalMicros, latestWrittenMicros }: WatchedStream["ledger"], due: number, nowMicros: number): boolean {
    // Of a stream without any entry what was written before its filter held is not its own.
    const before =
      lastSequence === -Infinity ? this.#looks.find(({ atMicros }) => atMicros >= latestWrittenMicros + this.#boundMicros)?.greatest : lastSequence;
    return before !== undefined && due > before && nowMicros - lastArrivalMicros >= this.#boundMicros;
  }
}
