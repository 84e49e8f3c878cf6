/** How the server ends a stream, in the words of both transports. */
export interface Ending {
  /** gRPC status. */
  readonly status: number;
  /** Close code of the WebSocket. */
  readonly closeCode: number;
  /** For people; empty on a clean end. */
  readonly detail: string;
}

/** The gRPC statuses that the server uses. */
export const grpcStatus = {
  ok: 0,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** Every way in which the server ends a stream by itself. */
export const endings = {
  completed: { status: grpcStatus.ok, closeCode: 1000, detail: "" },
  overflow: { status: grpcStatus.resourceExhausted, closeCode: 1013, detail: "the reader is too slow: its buffer is full" },
  tooManyStreams: { status: grpcStatus.resourceExhausted, closeCode: 1013, detail: "too many streams" },
  deadline: { status: grpcStatus.deadlineExceeded, closeCode: 1008, detail: "deadline exceeded" },
  stopping: { status: grpcStatus.unavailable, closeCode: 1001, detail: "the server is stopping" },
  truncated: { status: grpcStatus.internal, closeCode: 1002, detail: "the last message is incomplete" },
  binary: { status: grpcStatus.invalidArgument, closeCode: 1003, detail: "filters are text frames" },
} as const satisfies Record<string, Ending>;

export function invalidFilter(detail: string): Ending {
  return { status: grpcStatus.invalidArgument, closeCode: 1008, detail };
}

export function malformedFilter(detail: string): Ending {
  return { status: grpcStatus.internal, closeCode: 1007, detail };
}
