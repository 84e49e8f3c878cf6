import { later, type Fault } from "./fault.js";
import { matches, matchesLevel, matchesSource, matchesText, type Filter } from "./filter.js";
import { encodeGrpcMessage, levels, LogEntry, type Encoded } from "./log-entry.js";
import type { Subscription } from "./subscription.js";

/** Faults in what a stream lets through and when: filters and updates. They bite on both transports unless they say otherwise. */
export const filterFaults = {
  "unfiltered-until-filter": {
    sentence: "Entries are sent before the first filter, as if none meant all; seen where the filter has a permissive default.",
    seam: "entry",
    caughtBy: ["first-filter/silent-before"],
    stream: () => (stream) => ({
      entry: (entry, step) => (stream.filter === undefined ? stream.enqueue(entry) : step(entry)),
    }),
  },
  "first-filter-lost": {
    sentence: "The first message is thrown away: a handler reads it as a greeting before its loop begins.",
    seam: "filter",
    caughtBy: ["first-filter/takes-effect"],
    stream: () => () => {
      let first = true;
      return {
        filter: (filter, step) => {
          if (!first) step(filter);
          first = false;
        },
      };
    },
  },
  "or-for-and": {
    sentence: "An entry passes that satisfies any one constraint of the filter instead of all.",
    seam: "matches",
    caughtBy: ["first-filter/entries-match"],
    stream: () => () => ({
      matches: (filter, entry) =>
        Object.keys(filter).length === 0 ||
        (filter.minLevel !== undefined && matchesLevel(filter, entry)) ||
        (filter.sources !== undefined && matchesSource(filter, entry)) ||
        (filter.contains !== undefined && matchesText(filter, entry)),
    }),
  },
  "empty-filter-is-end": {
    sentence: "An empty filter, in protobuf a message of no bytes, is taken for the end of the stream.",
    seam: "filter",
    caughtBy: ["first-filter/empty-is-everything"],
    stream: () => (stream) => ({
      filter: (filter, step) => (Object.keys(filter).length === 0 ? stream.end() : step(filter)),
    }),
  },
  "field-left-out": {
    sentence: "Every 500th entry of the log is sent without its time: one code path forgets to fill in a field.",
    seam: "send",
    caughtBy: ["first-filter/entries-valid"],
    stream: () => () => ({
      send: (message, step) => step(message instanceof LogEntry && message.sequence % 500 === 0 ? withoutTime(message) : message),
    }),
  },
  "nil-entry-while-idle": {
    sentence: "While nothing matches, an empty entry is sent: the nil of a lookup that found nothing (Go).",
    seam: "filter, send",
    caughtBy: ["first-filter/no-match-stays-alive"],
    stream: () => (stream) => {
      let quiet = true;
      return {
        filter: (filter, step) => {
          step(filter);
          quiet = true;
          later(60, () => {
            if (quiet && !stream.over) stream.write({ grpcMessage: Buffer.alloc(5), json: Buffer.from("null") });
          });
        },
        send: (message, step) => {
          quiet = false;
          step(message);
        },
      };
    },
  },
  "two-emitters": {
    sentence: "After an update the emitter of the old filter goes on beside the new one for a while: it is cancelled, not awaited.",
    seam: "filter, entry",
    caughtBy: ["filter-updates/no-old-after-new"],
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
    stream: () => (stream) => {
      const heavy = trafficMeter(100, 50);
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
  "filter-by-slot": {
    sentence: "The filter is kept by the stream's number, which streams of other connections have as well.",
    seam: "filter, matches",
    caughtBy: ["isolation/many-connections"],
    reach: "server",
    stream: () => sharedFilter((stream, index) => (stream.outlet.transport === "grpc" ? `grpc ${stream.outlet.streamId}` : `ws ${index % 8}`)),
  },
  "filter-by-connection": {
    sentence: "The filter is kept by connection: calls that share one overwrite each other's.",
    seam: "filter, matches",
    caughtBy: ["isolation/grpc-one-connection"],
    reach: "connection",
    stream: () => sharedFilter((stream) => stream.outlet.connection),
  },
  "filter-by-service": {
    sentence: "The filter is a field of the service: every stream overwrites all others'.",
    seam: "filter, matches",
    caughtBy: ["isolation/many-connections", "isolation/grpc-one-connection"],
    reach: "server",
    stream: () => sharedFilter(() => "service"),
  },
  "websocket-ignores-level": {
    sentence: "On WebSocket the field min_level is not looked at beside sources: the second transport was written later.",
    seam: "matches",
    caughtBy: ["isolation/transports-agree", "first-filter/entries-match"],
    stream: () => (stream) => ({
      matches: (filter, entry) => {
        const ignored = stream.outlet.transport === "websocket" && filter.sources !== undefined;
        return ignored ? matchesSource(filter, entry) && matchesText(filter, entry) : matches(filter, entry);
      },
    }),
  },
  "filter-restored": {
    sentence: "A stream that follows an abnormal end begins with the filter of the one before it: a session kept by peer address.",
    seam: "released, filter",
    caughtBy: ["robustness/reconnect-starts-fresh"],
    reach: "server",
    stream: () => {
      const kept = new Map<string, Filter>();
      return (stream) => {
        const { transport } = stream.outlet;
        const restored = kept.get(transport);
        kept.delete(transport);
        if (restored !== undefined) setImmediate(() => (stream.filter === undefined ? stream.accept(restored) : undefined));
        return {
          released: (how, step) => {
            if ((how === "lost" || how === "cancelled") && stream.filter !== undefined) kept.set(transport, stream.filter);
            step(how);
          },
        };
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

function sharedFilter(keyOf: (stream: Subscription, index: number) => unknown): NonNullable<ReturnType<NonNullable<Fault["stream"]>>> {
  const filters = new Map<unknown, Filter>();
  let streams = 0;
  return (stream) => {
    const key = keyOf(stream, streams++);
    return {
      filter: (filter, step) => {
        filters.set(key, filter);
        step(filter);
      },
      matches: (filter, entry) => matches(filters.get(key) ?? filter, entry),
    };
  };
}

function withoutTime(entry: LogEntry): Encoded {
  const { sequence, level, source, message } = entry;
  return {
    grpcMessage: encodeGrpcMessage({ sequence, time: "", level, source, message }),
    json: Buffer.from(JSON.stringify({ sequence, level, source, message })),
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
