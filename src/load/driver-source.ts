import type { Clock } from "../core/clock.js";
import { type Contract, type Entry, sequenceOf } from "../core/contract.js";
import type { Connection, Driver, MonitorStream, StreamEnd, StreamEvent } from "../core/stream.js";
import type { Target } from "../core/target.js";
import { createTimeReader } from "./entry-time.js";
import { filterResolver, type PreparedFilter } from "./filters.js";
import type { EntryMatcher } from "./ledger.js";
import type { LoadStream, LoadStreamRequest, StreamSource } from "./stream-source.js";

export interface DriverSourceOptions {
  readonly targets: readonly Target[];
  /** The driver of each target, in the same order. */
  readonly drivers: readonly Driver[];
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
  /** Of the workload, for messages. */
  readonly place: string;
}

interface PooledConnection {
  readonly connection: Connection;
  open: number;
}

/** Streams on any driver: every message is decoded whole and judged by the contract's own predicate. */
export function createDriverSource(options: DriverSourceOptions): StreamSource {
  const { targets, drivers, clock, connectTimeoutMs, place } = options;
  const pools: PooledConnection[][] = targets.map(() => []);
  const dialling: (Promise<PooledConnection> | undefined)[] = targets.map(() => undefined);
  const resolvers = targets.map((target) => filterResolver(target.contract, place));
  const readers = targets.map((target) => createEntryReader(target.contract, clock));
  const remarks = new Set(drivers.flatMap((driver) => driver.hides.map((hidden) => `${driver.name}: ${hidden}`)));

  /** A connection with room; one dial at a time for each target, so that streams opened together share. */
  const connectionFor = async (request: LoadStreamRequest): Promise<PooledConnection> => {
    const { target, streamsPerConnection, meter } = request;
    for (;;) {
      const free = pools[target]?.find((pooled) => pooled.open < streamsPerConnection);
      if (free !== undefined) {
        free.open++;
        return free;
      }
      const underWay = dialling[target];
      if (underWay !== undefined) {
        await underWay;
        continue;
      }
      const dial = async (): Promise<PooledConnection> => {
        const startMicros = clock.nowMicros();
        const connection = await (drivers[target] as Driver).connect(targets[target] as Target, { timeoutMs: connectTimeoutMs });
        meter.time("connect").record(clock.nowMicros() - startMicros);
        const pooled = { connection, open: 0 };
        pools[target]?.push(pooled);
        return pooled;
      };
      const dialled = dial();
      dialling[target] = dialled;
      try {
        await dialled;
      } finally {
        dialling[target] = undefined;
      }
    }
  };

  return {
    path: "driver",
    prepare: (target) => resolvers[target] as ReturnType<typeof filterResolver>,
    async open(request) {
      const pooled = await connectionFor(request);
      const target = targets[request.target] as Target;
      const startMicros = clock.nowMicros();
      const reader = readers[request.target] as EntryReader;
      const listening = { opened: false };
      let stream: MonitorStream | undefined;
      const events = (event: StreamEvent): void => {
        if (event.kind === "opened" && !listening.opened) {
          listening.opened = true;
          request.meter.time("open").record(event.atMicros - startMicros);
        } else if (event.kind === "message") {
          reader.read(event, request, stream);
        } else if (event.kind === "undecodable") {
          request.meter.counts.violations++;
        }
      };
      stream = await pooled.connection.open({ events });
      void stream.ended.then(() => pooled.open--);
      await sendAll(stream, target.contract.prelude);
      return loadStream(stream, target.contract);
    },
    get remarks() {
      return [...remarks];
    },
    async close() {
      await Promise.allSettled(pools.flat().map(({ connection }) => connection.close()));
    },
  };
}

function loadStream(stream: MonitorStream, contract: Contract): LoadStream {
  let last: PreparedFilter | undefined;
  let slot = 0;
  return {
    send(filter) {
      slot++;
      const messages = last === undefined ? contract.opening(filter.filter, slot) : contract.updating(last.filter, filter.filter, slot);
      last = filter;
      return sendAll(stream, messages);
    },
    end: () => stream.end(),
    cancel: () => stream.cancel(),
    pause: () => stream.pause(),
    resume: () => stream.resume(),
    ended: stream.ended,
  };
}

async function sendAll(stream: MonitorStream, messages: Iterable<Readonly<Record<string, unknown>>>): Promise<void> {
  for (const message of messages) {
    await stream.send(message);
  }
}

interface EntryReader {
  read(event: Extract<StreamEvent, { kind: "message" }>, request: LoadStreamRequest, stream: MonitorStream | undefined): void;
}

/** Takes messages of one contract apart and puts their entries into the ledgers. */
function createEntryReader(contract: Contract, clock: Clock): EntryReader {
  const rules = contract.entries;
  const timeOf = createTimeReader();
  const toNumber = createSequenceBase();
  const matcher: EntryMatcher<PreparedFilter> & { entry: Entry } = {
    entry: {},
    matches(filter) {
      return filter.filter.matches(this.entry);
    },
  };
  return {
    read(event, { ledger, meter }, stream) {
      const { counts } = meter;
      counts.bytes += event.bytes;
      let received;
      try {
        received = contract.classify(event.message);
      } catch {
        counts.violations++;
        return;
      }
      switch (received.kind) {
        case "entries": {
          for (const entry of received.entries) {
            counts.received++;
            if (contract.violationOf(entry) !== undefined) {
              counts.violations++;
            }
            matcher.entry = entry;
            ledger.observe(toNumber(sequenceOf(rules, entry)), event.atMicros, matcher);
            const written = rules.time === undefined ? Number.NaN : timeOf(String(entry[rules.time]));
            if (!Number.isNaN(written)) {
              const lagMicros = event.atMicros + clock.wallMicros() - clock.nowMicros() - written;
              ledger.lastLagMicros = lagMicros;
              if (lagMicros < 0) {
                counts["negative-lag"]++;
              }
              meter.deliveryLag.record(lagMicros);
            }
          }
          if (received.entries.length > 0) {
            ledger.arrived(event.atMicros, received.entries.length);
          }
          return;
        }
        case "ack":
          if (contract.semantics.takesEffect === "ack") {
            ledger.acknowledged(event.atMicros);
          }
          return;
        case "ignorable":
          if (stream !== undefined && received.answer.length > 0) {
            // A failed answer shows as the stream's end.
            void sendAll(stream, received.answer).catch(() => undefined);
          }
          return;
        case "rejection":
        case "violation":
          counts.violations++;
          return;
      }
    },
  };
}

/** Sequence numbers counted from the first one, so that differences are exact beyond 2^53 too; NaN for none. */
export function createSequenceBase(): (sequence: number | bigint | undefined) => number {
  let base: number | bigint | undefined;
  return (sequence) => {
    if (sequence === undefined) {
      return Number.NaN;
    }
    base ??= sequence;
    return typeof sequence === "number" && typeof base === "number" ? sequence - base : Number(BigInt(sequence) - BigInt(base));
  };
}

/** One line for the errors of a report. */
export function endText(end: StreamEnd): string {
  return end.kind === "completed" ? `${end.native}, though nothing asked for it` : end.kind === "rejected" ? `${end.native}: ${end.detail}` : `${end.native}: ${end.cause}`;
}

