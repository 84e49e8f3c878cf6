import { later, neighbours, type Fault } from "./fault.js";
import { matches, type Filter } from "./filter.js";
import { levels, LogEntry, type Encoded } from "./log-entry.js";
import type { Subscription } from "./subscription.js";

/** Faults in what an update does, and when. They bite on both transports. */
export const updateFaults = {
  "two-emitters": {
    sentence: "After an update the emitter of the old filter goes on beside the new one for a while: it is cancelled, not awaited.",
    seam: "filter, entry",
    caughtBy: ["filter-updates/no-old-after-new", "filter-updates/replaces-not-merges"],
    stream: () => (stream) => {
      let old: Filter | undefined;
      let untilMs = 0;
      return {
        filter: (filter, step) => {
          old = stream.filter;
          untilMs = performance.now() + 100;
          step(filter);
        },
        entry: (entry, step) => {
          const current = stream.filter;
          const passesNew = current !== undefined && stream.lets(current, entry);
          if (!passesNew && old !== undefined && performance.now() < untilMs && stream.lets(old, entry)) stream.enqueue(entry);
          else step(entry);
        },
      };
    },
  },
  "queued-entries-outlive-update": {
    sentence: "Entries that were queued for the old filter are sent after the new one took effect: two queues, drained in the wrong order.",
    seam: "filter, entry, send",
    caughtBy: ["filter-updates/no-old-after-new", "filter-updates/order-kept"],
    stream: () => (stream) => {
      let queued: LogEntry[] = [];
      let last: LogEntry[] = [];
      return {
        filter: (filter, step) => {
          queued = last.filter((entry) => !stream.lets(filter, entry));
          step(filter);
        },
        entry: (entry, step) => {
          if (stream.filter !== undefined && stream.lets(stream.filter, entry)) last = [...last.slice(-2), entry];
          step(entry);
        },
        send: (message, step) => {
          step(message);
          for (const entry of queued.splice(0)) step(entry);
        },
      };
    },
  },
  "updates-starve-under-load": {
    sentence: "Updates are looked at only when nothing is to be sent: under heavy traffic never (a Go select with a default branch that sends).",
    seam: "filter, send",
    caughtBy: ["filter-updates/effective-under-load"],
    sometimes: neighbours,
    stream: () => (stream) => {
      const heavy = trafficMeter(150, 200);
      let pending: (() => void) | undefined;
      const whenQuiet = (): void => {
        if (stream.over) return;
        if (heavy.exceeded()) later(20, whenQuiet);
        else {
          pending?.();
          pending = undefined;
        }
      };
      return {
        filter: (filter, step) => {
          const waiting = pending !== undefined;
          pending = () => step(filter);
          if (!waiting) whenQuiet();
        },
        send: (message, step) => {
          heavy.count();
          step(message);
        },
      };
    },
  },
  "update-waits-for-match": {
    sentence: "A blocking call fetches the next matching entry, and updates are looked at only when it returns.",
    seam: "filter, entry",
    caughtBy: ["filter-updates/effective-while-idle"],
    stream: () => (stream) => {
      const fetch = blockingFetch(stream);
      return { filter: (filter, step) => fetch.after("filter", () => step(filter)), entry: fetch.entry };
    },
  },
  "update-one-entry-late": {
    sentence: "The filter is taken before the wait for the next entry: an update holds from the entry after that one on.",
    seam: "filter, entry",
    caughtBy: ["filter-updates/judges-next-entry"],
    needs: "quiet",
    stream: () => (stream) => {
      let pending: (() => void) | undefined;
      return {
        filter: (filter, step) => {
          if (stream.filter === undefined) step(filter);
          else pending = () => step(filter);
        },
        entry: (entry, step) => {
          step(entry);
          pending?.();
          pending = undefined;
        },
      };
    },
  },
  "filters-unite": {
    sentence: "A filter is added to those before it: what any of them lets through is sent.",
    seam: "filter, matches",
    caughtBy: ["filter-updates/replaces-not-merges"],
    stream: () => () => {
      const all: Filter[] = [];
      return {
        filter: (filter, step) => {
          all.push(filter);
          step(filter);
        },
        matches: (_filter, entry) => all.some((filter) => matches(filter, entry)),
      };
    },
  },
  "filter-fields-merge": {
    sentence: "The fields of a filter are merged into the old one, so that an absent field keeps its value (proto.Merge, Object.assign).",
    seam: "filter",
    caughtBy: ["filter-updates/replaces-not-merges"],
    stream: () => (stream) => ({ filter: (filter, step) => step({ ...stream.filter, ...filter }) }),
  },
  "update-queue-drops-newest": {
    sentence: "Updates wait in a short queue that drops the newest when it is full (Go: a select with an empty default).",
    seam: "filter",
    caughtBy: ["filter-updates/burst-last-wins"],
    stream: () => (stream) => {
      const queue: (() => void)[] = [];
      const drain = (): void => {
        queue.shift()?.();
        if (queue.length > 0 && !stream.over) later(2, drain);
      };
      return {
        filter: (filter, step) => {
          if (queue.length >= 16) return;
          queue.push(() => step(filter));
          if (queue.length === 1) setImmediate(drain);
        },
      };
    },
  },
  "same-filter-replays": {
    sentence: "The same filter sent again restarts the cursor: recent entries are sent once more.",
    seam: "filter, entry",
    caughtBy: ["filter-updates/same-again-no-replay"],
    stream: () => (stream) => {
      let recent: LogEntry[] = [];
      return {
        filter: (filter, step) => {
          const same = JSON.stringify(filter) === JSON.stringify(stream.filter);
          step(filter);
          const replayed = recent;
          recent = [];
          if (same) for (const entry of replayed) stream.enqueue(entry);
        },
        entry: (entry, step) => {
          if (stream.filter !== undefined && stream.lets(stream.filter, entry)) recent = [...recent.slice(-19), entry];
          step(entry);
        },
      };
    },
  },
  "update-loses-entries": {
    sentence: "An update closes the subscription and makes another: what is written between the two is lost (Rust: a future that `select!` drops).",
    seam: "filter, entry",
    caughtBy: ["filter-updates/same-again-no-replay"],
    stream: () => (stream) => {
      let updating = 0;
      return {
        filter: (filter, step) => {
          if (stream.filter === undefined) return step(filter);
          updating += 1;
          later(2, () => {
            updating -= 1;
            step(filter);
          });
        },
        entry: (entry, step) => (updating > 0 ? undefined : step(entry)),
      };
    },
  },
  "only-narrows": {
    sentence: "A wider filter has no effect: the new filter is laid over the stream of the old one.",
    seam: "filter",
    caughtBy: ["filter-updates/narrow-wide-narrow"],
    stream: () => (stream) => ({
      filter: (filter, step) => {
        if (stream.filter === undefined || !isWider(filter, stream.filter)) step(filter);
      },
    }),
  },
  "update-debounced": {
    sentence: "Updates are debounced by 500 ms, as a search box would do.",
    seam: "filter",
    caughtBy: ["filter-updates/staleness-budget"],
    stream: () => (stream) => {
      let latest = 0;
      return {
        filter: (filter, step) => {
          const mine = ++latest;
          if (stream.filter === undefined && mine === 1) step(filter);
          else later(500, () => (mine === latest ? step(filter) : undefined));
        },
      };
    },
  },
  "update-reorders": {
    sentence: "Sends run concurrently: after an update the first two entries change places.",
    seam: "filter, send",
    caughtBy: ["filter-updates/order-kept"],
    stream: () => () => {
      let updates = 0;
      let swap = false;
      let held: Encoded | undefined;
      return {
        filter: (filter, step) => {
          swap = updates++ > 0;
          step(filter);
        },
        send: (message, step) => {
          if (swap) {
            swap = false;
            held = message;
            return;
          }
          step(message);
          if (held !== undefined) step(held);
          held = undefined;
        },
      };
    },
  },
  "only-first-filter": {
    sentence: "Only the first filter is ever read: the handler takes a request, and then only streams.",
    seam: "filter",
    caughtBy: ["filter-updates/takes-effect"],
    stream: () => (stream) => ({ filter: (filter, step) => (stream.filter === undefined ? step(filter) : undefined) }),
  },
  "filter-reaches-back": {
    sentence: "A new filter begins with a look at recent entries: what was written before it is sent.",
    seam: "filter, entry",
    caughtBy: ["filter-updates/no-reach-back", "filter-updates/order-kept"],
    sometimes: ["filter-updates/burst-last-wins"],
    stream: () => (stream) => {
      const recent: LogEntry[] = [];
      return {
        filter: (filter, step) => {
          const old = stream.filter;
          step(filter);
          if (old === undefined) return;
          for (const entry of recent) if (!stream.lets(old, entry) && stream.lets(filter, entry)) stream.enqueue(entry);
        },
        entry: (entry, step) => {
          recent.push(entry);
          if (recent.length > 300) recent.shift();
          step(entry);
        },
      };
    },
  },
  "matched-when-sent": {
    sentence: "Entries are queued as they are and matched when they are sent: a new filter reaches back into what waits (Go: the match in the send loop).",
    seam: "entry, send",
    caughtBy: ["flow-control/updates-read-while-blocked", "filter-updates/no-reach-back"],
    stream: () => (stream) => ({
      entry: (entry, step) => (stream.filter === undefined ? step(entry) : stream.enqueue(entry)),
      send: (message, step) => {
        if (stream.filter === undefined || !(message instanceof LogEntry) || stream.lets(stream.filter, message)) step(message);
      },
    }),
  },
  "older-update-wins": {
    sentence: "A filter that takes longer to check comes into force after one that was sent later (Node: an async check for each message).",
    seam: "filter",
    caughtBy: ["filter-updates/burst-last-wins"],
    stream: () => (stream) => ({
      filter: (filter, step) => {
        if (filter.sources === undefined) step(filter);
        else later(15, () => (stream.over ? undefined : step(filter)));
      },
    }),
  },
  "long-entries-overtaken": {
    sentence: "Long entries are compressed apart, and short ones that were written after them overtake them (Node: Promise.all over sends).",
    seam: "send",
    caughtBy: ["filter-updates/order-kept"],
    stream: () => (stream) => ({
      send: (message, step) => {
        if (message.json.length < 16 * 1024) step(message);
        else setImmediate(() => (stream.over ? undefined : step(message)));
      },
    }),
  },
  "repeated-filter-unsubscribes": {
    sentence: "A filter that is sent twice before its first entry is taken back: the second one toggles the subscription.",
    seam: "filter, send",
    caughtBy: ["exploration/random-walks", "filter-updates/same-again-no-replay"],
    stream: () => (stream) => {
      let fresh = false;
      return {
        filter: (filter, step) => {
          const repeated = fresh && JSON.stringify(filter) === JSON.stringify(stream.filter);
          fresh = !repeated;
          step(repeated ? { sources: [] } : filter);
        },
        send: (message, step) => {
          fresh = false;
          step(message);
        },
      };
    },
  },
} as const satisfies Record<string, Fault>;

/** Counts what passes, and tells whether it was at least `many` within the last `windowMs`. */
function trafficMeter(many: number, windowMs: number): { count(): void; exceeded(): boolean } {
  const times: number[] = [];
  return {
    count: () => {
      times.push(performance.now());
      if (times.length > many) times.shift();
    },
    exceeded: () => times.length >= many && performance.now() - (times[0] ?? 0) < windowMs,
  };
}

/** A loop that is blocked in fetching the next matching entry: what happens meanwhile is noticed when it returns. */
export function blockingFetch(stream: Subscription): {
  /** Acts when the next matching entry has been sent; at once before the first filter. The latest act of a kind counts. */
  after(kind: string, act: () => void): void;
  entry(entry: LogEntry, step: (entry: LogEntry) => void): void;
} {
  const noticed = new Map<string, () => void>();
  return {
    after: (kind, act) => {
      if (stream.filter === undefined) act();
      else noticed.set(kind, act);
    },
    entry: (entry, step) => {
      const returns = stream.filter !== undefined && stream.lets(stream.filter, entry);
      step(entry);
      if (!returns) return;
      const acts = [...noticed.values()];
      noticed.clear();
      for (const act of acts) act();
    },
  };
}

/** Whether a filter lets through all that the other does, and is another. */
function isWider(filter: Filter, than: Filter): boolean {
  const rank = (of: Filter): number => (of.minLevel === undefined ? 0 : levels.indexOf(of.minLevel));
  const holds =
    rank(filter) <= rank(than) &&
    (filter.sources === undefined || (than.sources?.every((source) => filter.sources?.includes(source)) ?? false)) &&
    (filter.contains === undefined || filter.contains === than.contains);
  return holds && JSON.stringify(filter) !== JSON.stringify(than);
}
