import type { Clock } from "../core/clock.js";
import type { Connection, Driver, FloodOptions } from "../core/stream.js";
import type { Target } from "../core/target.js";
import type { Meter } from "./meter.js";

export interface PooledConnection {
  readonly connection: Connection;
  /** Streams on it. */
  open: number;
}

/** How long a connection that served one stream stays open behind it: what still comes on it can be heard. */
const lingerMs = 1000;

/** The connections to one target, each shared by so many streams; one that is for one stream alone is dialled for it. */
export class ConnectionPool {
  readonly #options: {
    readonly target: Target;
    readonly driver: Driver;
    readonly clock: Clock;
    readonly timeoutMs: number;
    readonly flood: FloodOptions | undefined;
  };
  readonly #connections = new Set<PooledConnection>();
  readonly #retired = new Set<PooledConnection>();
  #dialling: Promise<unknown> | undefined;

  constructor(options: {
    readonly target: Target;
    readonly driver: Driver;
    readonly clock: Clock;
    readonly timeoutMs: number;
    readonly flood: FloodOptions | undefined;
  }) {
    this.#options = options;
  }

  /** A connection with room for one more stream, which is taken; dialled where there is none. Rejects as the driver's `connect` does. */
  async take(streamsPerConnection: number, meter: Meter): Promise<PooledConnection> {
    if (streamsPerConnection === 1) {
      const pooled = await this.#dial(meter);
      pooled.open = 1;
      this.#connections.delete(pooled);
      this.#retired.add(pooled);
      return pooled;
    }
    for (;;) {
      for (const pooled of this.#connections) {
        if (pooled.open < streamsPerConnection) {
          pooled.open++;
          return pooled;
        }
      }
      // One dial at a time, so that streams opened together share what it brings.
      if (this.#dialling === undefined) {
        this.#dialling = this.#dial(meter).finally(() => (this.#dialling = undefined));
      }
      await this.#dialling;
    }
  }

  /** A stream has ended. */
  release(pooled: PooledConnection): void {
    pooled.open--;
    if (pooled.open === 0 && this.#retired.has(pooled)) {
      setTimeout(() => {
        if (this.#retired.delete(pooled)) {
          void pooled.connection.close();
        }
      }, lingerMs).unref();
    }
  }

  /** No stream can be opened on it any more: it is not given out again, and closed with its last stream. */
  retire(pooled: PooledConnection): void {
    if (this.#connections.delete(pooled)) {
      this.#retired.add(pooled);
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#connections, ...this.#retired].map(({ connection }) => connection.close()));
  }

  async #dial(meter: Meter): Promise<PooledConnection> {
    const { target, driver, clock, timeoutMs, flood } = this.#options;
    const startMicros = clock.nowMicros();
    const connection = await driver.connect(target, { timeoutMs, ...(flood === undefined ? {} : { flood }) });
    if (target.transport === "grpc") {
      // A WebSocket dials for itself, when a stream is opened.
      meter.time("connect").record(clock.nowMicros() - startMicros);
    }
    const pooled = { connection, open: 0 };
    this.#connections.add(pooled);
    return pooled;
  }
}
