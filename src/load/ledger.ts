import { doubleZero } from "../core/double.js";
import type { Meter } from "./meter.js";
import { type Numbered, SequenceBook, type SequenceRules } from "./sequence-book.js";

/** A filter with what a ledger must know of it. */
export interface LedgerFilter {
  /** Lets every entry through, so that a gap in the sequence is a loss. */
  readonly everything: boolean;
  /** Lets no entry through: that it took effect cannot be seen. */
  readonly nothing: boolean;
}

/** Judges the entry at hand; filled in by whoever reads entries, so that no object, not even a number's, is made for one. */
export interface EntryMatcher<F> extends Numbered {
  matches(filter: F): boolean;
}

/** Hears what others may wait for. */
export interface LedgerListener {
  /** Nothing is pending any more: it took effect, or was given up. */
  settled(): void;
  /** The entries of a chunk were judged. */
  arrived(): void;
}

export interface LedgerRules extends SequenceRules {
  /** Earlier entries may come again after an update. */
  readonly replay: boolean;
  /** Bound of filter-apply in microseconds. */
  readonly applyMicros: number;
  /** Gaps longer than this are stalls; Infinity: none are. */
  readonly stallMicros: number;
}

/** An update that was sent and not yet seen to hold. */
interface PendingUpdate<F> {
  readonly filter: F;
  readonly intendedMicros: number;
  readonly writtenMicros: number;
  readonly first: boolean;
  /** The filter before it lets everything through, or this one nothing: no entry can tell that it holds. */
  readonly unobservable: boolean;
}

/** Updates that one stream may have under way; beyond it the oldest is given up as coalesced. */
const pendingLimit = 4096;

/** Thousands of ledgers share it. */
const none: readonly never[] = [];

/**
 * The book of one stream: judges each entry by the filters that may hold and by its sequence.
 * The server goes through the filters in the order they were sent and may skip some, so an entry is explained by the first filter,
 * counting from the one that holds, that lets it through; an entry that none explains is stale-hard.
 */
export class StreamLedger<F extends LedgerFilter> {
  /** Entries received on the stream. */
  received = 0;
  /** The client has ended its side. */
  ending = false;
  /** Who waits for this stream. */
  listener: LedgerListener | undefined;
  /** Delivery lag of the entry judged last, for those who wait for it to fall. */
  lastLagMicros = doubleZero;
  readonly #meter: Meter;
  readonly #rules: LedgerRules;
  /** The filter that holds as far as was seen. */
  #current: F | undefined;
  /** Filters that may hold instead, since an update was given up. */
  #doubtful: readonly F[] = none;
  #pending: PendingUpdate<F>[] = [];
  #latest: F | undefined;
  #latestWrittenMicros = doubleZero;
  #lastStaleMicros = doubleZero;
  #sentCount = 0;
  /** One filter holds for certain: the short way through `observe`. */
  #settled = false;

  readonly #sequence: SequenceBook;
  #lastAtMicros = doubleZero;

  constructor(meter: Meter, rules: LedgerRules) {
    this.#meter = meter;
    this.#rules = rules;
    this.#sequence = new SequenceBook(meter, rules);
  }

  /** Updates sent and neither seen to hold nor given up. */
  get pendingCount(): number {
    return this.#pending.length;
  }

  /** The filter sent last. */
  get latest(): F | undefined {
    return this.#latest;
  }

  /** When the filter sent last was written, in microseconds. */
  get latestWrittenMicros(): number {
    return this.#latestWrittenMicros;
  }

  /** When entries came last, in microseconds; 0: none since the last update. */
  get lastArrivalMicros(): number {
    return this.#lastAtMicros;
  }

  /** The greatest sequence number received; −Infinity: none. */
  get lastSequence(): number {
    return this.#sequence.last;
  }

  /** A filter goes out. Called before the bytes are written, so that whatever comes next is judged by it too. */
  sent(filter: F, intendedMicros: number, writtenMicros: number): void {
    const { counts } = this.#meter;
    counts.sent++;
    this.#sentCount++;
    if (filter === this.#latest) {
      // Sent again: nothing changes, and nothing could show it.
      return;
    }
    this.#closeStaleWindow();
    const unobservable = filter.nothing || this.#latest?.everything === true;
    const update = { filter, intendedMicros, writtenMicros, first: this.#sentCount === 1, unobservable };
    if (this.#pending.length === 0) {
      // A list that is pushed to has room for seventeen; most streams never have more than one under way.
      this.#pending = [update];
    } else {
      this.#pending.push(update);
    }
    this.#latest = filter;
    this.#latestWrittenMicros = writtenMicros;
    this.#lastStaleMicros = 0;
    this.#settled = false;
    this.#sequence.pause();
    this.#lastAtMicros = 0;
    if (this.#rules.replay) {
      this.#sequence.restart();
    }
    if (this.#pending.length > pendingLimit) {
      const oldest = this.#pending.shift();
      counts["filter-coalesced"]++;
      if (oldest !== undefined && !this.#doubtful.includes(oldest.filter)) {
        this.#doubtful = [...this.#doubtful, oldest.filter];
      }
    }
  }

  /** Judges one entry, which came at that time. */
  observe(entry: EntryMatcher<F>, arrival: { readonly atMicros: number }): void {
    this.received++;
    if (this.#settled) {
      if (!entry.matches(this.#current as F)) {
        this.#staleHard(arrival.atMicros);
      }
    } else {
      this.#observeUnsettled(arrival.atMicros, entry);
    }
    this.#sequence.observe(entry);
  }

  /** The time between this arrival and the last one; `count` entries came at once. Gaps across an update are left out: they belong to neither filter. */
  arrived(atMicros: number, count: number): void {
    const { counts, entryGap } = this.#meter;
    if (this.#lastAtMicros !== 0) {
      const gap = atMicros - this.#lastAtMicros;
      entryGap.record(gap);
      if (gap > this.#rules.stallMicros) {
        counts.stalls++;
      }
    }
    if (count > 1) {
      entryGap.recordMany(0, count - 1);
    }
    this.#lastAtMicros = atMicros;
    if (this.ending) {
      counts["entries-after-half-close"] += count;
    }
    this.listener?.arrived();
  }

  /** An acknowledgement says that the update under way holds; for contracts whose updates are acknowledged. */
  acknowledged(atMicros: number): void {
    if (this.#pending.length > 0) {
      this.#settle(0, atMicros);
    }
  }

  /**
   * Gives up updates that are past their bound. One that a later update has replaced is coalesced, not a timeout: nobody waits for it.
   * @param nowMicros Infinity gives up all.
   */
  expire(nowMicros: number): void {
    const { counts } = this.#meter;
    let given = 0;
    while (given < this.#pending.length && nowMicros - (this.#pending[given]?.intendedMicros ?? 0) >= this.#rules.applyMicros) {
      given++;
    }
    if (given === 0) {
      return;
    }
    const last = this.#pending[given - 1];
    const replaced = given < this.#pending.length;
    counts["filter-coalesced"] += replaced ? given : given - 1;
    if (!replaced && last !== undefined && !last.first && !last.unobservable) {
      counts.timeouts++;
      this.#meter.time("filter-apply").recordBeyond();
      this.#meter.time("filter-apply-service").recordBeyond();
    }
    this.#giveUp(given - 1);
  }

  /** The stream is over: updates past their bound are timeouts, the others are unfinished. */
  finish(nowMicros: number): void {
    this.expire(nowMicros);
    this.#closeStaleWindow();
    this.#meter.counts.unfinished += this.#pending.filter((update) => !update.first && !update.unobservable).length;
    this.#pending = [];
    this.#latest = undefined;
  }

  #observeUnsettled(atMicros: number, entry: EntryMatcher<F>): void {
    const latest = this.#latest;
    if (latest === undefined) {
      this.#meter.counts.early++;
      return;
    }
    const matchesLatest = entry.matches(latest);
    if (this.#pending.length === 0) {
      this.#observeDoubtful(matchesLatest, atMicros, entry);
      return;
    }
    if (this.#current === undefined || !entry.matches(this.#current)) {
      const found = this.#pending.findIndex((update) => entry.matches(update.filter));
      if (found >= 0) {
        this.#settle(found, atMicros);
      } else if (this.#doubtful.some((filter) => entry.matches(filter))) {
        this.#staleInFlight(atMicros);
        return;
      } else {
        this.#staleHard(atMicros);
        return;
      }
    }
    if (!matchesLatest) {
      this.#staleInFlight(atMicros);
    }
  }

  /** Nothing is pending, but an update was given up: earlier filters may still hold. */
  #observeDoubtful(matchesLatest: boolean, atMicros: number, entry: EntryMatcher<F>): void {
    const explainedByEarlier = this.#doubtful.some((filter) => entry.matches(filter));
    if (matchesLatest && !explainedByEarlier) {
      this.#doubtful = none;
      this.#beSettled();
    } else if (!matchesLatest && explainedByEarlier) {
      this.#staleInFlight(atMicros);
    } else if (!matchesLatest) {
      this.#staleHard(atMicros);
    }
  }

  /** The update at `index` holds: those before it were never observed. */
  #settle(index: number, atMicros: number): void {
    const meter = this.#meter;
    const update = this.#pending[index];
    if (update === undefined) {
      return;
    }
    meter.counts["filter-coalesced"] += index;
    if (update.first) {
      meter.time("first-entry").record(atMicros - update.intendedMicros);
    } else if (!update.unobservable) {
      meter.time("filter-apply").record(atMicros - update.intendedMicros);
      meter.time("filter-apply-service").record(atMicros - update.writtenMicros);
    }
    this.#pending.splice(0, index + 1);
    this.#current = update.filter;
    this.#doubtful = none;
    if (this.#pending.length === 0) {
      this.#beSettled();
      this.listener?.settled();
    }
  }

  #giveUp(lastIndex: number): void {
    const given = this.#pending.splice(0, lastIndex + 1);
    const last = given.at(-1);
    if (last === undefined) {
      return;
    }
    const earlier = [...this.#doubtful, this.#current, ...given.slice(0, -1).map((update) => update.filter)];
    this.#current = last.filter;
    this.#doubtful = [...new Set(earlier)].filter((filter): filter is F => filter !== undefined && filter !== last.filter);
    if (last.unobservable || last.first) {
      // Nothing could show that it took effect, so after the bound it must hold.
      this.#doubtful = none;
    }
    if (this.#pending.length === 0) {
      if (this.#doubtful.length === 0) {
        this.#beSettled();
      }
      this.listener?.settled();
    }
  }

  #beSettled(): void {
    this.#settled = true;
    if (this.#current !== undefined) {
      this.#sequence.begin(this.#current, this.#current.everything);
    }
  }

  #staleInFlight(atMicros: number): void {
    const { counts } = this.#meter;
    counts["stale-in-flight"]++;
    counts.stale++;
    this.#lastStaleMicros = atMicros;
  }

  #staleHard(atMicros: number): void {
    const { counts } = this.#meter;
    counts["stale-hard"]++;
    counts.stale++;
    this.#lastStaleMicros = atMicros;
  }

  #closeStaleWindow(): void {
    // Of an update that a later one overtakes nobody waits for the end.
    if (this.#latest !== undefined && this.#sentCount > 1 && this.#pending.length === 0) {
      this.#meter.time("stale-window").record(this.#lastStaleMicros === 0 ? 0 : this.#lastStaleMicros - this.#latestWrittenMicros);
    }
  }
}
