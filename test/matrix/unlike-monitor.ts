import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocketServer, type WebSocket } from "ws";

/** How a monitor that is not the default one speaks, and what it does wrong. */
export interface UnlikeMonitorOptions {
  /** Commands in, batches of entries, acks and pings out; else filters in, and one entry a message. */
  readonly wrapped: boolean;
  /** Entries carry the text that they were written with. */
  readonly texts: boolean;
  /** Rooms of later filters are added to those of the first. */
  readonly merges?: boolean;
  /** Of many events in one message the last is lost. */
  readonly losesLast?: boolean;
  /** Commands are acked before they have an effect, the first of a stream alone, or not at all. */
  readonly acks?: "early" | "first" | "never";
  /** What no filter can be read from ends the streams of all. */
  readonly sharesFate?: boolean;
  /** An entry is taken only when every reader has taken those before. */
  readonly waitsForReaders?: boolean;
  /** What the first number of an event follows; it is written as a JSON number, however long. Default 0. */
  readonly idsAfter?: bigint;
}

export interface UnlikeMonitor {
  readonly port: number;
  /** Its contract, which states no more than it must. */
  readonly contract: string;
  close(): Promise<void>;
}

interface RoomEvent {
  readonly id: number;
  readonly room: string;
  readonly type: string;
  readonly text?: string;
}

interface Wanted {
  readonly cmd?: string;
  readonly rooms?: readonly string[];
  readonly types?: readonly string[];
}

const types = ["message", "join", "leave"];

/** The events of some rooms over WebSocket: what stands in a filter and in an event must be a room or a type as it knows them. */
export async function startUnlikeMonitor(options: UnlikeMonitorOptions): Promise<UnlikeMonitor> {
  const members = new Set<{ offer(event: RoomEvent): void }>();
  let id = 0;
  const publish = (event: Omit<RoomEvent, "id">): number => {
    id += 1;
    for (const member of members) {
      member.offer({ id, ...event });
    }
    return id;
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const room = /^\/rooms\/([^/]+)\/events$/.exec(request.url ?? "")?.[1];
      const body = (room === undefined ? {} : JSON.parse(Buffer.concat(chunks).toString())) as { readonly type?: string; readonly text?: string };
      if (room === undefined || !isRoom(room)) {
        response.writeHead(404).end();
      } else if (body.type === undefined || !types.includes(body.type)) {
        response.writeHead(422).end(`no type ${String(body.type)}`);
      } else {
        const event = { room, type: body.type, ...(options.texts ? { text: String(body.text) } : {}) };
        const take = (): void => {
          if (options.waitsForReaders === true && [...upgrades.clients].some(({ bufferedAmount }) => bufferedAmount > 65_536)) {
            setTimeout(take, 10).unref();
          } else {
            response.writeHead(201).end(JSON.stringify({ event: { id: publish(event) } }));
          }
        };
        take();
      }
    });
  });
  const upgrades = new WebSocketServer({ server, path: "/feed", maxPayload: 4096 });
  upgrades.on("connection", (socket) => {
    const member = options.wrapped ? wrappedMember(socket, options) : plainMember(socket, options, upgrades.clients);
    members.add(member);
    socket.on("message", (data: Buffer) => member.hear(data.toString()));
    socket.on("close", () => members.delete(member));
    socket.on("error", () => members.delete(member));
  });
  let n = 0;
  const ticking = setInterval(() => {
    n += 1;
    publish({ room: ["lobby", "dev", "ops"][n % 3] ?? "", type: types[(n >> 1) % 3] ?? "", ...(options.texts ? { text: `tick ${n}` } : {}) });
  }, 20);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    contract: options.wrapped ? wrappedContract : plainContract(options.texts),
    close: async () => {
      clearInterval(ticking);
      for (const socket of upgrades.clients) {
        socket.terminate();
      }
      upgrades.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function plainMember(
  socket: WebSocket,
  { merges, sharesFate, idsAfter = 0n }: UnlikeMonitorOptions,
  all: ReadonlySet<WebSocket>,
): { offer(event: RoomEvent): void; hear(text: string): void } {
  let wanted: Wanted | undefined;
  return {
    offer(event) {
      if (wanted !== undefined && passes(wanted, event)) {
        socket.send(JSON.stringify(event).replace(/"id":\d+/, `"id":${idsAfter + BigInt(event.id)}`));
      }
    },
    hear(text) {
      const next = read(text);
      if (next === undefined || !isValid(next)) {
        for (const one of sharesFate === true && next === undefined ? all : [socket]) {
          one.close(1008, "invalid filter");
        }
      } else {
        const before = merges === true ? wanted?.rooms : undefined;
        wanted = before === undefined ? next : { ...next, rooms: [...before, ...(next.rooms ?? [])] };
      }
    },
  };
}

function wrappedMember(socket: WebSocket, { acks, losesLast }: UnlikeMonitorOptions): { offer(event: RoomEvent): void; hear(text: string): void } {
  const say = (message: object): void => socket.send(JSON.stringify(message));
  let wanted: Wanted | undefined;
  let acked = 0;
  let batch: RoomEvent[] = [];
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (batch.length > 0) {
      say({ kind: "events", items: losesLast === true && batch.length > 5 ? batch.slice(0, -1) : batch });
      batch = [];
    }
  };
  say({ kind: "hello" });
  return {
    offer(event) {
      if (wanted !== undefined && passes(wanted, event)) {
        batch.push(event);
        timer ??= setTimeout(flush, 3);
      }
    },
    hear(text) {
      const command = read(text);
      if (command?.cmd === "bye") {
        flush();
        socket.close(1000);
        // The library itself waits for the client's Close for 30 s.
        setTimeout(() => socket.terminate(), 300).unref();
      } else if (command !== undefined && command.cmd !== "subscribe") {
        socket.close(1008, "no such command");
      } else if (command === undefined || !isValid(command)) {
        say({ kind: "error" });
      } else {
        flush();
        if (acks === "early") {
          setTimeout(() => (wanted = command), 60);
        } else {
          wanted = command;
        }
        if (acks !== "never" && !(acks === "first" && acked++ > 0)) {
          say({ kind: "subscribed" });
        }
      }
    },
  };
}

function passes(wanted: Wanted, event: RoomEvent): boolean {
  return wanted.rooms?.includes(event.room) !== false && wanted.types?.includes(event.type) !== false;
}

function isValid(wanted: Wanted): boolean {
  return (wanted.rooms ?? []).every(isRoom) && (wanted.types ?? []).every((type) => types.includes(type));
}

function isRoom(name: string): boolean {
  return /^[a-z]{1,20}$/.test(name);
}

function read(text: string): Wanted | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const shared = `filters:
  everything: {}
  lobby: { rooms: [lobby] }
  dev: { rooms: [dev] }
  joins: { types: [join] }
  nobody: { rooms: [nowhere] }
  shouting: { types: [shout] }
match:
  - { filter: rooms, entry: room, rule: one-of }
  - { filter: types, entry: type, rule: one-of }
limits: { filter-bytes: 4096 }
`;

const plainContract = (texts: boolean): string => `name: plain
websocket: { path: /feed }
${shared}roles: { broad: everything, disjoint: [lobby, dev], overlap: [lobby, joins], silent: nobody, invalid: [shouting] }
entries: { sequence: id, required: [id, room, type] }
producer: { http: "POST /rooms/{room}/events", body: '{"type":"{type}"${texts ? ',"text":"{token}"' : ""}}', sequences: { first: event.id } }
`;

const wrappedContract = `name: wrapped
websocket: { path: /feed, end: '{"cmd":"bye"}' }
${shared}roles:
  broad: everything
  disjoint: [lobby, dev]
  overlap: [lobby, joins]
  silent: nobody
  invalid: [{ filter: shouting, rejection: message }]
open: [{ cmd: subscribe, rooms: $filter.rooms, types: $filter.types }]
messages:
  ack: message.kind == "subscribed"
  rejection: message.kind == "error"
  ignore: [{ name: hello, when: message.kind == "hello" }]
entries: { where: message.kind == "events", each: items, sequence: id, required: [id, room, type, text] }
producer: { http: "POST /rooms/{room}/events", body: '{"type":"{type}","text":"{token}"}' }
`;
