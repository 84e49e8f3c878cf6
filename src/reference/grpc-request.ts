import type { IncomingHttpHeaders } from "node:http2";

import { grpcStatus, type Ending } from "./ending.js";
import type { Faults } from "./faults.js";

/** The request line of a call to the monitor. */
export const MONITOR_METHOD = "/logger.Logger/Monitor";

/** What the headers of a call ask for. */
export type CallRequest =
  | { readonly kind: "accepted"; readonly gzip: boolean; readonly timeoutMs: number | undefined }
  /** Refused by a status, said in a response of headers alone. */
  | { readonly kind: "refused"; readonly ending: Ending }
  /** Not a gRPC call at all: an HTTP status. */
  | { readonly kind: "not-grpc"; readonly httpStatus: number };

/** Judges the headers of a call in the order of grpc-go: HTTP first, then credentials, then gRPC's own headers. */
export function readCallRequest(headers: IncomingHttpHeaders, options: { readonly token: string | undefined; readonly faults: Faults }): CallRequest {
  const { token, faults } = options;
  if (headers[":method"] !== "POST") return { kind: "not-grpc", httpStatus: 405 };
  if (!isGrpc(headers["content-type"])) {
    return faults.has("any-content-type") ? refused(grpcStatus.internal, "wrong content-type") : { kind: "not-grpc", httpStatus: 415 };
  }
  if (headers[":path"] !== MONITOR_METHOD) {
    const status = faults.has("unknown-method-not-found") ? grpcStatus.notFound : grpcStatus.unimplemented;
    return refused(status, `unknown method ${headers[":path"] ?? ""}`);
  }
  if (token !== undefined && headers.authorization !== `Bearer ${token}`) {
    return refused(grpcStatus.unauthenticated, "a bearer token is required");
  }
  if (faults.has("padded-binary-metadata-refused") && hasPaddedBinary(headers)) {
    return refused(grpcStatus.internal, "malformed binary metadata");
  }
  const encoding = String(headers["grpc-encoding"] ?? "identity");
  if (encoding !== "identity" && encoding !== "gzip" && !faults.has("unknown-encoding-read-as-plain")) {
    return refused(grpcStatus.unimplemented, `grpc-encoding ${encoding} is not supported`);
  }
  const timeout = headers["grpc-timeout"];
  if (timeout === undefined) return { kind: "accepted", gzip: encoding === "gzip", timeoutMs: undefined };
  const timeoutMs = parseTimeoutMs(String(timeout));
  if (timeoutMs === undefined && !faults.has("bad-timeout-is-none")) {
    return refused(grpcStatus.internal, `malformed grpc-timeout ${String(timeout)}`);
  }
  return { kind: "accepted", gzip: encoding === "gzip", timeoutMs };
}

const UNIT_MS = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 } as const;

/** grpc-timeout in milliseconds: one to eight digits and a unit (PROTOCOL-HTTP2, Timeout); undefined if it is not that. */
export function parseTimeoutMs(text: string): number | undefined {
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(text) ?? [];
  if (digits === undefined || unit === undefined) return undefined;
  return Number(digits) * UNIT_MS[unit as keyof typeof UNIT_MS];
}

function isGrpc(contentType: string | undefined): boolean {
  return contentType !== undefined && /^application\/grpc(?:[+;].*)?$/i.test(contentType.trim());
}

function hasPaddedBinary(headers: IncomingHttpHeaders): boolean {
  return Object.entries(headers).some(([name, value]) => name.endsWith("-bin") && /=(?:,|$)/.test(String(value)));
}

function refused(status: number, detail: string): CallRequest {
  return { kind: "refused", ending: { status, closeCode: 1008, detail } };
}
