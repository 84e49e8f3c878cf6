import type { Message } from "../core/contract.js";
import type { MessageBytes, MonitorStream, StreamEnd, StreamEvent } from "../core/stream.js";
import type { Target } from "../core/target.js";
import type { PreparedFilter } from "./filters.js";
import type { Meter } from "./meter.js";
import type { ConnectionPool, PooledConnection } from "./stream-pool.js";
import type { LoadStream } from "./stream-source.js";

export interface DriverStreamOptions {
  readonly pool: ConnectionPool;
  /** Where the stream has its place, which is given back when it ends. */
  readonly pooled: PooledConnection;
  readonly target: Target;
  readonly meter: Meter;
  /** Takes the events that the stream does not book itself. */
  readonly hear: ((event: StreamEvent) => void) | undefined;
  readonly startMicros: number;
}

/** A driver's stream as a workload drives it: filters in, in the contract's own messages. */
export class DriverStream implements LoadStream {
  readonly #pool: ConnectionPool;
  readonly #pooled: PooledConnection;
  readonly #target: Target;
  readonly #meter: Meter;
  readonly #hear: DriverStreamOptions["hear"];
  readonly #startMicros: number;
  #monitor: MonitorStream | undefined;
  #opened = false;
  #cancelled = false;
  #released = false;
  #last: PreparedFilter | undefined;
  #slot = 0;

  constructor(options: DriverStreamOptions) {
    this.#pool = options.pool;
    this.#pooled = options.pooled;
    this.#target = options.target;
    this.#meter = options.meter;
    this.#hear = options.hear;
    this.#startMicros = options.startMicros;
  }

  /** Opens it on its connection and sends the contract's prelude. Rejects as the driver does. */
  async open(messageBytes: MessageBytes | undefined): Promise<void> {
    const events = (event: StreamEvent): void => this.#onEvent(event);
    let monitor: MonitorStream;
    try {
      monitor = await this.#pooled.connection.open(messageBytes === undefined ? { events } : { events, messageBytes });
    } catch (thrown) {
      this.#release();
      throw thrown;
    }
    this.#monitor = monitor;
    // Refused at once: `ended` says how.
    await sendAll(monitor, this.#target.contract.prelude).catch(() => undefined);
  }

  /** What the driver opened. */
  get monitor(): MonitorStream {
    if (this.#monitor === undefined) {
      throw new Error("the stream was not opened");
    }
    return this.#monitor;
  }

  get ended(): Promise<StreamEnd> {
    return this.monitor.ended;
  }

  send(filter: PreparedFilter): Promise<void> {
    const { contract } = this.#target;
    this.#slot++;
    const messages = this.#last === undefined ? contract.opening(filter.filter, this.#slot) : contract.updating(this.#last.filter, filter.filter, this.#slot);
    this.#last = filter;
    return sendAll(this.monitor, messages);
  }

  end(): Promise<void> {
    return this.monitor.end();
  }

  cancel(): void {
    this.#cancelled = true;
    this.monitor.cancel();
  }

  pause(): void {
    this.monitor.pause();
  }

  resume(): void {
    this.monitor.resume();
  }

  lastInboundMicros(): number | undefined {
    return this.#target.transport === "grpc" ? this.monitor.lastInboundAtMicros?.() : undefined;
  }

  #onEvent(event: StreamEvent): void {
    const meter = this.#meter;
    if (event.kind === "ended") {
      this.#leave(event.end);
    }
    if (event.kind === "opened" && !this.#opened) {
      this.#opened = true;
      if (event.dial !== undefined) {
        meter.time("connect").record(event.dial.connectedAtMicros - event.dial.dialledAtMicros);
      }
      meter.time("open").record(event.atMicros - (event.dial?.requestedAtMicros ?? this.#startMicros));
    } else if (event.kind === "ended" && !this.#opened && event.end.kind === "rejected" && this.#target.transport === "ws") {
      meter.time("handshake-reject").record(event.atMicros - this.#startMicros);
    } else if (event.kind === "undecodable") {
      meter.counts.violations++;
    } else {
      this.#hear?.(event);
    }
  }

  #leave(end: StreamEnd): void {
    if (end.kind === "lost" && !this.#opened && !this.#cancelled) {
      // The connection itself is gone, or takes no more streams.
      this.#pool.retire(this.#pooled);
    }
    this.#release();
  }

  /** Gives its place back, once. */
  #release(): void {
    if (!this.#released) {
      this.#released = true;
      this.#pool.release(this.#pooled);
    }
  }
}

/** Sends messages in order; rejects when the stream has ended. */
export async function sendAll(stream: MonitorStream, messages: Iterable<Message>): Promise<void> {
  for (const message of messages) {
    await stream.send(message);
  }
}
