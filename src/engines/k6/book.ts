import type { K6Filter, K6Test } from "./plan.js";
import { beginMicros, endMicros, nowMicros } from "./run.js";
import type { Sheet } from "./sheet.js";

interface BookRules {
  readonly order: "increasing" | "non-decreasing" | "none";
  readonly replay: boolean;
  readonly applyMicros: number;
  readonly stallMicros: number;
}

export type Entry = Record<string, unknown>;

/** A filter with its tests made ready. */
export interface BookFilter {
  readonly everything: boolean;
  readonly nothing: boolean;
  readonly matches: (entry: Entry) => boolean;
}

interface Pending {
  readonly filter: BookFilter;
  readonly intended: number;
  readonly written: number;
  readonly first: boolean;
  readonly unobservable: boolean;
}

const rememberedCount = 128;

/**
 * The book of one stream: an entry is explained by the first filter, from the one that holds on, that lets it through; what none explains is stale-hard.
 * The rules are those of the native engine's ledger, and a test holds the two together.
 */
export class Book {
  received = 0;
  ending = false;
  onSettled: () => void = () => undefined;
  pending: Pending[] = [];
  sheet: Pick<Sheet, "count" | "time" | "beyond" | "pack">;
  rules: BookRules;
  current: BookFilter | undefined;
  doubtful: BookFilter[] = [];
  latest: BookFilter | undefined;
  latestWritten = 0;
  lastStale = 0;
  sentCount = 0;
  settled = false;
  lastSequence = -Infinity;
  gapless = false;
  countedFrom = 0;
  missing = 0;
  remembered: number[] = [];
  lastAt = 0;

  constructor(sheet: Pick<Sheet, "count" | "time" | "beyond" | "pack">, rules: BookRules) {
    this.sheet = sheet;
    this.rules = rules;
  }

  sent(filter: BookFilter, intended: number, written: number): void {
    this.sheet.count("sent", 1, written);
    this.sentCount++;
    if (filter === this.latest) {
      return;
    }
    this.closeStaleWindow(written);
    this.pending.push({ filter, intended, written, first: this.sentCount === 1, unobservable: filter.nothing || this.latest?.everything === true });
    this.latest = filter;
    this.latestWritten = written;
    this.lastStale = 0;
    this.settled = false;
    this.gapless = false;
    this.lastAt = 0;
    if (this.rules.replay) {
      this.lastSequence = -Infinity;
    }
  }

  /** @param sequence NaN when the entry has none. */
  observe(sequence: number, at: number, entry: Entry): void {
    this.received++;
    this.sheet.count("received", 1, at);
    if (!this.settled) {
      this.unsettled(at, entry);
    } else if (this.current?.matches(entry) !== true) {
      this.stale("stale-hard", at);
    }
    this.order(sequence, at);
    if (!this.gapless && this.settled && this.rules.order === "increasing" && this.current?.everything === true && this.lastSequence !== -Infinity) {
      this.gapless = true;
      this.missing = 0;
      this.countedFrom = this.lastSequence;
    }
    if (this.lastAt !== 0) {
      const gap = at - this.lastAt;
      this.sheet.pack("entry-gap", gap, at);
      if (gap > this.rules.stallMicros) {
        this.sheet.count("stalls", 1, at);
      }
    }
    this.lastAt = at;
    if (this.ending) {
      this.sheet.count("entries-after-half-close", 1, at);
    }
  }

  /** Gives up updates past their bound; one that a later update replaced is coalesced, not a timeout. */
  expire(now: number): void {
    const inTime = this.pending.findIndex((update) => now - update.intended < this.rules.applyMicros);
    const given = inTime === -1 ? this.pending.length : inTime;
    if (given === 0) {
      return;
    }
    const last = this.pending[given - 1];
    const replaced = given < this.pending.length;
    const at = Number.isFinite(now) ? now : nowMicros();
    this.sheet.count("filter-coalesced", replaced ? given : given - 1, at);
    if (!replaced && last !== undefined && !last.first && !last.unobservable) {
      this.sheet.count("timeouts", 1, at);
      this.sheet.beyond(1, at);
    }
    this.giveUp(given);
  }

  finish(now: number): void {
    this.expire(now);
    this.closeStaleWindow(now);
    const unfinished = this.pending.filter((update) => !update.first && !update.unobservable).length;
    this.sheet.count("unfinished", unfinished, now);
    this.pending = [];
    this.latest = undefined;
  }

  unsettled(at: number, entry: Entry): void {
    const { latest } = this;
    if (latest === undefined) {
      this.sheet.count("early", 1, at);
      return;
    }
    const matchesLatest = latest.matches(entry);
    const byDoubtful = (): boolean => this.doubtful.some((filter) => filter.matches(entry));
    if (this.pending.length === 0) {
      if (!matchesLatest) {
        this.stale(byDoubtful() ? "stale-in-flight" : "stale-hard", at);
      } else if (!byDoubtful()) {
        this.doubtful = [];
        this.settled = true;
      }
      return;
    }
    if (this.current?.matches(entry) !== true) {
      const found = this.pending.findIndex((update) => update.filter.matches(entry));
      if (found === -1) {
        this.stale(byDoubtful() ? "stale-in-flight" : "stale-hard", at);
        return;
      }
      this.settle(found, at);
    }
    if (!matchesLatest) {
      this.stale("stale-in-flight", at);
    }
  }

  settle(index: number, at: number): void {
    const update = this.pending[index];
    if (update === undefined) {
      return;
    }
    this.sheet.count("filter-coalesced", index, at);
    if (update.first) {
      this.sheet.time("first-entry", at - update.intended, at);
    } else if (!update.unobservable) {
      this.sheet.time("filter-apply", at - update.intended, at);
      this.sheet.time("filter-apply-service", at - update.written, at);
    }
    this.pending.splice(0, index + 1);
    this.current = update.filter;
    this.doubtful = [];
    if (this.pending.length === 0) {
      this.settled = true;
      this.onSettled();
    }
  }

  giveUp(count: number): void {
    const given = this.pending.splice(0, count);
    const last = given[given.length - 1];
    if (last === undefined) {
      return;
    }
    const earlier = [...this.doubtful, this.current, ...given.slice(0, -1).map((update) => update.filter)];
    this.current = last.filter;
    // Nothing could show that such an update took effect, so after the bound it must hold.
    const certain = last.unobservable || last.first;
    this.doubtful = certain ? [] : [...new Set(earlier)].filter((filter): filter is BookFilter => filter !== undefined && filter !== last.filter);
    if (this.pending.length === 0) {
      this.settled = this.doubtful.length === 0;
      this.onSettled();
    }
  }

  order(sequence: number, at: number): void {
    if (Number.isNaN(sequence)) {
      return;
    }
    if (sequence > this.lastSequence) {
      if (this.gapless && sequence - this.lastSequence !== 1) {
        const gap = sequence - this.lastSequence - 1;
        this.missing += gap;
        this.sheet.count("lost", gap, at);
      }
      this.lastSequence = sequence;
      this.remember(sequence);
      return;
    }
    if (sequence === this.lastSequence && this.rules.order === "non-decreasing") {
      return;
    }
    const counted = this.gapless && sequence > this.countedFrom;
    if (this.remembered.includes(sequence) || (counted && this.missing === 0)) {
      this.sheet.count("duplicated", 1, at);
      return;
    }
    this.sheet.count("reordered", 1, at);
    if (counted) {
      // It was counted as lost when the one after it came first.
      this.missing--;
      this.sheet.count("lost", -1, at);
    }
    this.remember(sequence);
  }

  remember(sequence: number): void {
    this.remembered.push(sequence);
    if (this.remembered.length >= 2 * rememberedCount) {
      this.remembered.splice(0, rememberedCount);
    }
  }

  stale(name: "stale-in-flight" | "stale-hard", at: number): void {
    this.sheet.count(name, 1, at);
    if (name === "stale-hard" || (at >= beginMicros && at < endMicros)) {
      this.sheet.count("stale", 1, at);
    }
    this.lastStale = at;
  }

  closeStaleWindow(at: number): void {
    // Of an update that a later one overtakes nobody waits for the end.
    if (this.latest !== undefined && this.sentCount > 1 && this.pending.length === 0) {
      this.sheet.time("stale-window", this.lastStale === 0 ? 0 : this.lastStale - this.latestWritten, at);
    }
  }
}

/** A filter's tests as one function. */
export function compileFilter(filter: Pick<K6Filter, "everything" | "nothing" | "tests">): BookFilter {
  const tests = filter.tests.map(compileTest);
  return { everything: filter.everything, nothing: filter.nothing, matches: (entry) => tests.every((test) => test(entry)) };
}

function compileTest(test: K6Test): (entry: Entry) => boolean {
  const { field } = test;
  switch (test.kind) {
    case "one-of": {
      const values = new Set(test.values);
      return (entry) => values.has(String(entry[field]));
    }
    case "contains":
      return (entry) => String(entry[field] ?? "").includes(test.text);
    case "prefix":
      return (entry) => String(entry[field] ?? "").startsWith(test.text);
    case "at-least":
    case "at-most": {
      const sign = test.kind === "at-least" ? 1 : -1;
      const limit = BigInt(test.limit);
      return (entry) => {
        const text = String(entry[field]);
        return /^-?\d{1,20}$/.test(text) && (sign > 0 ? BigInt(text) >= limit : BigInt(text) <= limit);
      };
    }
  }
}
