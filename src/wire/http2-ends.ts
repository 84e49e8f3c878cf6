import { errorCodeName } from "./http2-frames.js";
import type { WireError } from "./wire-error.js";

/** The peer's notice that it will take no more streams (RFC 9113 section 6.8). */
export interface Goaway {
  /** Streams above it were not worked on. */
  readonly lastStreamId: number;
  readonly code: number;
  /** Latin-1, at most 1 KiB of it. */
  readonly debug: string;
  readonly atMicros: number;
}

/** How a connection ended; the first cause counts. */
export interface Http2ConnectionEnd {
  readonly kind: "fin" | "rst" | "goaway" | "protocol-error" | "closed-locally" | "socket-error";
  /** One line for people. */
  readonly detail: string;
  /** For "protocol-error": the rule; its code is the error code that our GOAWAY carried. A cut-off frame is `TRUNCATED_FRAME`. */
  readonly error?: WireError;
  /** The last GOAWAY that the peer sent, whatever ended the connection. */
  readonly goaway?: Goaway;
  readonly atMicros: number;
}

/** How the receiving half of a stream finished; the first cause counts. */
export type Http2StreamEnd =
  | { readonly kind: "end-stream"; readonly atMicros: number }
  | { readonly kind: "reset"; readonly code: number; readonly atMicros: number }
  | { readonly kind: "reset-locally"; readonly code: number; readonly atMicros: number }
  /** GOAWAY with a last stream below this one: the peer did not work on it. */
  | { readonly kind: "refused-by-goaway"; readonly code: number; readonly atMicros: number }
  /** The peer broke a rule that costs this stream only; it was reset with `error.code`. */
  | { readonly kind: "protocol-error"; readonly error: WireError; readonly atMicros: number }
  | { readonly kind: "connection"; readonly end: Http2ConnectionEnd; readonly atMicros: number };

/** One line that says how a stream ended. */
export function describeStreamEnd(end: Http2StreamEnd): string {
  switch (end.kind) {
    case "end-stream":
      return "END_STREAM";
    case "reset":
      return `RST_STREAM ${errorCodeName(end.code)}`;
    case "reset-locally":
      return `reset by the client with ${errorCodeName(end.code)}`;
    case "refused-by-goaway":
      return `GOAWAY ${errorCodeName(end.code)} below this stream`;
    case "protocol-error":
      return end.error.message;
    case "connection":
      return end.end.detail;
  }
}
