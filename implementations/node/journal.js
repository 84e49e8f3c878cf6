// One shared log with live subscriptions: a subscription gets, in order and once
// each, the entries that match its filter and are written from then on.

export const LEVELS = ["debug", "info", "warn", "error"];

const MAX_CONTAINS_BYTES = 256;

// A subscription that holds more than this when entries are written is ended. A
// batch is taken whole, so that one large batch never ends a reader that keeps up.
const MAX_QUEUED_BYTES = 4 * 1024 * 1024;

const ENTRY_OVERHEAD_BYTES = 96;

/** What is wrong with a filter, undefined for a valid one. Absent and null fields don't constrain. */
export function faultOf(filter) {
  const { min_level: minLevel, contains } = filter;
  if (minLevel != null && !LEVELS.includes(minLevel)) return `min_level is not one of ${LEVELS.join(", ")}`;
  if (contains != null && Buffer.byteLength(contains) > MAX_CONTAINS_BYTES) return `contains is longer than ${MAX_CONTAINS_BYTES} bytes`;
  return undefined;
}

/** The test that a valid filter stands for. */
export function matcherOf({ min_level: minLevel, sources, contains }) {
  const leastRank = minLevel == null ? 0 : LEVELS.indexOf(minLevel);
  const wanted = sources == null || sources.length === 0 ? undefined : new Set(sources);
  return (entry) =>
    LEVELS.indexOf(entry.level) >= leastRank &&
    (wanted === undefined || wanted.has(entry.source)) &&
    (contains == null || entry.message.includes(contains));
}

export class Journal {
  #last = 0;
  #subscriptions = new Set();

  get subscriptions() {
    return this.#subscriptions.size;
  }

  /** Writes drafts of {level, source, message} as one batch with contiguous sequences. */
  append(drafts) {
    const batch = drafts.map(({ level, source, message }) => ({
      sequence: ++this.#last,
      time: new Date().toISOString(),
      level,
      source,
      message,
    }));
    for (const subscription of this.#subscriptions) subscription.offer(batch);
    return { first: batch[0].sequence, last: this.#last };
  }

  /** A subscription without a filter: nothing reaches it before the first replace(). Close it. */
  subscribe() {
    const subscription = new Subscription(() => this.#subscriptions.delete(subscription));
    this.#subscriptions.add(subscription);
    return subscription;
  }
}

class Subscription {
  /** Called once, when the reader turns out too slow. */
  onOverflow = () => {};
  #forget;
  #matches = undefined;
  #queue = [];
  #queuedBytes = 0;
  #closed = false;
  #wake = () => {};

  constructor(forget) {
    this.#forget = forget;
  }

  get closed() {
    return this.#closed;
  }

  /** Puts a valid filter in the place of the one before, for the entries written from now on. */
  replace(filter) {
    this.#matches = matcherOf(filter);
  }

  offer(batch) {
    if (this.#matches === undefined || this.#closed) return;
    if (this.#queuedBytes > MAX_QUEUED_BYTES) {
      this.close();
      this.onOverflow();
      return;
    }
    for (const entry of batch) {
      if (!this.#matches(entry)) continue;
      this.#queue.push(entry);
      this.#queuedBytes += ENTRY_OVERHEAD_BYTES + entry.source.length + entry.message.length;
    }
    if (this.#queue.length > 0) this.#wake();
  }

  /** Yields lists of matching entries until the subscription is closed. */
  async *batches() {
    while (!this.#closed) {
      if (this.#queue.length === 0) await new Promise((resolve) => (this.#wake = resolve));
      const batch = this.#queue;
      this.#queue = [];
      this.#queuedBytes = 0;
      if (!this.#closed) yield batch;
    }
  }

  close() {
    this.#closed = true;
    this.#queue = [];
    this.#forget();
    this.#wake();
  }
}
