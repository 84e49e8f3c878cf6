import { encodeGrpcMessage, LogEntry, type Encoded } from "./log-entry.js";
import { later, neighbours, type Fault } from "./fault.js";
import { matches, matchesLevel, matchesSource, matchesText, type Filter } from "./filter.js";
import type { Subscription } from "./subscription.js";

/** Faults in what a filter lets through, and in whose filter it is. They bite on both transports unless they say otherwise. */
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
    caughtBy: ["first-filter/empty-is-everything", "first-filter/takes-effect"],
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
    sometimes: ["filter-updates/same-again-no-replay", "filter-updates/order-kept"],
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
  "first-source-only": {
    sentence: "Of several sources only the first is looked at.",
    seam: "filter",
    caughtBy: ["first-filter/none-missing"],
    stream: () => () => ({
      filter: (filter, step) => step(filter.sources === undefined ? filter : { ...filter, sources: filter.sources.slice(0, 1) }),
    }),
  },
  "non-ascii-left-out": {
    sentence: "Entries whose text is not ASCII are left out: the match goes through a charset that does not know them.",
    seam: "matches",
    caughtBy: ["first-filter/none-missing"],
    stream: () => () => ({
      matches: (filter, entry) => matches(filter, entry) && !/[^\x00-\x7f]/.test(entry.source + entry.message),
    }),
  },
  "empty-values-dropped": {
    sentence: "Empty texts in a list of wanted values are dropped, and an empty list is none (`.filter(Boolean)`).",
    seam: "filter",
    caughtBy: ["first-filter/empty-value-constrains"],
    stream: () => () => ({
      filter: (filter, step) => {
        const { sources, ...rest } = filter;
        const wanted = sources?.filter(Boolean) ?? [];
        step(wanted.length === 0 ? rest : { ...rest, sources: wanted });
      },
    }),
  },
  "filter-by-slot": {
    sentence: "The filter is kept by the stream's number, which streams of other connections have as well.",
    seam: "filter, matches",
    caughtBy: ["isolation/many-connections"],
    sometimes: neighbours,
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
    sometimes: neighbours,
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
    sometimes: neighbours,
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
