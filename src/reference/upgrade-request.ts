import type { IncomingMessage } from "node:http";

import type { MonitorService } from "./service.js";

/** Where the monitor is upgraded. */
export const MONITOR_PATH = "/logs/monitor";

/** Why a request is not upgraded: an HTTP answer. */
export interface UpgradeRefusal {
  readonly httpStatus: number;
  readonly reason: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Judges an opening handshake (RFC 6455 §4.2.1); undefined: it may be upgraded. Credentials and origin are judged
 * here as well, so that no stream exists before they are.
 */
export function refusalOfUpgrade(request: IncomingMessage, service: MonitorService, allowedOrigins: readonly string[] | undefined): UpgradeRefusal | undefined {
  const { headers } = request;
  const { faults } = service;
  if (pathOf(request) !== MONITOR_PATH && !faults.has("any-path-upgraded")) return refuse(404, "no such path");
  if (request.method !== "GET") return refuse(405, "an upgrade is a GET", { Allow: "GET" });
  if (!tokensOf(headers.upgrade).includes("websocket")) return refuse(426, "upgrade to websocket", { Upgrade: "websocket" });
  if (!isConnectionUpgrade(headers.connection, faults.has("connection-header-exact"))) return refuse(400, "Connection is not Upgrade");
  if (headers["sec-websocket-version"] !== "13" && !faults.has("any-version-upgraded")) {
    return refuse(426, "the version is 13", { "Sec-WebSocket-Version": "13", Upgrade: "websocket" });
  }
  if (!isKey(headers["sec-websocket-key"]) && !faults.has("any-key-upgraded")) return refuse(400, "Sec-WebSocket-Key is not 16 bytes");
  if (!authorized(request, service) && !faults.has("auth-after-upgrade")) {
    return refuse(401, "a bearer token is required", { "WWW-Authenticate": "Bearer" });
  }
  const { origin } = headers;
  const foreign = origin !== undefined && allowedOrigins !== undefined && !allowedOrigins.includes(origin);
  if (foreign && !faults.has("origin-ignored")) return refuse(403, "the origin is not allowed");
  return service.isFull ? refuse(503, "too many streams") : undefined;
}

/** Whether the request carries the token that the service asks for. */
export function authorized(request: IncomingMessage, service: MonitorService): boolean {
  return service.token === undefined || request.headers.authorization === `Bearer ${service.token}`;
}

/** The path without its query. */
export function pathOf(request: IncomingMessage): string {
  return (request.url ?? "").replace(/\?.*$/s, "");
}

function refuse(httpStatus: number, reason: string, headers: Record<string, string> = {}): UpgradeRefusal {
  return { httpStatus, reason, headers };
}

function isConnectionUpgrade(header: string | undefined, exactly: boolean): boolean {
  return exactly ? header === "Upgrade" : tokensOf(header).includes("upgrade");
}

/** The tokens of a list header, in lower case. */
function tokensOf(header: string | undefined): string[] {
  return (header ?? "").split(",").map((token) => token.trim().toLowerCase());
}

/** Whether it is 16 bytes in base64. */
export function isKey(key: string | undefined): boolean {
  if (key === undefined) return false;
  const bytes = Buffer.from(key, "base64");
  return bytes.length === 16 && bytes.toString("base64") === key;
}
