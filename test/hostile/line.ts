import type { Socket } from "node:net";

/** Most bytes that wait in one socket; a server that is hostile on purpose need not be patient. */
const unsentBytes = 4 * 1024 * 1024;
/** How many single bytes leave in one turn of the loop, each by a write of its own. */
const bytesInOneTurn = 8;

/** One accepted connection as bytes: written whole, or byte by byte once it drips. */
export class Line {
  readonly socket: Socket;
  #dripping = false;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #scheduled = false;
  #over = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    // A reset, or a write to who has gone, is what hostile servers live with.
    socket.on("error", () => undefined);
    socket.on("close", () => this.stop());
  }

  /** Nothing more is written here, by anybody. */
  get over(): boolean {
    return this.#over || this.socket.destroyed || this.socket.writableEnded;
  }

  /** How many bytes wait to leave. */
  get backlogBytes(): number {
    return this.#waitingBytes + this.socket.writableLength;
  }

  write(bytes: Uint8Array | string): void {
    if (this.over || this.backlogBytes > unsentBytes) {
      return;
    }
    const chunk = typeof bytes === "string" ? Buffer.from(bytes, "latin1") : Buffer.from(bytes);
    if (!this.#dripping) {
      this.socket.write(chunk);
      return;
    }
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    this.#schedule();
  }

  /** From here on every byte is a write of its own. */
  drip(): void {
    this.#dripping = true;
  }

  /** Says no more; the connection stays open. */
  stop(): void {
    this.#over = true;
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  fin(): void {
    this.stop();
    this.socket.end();
  }

  rst(): void {
    this.stop();
    this.socket.resetAndDestroy();
  }

  #schedule(): void {
    if (!this.#scheduled && this.#waiting.length > 0) {
      this.#scheduled = true;
      setTimeout(() => this.#leak(), 2);
    }
  }

  #leak(): void {
    this.#scheduled = false;
    for (let left = bytesInOneTurn; left > 0 && !this.over; left--) {
      const [first] = this.#waiting;
      if (first === undefined) {
        return;
      }
      this.socket.write(first.subarray(0, 1));
      this.#waitingBytes -= 1;
      if (first.length === 1) {
        this.#waiting.shift();
      } else {
        this.#waiting[0] = first.subarray(1);
      }
    }
    this.#schedule();
  }
}

/**
 * Writes the same bytes, or what `next` gives, again and again as fast as the reader takes them, for at most a second (`forMs`) and `mostBytes`
 * (default 4 MiB); then stays open in silence.
 */
export function flood(line: Line, next: Uint8Array | (() => Uint8Array), limits: { readonly forMs?: number; readonly mostBytes?: number } = {}): void {
  const untilMs = performance.now() + (limits.forMs ?? 1000);
  let leftBytes = limits.mostBytes ?? 4 * 1024 * 1024;
  const { socket } = line;
  const more = (): void => {
    if (socket.destroyed || socket.writableEnded) {
      return;
    }
    if (performance.now() > untilMs || leftBytes <= 0) {
      line.stop();
      return;
    }
    const chunk = typeof next === "function" ? next() : next;
    leftBytes -= chunk.length;
    if (socket.write(chunk)) {
      setImmediate(more);
    } else {
      socket.once("drain", more);
    }
  };
  // Many floods may wait for the same socket.
  socket.setMaxListeners(0);
  more();
}

/** The same piece as often as it takes to fill about 16 KiB, so that a flood is not made of system calls. */
export function many(piece: Uint8Array, bytes = 16_384): Buffer {
  return Buffer.concat(Array.from({ length: Math.max(1, Math.floor(bytes / Math.max(1, piece.length))) }, () => piece));
}
