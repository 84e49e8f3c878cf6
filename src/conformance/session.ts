import { setMaxListeners } from "node:events";
import { performance } from "node:perf_hooks";
import { type Bounds, type Contract, type Filter, type Roles, type Transport, transportName } from "../core/contract.js";
import { messageOf } from "../core/errors.js";
import { createRandom } from "../core/random.js";
import type { Connection, Driver, MonitorStream, StreamEvent } from "../core/stream.js";
import type { Target } from "../core/target.js";
import { createTimeline, type Timeline, type TimelineNote } from "../core/timeline.js";
import { fail, notApplicable, unproven } from "../core/verdict.js";
import { awaitArrival, awaitOwnEntries, describeOthers } from "./await-arrival.js";
import { createConversation, describeEnd, type Arrival, type Conversation } from "./conversation.js";
import type { LoopWatch } from "./loop-watch.js";
import { rootsOfEnd, rootsOfNoEnd, rootsOfNoEntry, rootsOfNoUpdate } from "./roots.js";
import { sentinels } from "./sentinels.js";
import type { ServerLag } from "./server-lag.js";
import type { Supply } from "./supply.js";
import { createWaiter, outcomeOf, type Waiter } from "./wait.js";

/** What a probe of the server can tell; each value where the probe has it. */
export interface ProbeReading {
  readonly openStreams?: number;
  readonly rssBytes?: number;
  readonly cpuMicros?: number;
  readonly threads?: number;
  readonly openFiles?: number;
}

/** Reads what the server holds; `unavailable` says why not. */
export interface RunProbe {
  readonly state: { readonly kind: "ready" } | { readonly kind: "missing"; readonly reason: string } | { readonly kind: "declared-none" };
  read(): Promise<ProbeReading | { readonly kind: "unavailable"; readonly reason: string }>;
}

/** What all checks of one run share. */
export interface RunContext {
  readonly contract: Contract;
  readonly targets: Readonly<Partial<Record<Transport, Target>>>;
  readonly drivers: Readonly<Partial<Record<Transport, Driver>>>;
  readonly supply: Supply;
  readonly probe: RunProbe;
  readonly bounds: Bounds;
  readonly watch: LoopWatch;
  readonly lag: ServerLag;
  readonly seed: number;
  /** `id|transport` of the checks that failed so far in this run. */
  readonly shownBroken: ReadonlySet<string>;
  /** Whether checks may take their time for what only shows late (5 s and more). */
  readonly patient: boolean;
  /** Stops the target gracefully and starts it again; absent when the harness did not start it. */
  readonly restart: { stop(): Promise<void>; start(): Promise<void> } | undefined;
}

export interface OpenStream {
  /** Sent at once; its effect is not awaited. */
  readonly filter?: Filter;
  /** Another transport than the session's. */
  readonly transport?: Transport;
  /** Share this connection instead of dialling one. */
  readonly connection?: Connection;
  readonly headers?: readonly (readonly [string, string])[];
  readonly grpcTimeout?: string;
}

/** What a check gets: streams that it need not close, waits that are bounded, entries on demand, and words for its verdict. */
export interface Session {
  readonly transport: Transport;
  readonly contract: Contract;
  readonly target: Target;
  readonly bounds: Bounds;
  readonly supply: Supply;
  readonly probe: RunProbe;
  readonly context: RunContext;
  readonly timeline: Timeline;
  readonly waiter: Waiter;
  /** A seeded random number in [0, 1). */
  random(): number;
  /** The filters of a role; unproven when the contract names none. */
  role<K extends keyof Roles>(name: K): NonNullable<Roles[K]>;
  connect(transport?: Transport): Promise<Connection>;
  open(options?: OpenStream): Promise<Conversation>;
  /** Makes a conversation of a stream that the check opened itself; `hear` takes its events. */
  adopt(stream: MonitorStream): { readonly conversation: Conversation; hear(event: StreamEvent): void };
  /** `until` of the waiter, on anything that any stream of this session hears. */
  until<T>(test: () => T | undefined, boundMs: number, options?: { readonly quiet?: boolean }): Promise<T | undefined>;
  /** The bound, or a quarter of a second when the check of that id failed in this run: what is known not to come is not waited for in full again. */
  shortened(subject: string, boundMs: number): number;
  /** Opens a stream with the filter and awaits its first matching entry. */
  flowing(filter: Filter, options?: Omit<OpenStream, "filter">): Promise<Conversation>;
  /** Sends the filter and awaits the first entry that it, and not the filter before it, lets through. */
  change(conversation: Conversation, filter: Filter, boundMs?: number): Promise<Arrival>;
  /** Awaits an entry at or after `since` that `filter` and none of `unless` lets through, making such entries meanwhile. */
  effect(
    conversation: Conversation,
    filter: Filter,
    options?: { readonly unless?: readonly Filter[]; readonly since?: number; readonly boundMs?: number },
  ): Promise<Arrival>;
  /** Writes an entry that the stream's filter lets through and awaits it there: whatever was due before it has come. */
  barrier(conversation: Conversation, filter?: Filter): Promise<Arrival>;
  /** Awaits the stream's end; fails after the bound. */
  ends(conversation: Conversation, boundMs?: number): Promise<NonNullable<Conversation["end"]>>;
  /** Awaits a clean end as the contract has it; fails otherwise. */
  endsCleanly(conversation: Conversation, boundMs?: number): Promise<void>;
  /** A fixed wait, for what shows in nothing; at most 200 ms. */
  settle(ms: number): Promise<void>;
  /** Notes the status with which an upgrade was refused that the check made itself. */
  refused(status: number): void;
  /** Adds a local event to the timeline. */
  note(what: string, offending?: boolean): void;
  /** Adds an event to the timeline; default time: at this moment. */
  record(note: TimelineNote, atMicros?: number): void;
  /** To be closed when the check is over, in reverse order. */
  defer(close: () => void | Promise<void>): void;
}

/** The sockets' own patience; the session's waits, which do not count our own lateness, are shorter. */
const connectTimeoutMs = 30_000;
const openMs = 5000;

/** A session and what only the runner may do with it. */
export interface OwnedSession {
  readonly session: Session;
  /** How the streams ended, in the order in which they were opened. */
  ends(): string[];
  /** Whether the server ended, as too slow a reader, a stream on which the check never stopped reading: then it was us who were slow. */
  readonly outran: boolean;
  /** A stream that the server turned away as one too many, before its first entry; undefined when there is none. */
  readonly turnedAway: { readonly how: string; /** Streams of the check that stood then. */ readonly beside: number } | undefined;
  close(): Promise<void>;
}

export function createSession(context: RunContext, transport: Transport, seed: number): OwnedSession {
  const target = context.targets[transport];
  if (target === undefined) {
    throw new Error(`session on ${transport} without a target`);
  }
  const { contract, supply } = context;
  const startMicros = performance.now() * 1000;
  const timeline = createTimeline();
  const waiter = createWaiter(context.watch);
  const conversations: Conversation[] = [];
  const closers: (() => void | Promise<void>)[] = [];
  let turnedAway: OwnedSession["turnedAway"];
  /** Aborted when the check is over: no dial outlives it. */
  const over = new AbortController();
  setMaxListeners(0, over.signal);
  const random = createRandom(seed);

  const shortened = (subject: string, boundMs: number): number => (context.shownBroken.has(`${subject}|${transport}`) ? Math.min(boundMs, 250) : boundMs);
  const closeQuietly = async (close: () => void | Promise<void>): Promise<void> => {
    try {
      await close();
    } catch (thrown) {
      record({ stream: "check", direction: "local", what: `closing: ${messageOf(thrown)}` });
    }
  };
  /** What is opened by a step that the check no longer waits for is closed at once. */
  const defer = (close: () => void | Promise<void>): void => {
    if (over.signal.aborted) {
      void closeQuietly(close);
    } else {
      closers.push(close);
    }
  };
  const record: Session["record"] = (note, atMicros = performance.now() * 1000) => timeline.add(note, (atMicros - startMicros) / 1000);

  const converse = (): ReturnType<typeof createConversation> => {
    const n = conversations.length;
    const label = String.fromCharCode(97 + (n % 26)) + (n < 26 ? "" : String(Math.floor(n / 26)));
    const made = createConversation({ contract, record, poke: () => waiter.poke(), bounded }, label);
    conversations.push(made.conversation);
    defer(context.lag.follow(made.conversation, (token) => supply.writtenAtMs(token)));
    const hear = (event: StreamEvent): void => {
      made.hear(event);
      if (event.kind === "ended" && turnedAway === undefined && isTurnedAway(made.conversation)) {
        turnAway(describeEnd(event.end));
      }
    };
    return { ...made, hear };
  };
  const turnAway = (how: string): void => {
    turnedAway = { how, beside: conversations.filter(({ end }) => end === undefined).length };
  };
  /** A send that flow control holds back for ever ends as a verdict, not as a hang. */
  const bounded = async (sending: Promise<void>, conversation: Conversation): Promise<void> => {
    const settled = await outcomeOf(waiter, sending, context.bounds.applyMs, { quiet: true });
    if (settled !== undefined && !("thrown" in settled)) {
      return;
    }
    await waiter.until(() => (conversation.end === undefined ? undefined : true), settled === undefined ? 0 : 100, { quiet: true });
    if (conversation.end !== undefined) {
      fail("the stream is open when the client sends", `it has ended: ${describeEnd(conversation.end)}`, rootsOfEnd);
    }
    if (settled === undefined) {
      fail(`the server takes what the client sends within ${context.bounds.applyMs} ms`, "flow control still holds it back");
    }
    throw settled.thrown;
  };

  /** What a library does in its own time, held to the session's. */
  const inTime = async <T>(promise: Promise<T>, expected: string, subject = ""): Promise<T> => {
    const boundMs = shortened(subject, openMs);
    const done = await outcomeOf(waiter, promise, boundMs);
    if (done === undefined) {
      fail(`${expected} within ${boundMs} ms`, "silence", subject);
    }
    if ("thrown" in done) {
      throw done.thrown;
    }
    return done.value;
  };

  const session: Session = {
    transport,
    contract,
    target,
    bounds: context.bounds,
    supply,
    probe: context.probe,
    context,
    timeline,
    waiter,
    random,
    record,
    role(name) {
      const role = contract.roles[name];
      if (role === undefined || (Array.isArray(role) && role.length === 0)) {
        unproven(`the contract names no filter for the role "${name}"`);
      }
      return role;
    },
    async connect(on = transport) {
      const driver = context.drivers[on];
      const onTarget = context.targets[on];
      if (driver === undefined || onTarget === undefined) {
        unproven(`a ${transportName(on)} URL of the same server`);
      }
      const connecting = driver.connect(onTarget, { timeoutMs: connectTimeoutMs, signal: over.signal });
      // Also one that comes when nobody waits for it any more.
      connecting.then((connection) => defer(() => connection.close())).catch(() => undefined);
      const connection = await inTime(connecting, "the server takes a connection");
      return connection;
    },
    async open(options = {}) {
      const connection = options.connection ?? (await session.connect(options.transport));
      const { conversation, attach, hear } = converse();
      const opening = connection.open({
        events: hear,
        ...(options.headers === undefined ? {} : { headers: options.headers }),
        ...(options.grpcTimeout === undefined ? {} : { grpcTimeout: options.grpcTimeout }),
      });
      const stream = await inTime(opening, "the stream opens", "opening/ws-upgrade-before-entries");
      attach(stream);
      defer(() => {
        if (conversation.end === undefined) {
          stream.cancel();
        }
      });
      record({ stream: conversation.label, direction: "sent", what: "open" });
      if (options.filter !== undefined) {
        await conversation.send(options.filter);
      }
      return conversation;
    },
    adopt(stream) {
      const { conversation, attach, hear } = converse();
      attach(stream);
      return { conversation, hear };
    },
    shortened,
    until: (test, boundMs, options) => waiter.until(test, boundMs, options),
    async flowing(filter, options = {}) {
      const conversation = await session.open({ ...options, filter });
      await session.effect(conversation, filter, { since: 0 });
      return conversation;
    },
    async change(conversation, filter, boundMs) {
      const before = conversation.filter;
      const since = conversation.arrivals.length;
      await conversation.send(filter);
      return session.effect(conversation, filter, { unless: before === undefined ? [] : [before], since, ...(boundMs === undefined ? {} : { boundMs }) });
    },
    async effect(conversation, filter, options = {}) {
      const unless = options.unless ?? [];
      const basis = unless.length === 0 ? "first-filter/takes-effect" : "filter-updates/takes-effect";
      const boundMs = shortened(basis, options.boundMs ?? context.bounds.applyMs);
      const since = options.since ?? conversation.arrivals.length;
      const lacked = supply.lacks([filter], unless);
      if (lacked !== undefined) {
        unproven(lacked);
      }
      let cursor = since;
      const { rejections } = conversation;
      const entries = sentinels(session, [filter], unless);
      const found = await session
        .until(() => {
          for (; cursor < conversation.arrivals.length; cursor++) {
            const arrival = conversation.arrivals[cursor];
            if (arrival !== undefined && filter.matches(arrival.entry) && !unless.some((other) => other.matches(arrival.entry))) {
              return arrival;
            }
          }
          return conversation.end === undefined && conversation.rejections === rejections ? undefined : "ended";
        }, boundMs)
        .finally(() => entries.stop());
      if (found === undefined || found === "ended") {
        const others = conversation.arrivals.length - since;
        const expected = `an entry that matches "${filter.name}"${unless.length === 0 ? "" : ` and not "${unless.map((other) => other.name).join('", "')}"`} within ${boundMs} ms of the filter`;
        if (conversation.end !== undefined) {
          fail(expected, `the stream ended: ${describeEnd(conversation.end)}`, [basis, ...rootsOfEnd]);
        }
        if (conversation.rejections > rejections) {
          fail(expected, "a message that rejects it", [basis]);
        }
        if (entries.refused !== undefined) {
          unproven(`an entry that matches "${filter.name}": ${entries.refused}`);
        }
        const roots = unless.length === 0 ? rootsOfNoEntry : rootsOfNoUpdate(others > 0);
        fail(expected, describeOthers(others, conversation.violations), roots);
      }
      return found;
    },
    async barrier(conversation, filter = conversation.filter) {
      if (filter === undefined) {
        throw new Error("a barrier needs a filter in effect");
      }
      const since = conversation.arrivals.length;
      const lacked = supply.lacks([filter], []);
      if (lacked !== undefined) {
        unproven(lacked);
      }
      if (supply.producer.kind !== "ready" || supply.draft([filter], []) === undefined) {
        return awaitOwnEntries(session, conversation, filter);
      }
      // Any one of several will do: whether none is lost is the question of other checks.
      const written = new Set<string>();
      const entries = sentinels(session, [filter], [], (token) => written.add(token));
      let cursor = since;
      return awaitArrival(
        session,
        conversation,
        () => {
          for (; cursor < conversation.arrivals.length; cursor++) {
            const arrival = conversation.arrivals[cursor];
            if (arrival?.token !== undefined && written.has(arrival.token)) {
              return arrival;
            }
          }
          // The answer of the producer may come after the entry itself.
          cursor = Math.max(since, cursor - 256);
          return undefined;
        },
        `an entry written after the filter "${filter.name}" was in effect, within ${context.bounds.applyMs} ms`,
        () => entries.refused,
      ).finally(() => entries.stop());
    },
    async ends(conversation, boundMs = context.bounds.endMs) {
      const end = await session.until(() => conversation.end, shortened("eof/while-idle", boundMs));
      if (end === undefined) {
        fail(`the stream ends within ${boundMs} ms`, "it is still open", rootsOfNoEnd);
      }
      return end;
    },
    async endsCleanly(conversation, boundMs = context.bounds.endMs) {
      const end = await session.ends(conversation, boundMs);
      const wanted = transport === "grpc" ? "status OK" : "Close 1000";
      const { cleanEnd } = contract.semantics;
      const accepted =
        end.kind === "completed" || (end.kind === "rejected" && (transport === "grpc" ? cleanEnd.grpcStatuses : cleanEnd.wsCodes).includes(end.code));
      if (!accepted) {
        fail(`a clean end: ${wanted}`, describeEnd(end), ["eof/while-idle", "eof/last-entry-whole"]);
      }
    },
    async settle(ms) {
      if (ms > 200) {
        throw new Error(`a fixed wait of ${ms} ms is more than a check may take`);
      }
      await session.until(() => undefined, ms, { quiet: true });
    },
    refused(status) {
      if (turnedAway === undefined && tooManyByHttp.has(status)) {
        turnAway(`HTTP ${status}`);
      }
    },
    note(what, offending) {
      record({ stream: "check", direction: "local", what, ...(offending === undefined ? {} : { offending }) });
    },
    defer,
  };

  return {
    session,
    get outran() {
      return (
        contract.semantics.overflow === "end" &&
        conversations.some(
          ({ hasPaused, arrivals, end }) => !hasPaused && arrivals.length > 200 && end?.kind === "rejected" && (end.code === 8 || end.code === 1013),
        )
      );
    },
    get turnedAway() {
      return turnedAway;
    },
    ends: () => conversations.map((conversation) => (conversation.end === undefined ? "open" : conversation.end.native)),
    async close() {
      over.abort();
      // Begun in reverse order, awaited together: a target that never answers a FIN takes its second from each connection.
      await Promise.all(closers.reverse().map((close) => closeQuietly(close)));
    },
  };
}

const tooManyByHttp: ReadonlySet<number> = new Set([429, 503]);
/** RESOURCE_EXHAUSTED and UNAVAILABLE; Try Again Later; what an upgrade is refused with. RFC 9113's REFUSED_STREAM is told as UNAVAILABLE. */
const tooMany: ReadonlySet<number> = new Set([8, 14, 1013, ...tooManyByHttp]);

function isTurnedAway({ end, arrivals }: Conversation): boolean {
  return end?.kind === "rejected" && tooMany.has(end.code) && arrivals.length === 0;
}

/** Why entries cannot be made on demand, as a verdict; returns when they can. */
export function requireProducer(session: Session): void {
  const { producer } = session.supply;
  if (producer.kind === "declared-none") {
    notApplicable("the contract declares that there is no producer");
  }
  if (producer.kind === "missing") {
    unproven(`a producer: ${producer.reason}`);
  }
}
