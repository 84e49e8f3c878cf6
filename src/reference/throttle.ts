const TICK_MS = 2;

/** What may have gathered while nothing was asked for, as a share of a second. */
const BURST_SECONDS = 0.01;

/** Lets through so many acts a second, in the order asked, on an absolute schedule. */
export class Throttle {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #waiting: (() => void)[] = [];
  #permits: number;
  #filledMs = performance.now();
  #timer: NodeJS.Timeout | undefined;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#burst = Math.max(1, perSecond * BURST_SECONDS);
    this.#permits = this.#burst;
  }

  /** Acts at once if it may, else when its turn comes. */
  pass(act: () => void): void {
    this.#waiting.push(act);
    this.#serve();
  }

  #serve(): void {
    const nowMs = performance.now();
    this.#permits += ((nowMs - this.#filledMs) * this.#perSecond) / 1000;
    this.#filledMs = nowMs;
    while (this.#permits >= 1 && this.#waiting.length > 0) {
      this.#permits -= 1;
      this.#waiting.shift()?.();
    }
    if (this.#waiting.length === 0) this.#permits = Math.min(this.#permits, this.#burst);
    else if (this.#timer === undefined) this.#timer = setTimeout(() => this.#tick(), TICK_MS).unref();
  }

  #tick(): void {
    this.#timer = undefined;
    this.#serve();
  }
}
