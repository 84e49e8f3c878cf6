import type { Faults } from "./faults.js";
import { endings } from "./ending.js";
import { floodRefusals } from "./flood-faults.js";
import type { Log } from "./log.js";
import type { SeamFactory } from "./seams.js";
import { Subscription, type Outlet } from "./subscription.js";

/** Bounds of the server, all with defaults in {@link defaultLimits}. */
export interface Limits {
  /** Largest filter message; the next byte is refused. */
  readonly filterBytes: number;
  /** SETTINGS_MAX_CONCURRENT_STREAMS of every gRPC connection. */
  readonly maxConcurrentStreams: number;
  /** Streams of all connections at once, over both transports; the next is refused with RESOURCE_EXHAUSTED or HTTP 503. */
  readonly streams: number;
  /** What may wait for one slow reader. */
  readonly sendBufferBytes: number;
  /** Until a connection must have said something whole: TLS, then SETTINGS or an HTTP request. */
  readonly handshakeTimeoutMs: number;
  /** Largest body of `POST /logs`. */
  readonly batchBytes: number;
}

export const defaultLimits: Limits = {
  filterBytes: 65_536,
  maxConcurrentStreams: 100,
  streams: Infinity,
  sendBufferBytes: 4 * 1024 * 1024,
  handshakeTimeoutMs: 3000,
  batchBytes: 16 * 1024 * 1024,
};

export interface MonitorServiceOptions {
  readonly log: Log;
  readonly limits: Limits;
  readonly faults: Faults;
  readonly token: string | undefined;
  readonly seams: SeamFactory | undefined;
  /** Entries come from the fast source instead of the log. */
  readonly fast: boolean;
  /** Drops every connection, as a process that dies does. */
  readonly crash: () => void;
}

/** What both transports serve: opens streams on the one log, counts them, and ends them all when the server stops. */
export class MonitorService {
  readonly log: Log;
  readonly limits: Limits;
  readonly faults: Faults;
  /** The bearer token that every stream needs; undefined: none. */
  readonly token: string | undefined;
  /** Entries come from the fast source, and there is no producer. */
  readonly fast: boolean;
  /** What a fault does that kills the process. */
  readonly crash: () => void;
  readonly #seams: SeamFactory | undefined;
  readonly #open = new Set<Subscription>();
  #refusals = 0;

  constructor(options: MonitorServiceOptions) {
    this.log = options.log;
    this.limits = options.limits;
    this.faults = options.faults;
    this.token = options.token;
    this.fast = options.fast;
    this.crash = options.crash;
    this.#seams = options.seams;
  }

  /** Streams that have been opened and not released, those before their first filter included. */
  get openStreams(): number {
    return this.#open.size;
  }

  get isFull(): boolean {
    return this.#open.size >= this.limits.streams;
  }

  open(outlet: Outlet): Subscription {
    this.#refusals = 0;
    const subscription: Subscription = new Subscription({
      log: this.log,
      outlet,
      sendBufferBytes: this.limits.sendBufferBytes,
      onReleased: () => this.#open.delete(subscription),
      seams: this.#seams,
    });
    this.#open.add(subscription);
    return subscription;
  }

  /** A request of the monitor's path is refused: of no matter to the streams, unless a fault makes it one. */
  refused(): void {
    this.#refusals += 1;
    if (this.#refusals !== floodRefusals) return;
    if (this.faults.has("flood-ends-streams")) this.endAll();
    if (this.faults.has("flood-stalls-streams")) for (const subscription of this.#open) subscription.block();
  }

  /** Tells every stream that the server stops. */
  endAll(): void {
    for (const subscription of [...this.#open]) subscription.finish(endings.stopping);
  }
}
