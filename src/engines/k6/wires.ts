import grpc from "k6/net/grpc";
import { WebSocket } from "k6/websockets";
import type { K6Target } from "./plan.js";
import { nowMicros, plan } from "./run.js";
import type { Sheet } from "./sheet.js";

/** What a transport tells of a stream. */
export interface Hearing {
  /** @param wallMs when it came, by the wall clock; undefined: just now. */
  entry(message: unknown, bytes: number, wallMs: number | undefined): void;
  /** `text` is undefined when the server ended it cleanly. */
  ended(text: string | undefined, kind: "rejected" | "disconnected"): void;
}

export interface Wire {
  send(message: object): void;
  end(): void;
  close(): void;
}

const clients = plan.targets.map((target) => {
  if (target.transport !== "grpc") {
    return undefined;
  }
  const client = new grpc.Client();
  // The path counts from this script's folder.
  client.loadProtoset(target.protoset ?? "");
  return client;
});

const connected = new Set<number>();

/** Ends what it opened; over WebSocket there is none. */
export function closeClient(target: number): void {
  clients[target]?.close();
}

function tlsOf(target: K6Target): grpc.TLSParams {
  // k6's types ask for a client certificate, k6 itself does not.
  return { ...(target.ca === null ? {} : { cacerts: target.ca }), ...plan.clientCertificate } as grpc.TLSParams;
}

export async function openGrpc(target: K6Target, index: number, sheet: Sheet, hearing: Hearing): Promise<Wire> {
  const client = clients[index];
  if (client === undefined) {
    throw new Error("the target has no client");
  }
  if (!connected.has(index)) {
    const from = nowMicros();
    client.connect(target.address, {
      plaintext: target.plaintext,
      timeout: "5s",
      ...(target.plaintext ? {} : { tls: tlsOf(target) }),
    });
    connected.add(index);
    sheet.time("connect", nowMicros() - from, nowMicros());
  }
  const stream = new grpc.Stream(client, target.method, { metadata: { ...target.headers } });
  let closed = false;
  let failure: string | undefined;
  let lost = false;
  stream.on("data", (message) => {
    if (!closed) {
      hearing.entry(message, 0, undefined);
    }
  });
  stream.on("error", (error) => {
    const { code, message } = (error ?? {}) as { code?: number; message?: string };
    failure ??= `gRPC ${code ?? "error"}: ${message ?? "no message"}`;
    lost = code === 14;
  });
  // Closing the client fires `error` and `end` on every stream, so what comes after that says nothing of the server.
  stream.on("end", () => {
    if (!closed) {
      hearing.ended(failure, lost ? "disconnected" : "rejected");
    }
  });
  return {
    send: (message) => stream.write(message),
    end: () => stream.end(),
    close() {
      if (!closed) {
        closed = true;
        connected.delete(index);
        client.close();
      }
    },
  };
}

export function openWebSocket(target: K6Target, sheet: Sheet, hearing: Hearing): Promise<Wire> {
  const from = nowMicros();
  return new Promise((resolve, reject) => {
    const headers = { ...target.headers, ...(target.subprotocols.length === 0 ? {} : { "Sec-WebSocket-Protocol": target.subprotocols.join(", ") }) };
    const socket = new WebSocket(target.address, null, { headers });
    let opened = false;
    let closed = false;
    let failure: string | undefined;
    socket.onopen = () => {
      opened = true;
      sheet.time("open", nowMicros() - from, nowMicros());
      resolve({
        send: (message) => socket.send(JSON.stringify(message)),
        end() {
          if (target.endText === null) {
            socket.close(1000);
          } else {
            socket.send(target.endText);
          }
        },
        close() {
          closed = true;
          socket.close(1000);
        },
      });
    };
    socket.onmessage = (event) => {
      if (closed || event === undefined) {
        return;
      }
      const { data, timestamp } = event as unknown as { data: unknown; timestamp: number };
      let message: unknown;
      try {
        message = typeof data === "string" ? JSON.parse(data) : undefined;
      } catch {
        message = undefined;
      }
      hearing.entry(message, typeof data === "string" ? data.length : 0, timestamp);
    };
    socket.onerror = (event) => {
      failure ??= String((event as unknown as { error?: unknown } | undefined)?.error ?? "error");
      if (!opened) {
        reject(new Error(failure));
      }
    };
    socket.onclose = () => {
      if (opened && !closed) {
        closed = true;
        hearing.ended(failure, "disconnected");
      }
    };
  });
}
