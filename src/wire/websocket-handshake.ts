import { createHash } from "node:crypto";
import type { HeaderField, ResponseHead } from "./http1-response.js";
import { fieldTokens, fieldValues } from "./http1-response.js";
import { WireError } from "./wire-error.js";

export interface UpgradeRequest {
  /** The Host header's value. */
  readonly host: string;
  readonly path: string;
  /** Sec-WebSocket-Key as it is sent. */
  readonly key: string;
  /** Sec-WebSocket-Version; default "13". */
  readonly version?: string;
  readonly subprotocols?: readonly string[];
  /** Offer permessage-deflate (RFC 7692). */
  readonly deflate?: boolean;
  /** Added in this order; one with the name of a header of ours replaces it, and null takes it away. */
  readonly headers?: readonly (readonly [name: string, value: string | null])[];
}

/** What both sides agreed on with the 101. */
export interface UpgradeAgreement {
  readonly subprotocol: string | undefined;
  readonly deflate: DeflateParameters | undefined;
}

/** RFC 7692 §7.1, as the server answered. */
export interface DeflateParameters {
  readonly serverNoContextTakeover: boolean;
  /** 8-15. */
  readonly clientMaxWindowBits: number;
}

/** The text of an upgrade request (RFC 6455 §4.1). */
export function upgradeRequestText(request: UpgradeRequest): string {
  const own: [string, string][] = [
    ["Host", request.host],
    ["Upgrade", "websocket"],
    ["Connection", "Upgrade"],
    ["Sec-WebSocket-Key", request.key],
    ["Sec-WebSocket-Version", request.version ?? "13"],
  ];
  if (request.subprotocols !== undefined && request.subprotocols.length > 0) own.push(["Sec-WebSocket-Protocol", request.subprotocols.join(", ")]);
  if (request.deflate === true) own.push(["Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"]);
  const given = request.headers ?? [];
  const replaced = new Set(given.map(([name]) => name.toLowerCase()));
  const fields = [...own.filter(([name]) => !replaced.has(name.toLowerCase())), ...given.filter(([, value]) => value !== null)];
  return `GET ${request.path} HTTP/1.1\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
}

/** The Sec-WebSocket-Accept that answers `key` (RFC 6455 §4.2.2). */
export function acceptKey(key: string): string {
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}

/** What the client asked for, as far as the answer must fit it. */
export interface UpgradeOffer {
  /** undefined: the request held no key, so no answer can be right or wrong. */
  readonly key: string | undefined;
  readonly subprotocols: readonly string[];
  readonly deflate: boolean;
}

/** Judges a 101 by RFC 6455 §4.1; throws a {@link WireError} that points at the guilty header. `firstByte` is the offset of the head on the connection. */
export function verifyUpgrade(head: ResponseHead, offer: UpgradeOffer, firstByte: number): UpgradeAgreement {
  const at = (name: string): number => firstByte + fieldOffset(head, name);
  if (fieldTokens(head.headers, "upgrade").every((token) => token.toLowerCase() !== "websocket")) {
    throw new WireError("BAD_UPGRADE_HEADER", { expected: "Upgrade: websocket", actual: shown(head, "upgrade"), atByte: at("upgrade") });
  }
  if (fieldTokens(head.headers, "connection").every((token) => token.toLowerCase() !== "upgrade")) {
    throw new WireError("BAD_CONNECTION_HEADER", { expected: "Connection: Upgrade", actual: shown(head, "connection"), atByte: at("connection") });
  }
  if (offer.key !== undefined) {
    const expected = acceptKey(offer.key);
    const values = fieldValues(head.headers, "sec-websocket-accept");
    if (values.length !== 1 || values[0] !== expected) {
      const actual = shown(head, "sec-websocket-accept");
      throw new WireError("BAD_ACCEPT_KEY", { expected: `Sec-WebSocket-Accept: ${expected}, once`, actual, atByte: at("sec-websocket-accept") });
    }
  }
  return { subprotocol: agreedSubprotocol(head, offer, at), deflate: agreedDeflate(head, offer, at) };
}

function agreedSubprotocol(head: ResponseHead, offer: UpgradeOffer, at: (name: string) => number): string | undefined {
  const name = "sec-websocket-protocol";
  const values = fieldValues(head.headers, name);
  if (values.length === 0) return undefined;
  if (values.length === 1 && offer.subprotocols.includes(values[0]!)) return values[0];
  const offered = offer.subprotocols.length === 0 ? "no subprotocol, for none was offered" : `one subprotocol of ${offer.subprotocols.join(", ")}`;
  throw new WireError("UNOFFERED_SUBPROTOCOL", { expected: offered, actual: shown(head, name), atByte: at(name) });
}

function agreedDeflate(head: ResponseHead, offer: UpgradeOffer, at: (name: string) => number): DeflateParameters | undefined {
  const name = "sec-websocket-extensions";
  const extensions = fieldTokens(head.headers, name);
  if (extensions.length === 0) return undefined;
  const fail = (code: "UNOFFERED_EXTENSION" | "BAD_EXTENSION", expected: string): WireError =>
    new WireError(code, { expected, actual: shown(head, name), atByte: at(name) });
  if (!offer.deflate) throw fail("UNOFFERED_EXTENSION", "no extension, for none was offered");
  const [extension, ...parameters] = extensions[0]!.split(";").map((part) => part.trim());
  if (extensions.length > 1 || extension !== "permessage-deflate") throw fail("UNOFFERED_EXTENSION", "permessage-deflate once, and no other extension");
  const seen = new Map<string, string>();
  for (const parameter of parameters) {
    const [key, value] = parameter.split("=").map((part) => part.trim());
    if (seen.has(key!)) throw fail("BAD_EXTENSION", `the parameter ${key} at most once (RFC 7692 §7.1)`);
    seen.set(key!, value?.replace(/^"(.*)"$/, "$1") ?? "");
  }
  let clientMaxWindowBits = 15;
  for (const [key, value] of seen) {
    const isBits = key === "server_max_window_bits" || key === "client_max_window_bits";
    const isFlag = key === "server_no_context_takeover" || key === "client_no_context_takeover";
    const valid = (isBits && /^([89]|1[0-5])$/.test(value)) || (isFlag && value === "");
    if (!valid) throw fail("BAD_EXTENSION", "parameters of RFC 7692 §7.1 with their values");
    if (key === "client_max_window_bits") clientMaxWindowBits = Number(value);
  }
  return { serverNoContextTakeover: seen.has("server_no_context_takeover"), clientMaxWindowBits };
}

function shown(head: ResponseHead, name: string): string {
  const values = fieldValues(head.headers, name);
  return values.length === 0 ? "no such header" : values.map((value) => JSON.stringify(value.slice(0, 100))).join(" and ");
}

function fieldOffset(head: ResponseHead, name: string): number {
  const found = head.rawHead.toLowerCase().indexOf(`\r\n${name}:`);
  return found < 0 ? 0 : found + 2;
}

/** The value of a header in a request text, for a request that somebody else wrote; undefined where it has none. */
export function requestFieldValue(requestText: string, name: string): string | undefined {
  const fields: HeaderField[] = requestText
    .split("\r\n\r\n", 1)[0]!
    .split("\r\n")
    .slice(1)
    .map((line) => [line.slice(0, Math.max(0, line.indexOf(":"))).trim(), line.slice(line.indexOf(":") + 1).trim()] as const);
  return fieldValues(fields, name)[0];
}
