import { endings, invalidFilter, malformedFilter, type Ending } from "./ending.js";
import { matches, readJsonFilter, type Filter, type FilterReading } from "./filter.js";
import type { BulkWriter } from "./fast-source.js";
import type { Log, LogReader } from "./log.js";
import { LogEntry, type Encoded } from "./log-entry.js";
import { pass, type SeamFactory, type StreamSeams } from "./seams.js";

export type Transport = "grpc" | "websocket";

/** The sending half of a transport, as one stream sees it. */
export interface Outlet {
  readonly transport: Transport;
  /** The connection that carries the stream; gRPC calls may share one. */
  readonly connection: object;
  /** The transport's number for the stream: the HTTP/2 stream id, for a WebSocket always 1. */
  readonly streamId: number;
  /**
   * Hands over one message; false: the transport is full until {@link Subscription.resume} is called. Does nothing on a stream that is gone.
   * @param left called when the kernel has the message.
   */
  write(message: Encoded, left?: () => void): boolean;
  /** What was handed over and has not left yet. */
  pendingBytes(): number;
  /** Past the library, where the source of entries is the fast one. */
  readonly bulk?: BulkWriter | undefined;
  /** Says the end of the stream; called at most once. */
  finish(ending: Ending): void;
}

/** Why a stream is over: ended by the client or by the server, reset, closed by a Close frame, or lost with its connection. */
export type Release = "completed" | "failed" | "cancelled" | "closed" | "lost";

export interface SubscriptionOptions {
  readonly log: Log;
  readonly outlet: Outlet;
  /** Bound on what may wait for a slow reader; beyond it the stream is ended. */
  readonly sendBufferBytes: number;
  /** The stream holds nothing any more; called once. */
  readonly onReleased: () => void;
  readonly seams?: SeamFactory | undefined;
}

/**
 * One monitor stream of the server: its filter, and the queue between the log and the transport.
 * Entries leave in log order, each at most once; the queue is bounded, and a reader that lets it overflow is ended.
 */
export class Subscription implements LogReader {
  readonly outlet: Outlet;
  readonly #log: Log;
  readonly #sendBufferBytes: number;
  readonly #onReleased: () => void;
  readonly #seams: StreamSeams;
  readonly #queue: Encoded[] = [];
  #head = 0;
  #queuedBytes = 0;
  #filter: Filter | undefined;
  #full = false;
  #blocked = 0;
  #flushing = false;
  #over = false;

  constructor(options: SubscriptionOptions) {
    this.outlet = options.outlet;
    this.#log = options.log;
    this.#sendBufferBytes = options.sendBufferBytes;
    this.#onReleased = options.onReleased;
    this.#seams = options.seams?.(this) ?? {};
    this.#log.attach(this);
  }

  /** The filter in force; undefined before the first. */
  get filter(): Filter | undefined {
    return this.#filter;
  }

  /** Nothing more is taken at the moment: by the transport, or because the stream is blocked. */
  get full(): boolean {
    return this.#full || this.#blocked > 0;
  }

  /** Ended, by either side: nothing is sent any more. */
  get over(): boolean {
    return this.#over;
  }

  get waiting(): number {
    return this.#queue.length - this.#head;
  }

  /** A text frame arrived. */
  receiveText(text: string): void {
    if (this.#over) return;
    pass(this.#seams, "text", text, (read) => this.receive(readJsonFilter(read)));
  }

  /** A ping arrived; `answer` sends the pong. */
  receivePing(payload: Buffer, answer: (payload: Buffer) => void): void {
    pass(this.#seams, "ping", payload, answer);
  }

  /** A message arrived and was read. */
  receive(reading: FilterReading): void {
    if (this.#over) return;
    pass(this.#seams, "reading", reading, (read) => {
      if (read.kind === "filter") this.accept(read.filter);
      else if (read.kind === "end") this.end();
      else this.finish(read.kind === "invalid" ? invalidFilter(read.detail) : malformedFilter(read.detail));
    });
  }

  /** A filter arrived: it replaces the one before it, for entries written from here on. */
  accept(filter: Filter): void {
    if (this.#over) return;
    pass(this.#seams, "filter", filter, (replacement) => {
      this.#filter = replacement;
    });
  }

  /** The client will send no more. What still waits is dropped; what was handed over is a gapless prefix. */
  end(): void {
    if (this.#over) return;
    pass(this.#seams, "end", undefined, () => this.finish(endings.completed));
  }

  /** The server ends the stream. */
  finish(ending: Ending): void {
    if (this.#over) return;
    pass(this.#seams, "finish", ending, (said) => {
      if (!this.#close(said.status === endings.completed.status ? "completed" : "failed")) return;
      this.outlet.finish(said);
    });
  }

  /** The client went away. */
  gone(how: "cancelled" | "closed" | "lost"): void {
    this.#close(how);
  }

  /** The transport can take more. */
  resume(): void {
    this.#full = false;
    this.#flush();
    pass(this.#seams, "resumed", undefined, () => undefined);
  }

  offer(entry: LogEntry): void {
    pass(this.#seams, "entry", entry, (admitted) => {
      if (this.#filter !== undefined && this.lets(this.#filter, admitted)) this.enqueue(admitted);
    });
  }

  /** Whether a filter lets an entry through on this stream. */
  lets(filter: Filter, entry: LogEntry): boolean {
    return (this.#seams.matches ?? matches)(filter, entry);
  }

  /** Sends a message after all that waits, whatever the filter. */
  enqueue(message: Encoded): void {
    if (this.#over) return;
    this.#queue.push(message);
    this.#queuedBytes += bytesOf(message);
    this.#flush();
    if (this.#queuedBytes > this.#sendBufferBytes) {
      pass(this.#seams, "overflow", undefined, () => this.finish(endings.overflow));
    }
  }

  /** Sends nothing from the queue until as many calls of {@link unblock} have been made. */
  block(): void {
    this.#blocked += 1;
  }

  /** Sends something that was held while blocked, then goes on with the queue. */
  unblock(send: () => void): void {
    this.#blocked -= 1;
    if (this.#over) return;
    send();
    this.#flush();
  }

  /** Forgets the message that has waited longest. */
  dropOldest(): void {
    this.#take();
  }

  #flush(): void {
    // A detour may ask for it again while it runs: the loop goes on by itself.
    if (this.#flushing) return;
    this.#flushing = true;
    while (!this.full && !this.#over) {
      const message = this.#take();
      if (message === undefined) break;
      pass(this.#seams, "send", message, (sent) => this.write(sent));
    }
    this.#flushing = false;
  }

  /** Hands a message to the transport past the queue; `left` hears when the kernel has it. */
  write(message: Encoded, left?: () => void): void {
    if (!this.outlet.write(message, left)) this.#full = true;
  }

  #take(): Encoded | undefined {
    const message = this.#queue[this.#head];
    if (message === undefined) return undefined;
    this.#queuedBytes -= bytesOf(message);
    this.#head += 1;
    // Taken ones are cut off in bulk: a shift for each would move the whole queue every time.
    if (this.#head === this.#queue.length || this.#head >= 1024) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
    return message;
  }

  #close(how: Release): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#queue.length = 0;
    this.#head = 0;
    this.#queuedBytes = 0;
    this.#log.detach(this);
    pass(this.#seams, "released", how, () => this.#onReleased());
    return true;
  }
}

function bytesOf(message: Encoded): number {
  return message instanceof LogEntry ? message.sizeBytes : message.json.length;
}
