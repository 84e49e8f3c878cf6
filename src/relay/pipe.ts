import type { Socket } from "node:net";

export interface PipeOptions {
  /** Bytes written at a time, each in a turn of the event loop of its own; Infinity: as they come. */
  readonly segmentBytes: number;
  readonly delayMs: number;
  /** Bytes held at most; then the source is read no more until some have left. */
  readonly maxHeldBytes: number;
}

/** One direction of a relayed connection: forwards bytes, then FIN or reset, in order. */
export class Pipe {
  /** Received from the source so far. */
  bytes = 0;
  /** When the source's first and last bytes came, in microseconds of `performance.now()`; undefined before any. */
  firstInboundAtMicros: number | undefined;
  lastInboundAtMicros: number | undefined;

  private readonly from: Socket;
  private readonly to: Socket;
  private readonly options: PipeOptions;
  private readonly held: { readonly chunk: Buffer; readonly dueAtMs: number }[] = [];
  private heldBytes = 0;
  private writing = false;
  private stalled = false;
  private started = false;
  private stopped = false;
  private sourceEnd: "fin" | "rst" | undefined;
  private timer: NodeJS.Timeout | undefined;

  /** Reads nothing before {@link start}. */
  constructor(from: Socket, to: Socket, options: PipeOptions) {
    this.from = from;
    this.to = to;
    this.options = options;
  }

  start(): void {
    this.started = true;
    this.from.on("data", (chunk: Buffer) => this.receive(chunk));
    this.from.on("end", () => this.receiveEnd());
    this.from.on("error", () => this.endWith("rst"));
    if (!this.stalled) this.from.resume();
  }

  /** Forwards nothing and reads nothing more: TCP's window closes on the source. */
  stall(): void {
    this.stalled = true;
    this.from.pause();
  }

  resume(): void {
    this.stalled = false;
    this.pump();
  }

  /** Forgets what is held and forwards nothing again; what still comes is counted and dropped. */
  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    this.held.length = 0;
    this.heldBytes = 0;
    this.from.resume();
  }

  private receiveEnd(): void {
    // A reset right behind data is read like FIN; only a write, be it of nothing, tells them apart.
    if (this.from.writable && this.from.writableLength === 0) {
      this.from.write(new Uint8Array(0), (error) => this.endWith((error as NodeJS.ErrnoException | null)?.code === "ECONNRESET" ? "rst" : "fin"));
    } else this.endWith("fin");
  }

  private endWith(how: "fin" | "rst"): void {
    this.sourceEnd ??= how;
    this.pump();
  }

  private receive(chunk: Buffer): void {
    const nowMs = performance.now();
    this.bytes += chunk.length;
    this.lastInboundAtMicros = Math.round(nowMs * 1000);
    this.firstInboundAtMicros ??= this.lastInboundAtMicros;
    if (this.stopped) return;
    this.held.push({ chunk, dueAtMs: nowMs + this.options.delayMs });
    this.heldBytes += chunk.length;
    if (this.heldBytes >= this.options.maxHeldBytes) this.from.pause();
    this.pump();
  }

  private pump(): void {
    if (!this.started || this.stopped || this.stalled || this.writing) return;
    if (this.heldBytes < this.options.maxHeldBytes) this.from.resume();
    const [next] = this.held;
    if (next === undefined || this.to.destroyed) {
      if (this.sourceEnd === "rst") resetSocket(this.to);
      else if (this.sourceEnd === "fin") this.to.end();
      return;
    }
    const waitMs = next.dueAtMs - performance.now();
    if (waitMs > 0) {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.pump(), Math.ceil(waitMs));
      return;
    }
    this.write(next.chunk, next.dueAtMs);
  }

  private write(chunk: Buffer, dueAtMs: number): void {
    const piece = chunk.subarray(0, this.options.segmentBytes);
    const rest = chunk.subarray(piece.length);
    this.held.shift();
    if (rest.length > 0) this.held.unshift({ chunk: rest, dueAtMs });
    this.heldBytes -= piece.length;
    this.writing = true;
    this.to.write(piece, () => {
      // A turn of its own for each segment lets the receiver read it by itself.
      const next = (): void => {
        this.writing = false;
        this.pump();
      };
      if (Number.isFinite(this.options.segmentBytes)) setImmediate(next);
      else next();
    });
  }
}

/** Sends a TCP reset; a socket that is still dialling, or whose FIN is on its way out, is closed: node would never close it after a reset. */
export function resetSocket(socket: Socket): void {
  if (socket.destroyed) return;
  if (socket.connecting || (socket.writableEnded && !socket.writableFinished)) socket.destroy();
  else socket.resetAndDestroy();
}
