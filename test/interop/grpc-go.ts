// grpc-go's interop cases for FullDuplexCall (grpc/doc/interop-test-descriptions.md), driven by our own gRPC client.
// Usage: node dist/test/interop/grpc-go.js PORT; prints TAP-like lines and `N passed, N failed`.
import assert from "node:assert/strict";

import protobuf from "protobufjs";

import { headerValue, openGrpcCall, type GrpcCall, type GrpcCallOptions, type GrpcEnd } from "../../src/wire/grpc-call.js";
import { decodeBinaryValues, encodeMessage } from "../../src/wire/grpc-messages.js";
import { connectHttp2, type Http2ConnectOptions } from "../../src/wire/http2-connection.js";

// The fields of grpc.testing that these cases use.
const SCHEMA = `
  syntax = "proto3";
  message Payload { int32 type = 1; bytes body = 2; }
  message BoolValue { bool value = 1; }
  message ResponseParameters { int32 size = 1; int32 interval_us = 2; BoolValue compressed = 3; }
  message EchoStatus { int32 code = 1; string message = 2; }
  message Request { repeated ResponseParameters response_parameters = 2; Payload payload = 3; EchoStatus response_status = 7; }
  message Response { Payload payload = 1; }
`;
const root = protobuf.parse(SCHEMA).root;
const FULL_DUPLEX = "/grpc.testing.TestService/FullDuplexCall";
const PING_PONG = [
  [27_182, 31_415],
  [8, 9],
  [1828, 2653],
  [45_904, 58_979],
] as const;
const ODD_TEXT = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
const BOUND_MS = 10_000;

interface RequestFields {
  readonly requestBytes?: number;
  readonly responseBytes?: number;
  readonly intervalUs?: number;
  readonly compressed?: boolean;
  readonly status?: { readonly code: number; readonly message: string };
}

function encodeRequest(fields: RequestFields): Uint8Array {
  const type = root.lookupType("Request");
  const parameters = { size: fields.responseBytes, intervalUs: fields.intervalUs ?? 0, ...(fields.compressed ? { compressed: { value: true } } : {}) };
  const message = {
    responseParameters: fields.responseBytes === undefined ? [] : [parameters],
    ...(fields.requestBytes === undefined ? {} : { payload: { body: Buffer.alloc(fields.requestBytes) } }),
    ...(fields.status === undefined ? {} : { responseStatus: fields.status }),
  };
  return type.encode(type.fromObject(message)).finish();
}

/** A call whose response sizes can be awaited one by one. */
class Conversation {
  readonly call: GrpcCall;
  readonly sizes: number[] = [];
  #wake: () => void = () => {};

  constructor(connection: Parameters<typeof openGrpcCall>[0], options: Partial<GrpcCallOptions>) {
    this.call = openGrpcCall(connection, {
      path: FULL_DUPLEX,
      ...options,
      onMessage: (message) => {
        const response = root.lookupType("Response").decode(message) as unknown as { payload?: { body: Uint8Array } };
        this.sizes.push(response.payload?.body.length ?? 0);
        this.#wake();
      },
      onEnd: () => this.#wake(),
    });
  }

  /** Resolves when `count` responses are there, or the call has ended. */
  async reach(count: number): Promise<void> {
    while (this.sizes.length < count && this.call.stream.end === undefined) await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}

const port = Number(process.argv[2]);

async function converse(
  act: (conversation: Conversation) => Promise<void>,
  options: Partial<GrpcCallOptions> = {},
  connect: Partial<Http2ConnectOptions> = {},
): Promise<GrpcEnd & { readonly sizes: readonly number[] }> {
  const connection = await connectHttp2({ host: "127.0.0.1", port, connectTimeoutMs: BOUND_MS, ...connect });
  const timer = setTimeout(() => connection.destroy(), BOUND_MS);
  try {
    const conversation = new Conversation(connection, options);
    await act(conversation);
    const end = await conversation.call.ended;
    return { ...end, sizes: conversation.sizes };
  } finally {
    clearTimeout(timer);
    await connection.close();
  }
}

async function pingPong(conversation: Conversation): Promise<void> {
  for (const [at, [requestBytes, responseBytes]] of PING_PONG.entries()) {
    await conversation.call.send(encodeRequest({ requestBytes, responseBytes }));
    await conversation.reach(at + 1);
  }
  await conversation.call.halfClose();
}

const PONGS = PING_PONG.map(([, responseBytes]) => responseBytes);

const CASES: Readonly<Record<string, () => Promise<void>>> = {
  empty_stream: async () => {
    const end = await converse(async ({ call }) => void (await call.halfClose()));
    assert.deepEqual([end.status, end.sizes], [0, []]);
  },
  ping_pong: async () => {
    const end = await converse(pingPong);
    assert.deepEqual([end.status, end.sizes], [0, PONGS]);
  },
  ping_pong_in_windows_of_one_byte: async () => {
    const act = async (conversation: Conversation): Promise<void> => {
      await conversation.call.send(encodeRequest({ requestBytes: 8, responseBytes: 90 }), { endStream: true });
    };
    const end = await converse(act, {}, { settings: { INITIAL_WINDOW_SIZE: 1 } });
    assert.deepEqual([end.status, end.sizes], [0, [90]]);
  },
  gzip: async () => {
    const act = async (conversation: Conversation): Promise<void> => {
      await conversation.call.send(encodeRequest({ requestBytes: 5000, responseBytes: 5000, compressed: true }), { endStream: true });
    };
    const end = await converse(act, { encoding: "gzip" });
    assert.deepEqual([end.status, end.sizes], [0, [5000]]);
  },
  messages_split_and_joined: async () => {
    const message = encodeMessage(encodeRequest({ requestBytes: 50, responseBytes: 7 }));
    const end = await converse(async ({ call }) => {
      for (const byte of message) call.stream.writeFrame(Buffer.from([byte]));
      call.stream.writeFrame(Buffer.concat([message, message]), { paddingBytes: 9 });
      await call.halfClose();
    });
    assert.deepEqual([end.status, end.sizes], [0, [7, 7, 7]]);
  },
  cancel_after_begin: async () => {
    const end = await converse(async ({ call }) => call.reset());
    assert.deepEqual([end.status, end.source], [1, "cancelled-locally"]);
  },
  cancel_after_first_response: async () => {
    const end = await converse(async (conversation) => {
      await conversation.call.send(encodeRequest({ requestBytes: 27_182, responseBytes: 31_415 }));
      await conversation.reach(1);
      conversation.call.reset();
    });
    assert.deepEqual([end.status, end.source, end.sizes], [1, "cancelled-locally", [31_415]]);
  },
  timeout_on_sleeping_server: async () => {
    const act = async ({ call }: Conversation): Promise<void> => {
      await call.send(encodeRequest({ requestBytes: 27_182, responseBytes: 1, intervalUs: 2_000_000 }));
    };
    const end = await converse(act, { grpcTimeout: "1m" });
    // grpc-go answers its own deadline with a status or with RST_STREAM CANCEL, by chance.
    assert.ok(end.status === 4 || end.resetCode === 8, `${end.status} by ${end.source}`);
  },
  status_code_and_message: async () => {
    const status = { code: 2, message: "test status message" };
    const end = await converse(async ({ call }) => void (await call.send(encodeRequest({ status }), { endStream: true })));
    assert.deepEqual([end.status, end.message, end.source], [2, status.message, "trailers"]);
  },
  special_status_message: async () => {
    const end = await converse(async ({ call }) => void (await call.send(encodeRequest({ status: { code: 2, message: ODD_TEXT } }), { endStream: true })));
    assert.deepEqual([end.status, end.message], [2, ODD_TEXT]);
  },
  custom_metadata: async () => {
    const metadata = [
      ["x-grpc-test-echo-initial", "test_initial_metadata_value"],
      ["x-grpc-test-echo-trailing-bin", Buffer.from("ababab", "hex")],
    ] as const;
    let initial: string | undefined;
    const act = async ({ call }: Conversation): Promise<void> => {
      await call.send(encodeRequest({ requestBytes: 1, responseBytes: 1 }), { endStream: true });
      initial = headerValue((await call.initialMetadata) ?? [], "x-grpc-test-echo-initial");
    };
    const end = await converse(act, { metadata });
    assert.equal(initial, "test_initial_metadata_value");
    assert.deepEqual(decodeBinaryValues(headerValue(end.trailers, "x-grpc-test-echo-trailing-bin") ?? ""), [Buffer.from("ababab", "hex")]);
    assert.equal(end.status, 0);
  },
  unimplemented_method: async () => {
    const end = await converse(async () => {}, { path: "/grpc.testing.TestService/NoSuchMethod" });
    assert.deepEqual([end.status, end.trailersOnly], [12, true]);
  },
  unimplemented_service: async () => {
    const end = await converse(async () => {}, { path: "/grpc.testing.NoSuchService/FullDuplexCall" });
    assert.equal(end.status, 12);
  },
};

let failed = 0;
for (const [name, run] of Object.entries(CASES)) {
  try {
    await run();
    console.log(`ok ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`not ok ${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
console.log(`${Object.keys(CASES).length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
