import type { EntryClock } from "./entry-clock.js";
import { levels, LogEntry, wellFormed, type EntryInput } from "./log-entry.js";

/** Who hears of every entry. */
export interface LogReader {
  offer(entry: LogEntry): void;
}

export interface LogOptions {
  /** Background entries a second in all; 0: none. */
  readonly rate: number;
  readonly clock: EntryClock;
}

const SOURCES = ["alpha", "beta", "gamma"] as const;
const SHORTEST_TICK_MS = 2;
const LONGEST_TICK_MS = 500;

/**
 * The one log that all streams of a server read: sequences from 1 without a gap, a batch contiguous.
 * Nothing is kept: an entry goes to those who read at the time. Background entries are due on an absolute schedule;
 * while nobody reads they are only counted, so that an idle server costs nothing.
 */
export class Log {
  readonly #rate: number;
  readonly #clock: EntryClock;
  readonly #readers = new Set<LogReader>();
  readonly #startMs = performance.now();
  #sequence = 0;
  #ticks = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LogOptions) {
    this.#rate = options.rate;
    this.#clock = options.clock;
  }

  /** Writes a batch and hands it to every reader before it returns. */
  append(batch: readonly EntryInput[]): { readonly first: number; readonly last: number } {
    this.#writeDueTicks();
    return this.#write(batch);
  }

  attach(reader: LogReader): void {
    this.#writeDueTicks();
    this.#readers.add(reader);
    if (this.#rate > 0) this.#timer ??= setInterval(() => this.#writeDueTicks(), tickMs(this.#rate));
  }

  detach(reader: LogReader): void {
    this.#readers.delete(reader);
    if (this.#readers.size === 0) this.stop();
  }

  /** Stops the background entries until the next reader. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #write(batch: readonly EntryInput[]): { readonly first: number; readonly last: number } {
    const first = this.#sequence + 1;
    for (const input of batch) {
      this.#sequence += 1;
      const entry = new LogEntry(this.#sequence, this.#clock.now(), {
        level: input.level,
        source: wellFormed(input.source),
        message: wellFormed(input.message),
      });
      for (const reader of this.#readers) reader.offer(entry);
    }
    return { first, last: this.#sequence };
  }

  #writeDueTicks(): void {
    const due = Math.floor(((performance.now() - this.#startMs) * this.#rate) / 1000) - this.#ticks;
    // After a pause of the whole process at most a second's worth is made up for; the rest was written unread.
    const written = this.#readers.size === 0 ? 0 : Math.min(due, Math.ceil(this.#rate));
    this.#skip(due - written);
    if (written > 0) this.#write(Array.from({ length: written }, () => this.#nextTick()));
  }

  #skip(entries: number): void {
    this.#ticks += entries;
    this.#sequence += entries;
  }

  #nextTick(): EntryInput {
    const tick = this.#ticks++;
    // Periods of 3 and 4 have no common divisor: every source comes with every level.
    return {
      source: SOURCES[tick % SOURCES.length] ?? "alpha",
      level: levels[tick % levels.length] ?? "debug",
      message: `tick ${tick + 1}`,
    };
  }
}

function tickMs(rate: number): number {
  return Math.min(Math.max(1000 / rate, SHORTEST_TICK_MS), LONGEST_TICK_MS);
}
