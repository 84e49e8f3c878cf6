import type { Filter } from "./filter.js";
import type { Encoded } from "./log-entry.js";
import { composeSeams, type SeamFactory, type StreamSeams } from "./seams.js";
import type { Subscription, Transport } from "./subscription.js";
import { Throttle } from "./throttle.js";

/** Known truth for measurements: what a run against the server must report. What is left out is not planted. */
export interface PlantedOptions {
  /** Each filter takes effect so much after it arrived. */
  readonly applyDelayMs?: number;
  /** Every so often since the server's start, for `stallForMs`, no stream sends anything and no filter is looked at. */
  readonly stallEveryMs?: number;
  readonly stallForMs?: number;
  /** Of the matching entries of each stream, every so many-th is left out, sent twice, or sent after the one that follows it. */
  readonly loseEvery?: number;
  readonly duplicateEvery?: number;
  readonly reorderEvery?: number;
  /** After each update so many entries that only the old filter lets through are sent before the update takes effect. */
  readonly staleInFlight?: number;
  /** After the first entry that only the new filter lets through, so many that only the old one does are sent. */
  readonly staleHard?: number;
  /** The first filter of each stream takes effect so much later. */
  readonly slowStartMs?: number;
  /** So many first entries of each stream are held until the last of them is written, and are sent at once. */
  readonly backlog?: number;
  /** All streams together are sent no more; what is above waits, each stream within its buffer. */
  readonly maxEntriesPerSecond?: number;
  /** All streams together apply no more filters; what is above waits. */
  readonly maxUpdatesPerSecond?: number;
}

/** How much was really planted. */
export interface PlantedCounts {
  /** Entries handed to the transport, duplicates and stale ones included. */
  readonly sent: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly staleInFlight: number;
  readonly staleHard: number;
}

/** What became of a filter: microseconds since the Unix epoch. */
export interface AppliedFilter {
  readonly receivedMicros: number;
  /** When it was put in force. */
  readonly appliedMicros: number;
  /** When the first entry that it, and not the filter before it, lets through had left for the network; absent while none has. */
  readonly shownMicros?: number;
}

export interface PlantedStream extends PlantedCounts {
  readonly transport: Transport;
  /** The filters of the stream in order; the last 10,000. */
  readonly applied: readonly AppliedFilter[];
  /** How long the first entry of a backlog was held back, in microseconds; absent while none was let go. */
  readonly heldMicros?: number;
}

/** What was planted so far, by stream in the order of opening (the last 10,000) and in all. */
export interface PlantedRecord {
  readonly total: PlantedCounts;
  readonly streams: readonly PlantedStream[];
}

type Counts = { -readonly [Count in keyof PlantedCounts]: number };

interface StreamRecord extends Counts {
  readonly transport: Transport;
  readonly applied: Writable<AppliedFilter>[];
  heldMicros?: number;
}
type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

const KEPT = 10_000;

/** The planted measures of one server: their detours, and the record of what they did. */
export class Planted {
  readonly #options: PlantedOptions;
  readonly #startMs = performance.now();
  readonly #entries: Throttle | undefined;
  readonly #updates: Throttle | undefined;
  readonly #total: Counts = noCounts();
  readonly #streams: StreamRecord[] = [];

  constructor(options: PlantedOptions) {
    this.#options = options;
    const { maxEntriesPerSecond, maxUpdatesPerSecond } = options;
    this.#entries = maxEntriesPerSecond === undefined ? undefined : new Throttle(maxEntriesPerSecond);
    this.#updates = maxUpdatesPerSecond === undefined ? undefined : new Throttle(maxUpdatesPerSecond);
  }

  record(): PlantedRecord {
    const streams = this.#streams.map((stream) => ({ ...stream, applied: stream.applied.map((filter) => ({ ...filter })) }));
    return { total: { ...this.#total }, streams };
  }

  /** The detours of each stream. */
  get seams(): SeamFactory {
    return (stream) => {
      const record: StreamRecord = { ...noCounts(), transport: stream.outlet.transport, applied: [] };
      this.#streams.push(record);
      if (this.#streams.length > KEPT) this.#streams.shift();
      const add = (count: keyof Counts): void => {
        record[count] += 1;
        this.#total[count] += 1;
      };
      const received = new WeakMap<Filter, number>();
      // What comes first stands nearest to the client where a filter goes by, and nearest to the log where an entry does.
      return [
        this.#stalling(),
        { filter: (filter, step) => step(stamped(filter, received)) } satisfies StreamSeams,
        delaying(this.#options),
        this.#limitingUpdates(),
        staling(stream, this.#options, add),
        damaging(this.#options, add),
        holdingBack(this.#options.backlog ?? 0, record),
        this.#limitingEntries(stream),
        recording(stream, record, received, add),
      ].reduce(composeSeams);
    };
  }

  /** What happens during a stall is done in order when it is over. */
  #stalling(): StreamSeams {
    const { stallEveryMs, stallForMs } = this.#options;
    if (stallEveryMs === undefined || stallForMs === undefined) return {};
    let waiting: (() => void)[] = [];
    const release = (): void => {
      const all = waiting;
      waiting = [];
      for (const act of all) act();
    };
    const whenRunning = (act: () => void): void => {
      const sinceMs = performance.now() - this.#startMs;
      const intoMs = sinceMs % stallEveryMs;
      const stalled = sinceMs >= stallEveryMs && intoMs < stallForMs;
      if (!stalled && waiting.length === 0) act();
      else {
        if (waiting.length === 0) setTimeout(release, stallForMs - intoMs).unref();
        waiting.push(act);
      }
    };
    return {
      filter: (filter, step) => whenRunning(() => step(filter)),
      end: (value, step) => whenRunning(() => step(value)),
      entry: (entry, step) => whenRunning(() => step(entry)),
    };
  }

  #limitingUpdates(): StreamSeams {
    const throttle = this.#updates;
    return throttle === undefined ? {} : { filter: (filter, step) => throttle.pass(() => step(filter)) };
  }

  /** The stream is blocked while a message of it waits for its turn, so that its own buffer fills as behind a slow link. */
  #limitingEntries(stream: Subscription): StreamSeams {
    const throttle = this.#entries;
    if (throttle === undefined) return {};
    return {
      send: (message, step) => {
        stream.block();
        throttle.pass(() => stream.unblock(() => step(message)));
      },
    };
  }
}

type Add = (count: keyof PlantedCounts) => void;

function stamped(filter: Filter, received: WeakMap<Filter, number>): Filter {
  received.set(filter, wallMicros());
  return filter;
}

function recording(stream: Subscription, record: StreamRecord, received: WeakMap<Filter, number>, add: Add): StreamSeams {
  /** In force, and not seen in an entry. */
  let unseen: { readonly applied: Writable<AppliedFilter>; readonly before: Filter | undefined } | undefined;
  /** The entries that show a filter, on their way through the queue. */
  const showing = new Map<Encoded, Writable<AppliedFilter>>();
  return {
    filter: (filter, step) => {
      const before = stream.filter;
      step(filter);
      const appliedMicros = wallMicros();
      const applied = { receivedMicros: received.get(filter) ?? appliedMicros, appliedMicros };
      record.applied.push(applied);
      if (record.applied.length > KEPT) record.applied.shift();
      unseen = { applied, before };
    },
    entry: (entry, step) => {
      const { filter } = stream;
      if (unseen !== undefined && filter !== undefined && stream.lets(filter, entry) && !(unseen.before !== undefined && stream.lets(unseen.before, entry))) {
        showing.set(entry, unseen.applied);
        unseen = undefined;
      }
      step(entry);
    },
    send: (message, step) => {
      add("sent");
      const shown = showing.get(message);
      if (shown === undefined) return step(message);
      showing.delete(message);
      stream.write(message, () => {
        shown.shownMicros = wallMicros();
      });
    },
  };
}

/** Filters that wait hold from their moment on, not from when a timer happens to fire: each entry looks for them. */
function delaying(options: PlantedOptions): StreamSeams {
  const { applyDelayMs = 0, slowStartMs = 0 } = options;
  if (applyDelayMs === 0 && slowStartMs === 0) return {};
  const waiting: { readonly atMs: number; readonly apply: () => void }[] = [];
  let first = true;
  const applyDue = (): void => {
    while (waiting[0] !== undefined && waiting[0].atMs <= performance.now()) waiting.shift()?.apply();
    const next = waiting[0];
    if (next !== undefined) setTimeout(applyDue, next.atMs - performance.now()).unref();
  };
  return {
    filter: (filter, step) => {
      const delayMs = applyDelayMs + (first ? slowStartMs : 0);
      first = false;
      waiting.push({ atMs: performance.now() + delayMs, apply: () => step(filter) });
      if (waiting.length === 1) applyDue();
    },
    entry: (entry, step) => {
      if (waiting[0] !== undefined && waiting[0].atMs <= performance.now()) applyDue();
      step(entry);
    },
  };
}

/** Entries of the old filter around an update: real ones of the log, in order, each once. */
function staling(stream: Subscription, options: PlantedOptions, add: Add): StreamSeams {
  const { staleInFlight = 0, staleHard = 0 } = options;
  if (staleInFlight === 0 && staleHard === 0) return {};
  let old: Filter | undefined;
  let update: { readonly filter: Filter; readonly apply: () => void } | undefined;
  let inFlightLeft = 0;
  let hardLeft = 0;
  const apply = (): void => {
    const applied = update;
    update = undefined;
    old = stream.filter;
    hardLeft = 0;
    applied?.apply();
  };
  return {
    filter: (filter, step) => {
      if (update === undefined) inFlightLeft = staleInFlight;
      update = { filter, apply: () => step(filter) };
      if (stream.filter === undefined || inFlightLeft === 0) apply();
    },
    entry: (entry, step) => {
      const current = stream.filter;
      if (current === undefined) return step(entry);
      if (update !== undefined) {
        const stale = stream.lets(current, entry) && !stream.lets(update.filter, entry);
        step(entry);
        if (!stale) return;
        add("staleInFlight");
        inFlightLeft -= 1;
        if (inFlightLeft === 0) apply();
        return;
      }
      const passesOld = old !== undefined && stream.lets(old, entry);
      const passesNew = stream.lets(current, entry);
      if (old !== undefined && hardLeft === 0 && passesNew && !passesOld && staleHard > 0) hardLeft = staleHard + 1;
      if (hardLeft > 1 && passesOld && !passesNew) {
        hardLeft -= 1;
        add("staleHard");
        stream.enqueue(entry);
      } else step(entry);
    },
  };
}

function damaging(options: PlantedOptions, add: Add): StreamSeams {
  const { loseEvery, duplicateEvery, reorderEvery } = options;
  const due = (every: number | undefined, count: number): boolean => every !== undefined && count % every === 0;
  let count = 0;
  let held: Encoded | undefined;
  return {
    send: (message, step) => {
      count += 1;
      if (due(loseEvery, count)) {
        add("lost");
        return;
      }
      if (held === undefined && due(reorderEvery, count)) {
        held = message;
        return;
      }
      step(message);
      if (due(duplicateEvery, count)) {
        add("duplicated");
        step(message);
      }
      if (held === undefined) return;
      add("reordered");
      const late = held;
      held = undefined;
      step(late);
    },
  };
}

function holdingBack(backlog: number, record: StreamRecord): StreamSeams {
  let held: Encoded[] | undefined = backlog > 0 ? [] : undefined;
  let firstMicros = 0;
  return {
    send: (message, step) => {
      if (held === undefined) return step(message);
      if (held.length === 0) firstMicros = wallMicros();
      held.push(message);
      if (held.length < backlog) return;
      record.heldMicros = wallMicros() - firstMicros;
      const all = held;
      held = undefined;
      for (const each of all) step(each);
    },
  };
}

function noCounts(): Counts {
  return { sent: 0, lost: 0, duplicated: 0, reordered: 0, staleInFlight: 0, staleHard: 0 };
}

function wallMicros(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1000);
}
