import { endings } from "./ending.js";
import { later, type Fault } from "./fault.js";
import { LogEntry } from "./log-entry.js";
import type { StreamSeams } from "./seams.js";
import type { Subscription } from "./subscription.js";
import { blockingFetch } from "./update-faults.js";

/** Faults in the life of a stream: its end, its release, its reader. They bite on both transports unless they say otherwise. */
export const streamFaults = {
  "end-waits-for-filter": {
    sentence: "An end before any filter is not noticed: the handler waits for the first filter before it looks at anything else.",
    seam: "end",
    caughtBy: ["eof/before-any-filter"],
    stream: () => (stream) => ({ end: (value, step) => (stream.filter === undefined ? undefined : step(value)) }),
  },
  "end-waits-for-match": {
    sentence: "An end is noticed when the next matching entry was sent: while nothing matches, never.",
    seam: "end, entry",
    caughtBy: ["eof/while-idle"],
    stream: () => (stream) => {
      const fetch = blockingFetch(stream);
      return { end: (value, step) => fetch.after("end", () => step(value)), entry: fetch.entry };
    },
  },
  "end-waits-for-entry": {
    sentence: "An end is looked at when the log has its next entry, whether that matches or not.",
    seam: "end, entry",
    caughtBy: ["eof/on-quiet-log"],
    sometimes: ["eof/while-idle"],
    needs: "quiet",
    stream: () => () => {
      let ending: (() => void) | undefined;
      return {
        end: (value, step) => {
          ending = () => step(value);
        },
        entry: (entry, step) => {
          if (ending === undefined) step(entry);
          else ending();
        },
      };
    },
  },
  "last-entry-cut": {
    sentence: "At the end of a flowing stream the last entry is cut in half: a buffer is not flushed whole.",
    seam: "end, entry",
    caughtBy: ["eof/last-entry-whole"],
    stream: () => (stream) => {
      let ending: (() => void) | undefined;
      return {
        end: (value, step) => {
          ending = () => step(value);
          later(40, () => ending?.());
        },
        entry: (entry, step) => {
          const cut = ending !== undefined && stream.filter !== undefined && stream.lets(stream.filter, entry);
          if (!cut) {
            step(entry);
            return;
          }
          stream.write({ grpcMessage: half(entry.grpcMessage), json: half(entry.json) });
          ending?.();
        },
      };
    },
  },
  "end-lost-after-blocked-send": {
    sentence: "An end that arrives while a send is blocked is lost.",
    seam: "end",
    caughtBy: ["flow-control/eof-after-blocked-send"],
    stream: () => (stream) => ({ end: (value, step) => (stream.full ? undefined : step(value)) }),
  },
  "blocking-fetch": {
    sentence: "A blocking call for the next matching entry hides updates, end and cancel while nothing matches: the streaming guide's example, read literally.",
    seam: "filter, end, finish, released, entry",
    caughtBy: [
      "filter-updates/effective-while-idle",
      "eof/while-idle",
      "cancellation/grpc-while-idle",
      "cancellation/grpc-deadline-enforced",
      "cancellation/ws-fin-and-rst-released",
    ],
    stream: () => (stream) => {
      const fetch = blockingFetch(stream);
      const flow = recentFlow(30);
      return {
        filter: (filter, step) => fetch.after("filter", () => step(filter)),
        end: (value, step) => fetch.after("end", () => step(value)),
        finish: (ending, step) => (ending === endings.deadline ? fetch.after("end", () => step(ending)) : step(ending)),
        entry: fetch.entry,
        send: flow.send,
        // A stream that is gone hears of no entry: the call never returns.
        released: (how, step) => (isAbnormal(how) && stream.filter !== undefined && !flow.recent() ? undefined : step(how)),
      };
    },
  },
  "reader-task-leaks": {
    sentence: "The task that reads filters stays blocked on handing one over after the stream is gone (Go: an unbuffered channel without ctx.Done).",
    seam: "filter, released",
    caughtBy: ["resources/open-close-baseline"],
    stream: () => () => {
      let handedMs = -Infinity;
      return {
        filter: (filter, step) => {
          handedMs = performance.now();
          step(filter);
        },
        released: (how, step) => (how === "completed" && performance.now() - handedMs < 20 ? undefined : step(how)),
      };
    },
  },
  "leak-on-end": {
    sentence: "A stream that ends normally leaves its subscription behind; only errors clean up.",
    seam: "released",
    caughtBy: ["resources/open-close-baseline"],
    stream: () => () => ({ released: (how, step) => (how === "completed" ? undefined : step(how)) }),
  },
  "cancel-ignored-under-flow": {
    sentence: "A cancelled call whose entries flow is never released: the send loop does not look at its context.",
    seam: "send, released",
    caughtBy: ["cancellation/grpc-under-flow"],
    stream: () => () => {
      const flow = recentFlow(30);
      return { send: flow.send, released: (how, step) => (how === "cancelled" && flow.recent() ? undefined : step(how)) };
    },
  },
  "cancel-ignored-before-filter": {
    sentence: "A call that is cancelled before its first filter is never released: it waits in Recv.",
    seam: "released",
    caughtBy: ["cancellation/grpc-before-first-filter"],
    stream: () => (stream) => ({
      released: (how, step) => (how === "cancelled" && stream.filter === undefined ? undefined : step(how)),
    }),
  },
  "cancel-ignored-while-idle": {
    sentence: "A call that is cancelled while nothing matches is never released: the blocked fetch takes no context.",
    seam: "send, released",
    caughtBy: ["cancellation/grpc-while-idle"],
    stream: () => (stream) => {
      const flow = recentFlow(30);
      return {
        send: flow.send,
        released: (how, step) => (how === "cancelled" && stream.filter !== undefined && !flow.recent() ? undefined : step(how)),
      };
    },
  },
  "drop-not-released": {
    sentence: "A WebSocket that drops TCP without a Close frame is never released: the listener is removed on Close only.",
    seam: "released",
    caughtBy: ["cancellation/ws-fin-and-rst-released"],
    stream: () => (stream) => ({
      released: (how, step) => (how === "lost" && stream.outlet.transport === "websocket" ? undefined : step(how)),
    }),
  },
  "drops-while-blocked": {
    sentence: "Entries that come while the HTTP/2 window is closed are dropped: the return value of write is taken for failure.",
    seam: "entry",
    caughtBy: ["flow-control/grpc-window-respected", "flow-control/slow-reader-lossless"],
    stream: () => (stream) => {
      let blockedMs: number | undefined;
      return {
        entry: (entry, step) => {
          blockedMs = stream.outlet.pendingBytes() > 0 ? (blockedMs ?? performance.now()) : undefined;
          const blocked = blockedMs !== undefined && performance.now() - blockedMs > 50;
          if (!blocked || stream.outlet.transport === "websocket") step(entry);
        },
      };
    },
  },
  "full-queue-drops": {
    sentence: "A full queue drops its oldest entries in silence; a lagging broadcast receiver skips (Rust, Go).",
    seam: "entry",
    caughtBy: ["flow-control/slow-reader-lossless"],
    sometimes: ["first-filter/none-missing"],
    stream: () => (stream) => ({
      entry: (entry, step) => {
        if (stream.waiting >= 256) stream.dropOldest();
        step(entry);
      },
    }),
  },
  "queue-of-references": {
    sentence: "The queue of a stream has no bound; the entries in it are shared with the queues of others.",
    seam: "overflow",
    caughtBy: ["flow-control/slow-reader-bounded-memory"],
    patient: true,
    reach: "server",
    stream: () => () => ({ overflow: () => undefined }),
  },
  "queue-unbounded": {
    sentence: "The queue of a stream has no bound, and its large buffers are never given back, also when the stream is gone.",
    seam: "entry, overflow",
    caughtBy: ["flow-control/slow-reader-bounded-memory"],
    reach: "server",
    stream: () => {
      const kept: Buffer[] = [];
      return (stream) => ({
        entry: (entry, step) => {
          const queued = stream.filter !== undefined && stream.lets(stream.filter, entry);
          if (queued && entry.json.length > 1000) kept.push(Buffer.alloc(entry.json.length * 2, entry.json));
          step(entry);
        },
        overflow: () => undefined,
      });
    },
  },
  "slow-reader-stalls-all": {
    sentence: "One lock is held over each send: a slow reader stalls every other.",
    seam: "entry, resumed, released",
    caughtBy: ["flow-control/slow-reader-harms-no-other", "filter-updates/no-reach-back"],
    reach: "server",
    stream: () => {
      const blocked = new Set<Subscription>();
      let held: (() => void)[] = [];
      const release = (stream: Subscription): void => {
        blocked.delete(stream);
        if (blocked.size > 0) return;
        const all = held;
        held = [];
        for (const pass of all) pass();
      };
      return (stream): StreamSeams => ({
        entry: (entry, step) => {
          if (blocked.size === 0) step(entry);
          else held.push(() => step(entry));
          if (stream.full && !stream.over) blocked.add(stream);
        },
        resumed: () => (stream.full ? undefined : release(stream)),
        released: (how, step) => {
          step(how);
          release(stream);
        },
      });
    },
  },
  "updates-wait-for-send": {
    sentence: "One loop both reads filters and sends: while a send is blocked, updates are not read.",
    seam: "filter, resumed",
    caughtBy: ["flow-control/updates-read-while-blocked"],
    stream: () => (stream) => {
      let unread: (() => void)[] = [];
      return {
        filter: (filter, step) => {
          if (stream.full) unread.push(() => step(filter));
          else step(filter);
        },
        resumed: () => {
          if (stream.full) return;
          const all = unread;
          unread = [];
          for (const read of all) read();
        },
      };
    },
  },
  "pong-behind-queue": {
    sentence: "A pong waits until no entry has been sent for a while: control frames go through the queue of entries.",
    seam: "ping, send",
    caughtBy: ["flow-control/ws-pong-under-flood"],
    stream: () => (stream) => {
      const flow = recentFlow(50);
      return {
        send: flow.send,
        ping: (payload, step) => {
          const whenQuiet = (): void => {
            if (stream.over) return;
            if (flow.recent()) later(20, whenQuiet);
            else step(payload);
          };
          whenQuiet();
        },
      };
    },
  },
  "entries-late": {
    sentence: "Every entry is sent 20 ms late: a delay in the send path, such as Nagle's algorithm or a polling loop.",
    seam: "send",
    caughtBy: ["flow-control/latency-budget"],
    stream: () => () => ({ send: (message, step) => later(20, () => step(message)) }),
  },
  "work-queue": {
    sentence: "Matching streams share the entries among them instead of each getting all: a work queue for a broadcast.",
    seam: "matches",
    caughtBy: ["isolation/shared-entries-reach-all"],
    sometimes: ["first-filter/takes-effect", "first-filter/none-missing"],
    reach: "server",
    stream: () => {
      const taken = new WeakSet<LogEntry>();
      return () => ({
        send: (message, step) => {
          if (!(message instanceof LogEntry)) step(message);
          else if (!taken.has(message)) {
            taken.add(message);
            step(message);
          }
        },
      });
    },
  },
  "degrades-by-stream": {
    sentence: "After 280 streams each first filter waits 5 s: a list of subscribers is searched and never trimmed.",
    seam: "filter",
    caughtBy: ["resources/final-equals-first"],
    reach: "server",
    stream: () => {
      let opened = 0;
      return (stream) => {
        const slow = ++opened > 280;
        return {
          filter: (filter, step) => {
            if (slow && stream.filter === undefined) later(5000, () => (stream.over ? undefined : step(filter)));
            else step(filter);
          },
        };
      };
    },
  },
  "busy-loop": {
    sentence: "An idle stream burns a core: a loop polls for entries and never sleeps.",
    seam: "filter",
    caughtBy: ["resources/idle-cpu"],
    reach: "server",
    stream: () => (stream) => {
      const spin = (): void => {
        if (!stream.over) setImmediate(spin);
      };
      spin();
      return {};
    },
  },
} as const satisfies Record<string, Fault>;

/** Whether an entry was sent within the last `windowMs`. */
function recentFlow(windowMs: number): { readonly send: NonNullable<StreamSeams["send"]>; recent(): boolean } {
  let sentMs = -Infinity;
  return {
    send: (message, step) => {
      sentMs = performance.now();
      step(message);
    },
    recent: () => performance.now() - sentMs < windowMs,
  };
}

function isAbnormal(how: string): boolean {
  return how === "cancelled" || how === "lost";
}

function half(bytes: Buffer): Buffer {
  return bytes.subarray(0, Math.ceil(bytes.length / 2));
}
