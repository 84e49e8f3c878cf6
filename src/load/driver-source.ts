import type { Clock } from "../core/clock.js";
import { type Message, transportName } from "../core/contract.js";
import { formatNumber } from "../core/quantity.js";
import type { Driver, FloodOptions, MessageBytes, MonitorStream, StreamEnd, StreamEvent } from "../core/stream.js";
import type { Target } from "../core/target.js";
import { type FilterReference, stopsReading, type Workload } from "../core/workload.js";
import { type ByteScan, createByteScan } from "./byte-scan.js";
import { chooseReader, type ReaderChoice } from "./choose-reader.js";
import { filterResolver, type PreparedFilter, referencesOf } from "./filters.js";
import { createReadingWindow } from "./reading-window.js";
import { crossCheckEvery, ScannedStream, ScannedTarget, wholeChecksPerSecond } from "./scanned-entries.js";
import { ConnectionPool } from "./stream-pool.js";
import { DriverStream, sendAll } from "./driver-stream.js";
import type { LoadStream, LoadStreamRequest, StreamSource } from "./stream-source.js";
import { createSequenceBase, WholeEntries } from "./whole-entries.js";

export interface DriverSourceOptions {
  readonly workload: Workload;
  readonly targets: readonly Target[];
  /** The driver of each target, in the same order. */
  readonly drivers: readonly Driver[];
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
}

/** Wide enough that it is the connection's window that counts. */
const floodWindowBytes = 16 * 1024 * 1024;
/** For workloads that stop reading: the server must feel it. */
const narrowWindowBytes = 256 * 1024;
/** One for a thread. What a flood costs for each read, whatever is in it, a long read spreads over more entries; it still fits a core's own cache. */
const readBufferBytes = 512 * 1024;

/** Streams on drivers. Where a driver can be flooded entries are read in the read buffer; elsewhere every message is an object. */
export function createDriverSource(options: DriverSourceOptions): StreamSource {
  const scan = createByteScan(readBufferBytes);
  const isNarrow = stopsReading(options.workload.groups);
  const flood: FloodOptions = {
    windowBytes: isNarrow ? narrowWindowBytes : floodWindowBytes,
    connectionWindowBytes: isNarrow ? () => narrowWindowBytes : createReadingWindow(),
    readBuffer: scan?.readBuffer ?? Buffer.allocUnsafeSlow(readBufferBytes),
  };
  const doors = options.targets.map((target, i) => {
    const driver = options.drivers[i];
    if (driver === undefined) {
      throw new Error(`no driver for ${target.url}`);
    }
    return driver.floods === true ? floodedDoor(options, target, driver, flood, scan) : decodingDoor(options, target, driver);
  });
  const doorOf = (target: number): Door => {
    const door = doors[target];
    if (door === undefined) {
      throw new Error(`no target ${target}`);
    }
    return door;
  };
  return {
    prepare: (target) => doorOf(target).prepare,
    open: (request) => doorOf(request.target).open(request),
    get remarks() {
      return [...new Set(doors.flatMap((door) => door.remarks()))];
    },
    async close() {
      await Promise.all(doors.map((door) => door.pool.close()));
    },
  };
}

/** One target's way in. */
interface Door {
  readonly pool: ConnectionPool;
  readonly prepare: (reference: FilterReference) => PreparedFilter;
  open(request: LoadStreamRequest): Promise<LoadStream>;
  remarks(): string[];
}

function decodingDoor({ workload, clock, connectTimeoutMs }: DriverSourceOptions, target: Target, driver: Driver): Door {
  const pool = new ConnectionPool({ target, driver, clock, timeoutMs: connectTimeoutMs, flood: undefined });
  const whole = new WholeEntries(target.contract, createSequenceBase());
  return {
    pool,
    prepare: filterResolver(target.contract, workload.source),
    async open(request) {
      const { meter, ledger } = request;
      const answering = new Answering();
      const answer = (messages: readonly Message[]): void => answering.answer(messages);
      const stream = await openOn({ pool, target, request, clock }, undefined, (event) => {
        if (event.kind === "message") {
          meter.counts.bytes += event.bytes;
          const wallMicros = event.atMicros + clock.wallMicros() - clock.nowMicros();
          const entries = whole.take(event.message, { atMicros: event.atMicros, wallMicros }, request, answer);
          if (entries > 0) {
            ledger.arrived(event.atMicros, entries);
          }
        }
      });
      answering.on(stream.monitor);
      return stream;
    },
    remarks: () => [
      `${driver.name} decodes every message whole: peak rates are those of the driver.`,
      ...driver.hides.map((hidden) => `${driver.name}: ${hidden}`),
      ...unjudgedRemarks(target, whole),
    ],
  };
}

function floodedDoor(
  { workload, clock, connectTimeoutMs }: DriverSourceOptions,
  target: Target,
  driver: Driver,
  flood: FloodOptions,
  scan: ByteScan | undefined,
): Door {
  const pool = new ConnectionPool({ target, driver, clock, timeoutMs: connectTimeoutMs, flood });
  const resolve = filterResolver(target.contract, workload.source);
  const filters = [...new Set(referencesOf(workload).map(resolve))];
  const choice = chooseReader(target.contract, target.transport, filters, scan);
  const prepared = new Map(filters.map((filter) => [filter, choice.kind === "compiled" ? choice.prepare(filter) : filter]));
  const codec = target.transport === "grpc" ? target.contract.grpc?.codec : target.contract.websocket?.codec;
  const scanned =
    codec === undefined
      ? undefined
      : new ScannedTarget({ contract: target.contract, codec, clock, reader: choice.kind === "compiled" ? choice.reader : undefined });
  return {
    pool,
    prepare: (reference) => prepared.get(resolve(reference)) ?? resolve(reference),
    async open(request) {
      const answering = target.contract.everyMessageIsAnEntry === true ? undefined : new Answering();
      // Without a codec the driver refuses to open, and says why.
      const book = scanned === undefined ? undefined : new ScannedStream(scanned, request, answering);
      const stream = await openOn({ pool, target, request, clock }, book, undefined);
      if (book !== undefined) {
        book.stream = stream.monitor;
      }
      answering?.on(stream.monitor);
      return stream;
    },
    remarks: () => (scanned === undefined ? [] : [...readingRemarks(target, choice, scanned), ...unjudgedRemarks(target, scanned.whole)]),
  };
}

function unjudgedRemarks(target: Target, { unjudged }: WholeEntries): string[] {
  return unjudged === undefined ? [] : [`Entries over ${transportName(target.transport)} were taken for not matching that could not be judged: ${unjudged}.`];
}

function readingRemarks(target: Target, choice: ReaderChoice, scanned: ScannedTarget): string[] {
  const where = transportName(target.transport);
  if (choice.kind === "whole") {
    return [`Entries over ${where} were decoded whole, because ${choice.why}: peak rates are lower.`];
  }
  const remarks = [
    `Sequence, filter and time of every entry over ${where} were verified where they lay; the shape of ${formatNumber(wholeChecksPerSecond)} a second in each worker, and of one in ${crossCheckEvery} of the others.`,
  ];
  if (scanned.distrust !== undefined) {
    remarks.push(`Reading entries over ${where} in place was given up, because it and decoding whole disagreed: ${scanned.distrust}.`);
  } else if (scanned.surprises > 0) {
    remarks.push(`${scanned.surprises} entries over ${where} held something unexpected (an escape, a field in another form) and were decoded whole.`);
  }
  return remarks;
}

interface OpenOn {
  readonly pool: ConnectionPool;
  readonly target: Target;
  readonly request: LoadStreamRequest;
  readonly clock: Clock;
}

async function openOn(
  { pool, target, request, clock }: OpenOn,
  messageBytes: MessageBytes | undefined,
  hear: ((event: StreamEvent) => void) | undefined,
): Promise<DriverStream> {
  const { meter, streamsPerConnection } = request;
  const pooled = await pool.take(streamsPerConnection, meter);
  const stream = new DriverStream({ pool, pooled, target, meter, hear, startMicros: clock.nowMicros() });
  await stream.open(messageBytes);
  return stream;
}

/** Answers that the protocol requires; what comes before the stream stands waits for it. */
class Answering {
  #stream: MonitorStream | undefined;
  #waiting: Message[] = [];

  answer(messages: readonly Message[]): void {
    if (this.#stream === undefined) {
      this.#waiting.push(...messages);
    } else {
      // A failed answer shows as the stream's end.
      void sendAll(this.#stream, messages).catch(() => undefined);
    }
  }

  on(stream: MonitorStream): void {
    this.#stream = stream;
    this.answer(this.#waiting);
    this.#waiting = [];
  }
}

/** One line for the errors of a report. */
export function endText(end: StreamEnd): string {
  return end.kind === "completed"
    ? `${end.native}, though nothing asked for it`
    : end.kind === "rejected"
      ? `${end.native}: ${end.detail}`
      : `${end.native}: ${end.cause}`;
}
