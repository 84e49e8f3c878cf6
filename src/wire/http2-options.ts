import type { Duplex } from "node:stream";

import type { TlsOptions } from "./dial.js";
import type { Goaway } from "./http2-ends.js";
import type { FrameRecord } from "./http2-outbound.js";
import type { Http2Settings } from "./http2-settings.js";
import type { WireError } from "./wire-error.js";

/** What `connectHttp2` may be told; every bound has a default. */
export interface Http2ConnectOptions {
  readonly host: string;
  readonly port: number;
  /** TLS with ALPN h2; without it prior knowledge (h2c). */
  readonly tls?: TlsOptions;
  /** `:authority` for those who build headers; default host:port. */
  readonly authority?: string;
  /** Bound on TCP, TLS and the peer's first SETTINGS together. */
  readonly connectTimeoutMs: number;
  /** Ends the dial; no effect afterwards. */
  readonly signal?: AbortSignal;
  /** A connected stream to use in place of a dial. */
  readonly socket?: Duplex;
  /** Our SETTINGS; ENABLE_PUSH 0 is added. Default: those of RFC 9113. */
  readonly settings?: Partial<Http2Settings>;
  /**
   * The connection's receive window, default 1 MiB (RFC 9113's 65,535 is the least). A function is asked whenever bytes are returned, and widens the
   * window; what was granted is never taken back.
   */
  readonly connectionWindowBytes?: number | (() => number);
  /** "auto" (default): windows are returned in batches of half a window, the connection's on receipt; "manual": only as granted. */
  readonly replenish?: "auto" | "manual";
  /** Largest header list, decoded, before its stream is refused; default 64 KiB. A header block a quarter longer ends the connection. */
  readonly maxHeaderListBytes?: number;
  /** Most payload that may wait in one stream's queue for flow control, default 16 MiB. */
  readonly maxQueuedBytes?: number;
  /** Most bytes that may wait for a peer that does not read while it has us answer, default 4 MiB; more ends the connection. */
  readonly maxUnsentBytes?: number;
  /** Size of the one buffer that plain TCP reads into, default 64 KiB. */
  readonly readBufferBytes?: number;
  /** That buffer itself; connections may share one, for it is in use only while a chunk is taken in. */
  readonly readBuffer?: Buffer;
  /** Resolve when the preface is sent, not when the peer's SETTINGS are there. */
  readonly skipPeerSettings?: boolean;
  /** Sees every frame, before it takes effect; costs an object a frame. */
  readonly onFrame?: (frame: FrameRecord) => void;
  readonly onGoaway?: (goaway: Goaway) => void;
  /** A rule broken that costs no live stream: frames on streams that are closed, settings that a server may not send. */
  readonly onViolation?: (error: WireError) => void;
}
