import { createHash } from "node:crypto";
import { createServer, STATUS_CODES, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";

import { later } from "./fault.js";
import type { Faults } from "./faults.js";
import { serveHttpRequest } from "./http-side.js";
import type { MonitorService } from "./service.js";
import { authorized, isKey, refusalOfUpgrade, type UpgradeRefusal } from "./upgrade-request.js";
import { MonitorWebSocket, WebSocketStream } from "./websocket-stream.js";
import { tapWebSocket } from "./websocket-tap.js";

export interface WebSocketServerOptions {
  readonly service: MonitorService;
  /** Origins that a browser may come from; undefined: any. */
  readonly allowedOrigins: readonly string[] | undefined;
}

/** The monitor over WebSocket, with the producer and the probe beside it, on connections that others accept. */
export interface MonitorHttpServer {
  /** Serves a connection; `established` is called with its first whole request. */
  serve(socket: Duplex, established: () => void): void;
  /** Closes the connections that carry no stream, each as soon as no request is under way on it. */
  closeIdle(): void;
}

/** How long a refused client may take to read the answer. */
const REFUSAL_LINGER_MS = 1000;

/** What is hashed with the key (RFC 6455 §1.3). */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** When a service that upgrades with its first message has something to send. */
const FIRST_HEARTBEAT_MS = 2500;

export function createMonitorHttpServer(options: WebSocketServerOptions): MonitorHttpServer {
  const { service, allowedOrigins } = options;
  const { faults } = service;
  const webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    autoPong: false,
    maxPayload: service.limits.filterBytes,
    skipUTF8Validation: faults.has("utf8-replaced"),
    // The contract has no subprotocol; by default the first one offered would be selected.
    handleProtocols: () => (faults.has("subprotocol-invented") ? "invented" : false),
    WebSocket: MonitorWebSocket,
  });
  const givenKeys = new WeakMap<IncomingMessage, string>();
  webSockets.on("headers", (lines, request) => {
    const key = givenKeys.get(request);
    if (key !== undefined) lines.splice(0, lines.length, ...lines.map((line) => (/^Sec-WebSocket-Accept/i.test(line) ? acceptLine(key) : line)));
  });
  const establishments = new WeakMap<Duplex, () => void>();
  const plain = new Set<Duplex>();
  const busy = new Set<Duplex>();
  let closing = false;
  const http = createServer((request, response) => {
    const { socket } = request;
    establishments.get(socket)?.();
    busy.add(socket);
    response.once("close", () => {
      busy.delete(socket);
      if (closing) socket.destroySoon();
    });
    serveHttpRequest(request, response, service);
  });
  http.on("clientError", (_error, socket) => socket.destroy());
  http.on("upgrade", (request, socket, head) => {
    establishments.get(socket)?.();
    plain.delete(socket);
    upgrade(request, socket, head);
  });
  function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const refusal = refusalOfUpgrade(request, service, allowedOrigins);
    if (refusal !== undefined) {
      service.refused();
      answer(socket, refusal);
      return;
    }
    if (faults.has("upgrade-waits-for-entry")) later(FIRST_HEARTBEAT_MS, () => accept(request, socket, head));
    else accept(request, socket, head);
  }
  function accept(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    lendToLibrary(request, faults, givenKeys);
    const taps = faults.webSocket();
    // What came with the request is the connection's first read.
    if (taps.length > 0) socket.unshift(head);
    const connection = taps.length === 0 ? socket : tapWebSocket(socket, taps);
    webSockets.handleUpgrade(request, connection, taps.length === 0 ? head : Buffer.alloc(0), (webSocket) => {
      if (authorized(request, service)) new WebSocketStream(webSocket, connection, service).serve();
      else webSocket.close(1008, "a bearer token is required");
    });
  }
  return {
    serve(socket, established): void {
      establishments.set(socket, established);
      plain.add(socket);
      socket.once("close", () => plain.delete(socket));
      http.emit("connection", socket);
    },
    closeIdle(): void {
      closing = true;
      for (const socket of plain) if (!busy.has(socket)) socket.destroy();
    },
  };
}

/** Makes the library take what it would refuse by itself, for the faults that do not look. */
function lendToLibrary(request: IncomingMessage, faults: Faults, givenKeys: WeakMap<IncomingMessage, string>): void {
  const { headers } = request;
  if (faults.has("any-version-upgraded")) headers["sec-websocket-version"] = "13";
  const key = headers["sec-websocket-key"];
  if (!faults.has("any-key-upgraded") || isKey(key)) return;
  headers["sec-websocket-key"] = Buffer.alloc(16).toString("base64");
  givenKeys.set(request, key ?? "");
}

function acceptLine(key: string): string {
  return `Sec-WebSocket-Accept: ${createHash("sha1").update(`${key}${GUID}`).digest("base64")}`;
}

function answer(socket: Duplex, refusal: UpgradeRefusal): void {
  const body = `${refusal.reason}\n`;
  const headers = {
    ...refusal.headers,
    Connection: refusal.headers["Upgrade"] === undefined ? "close" : "Upgrade, close",
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": String(Buffer.byteLength(body)),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const status = `HTTP/1.1 ${refusal.httpStatus} ${STATUS_CODES[refusal.httpStatus] ?? ""}`;
  socket.on("error", () => undefined);
  // What the client still sends is read, so that the answer is not lost to a TCP reset.
  socket.resume();
  socket.end([status, ...lines, "", body].join("\r\n"));
  const timer = setTimeout(() => socket.destroy(), REFUSAL_LINGER_MS);
  socket.once("end", () => socket.destroy());
  socket.once("close", () => clearTimeout(timer));
}
