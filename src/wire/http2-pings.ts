const MAX_OUTSTANDING = 64;

interface PendingPing {
  readonly opaque: Buffer;
  readonly sentAtMicros: number;
  readonly settle: (rttMicros: number | undefined) => void;
}

/** PINGs of ours under way, told apart by their 8 opaque bytes. */
export class Pings {
  readonly #pending: PendingPing[] = [];

  /** Books a PING and has `send` send it; its round trip, or undefined after `withinMs`, at {@link abandon}, or with 64 under way. */
  sending(
    options: { readonly withinMs: number; readonly opaque?: Uint8Array },
    nowMicros: () => number,
    send: (opaque: Buffer) => void,
  ): Promise<number | undefined> {
    if (this.#pending.length >= MAX_OUTSTANDING) return Promise.resolve(undefined);
    const opaque = Buffer.alloc(8);
    if (options.opaque === undefined) opaque.writeDoubleBE(performance.now());
    else opaque.set(options.opaque.subarray(0, 8));
    return new Promise((resolve) => {
      const settle = (rttMicros: number | undefined): void => {
        clearTimeout(timer);
        this.#pending.splice(this.#pending.indexOf(pending), 1);
        resolve(rttMicros);
      };
      const timer = setTimeout(() => settle(undefined), options.withinMs);
      const pending: PendingPing = { opaque, sentAtMicros: nowMicros(), settle };
      this.#pending.push(pending);
      send(opaque);
    });
  }

  /** An acknowledgement; one that answers nothing of ours is ignored. */
  acknowledged(opaque: Buffer, atMicros: number): void {
    const pending = this.#pending.find((ping) => ping.opaque.equals(opaque));
    pending?.settle(atMicros - pending.sentAtMicros);
  }

  abandon(): void {
    for (const ping of this.#pending.splice(0)) ping.settle(undefined);
  }
}
