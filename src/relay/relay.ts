import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { Pipe, resetSocket } from "./pipe.js";

/** Which way bytes go. */
export type RelayDirection = "to-target" | "to-client";

export interface RelayOptions {
  readonly target: { readonly host: string; readonly port: number };
  /** Cut into TCP segments of this many bytes at most, one in each turn of the event loop; default: as they come. */
  readonly segmentBytes?: number | Readonly<Partial<Record<RelayDirection, number>>>;
  /** Every byte is held for so long; default 0. */
  readonly delayMs?: number | Readonly<Partial<Record<RelayDirection, number>>>;
  /** Bytes held at most for each direction of a connection; default 256 KiB. */
  readonly maxHeldBytes?: number;
  /** Bound on the dial of the target, after which the client is reset; default 5000. */
  readonly connectWithinMs?: number;
  readonly onConnection?: (connection: RelayedConnection) => void;
}

/** What came from one side so far. */
export interface RelayCount {
  readonly bytes: number;
  /** In microseconds of `performance.now()`, like all times of the harness; undefined before any byte. */
  readonly firstInboundAtMicros: number | undefined;
  readonly lastInboundAtMicros: number | undefined;
}

/** One connection of a client, and the one to the target that it is joined to. */
export interface RelayedConnection {
  readonly fromClient: RelayCount;
  readonly fromTarget: RelayCount;
  /** Forwards and reads nothing more; both directions unless one is named. */
  stall(direction?: RelayDirection): void;
  resume(direction?: RelayDirection): void;
  /**
   * Ends TCP on one side, or both. FIN: nothing more goes to that side, what it sends is still forwarded. Reset: nothing is forwarded any more, and the
   * other side, if it is not cut, stays open and hears nothing.
   */
  cut(how: "fin" | "rst", side: "client" | "target" | "both"): void;
  /** Settles once both sockets are closed; never rejects. */
  readonly ended: Promise<void>;
}

export interface Relay {
  readonly host: "127.0.0.1";
  readonly port: number;
  /** Those that are open, in order. */
  readonly connections: readonly RelayedConnection[];
  /** Resets what is open, and listens no more. */
  close(): Promise<void>;
}

/** Listens on a free loopback port, and joins each connection to one of its own to the target. Ends and resets are passed on. */
export async function startRelay(options: RelayOptions): Promise<Relay> {
  const open = new Map<RelayedConnection, () => void>();
  const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (client) => {
    const joined = joinToTarget(client, options);
    open.set(joined.connection, joined.reset);
    void joined.connection.ended.then(() => open.delete(joined.connection));
    options.onConnection?.(joined.connection);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    host: "127.0.0.1",
    port: (server.address() as AddressInfo).port,
    get connections() {
      return [...open.keys()];
    },
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const reset of open.values()) reset();
      await closed;
    },
  };
}

function joinToTarget(client: Socket, options: RelayOptions): { readonly connection: RelayedConnection; readonly reset: () => void } {
  const target = connect({ ...options.target, allowHalfOpen: true, noDelay: true });
  const toTarget = new Pipe(client, target, pipeOptions(options, "to-target"));
  const toClient = new Pipe(target, client, pipeOptions(options, "to-client"));
  const timer = setTimeout(() => resetBoth(), options.connectWithinMs ?? 5000);
  const resetBoth = (): void => {
    clearTimeout(timer);
    toTarget.stop();
    toClient.stop();
    resetSocket(client);
    resetSocket(target);
  };
  let joined = false;
  target.once("connect", () => {
    joined = true;
    clearTimeout(timer);
    toTarget.start();
    toClient.start();
  });
  client.on("error", ignore);
  target.on("error", () => {
    if (!joined) resetBoth();
  });
  const ended = Promise.all([closeOf(client), closeOf(target)]).then(() => clearTimeout(timer));
  const each = (direction: RelayDirection | undefined, act: (pipe: Pipe) => void): void => {
    if (direction !== "to-client") act(toTarget);
    if (direction !== "to-target") act(toClient);
  };
  const connection: RelayedConnection = {
    fromClient: toTarget,
    fromTarget: toClient,
    stall: (direction) => each(direction, (pipe) => pipe.stall()),
    resume: (direction) => each(direction, (pipe) => pipe.resume()),
    cut(how, side) {
      for (const [socket, pipe] of [[client, toClient] as const, [target, toTarget] as const]) {
        if (side !== "both" && side !== (socket === client ? "client" : "target")) continue;
        pipe.stop();
        if (how === "fin") socket.end();
        else {
          toClient.stop();
          toTarget.stop();
          resetSocket(socket);
        }
      }
    },
    ended,
  };
  return { connection, reset: resetBoth };
}

function pipeOptions(options: RelayOptions, direction: RelayDirection): { segmentBytes: number; delayMs: number; maxHeldBytes: number } {
  const { segmentBytes, delayMs } = options;
  return {
    segmentBytes: (typeof segmentBytes === "object" ? segmentBytes[direction] : segmentBytes) ?? Infinity,
    delayMs: (typeof delayMs === "object" ? delayMs[direction] : delayMs) ?? 0,
    maxHeldBytes: options.maxHeldBytes ?? 256 * 1024,
  };
}

function closeOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

function ignore(): void {}
