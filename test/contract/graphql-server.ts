import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocketServer, type WebSocket } from "ws";

interface LogEntry {
  readonly sequence: number;
  readonly time: string;
  readonly severity: number;
  readonly source: string;
  readonly text: string;
}

interface Variables {
  readonly source?: string;
  readonly minSeverity?: number;
}

/** A log behind the graphql-transport-ws protocol, strict about its order: no operation before connection_init, ids used once at a time. */
export async function startGraphqlServer(port = 0): Promise<{ readonly port: number; close(): Promise<void> }> {
  const operations = new Set<(entry: LogEntry) => void>();
  let sequence = 0;
  const http = createServer((request, response) => {
    const write = async (): Promise<void> => {
      const variables = parse(await readBody(request))?.["variables"] as Omit<LogEntry, "sequence" | "time"> | undefined;
      if (typeof variables?.severity !== "number") {
        response.writeHead(400).end("severity is an Int");
        return;
      }
      sequence += 1;
      const entry: LogEntry = { sequence, time: new Date().toISOString(), ...variables };
      for (const deliver of operations) {
        deliver(entry);
      }
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ data: { write: { sequence } } }));
    };
    void write();
  });
  const sockets = new WebSocketServer({
    server: http,
    path: "/graphql",
    handleProtocols: (offered) => (offered.has("graphql-transport-ws") ? "graphql-transport-ws" : false),
  });
  sockets.on("connection", (socket) => serve(socket, operations));
  await new Promise<void>((resolve) => http.listen(port, "127.0.0.1", resolve));
  return {
    port: (http.address() as AddressInfo).port,
    close() {
      for (const socket of sockets.clients) {
        socket.terminate();
      }
      http.closeAllConnections();
      return new Promise((resolve) => http.close(() => resolve()));
    },
  };
}

function serve(socket: WebSocket, operations: Set<(entry: LogEntry) => void>): void {
  const own = new Map<string, (entry: LogEntry) => void>();
  const say = (message: object): void => socket.send(JSON.stringify(message));
  const forget = (id: string): void => {
    const deliver = own.get(id);
    if (deliver !== undefined) {
      operations.delete(deliver);
      own.delete(id);
    }
  };
  let initialised = false;
  if (socket.protocol !== "graphql-transport-ws") {
    socket.close(4406, "Subprotocol not acceptable");
  }
  socket.on("error", () => undefined);
  socket.on("close", () => {
    for (const id of own.keys()) {
      forget(id);
    }
  });
  socket.on("message", (data, isBinary) => {
    const message = parse(isBinary ? "" : String(data));
    const id = typeof message?.["id"] === "string" ? message["id"] : "";
    switch (message?.["type"]) {
      case "connection_init":
        // The answer takes its time, as one that looks up a session does.
        setImmediate(() => {
          initialised = true;
          say({ type: "connection_ack" });
          say({ type: "ping" });
        });
        return;
      case "ping":
        say({ type: "pong" });
        return;
      case "pong":
        return;
      case "complete":
        forget(id);
        return;
      case "subscribe": {
        const { variables } = (message["payload"] ?? { variables: {} }) as { readonly variables: Variables };
        if (!initialised) {
          socket.close(4401, "Unauthorized");
          return;
        }
        if (id === "" || own.has(id)) {
          socket.close(4409, `Subscriber for ${id} already exists`);
          return;
        }
        if (variables.minSeverity !== undefined && variables.minSeverity < 0) {
          say({ id, type: "error", payload: [{ message: "minSeverity is not negative" }] });
          return;
        }
        const deliver = (entry: LogEntry): void => {
          if ((variables.source === undefined || variables.source === entry.source) && entry.severity >= (variables.minSeverity ?? 0)) {
            say({ id, type: "next", payload: { data: { log: entry } } });
          }
        };
        own.set(id, deliver);
        operations.add(deliver);
        return;
      }
      default:
        socket.close(4400, "Invalid message");
    }
  });
}

function parse(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) {
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
