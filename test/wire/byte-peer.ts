import { once } from "node:events";
import type { AddressInfo, Server, Socket } from "node:net";
import { createServer } from "node:net";
import { acceptKey, requestFieldValue } from "../../src/wire/websocket-handshake.js";

/** A server that says exactly the bytes it is told to. */
export interface BytePeer {
  readonly port: number;
  /** Every socket so far, in order. */
  readonly sockets: readonly Socket[];
  close(): Promise<void>;
}

/** Listens on a free loopback port; `onSocket` plays the server. Sockets are half-open and swallow their errors. */
export async function startBytePeer(onSocket: (socket: Socket) => void | Promise<void>): Promise<BytePeer> {
  const sockets: Socket[] = [];
  const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    void onSocket(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** Reads an HTTP request head; resolves with its text. What follows stays in the socket. */
export async function readRequestHead(socket: Socket): Promise<string> {
  let text = "";
  while (!text.includes("\r\n\r\n")) {
    const chunk = socket.read() as Buffer | null;
    if (chunk !== null) text += chunk.toString("latin1");
    else await once(socket, "readable");
  }
  const end = text.indexOf("\r\n\r\n") + 4;
  if (text.length > end) socket.unshift(Buffer.from(text.slice(end), "latin1"));
  return text.slice(0, end);
}

/** The 101 that a right server gives to this request. */
export function acceptResponse(requestHead: string, more: readonly string[] = []): string {
  const accept = acceptKey(requestFieldValue(requestHead, "sec-websocket-key") ?? "");
  return ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", `Sec-WebSocket-Accept: ${accept}`, ...more, "", ""].join("\r\n");
}

/** A peer that upgrades every request, and then plays `onSocket`. */
export function startUpgradedPeer(onSocket: (socket: Socket) => void | Promise<void>): Promise<BytePeer> {
  return startBytePeer(async (socket) => {
    const head = await readRequestHead(socket);
    socket.write(acceptResponse(head));
    await onSocket(socket);
  });
}
