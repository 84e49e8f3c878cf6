import type { Message } from "../core/contract.js";
import type { MonitorStream, StreamEnd } from "../core/stream.js";
import type { Target } from "../core/target.js";
import type { PreparedFilter } from "./filters.js";
import type { LoadStream } from "./stream-source.js";

/** What became of a stream, for those who keep its connection. */
export interface StreamFate {
  opened: boolean;
  cancelled: boolean;
}

/** A driver's stream as a workload drives it: filters in, in the contract's own messages. */
export class DriverStream implements LoadStream {
  readonly #stream: MonitorStream;
  readonly #target: Target;
  readonly #fate: StreamFate;
  #last: PreparedFilter | undefined;
  #slot = 0;

  constructor(stream: MonitorStream, target: Target, fate: StreamFate) {
    this.#stream = stream;
    this.#target = target;
    this.#fate = fate;
  }

  get ended(): Promise<StreamEnd> {
    return this.#stream.ended;
  }

  send(filter: PreparedFilter): Promise<void> {
    const { contract } = this.#target;
    this.#slot++;
    const messages = this.#last === undefined ? contract.opening(filter.filter, this.#slot) : contract.updating(this.#last.filter, filter.filter, this.#slot);
    this.#last = filter;
    return sendAll(this.#stream, messages);
  }

  end(): Promise<void> {
    return this.#stream.end();
  }

  cancel(): void {
    this.#fate.cancelled = true;
    this.#stream.cancel();
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  lastInboundMicros(): number | undefined {
    return this.#target.transport === "grpc" ? this.#stream.lastInboundAtMicros?.() : undefined;
  }
}

/** Sends messages in order; rejects when the stream has ended. */
export async function sendAll(stream: MonitorStream, messages: Iterable<Message>): Promise<void> {
  for (const message of messages) {
    await stream.send(message);
  }
}
