import { initialSettings, type Http2Settings } from "./http2-settings.js";

interface Unacknowledged {
  readonly settings: Partial<Http2Settings>;
  readonly settle: (acknowledged: boolean) => void;
}

const LIMITS = ["HEADER_TABLE_SIZE", "MAX_FRAME_SIZE", "INITIAL_WINDOW_SIZE"] as const;

/** A limit of ours that the peer's frames are judged by. */
export type OwnLimit = (typeof LIMITS)[number];

/**
 * Our SETTINGS as they bind the peer. It may follow a change at any time until its acknowledgement: a raise counts from
 * when it was sent, a cut from when it was acknowledged, so no peer is blamed for a frame that was right when it left.
 */
export class OwnSettings {
  /** What holds now. */
  readonly values = initialSettings();
  readonly #unacknowledged: Unacknowledged[] = [];
  readonly #onChange: (limit: OwnLimit, value: number, before: number) => void;

  constructor(onChange: (limit: OwnLimit, value: number, before: number) => void) {
    this.#onChange = onChange;
  }

  /** Books SETTINGS about to be sent; resolves true at the acknowledgement, false if {@link abandon} comes first. */
  sending(settings: Partial<Http2Settings>): Promise<boolean> {
    for (const limit of LIMITS) {
      const value = settings[limit];
      if (value !== undefined && value > this.values[limit]) this.#change(limit, value);
    }
    return new Promise((settle) => this.#unacknowledged.push({ settings, settle }));
  }

  /** The peer has acknowledged the oldest SETTINGS under way; one acknowledgement too many is ignored. */
  acknowledged(): void {
    const oldest = this.#unacknowledged.shift();
    if (oldest === undefined) return;
    for (const limit of LIMITS) {
      const value = oldest.settings[limit];
      // A cut that a later SETTINGS takes back never binds.
      const superseded = this.#unacknowledged.some((later) => later.settings[limit] !== undefined);
      if (value !== undefined && value < this.values[limit] && !superseded) this.#change(limit, value);
    }
    oldest.settle(true);
  }

  abandon(): void {
    for (const pending of this.#unacknowledged.splice(0)) pending.settle(false);
  }

  #change(limit: OwnLimit, value: number): void {
    const before = this.values[limit];
    this.values[limit] = value;
    this.#onChange(limit, value, before);
  }
}
