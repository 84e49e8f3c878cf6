import type { Contract, Filter, Message } from "../../src/core/contract.js";
import type { Connection, Driver, MonitorStream, OpenOptions, StreamEnd, StreamEvent } from "../../src/core/stream.js";
import type { Target } from "../../src/core/target.js";

/** A stream with everything that it told, and waits on it that are bounded. */
export interface Heard {
  readonly stream: MonitorStream;
  readonly events: readonly StreamEvent[];
  readonly messages: readonly Message[];
  readonly end: StreamEnd | undefined;
  /** Sends what opens the stream with a filter. */
  filter(filter: Filter): Promise<void>;
  /** Awaits the first value that `test` gives, looked for after every event; rejects after 5 s. */
  until<T>(test: () => T | undefined): Promise<T>;
}

const withinMs = 5000;

/** Opens a stream and listens to it. */
export async function hear(connection: Connection, contract: Contract, options: Omit<OpenOptions, "events"> = {}): Promise<Heard> {
  const events: StreamEvent[] = [];
  const messages: Message[] = [];
  const waiting = new Set<() => void>();
  let end: StreamEnd | undefined;
  const stream = await connection.open({
    ...options,
    events(event) {
      events.push(event);
      if (event.kind === "message") {
        messages.push(event.message);
      } else if (event.kind === "ended") {
        end = event.end;
      }
      for (const look of waiting) {
        look();
      }
    },
  });
  return {
    stream,
    events,
    messages,
    get end() {
      return end;
    },
    async filter(filter) {
      for (const message of contract.opening(filter, 1)) {
        await stream.send(message);
      }
    },
    until(test) {
      return new Promise((resolve, reject) => {
        const settle = (act: () => void): void => {
          waiting.delete(look);
          clearTimeout(timer);
          act();
        };
        const look = (): void => {
          const value = test();
          if (value !== undefined) {
            settle(() => resolve(value));
          }
        };
        const timer = setTimeout(() => settle(() => reject(new Error(`nothing after ${withinMs} ms; heard: ${JSON.stringify(events.slice(-5))}`))), withinMs);
        waiting.add(look);
        look();
      });
    },
  };
}

/** A target of the reference server, as the command line would make it. */
export function targetOf(
  driver: Driver,
  contract: Contract,
  ports: { readonly grpcPort: number; readonly httpPort: number },
  more: Partial<Target> = {},
): Target {
  const grpc = driver.transport === "grpc";
  const port = grpc ? ports.grpcPort : ports.httpPort;
  const scheme = `${grpc ? "grpc" : "ws"}${more.tls === undefined ? "" : "s"}`;
  return {
    url: `${scheme}://127.0.0.1:${port}`,
    transport: driver.transport,
    host: "127.0.0.1",
    port,
    tls: undefined,
    path: (grpc ? contract.grpc?.path : contract.websocket?.path) ?? "/",
    headers: [],
    contract,
    ...more,
  };
}
