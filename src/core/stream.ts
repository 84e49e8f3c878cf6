import type { Message, Transport } from "./contract.js";
import type { Target } from "./target.js";

/** How a stream finished, in words that both transports can say. */
export type StreamEnd =
  /** A clean end: gRPC status 0, WebSocket Close 1000 (or 1005, a Close without code). */
  | { readonly kind: "completed"; readonly native: string }
  /** The peer said no: gRPC status ≠ 0 or RST_STREAM, Close ≠ 1000, an upgrade refused with an HTTP status. */
  | { readonly kind: "rejected"; readonly native: string; readonly code: number; readonly detail: string }
  /** Nobody said anything: the connection ended, broke the protocol, or we cancelled. */
  | { readonly kind: "lost"; readonly native: string; readonly cause: string };

/** gRPC's RESOURCE_EXHAUSTED; WebSocket's 1008 and 1013. */
const overflowCodes: readonly number[] = [8, 1008, 1013];

/** Whether the peer said no as it does to a reader that is too slow. */
export function isOverflow(end: StreamEnd): boolean {
  return end.kind === "rejected" && overflowCodes.includes(end.code);
}

/** When a stream's own connection was dialled, stood (TCP, and TLS where there is one), and its request was written. */
export interface DialTiming {
  readonly dialledAtMicros: number;
  readonly connectedAtMicros: number;
  readonly requestedAtMicros: number;
}

/** What happens on one stream, in order; `atMicros` is stamped when the bytes came in. */
export type StreamEvent =
  /** gRPC initial metadata, or the whole 101 answer. Headers may come only with the first message. */
  | {
      readonly kind: "opened";
      readonly atMicros: number;
      readonly headers: Readonly<Record<string, string>>;
      /** Of a stream that dialled its own connection. */ readonly dial?: DialTiming;
    }
  | { readonly kind: "message"; readonly atMicros: number; readonly message: Message; readonly bytes: number; readonly text: boolean }
  /** Bytes that are no message of the contract; the stream goes on unless the driver cannot. */
  | { readonly kind: "undecodable"; readonly atMicros: number; readonly detail: string; readonly bytes: Uint8Array }
  /** One frame as it was on the wire; only wire drivers report these. */
  | {
      readonly kind: "frame";
      readonly atMicros: number;
      readonly direction: "sent" | "received";
      /** It carries a message or a part of one, which is told by itself. */
      readonly ofMessage: boolean;
      /** `RST_STREAM CANCEL`, `Close 1000`, … Made when asked for: of a flood's frames nobody asks. */
      readonly describe: () => string;
    }
  | { readonly kind: "ended"; readonly atMicros: number; readonly end: StreamEnd };

export interface OpenOptions {
  /** Hears every event, synchronously, in order; `ended` is the last and comes exactly once. */
  readonly events: (event: StreamEvent) => void;
  /** Aborting cancels the stream. */
  readonly signal?: AbortSignal;
  /** Further headers or metadata for this stream. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** Raw value of the grpc-timeout header; no local timer is set for it where the driver can avoid one. */
  readonly grpcTimeout?: string;
  /** On a flooded connection, in place of `message` events. */
  readonly messageBytes?: MessageBytes;
}

/** Takes each message as `bytes[start, end)`, valid during the call only. */
export interface MessageBytes {
  take(bytes: Uint8Array, start: number, end: number): void;
}

/** How a connection is to be read at peak load: nothing is allocated for a message, and no frame is reported. */
export interface FloodOptions {
  /** What the peer may send ahead of our reading, for each stream; WebSocket: the system's own buffers hold. */
  readonly windowBytes: number;
  /** The same for each connection; asked whenever some of it was read. */
  readonly connectionWindowBytes: () => number;
  /** The connections of a thread may share one: it is in use only while a chunk is taken in. */
  readonly readBuffer: Uint8Array;
}

/** One monitor stream. All methods are safe after the end: they reject or do nothing. */
export interface MonitorStream {
  /** Resolves when flow control accepted the message: awaiting it is back-pressure. Rejects when the stream has ended. */
  send(message: Message): Promise<void>;
  /** We will send no more: gRPC half-close; WebSocket the contract's end text, else a Close frame. */
  end(): Promise<void>;
  /** Abandon it: gRPC RST_STREAM(CANCEL); WebSocket drops the TCP connection. */
  cancel(): void;
  /** Stop reading, so that the peer's flow control fills. */
  pause(): void;
  resume(): void;
  /** Settles exactly once and never rejects. */
  readonly ended: Promise<StreamEnd>;
  /** When the chunk at hand came in; only streams of flooded connections have it. */
  lastInboundAtMicros?(): number;
}

/** A transport connection to the target. WebSocket: each stream dials its own, and `connect` does not touch the network. */
export interface Connection {
  /** Rejects with HarnessError `unreachable` when nothing answers; a refusal by the server is an `ended` event, not a rejection. */
  open(options: OpenOptions): Promise<MonitorStream>;
  /** Closes it and whatever streams are left, within 1 s. */
  close(): Promise<void>;
}

export interface Driver {
  readonly name: DriverName;
  readonly transport: Transport;
  /** What this driver cannot show, because its library answers or hides it; empty for wire drivers. */
  readonly hides: readonly string[];
  /** Honours `flood`, and `messageBytes` of the streams on it. Default false. */
  readonly floods?: boolean;
  connect(target: Target, options: { readonly timeoutMs: number; readonly signal?: AbortSignal; readonly flood?: FloodOptions }): Promise<Connection>;
}

export const driverNames = ["grpc", "grpc-wire", "websocket", "websocket-wire"] as const;
export type DriverName = (typeof driverNames)[number];
