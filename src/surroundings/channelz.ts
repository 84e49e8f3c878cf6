import type { Client } from "@grpc/grpc-js";
import protobuf from "protobufjs";
import { callOn, type GrpcAddress } from "./grpc-unary.js";

/** How many sockets of the server are looked at; beyond it the count would cost more than it tells. */
const mostSockets = 2000;

/** What of grpc/channelz/v1/channelz.proto is needed: names and numbers are the protocol's. */
const channelzTypes = protobuf.Root.fromJSON({
  nested: {
    ServerRef: { fields: { server_id: { id: 5, type: "int64" } } },
    SocketRef: { fields: { socket_id: { id: 3, type: "int64" } } },
    Server: { fields: { ref: { id: 1, type: "ServerRef" } } },
    SocketData: {
      fields: { streams_started: { id: 1, type: "int64" }, streams_succeeded: { id: 2, type: "int64" }, streams_failed: { id: 3, type: "int64" } },
    },
    Socket: { fields: { data: { id: 2, type: "SocketData" } } },
    GetServersRequest: { fields: { start_server_id: { id: 1, type: "int64" } } },
    GetServersResponse: { fields: { server: { id: 1, type: "Server", rule: "repeated" }, end: { id: 2, type: "bool" } } },
    GetServerSocketsRequest: { fields: { server_id: { id: 1, type: "int64" }, start_socket_id: { id: 2, type: "int64" } } },
    GetServerSocketsResponse: { fields: { socket_ref: { id: 1, type: "SocketRef", rule: "repeated" }, end: { id: 2, type: "bool" } } },
    GetSocketRequest: { fields: { socket_id: { id: 1, type: "int64" } } },
    GetSocketResponse: { fields: { socket: { id: 1, type: "Socket" } } },
  },
});

export type ChannelzCount = { readonly kind: "counted"; readonly openStreams: number } | { readonly kind: "unavailable"; readonly reason: string };

/**
 * Streams that the server's sockets have started and not ended, over all its servers, by gRPC's channelz service;
 * the call that asks is not counted.
 */
export async function countOpenStreams(client: Client, address: GrpcAddress, timeoutMs: number): Promise<ChannelzCount> {
  const ask = async (method: string, request: object): Promise<Record<string, unknown>> => {
    const answer = await callOn(client, address, {
      path: `/grpc.channelz.v1.Channelz/${method}`,
      request: channelzTypes.lookupType(`${method}Request`).encode(request).finish(),
      timeoutMs,
    });
    if (answer.kind === "refused") {
      throw new ChannelzRefusal(answer.status === 12 ? "the server does not serve grpc.channelz.v1.Channelz" : `channelz ${method}: ${answer.detail}`);
    }
    return channelzTypes
      .lookupType(`${method}Response`)
      .toObject(channelzTypes.lookupType(`${method}Response`).decode(answer.bytes), { longs: Number, defaults: true, arrays: true });
  };
  try {
    let open = 0;
    let seen = 0;
    for (const server of await pages(
      ask,
      "GetServers",
      (start) => ({ start_server_id: start }),
      "server",
      (item) => at(item, "ref", "server_id"),
    )) {
      const serverId = at(server, "ref", "server_id");
      for (const socket of await pages(
        ask,
        "GetServerSockets",
        (start) => ({ server_id: serverId, start_socket_id: start }),
        "socket_ref",
        (item) => at(item, "socket_id"),
      )) {
        seen += 1;
        if (seen > mostSockets) {
          return { kind: "unavailable", reason: `the server has more than ${mostSockets} sockets` };
        }
        open += await socketStreams(ask, at(socket, "socket_id"));
      }
    }
    // The call for our own socket's data is itself a stream that has begun and not ended.
    return { kind: "counted", openStreams: Math.max(0, open - 1) };
  } catch (thrown) {
    if (thrown instanceof ChannelzRefusal) {
      return { kind: "unavailable", reason: thrown.message };
    }
    throw thrown;
  }
}

class ChannelzRefusal extends Error {}

type Ask = (method: string, request: object) => Promise<Record<string, unknown>>;

async function socketStreams(ask: Ask, socketId: number): Promise<number> {
  try {
    const data = (await ask("GetSocket", { socket_id: socketId }))["socket"];
    return at(data, "data", "streams_started") - at(data, "data", "streams_succeeded") - at(data, "data", "streams_failed");
  } catch (thrown) {
    // A socket that closed between the two calls has no open streams.
    if (thrown instanceof ChannelzRefusal && thrown.message.includes("NOT_FOUND")) {
      return 0;
    }
    throw thrown;
  }
}

/** All items of a list that the server gives in pages. */
async function pages(ask: Ask, method: string, request: (start: number) => object, list: string, idOf: (item: unknown) => number): Promise<readonly unknown[]> {
  const items: unknown[] = [];
  let start = 0;
  for (;;) {
    const answer = await ask(method, request(start));
    const page = answer[list] as readonly unknown[];
    items.push(...page);
    const last = page.at(-1);
    if (answer["end"] === true || last === undefined || items.length > mostSockets) {
      return items;
    }
    start = idOf(last) + 1;
  }
}

function at(value: unknown, ...path: readonly string[]): number {
  const found = path.reduce<unknown>(
    (inner, step) => (typeof inner === "object" && inner !== null ? (inner as Record<string, unknown>)[step] : undefined),
    value,
  );
  return typeof found === "number" ? found : 0;
}
