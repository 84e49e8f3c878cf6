const BURST_FRAMES = 10_000;
const FRAMES_PER_SECOND = 2_000;

/**
 * How many frames that carry no message (SETTINGS, PING, WINDOW_UPDATE, empty DATA, unknown types …) a peer may send:
 * 10,000 at once, then 2,000 a second plus what the connection has earned by real traffic. Quiet streams that live for
 * days and servers that probe for bandwidth stay far below; a flood is over it within a few hundred kilobytes.
 */
export class ControlBudget {
  #frames = BURST_FRAMES;
  #atMicros = -1;
  #earnedFrames = 0;

  /** Spends one frame; false when the budget is used up. `earnedFrames` is the connection's running total. */
  spend(atMicros: number, earnedFrames: number): boolean {
    if (this.#frames < 1 || this.#atMicros < 0) this.#refill(atMicros, earnedFrames);
    this.#frames -= 1;
    return this.#frames >= 0;
  }

  #refill(atMicros: number, earnedFrames: number): void {
    if (this.#atMicros >= 0) {
      const earned = ((atMicros - this.#atMicros) / 1e6) * FRAMES_PER_SECOND + (earnedFrames - this.#earnedFrames);
      this.#frames = Math.min(BURST_FRAMES, this.#frames + earned);
    }
    this.#atMicros = atMicros;
    this.#earnedFrames = earnedFrames;
  }
}
