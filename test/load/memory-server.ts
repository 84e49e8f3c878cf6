import type { Contract, Entry, Filter, Message } from "../../src/core/contract.js";
import { defaultBounds } from "../../src/core/contract.js";
import { createTimeReader } from "../../src/core/date-time.js";
import type { Driver, MonitorStream, StreamEnd, StreamEvent } from "../../src/core/stream.js";
import type { Target } from "../../src/core/target.js";

const readTime = createTimeReader();

/** What a server in memory does wrong or slowly; counts are exact, so that a report can be held against them. */
export interface MemoryServerOptions {
  /** Entries that one tick of the log brings; default 3. */
  readonly perTick?: number;
  /** Milliseconds between ticks; default 2. */
  readonly tickMs?: number;
  /** How long a filter takes to have effect. */
  readonly applyMs?: number;
  /** Changes what a stream is sent: one entry in, any number out. `n` counts the stream's entries from 1. */
  readonly mangle?: (entry: Entry, n: number) => readonly Entry[];
  /** Filters are ignored after the first. */
  readonly ignoresUpdates?: boolean;
  /** Entries of the old filter, this many, after the first of the new one. */
  readonly staleAfter?: number;
  /** Ends each stream after so many entries. */
  readonly endsAfter?: number;
  readonly refuses?: StreamEnd;
}

export interface MemoryServer {
  readonly target: Target;
  readonly driver: Driver;
  /** Entries handed to streams. */
  readonly delivered: number;
  readonly openStreams: number;
}

const sources = ["alpha", "beta", "gamma"];
const levels = ["debug", "info", "warn", "error"];

/** A contract like the default one, made by hand. */
export function memoryContract(change: Partial<Contract> = {}): Contract {
  const filterOf = (name: string, message: Message): Filter => ({
    name,
    messages: [message],
    everything: (!Array.isArray(message["sources"]) || message["sources"].length === 0) && typeof message["min_level"] !== "string",
    matches: (entry) => {
      const wanted = message["sources"];
      const least = message["min_level"];
      return (
        (!Array.isArray(wanted) || wanted.length === 0 || wanted.includes(entry["source"])) &&
        (typeof least !== "string" || levels.indexOf(String(entry["level"])) >= levels.indexOf(least))
      );
    },
  });
  const filters = {
    everything: filterOf("everything", {}),
    alpha: filterOf("alpha", { sources: ["alpha"] }),
    beta: filterOf("beta", { sources: ["beta"] }),
    nothing: filterOf("nothing", { sources: ["no-such-source"] }),
  };
  const codec = {
    form: "text" as const,
    encode: (message: Message) => Buffer.from(JSON.stringify(message)),
    decode: (bytes: Uint8Array, start?: number, end?: number) => JSON.parse(Buffer.from(bytes).toString("utf8", start, end)) as Message,
  };
  return {
    name: "memory",
    about: "A monitor in memory.",
    source: "memory.yaml",
    hash: "0",
    grpc: undefined,
    websocket: { path: "/logs/monitor", endText: "null\n", subprotocols: [], headers: [], codec },
    filters,
    roles: { broad: filters.everything, disjoint: [filters.alpha, filters.beta], silent: filters.nothing, invalid: [] },
    entries: { sequence: "sequence", order: "increasing", time: "time", required: ["sequence"] },
    semantics: { update: "replace", takesEffect: "first-new-entry", delivery: "live", overflow: "end", cleanEnd: { grpcStatuses: [0], wsCodes: [1000] } },
    bounds: defaultBounds,
    filterBytes: undefined,
    producer: { kind: "unstated" },
    probe: { kind: "unstated" },
    matchRules: [
      { filter: "sources", entry: "source", rule: "one-of" },
      { filter: "min_level", entry: "level", rule: "at-least", order: levels },
    ],
    filter: (message) => filterOf(JSON.stringify(message), message),
    prelude: [],
    opening: (filter) => filter.messages,
    updating: (_, filter) => filter.messages,
    classify: (message) => ({ kind: "entries", entries: [message] }),
    draft: () => undefined,
    entryOf: (draft) => draft,
    violationOf: (entry) => (entry["sequence"] === undefined ? "no sequence" : undefined),
    timeOf: ({ time }) => (typeof time === "string" ? readTime(time) : Number.NaN),
    ...change,
  };
}

/** A server and its driver in memory; the log runs while a stream is open. */
export function memoryServer(options: MemoryServerOptions = {}, contract = memoryContract()): MemoryServer {
  const { perTick = 3, tickMs = 2, applyMs = 0, mangle = (entry) => [entry], ignoresUpdates = false, staleAfter = 0, endsAfter = Infinity } = options;
  const streams = new Set<MemoryStream>();
  let sequence = 0;
  let delivered = 0;
  let timer: NodeJS.Timeout | undefined;

  const tick = (): void => {
    for (let i = 0; i < perTick; i++) {
      sequence++;
      const entry: Entry = {
        sequence,
        time: new Date().toISOString(),
        level: levels[sequence % 4],
        source: sources[sequence % 3],
        message: `tick ${sequence}`,
      };
      for (const stream of streams) {
        delivered += stream.offer(entry);
      }
    }
  };
  const join = (stream: MemoryStream): void => {
    streams.add(stream);
    timer ??= setInterval(tick, tickMs);
  };
  const leave = (stream: MemoryStream): void => {
    streams.delete(stream);
    if (streams.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };

  const open = (events: (event: StreamEvent) => void): MemoryStream => {
    let current: Filter | undefined;
    let before: Filter | undefined;
    let stale = 0;
    let count = 0;
    let settle: (end: StreamEnd) => void = () => undefined;
    const ended = new Promise<StreamEnd>((resolve) => {
      settle = resolve;
    });
    let over = false;
    let held: Entry[] | undefined;
    const finish = (end: StreamEnd): void => {
      if (!over) {
        over = true;
        leave(stream);
        events({ kind: "ended", atMicros: now(), end });
        settle(end);
      }
    };
    const deliver = (entry: Entry): number => {
      if (held !== undefined) {
        held.push(entry);
        return 0;
      }
      let sent = 0;
      for (const message of mangle(entry, ++count)) {
        sent++;
        events({ kind: "message", atMicros: now(), message, bytes: 100, text: true });
      }
      if (count >= endsAfter) {
        finish({ kind: "rejected", native: "RESOURCE_EXHAUSTED", code: 8, detail: "enough" });
      }
      return sent;
    };
    const stream: MemoryStream = {
      offer(entry) {
        if (over || current === undefined) {
          return 0;
        }
        if (current.matches(entry)) {
          return deliver(entry);
        }
        if (stale > 0 && before?.matches(entry) === true && count > 0) {
          stale--;
          return deliver(entry);
        }
        return 0;
      },
      send(message) {
        if (over) {
          return Promise.reject(new Error("ended"));
        }
        const filter = contract.filter(message);
        const apply = (): void => {
          if (current === undefined || !ignoresUpdates) {
            before = current;
            current = filter;
            stale = before === undefined ? 0 : staleAfter;
          }
        };
        if (applyMs === 0) {
          apply();
        } else {
          setTimeout(apply, applyMs);
        }
        return Promise.resolve();
      },
      end() {
        setImmediate(() => finish({ kind: "completed", native: "1000" }));
        return Promise.resolve();
      },
      cancel() {
        finish({ kind: "lost", native: "CANCELLED", cause: "cancelled" });
      },
      pause() {
        held ??= [];
      },
      resume() {
        const waiting = held ?? [];
        held = undefined;
        for (const entry of waiting) {
          delivered += deliver(entry);
        }
      },
      ended,
    };
    join(stream);
    events({ kind: "opened", atMicros: now(), headers: {} });
    if (options.refuses !== undefined) {
      finish(options.refuses);
    }
    return stream;
  };

  return {
    target: { url: "ws://memory/logs/monitor", transport: "ws", host: "memory", port: 1, tls: undefined, path: "/logs/monitor", headers: [], contract },
    driver: {
      name: "websocket",
      transport: "ws",
      hides: [],
      connect: () =>
        Promise.resolve({
          open: ({ events }) => Promise.resolve(open(events)),
          close() {
            for (const stream of streams) {
              stream.cancel();
            }
            return Promise.resolve();
          },
        }),
    },
    get delivered() {
      return delivered;
    },
    get openStreams() {
      return streams.size;
    },
  };
}

interface MemoryStream extends MonitorStream {
  offer(entry: Entry): number;
}

function now(): number {
  return Math.round(performance.now() * 1000);
}
