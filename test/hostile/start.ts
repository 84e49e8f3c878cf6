import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createEntryClock } from "../../src/reference/entry-clock.js";
import { Log } from "../../src/reference/log.js";
import { createRandom } from "../../src/core/random.js";
import type { Behaviour, Surroundings } from "./behaviour.js";
import { answerPlain } from "./websocket-server.js";

/** A hostile server that runs. */
export interface HostileServer {
  readonly url: string;
  /** Origin of an honest producer and probe; undefined where the hostile port has them itself. */
  readonly httpUrl: string | undefined;
  close(): Promise<void>;
}

const entriesPerSecond = 60;

/** Serves a behaviour on a free loopback port. */
export async function startHostileServer(behaviour: Behaviour, seed: number): Promise<HostileServer> {
  const log = new Log({ rate: entriesPerSecond, clock: createEntryClock() });
  const streams = { count: 0 };
  const random = createRandom(seed);
  const sockets = new Set<Socket>();
  let connectionsBefore = 0;
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
  };
  const surroundingsNow = (): Surroundings => ({ log, random, streams, connectionsBefore });
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    keep(socket);
    behaviour.serve(socket, surroundingsNow());
    connectionsBefore += 1;
  });
  const beside =
    behaviour.transport === "grpc"
      ? createHttpServer((request, response) => void answerPlain(surroundingsNow(), request, response)).on("connection", keep)
      : undefined;
  const port = await listen(server);
  const besidePort = beside === undefined ? undefined : await listen(beside);
  return {
    url: behaviour.transport === "grpc" ? `grpc://127.0.0.1:${port}` : `ws://127.0.0.1:${port}`,
    httpUrl: besidePort === undefined ? undefined : `http://127.0.0.1:${besidePort}`,
    async close() {
      log.stop();
      for (const socket of sockets) {
        socket.destroy();
      }
      await Promise.all([server, beside].flatMap((one) => (one === undefined ? [] : [closed(one)])));
    },
  };
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

async function closed(server: Server): Promise<void> {
  server.close();
  await once(server, "close");
}
