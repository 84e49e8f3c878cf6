import { ERROR_CODE } from "./http2-frames.js";

/** Status codes of gRPC. */
export const GRPC_STATUS = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

export type GrpcStatusName = keyof typeof GRPC_STATUS;

/** The name of a status, or `status N` for one that gRPC does not know. */
export function grpcStatusName(status: number): string {
  const names = Object.keys(GRPC_STATUS) as GrpcStatusName[];
  return names.find((name) => GRPC_STATUS[name] === status) ?? `status ${status}`;
}

/** The status that a client reports for RST_STREAM without trailers (gRPC over HTTP/2, "Errors"). */
export function statusOfReset(code: number): number {
  switch (code) {
    case ERROR_CODE.REFUSED_STREAM:
      return GRPC_STATUS.UNAVAILABLE;
    case ERROR_CODE.CANCEL:
      return GRPC_STATUS.CANCELLED;
    case ERROR_CODE.ENHANCE_YOUR_CALM:
      return GRPC_STATUS.RESOURCE_EXHAUSTED;
    case ERROR_CODE.INADEQUATE_SECURITY:
      return GRPC_STATUS.PERMISSION_DENIED;
    case ERROR_CODE.STREAM_CLOSED:
    case ERROR_CODE.HTTP_1_1_REQUIRED:
      return GRPC_STATUS.UNKNOWN;
    default:
      return code <= ERROR_CODE.HTTP_1_1_REQUIRED ? GRPC_STATUS.INTERNAL : GRPC_STATUS.UNKNOWN;
  }
}

/** The status that a client reports for a response without grpc-status (gRPC, "HTTP to gRPC Status Code Mapping"). */
export function statusOfHttp(status: number): number {
  switch (status) {
    case 400:
      return GRPC_STATUS.INTERNAL;
    case 401:
      return GRPC_STATUS.UNAUTHENTICATED;
    case 403:
      return GRPC_STATUS.PERMISSION_DENIED;
    case 404:
      return GRPC_STATUS.UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
      return GRPC_STATUS.UNAVAILABLE;
    default:
      return GRPC_STATUS.UNKNOWN;
  }
}
