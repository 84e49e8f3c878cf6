import type { Frame } from "./websocket-frames.js";
import type { Message } from "./websocket-messages.js";
import type { WireError } from "./wire-error.js";

/** What the server did, in order. `atMicros` (from `performance.now()`) is when the chunk came that completed it. */
export type WebSocketEvent =
  | ({ readonly kind: "message"; readonly atMicros: number } & Message)
  | { readonly kind: "ping" | "pong"; readonly payload: Uint8Array; readonly atMicros: number }
  | { readonly kind: "close"; readonly code: number | undefined; readonly reason: string; readonly payload: Uint8Array; readonly atMicros: number }
  | { readonly kind: "violation"; readonly error: WireError; readonly atMicros: number }
  | { readonly kind: "fin"; readonly atMicros: number }
  /** A reset, or another error of the socket; `cause` is its code, like "ECONNRESET". */
  | { readonly kind: "rst"; readonly cause: string; readonly atMicros: number };

export interface CloseRecord {
  /** undefined: a Close frame without payload. */
  readonly code: number | undefined;
  readonly reason: string;
  readonly atMicros: number;
}

/** How a connection finished. */
export interface WebSocketEnd {
  /** The first Close frame of the server. */
  readonly closeReceived: CloseRecord | undefined;
  /** The first Close frame of ours, written to the socket. */
  readonly closeSent: CloseRecord | undefined;
  /**
   * What ended TCP first: the server's FIN or reset, ourselves (endTcp, destroy, or a violation that failed the connection), or our patience, when
   * the server left TCP open for `closeWithinMs` after a Close frame.
   */
  readonly tcp: "fin" | "rst" | "local" | "timeout";
  /** The socket's error code, where it had one. */
  readonly tcpError: string | undefined;
  readonly tcpEndedAtMicros: number;
  /** The first violation. */
  readonly violation: WireError | undefined;
  /** Both Close frames, legal, then the server's FIN. */
  readonly cleanClose: boolean;
}

/** Hears a connection; its methods are called on it, synchronously. */
export interface WebSocketListener {
  /** Everything of the server; a function may also be set on the connection, before control returns to the event loop, to hear it instead. */
  onEvent?(event: WebSocketEvent): void;
  /** Every whole frame, both ways, before what it means; raw bytes sent are no frames. */
  onFrame?: ((direction: "sent" | "received", frame: Frame, atMicros: number) => void) | undefined;
  /**
   * For load: takes each message as `buffer[start, end)`, valid during the call only, in place of `message` events; `lastInboundAtMicros` is its time.
   * Nothing is allocated for a message that came whole, text is not checked to be UTF-8, and violations always fail the connection. Not with `deflate`.
   */
  readonly messageRanges?: { take(buffer: Uint8Array, start: number, end: number, opcode: number): void } | undefined;
  /** Once, after every event. */
  onEnd?(end: WebSocketEnd): void;
}

export interface WebSocketConnectionOptions extends WebSocketListener {
  /** Answer pings; default true. */
  readonly autoPong?: boolean | undefined;
  /** Answer a Close frame with the same code; default true. */
  readonly autoCloseReply?: boolean | undefined;
  /** "fail" (default): a violation sends Close and FIN, and nothing more is delivered. "observe": reports it and goes on where framing allows. */
  readonly violations?: "fail" | "observe" | undefined;
  /** Bound on a message, also inflated, and on a frame; default 16 MiB. */
  readonly maxMessageBytes?: number | undefined;
  /** After a Close frame, sent or received, or our FIN: how long the server may leave TCP open before it is destroyed; default 5000. */
  readonly closeWithinMs?: number | undefined;
}
