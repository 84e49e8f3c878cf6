import { Duplex } from "node:stream";

/** What happens to the bytes of a connection on their way; each direction may hold back an incomplete frame. */
export interface TapRules {
  /** What the server reads instead of a chunk that the client sent. */
  inbound(chunk: Buffer): Buffer;
  /** What the client gets instead of a chunk that the server wrote. */
  outbound(chunk: Buffer): Buffer;
  /** Whether an end of the server's side closes the connection. */
  endsConnection(): boolean;
}

/** Between a connection and the library that serves it: a seam for faults that the library can't be asked for. */
export class FrameTap extends Duplex {
  readonly #connection: Duplex;
  #rules: TapRules | undefined;

  constructor(connection: Duplex) {
    super({ allowHalfOpen: true });
    this.#connection = connection;
    connection.on("data", (chunk: Buffer) => {
      const bytes = this.#rules?.inbound(chunk) ?? chunk;
      if (bytes.length > 0 && !this.push(bytes)) connection.pause();
    });
    connection.on("end", () => this.push(null));
    connection.on("error", () => undefined);
    connection.on("close", () => this.destroy());
    this.on("error", () => undefined);
  }

  /** To be called before any byte can have arrived. */
  follow(rules: TapRules): void {
    this.#rules = rules;
  }

  /** Sends bytes to the client past the server; `done` is called when they may be changed. */
  inject(bytes: Buffer, done?: () => void): void {
    if (!this.#connection.destroyed) this.#connection.write(bytes, () => done?.());
  }

  /** Hands bytes to the server as if the client had sent them. */
  feed(bytes: Buffer): void {
    this.push(bytes);
  }

  /** Drops the connection. */
  cut(): void {
    this.#connection.destroy();
  }

  override _read(): void {
    this.#connection.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const bytes = this.#rules?.outbound(chunk) ?? chunk;
    // A connection that is gone takes everything: its close is on its way here.
    if (bytes.length === 0 || this.#connection.destroyed) done();
    else this.#connection.write(bytes, () => done());
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.#rules?.endsConnection() ?? true) this.#connection.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.#rules?.endsConnection() ?? true) this.#connection.destroy();
    done(error);
  }
}

/** Cuts a stream of bytes into frames: takes off the front what `frameBytes` says is whole, keeps the rest for later. */
export class FrameSplitter {
  readonly #frameBytes: (held: Buffer) => number | undefined;
  #held: Buffer = Buffer.alloc(0);

  /** `frameBytes` gives the size of the first frame, or undefined while that can't be told. */
  constructor(frameBytes: (held: Buffer) => number | undefined) {
    this.#frameBytes = frameBytes;
  }

  push(chunk: Buffer): Buffer[] {
    this.#held = Buffer.concat([this.#held, chunk]);
    const frames: Buffer[] = [];
    for (;;) {
      const bytes = this.#frameBytes(this.#held);
      if (bytes === undefined || bytes > this.#held.length) return frames;
      frames.push(this.#held.subarray(0, bytes));
      this.#held = this.#held.subarray(bytes);
    }
  }
}
