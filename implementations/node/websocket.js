// The WebSocket transport, on ws.

import { WebSocketServer } from "ws";
import { END, serveStream } from "./stream.js";

const MAX_FILTER_BYTES = 64 * 1024;

// How long an entry that is on its way may block after its stream has ended,
// before the connection is cut.
const DRAIN_WITHIN_MS = 10_000;

// How long the client has for its half of the closing handshake before the server
// closes its half of the connection, and before it closes all of it.
const CLOSE_WITHIN_MS = 700;
const LINGER_WITHIN_MS = 5000;

const CODE_OF = {
  [END.client]: 1000,
  [END.stopping]: 1001,
  [END.notText]: 1003,
  [END.refused]: 1007,
  [END.invalid]: 1008,
  [END.tooSlow]: 1013,
};

/** Upgrades GET /logs/monitor on the HTTP server. */
export function serveWebSockets(context, httpServer) {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_FILTER_BYTES,
    perMessageDeflate: false,
    handleProtocols: () => false,
    closeTimeout: LINGER_WITHIN_MS,
  });
  httpServer.on("upgrade", (request, socket, head) => {
    socket.on("error", () => socket.destroy());
    if (new URL(request.url, "http://localhost").pathname !== "/logs/monitor") {
      refuse(socket, "404 Not Found");
    } else if (request.headers["sec-websocket-version"] !== "13") {
      refuse(socket, "426 Upgrade Required", "Sec-WebSocket-Version: 13\r\n"); // the library would take version 8, too
    } else {
      server.handleUpgrade(request, socket, head, (webSocket) => monitor(context, webSocket, socket));
    }
  });
  return server;
}

function refuse(socket, status, headers = "") {
  socket.end(`HTTP/1.1 ${status}\r\n${headers}Connection: close\r\nContent-Length: 0\r\n\r\n`);
}

function monitor(context, webSocket, socket) {
  const { bugs } = context;
  let sending = Promise.resolve();
  const stream = serveStream(context, {
    send: (entry) => {
      const written = bugs.sequenceAsString ? { ...entry, sequence: String(entry.sequence) } : entry;
      sending = new Promise((resolve, reject) => {
        webSocket.send(JSON.stringify(written), (error) => (error ? reject(error) : resolve()));
      });
      if (!bugs.noBackPressure) return sending;
      sending.catch(() => {});
      return undefined;
    },
    close: (end, text) => void closeBehind(sending, webSocket, socket, end, text),
  });
  webSocket.on("message", (data, isBinary) => {
    if (stream.ended) return;
    if (isBinary) {
      stream.finish(END.notText, "filters are text frames");
      return;
    }
    let filter;
    try {
      filter = JSON.parse(data.toString("utf8"));
      if (bugs.falsyIsEnd ? !filter : filter === null) {
        stream.finish(END.client);
        return;
      }
      checkTypes(filter);
    } catch (error) {
      if (!bugs.errorSwallowed) stream.finish(END.refused, error.message);
      return;
    }
    stream.take(filter);
  });
  webSocket.on("close", () => stream.finish(END.gone));
  if (!bugs.noErrorListener) webSocket.on("error", () => stream.finish(END.gone));
}

function checkTypes(filter) {
  const isText = (value) => value == null || typeof value === "string";
  const isList = (value) => value == null || (Array.isArray(value) && value.every((item) => typeof item === "string"));
  if (typeof filter !== "object" || Array.isArray(filter)) throw new TypeError("a filter is an object");
  if (!isText(filter.min_level)) throw new TypeError("min_level must be a string");
  if (!isList(filter.sources)) throw new TypeError("sources must be a list of strings");
  if (!isText(filter.contains)) throw new TypeError("contains must be a string");
}

/**
 * Sends Close behind an entry that a slow reader has half of. Where the client doesn't answer, only
 * our half is closed: closing both would reset the connection under a client that is behind.
 */
async function closeBehind(sending, webSocket, socket, end, text) {
  if (end === END.gone) return; // the library has answered, or there is nobody to answer
  const cut = setTimeout(() => webSocket.terminate(), DRAIN_WITHIN_MS);
  cut.unref();
  await sending.catch(() => {});
  clearTimeout(cut);
  webSocket.close(CODE_OF[end], text.slice(0, 100));
  const enough = setTimeout(() => socket.end(), CLOSE_WITHIN_MS);
  socket.once("close", () => clearTimeout(enough));
}
