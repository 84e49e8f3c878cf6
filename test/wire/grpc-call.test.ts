import { Server, ServerCredentials, status as grpcStatus, type ServerDuplexStream } from "@grpc/grpc-js";
import t, { type Test } from "tap";

import { openGrpcCall } from "../../src/wire/grpc-call.js";
import { connectHttp2 } from "../../src/wire/http2-connection.js";

const bytes = (value: Buffer): Buffer => value;
const METHOD = {
  path: "/test.Echo/Echo",
  requestStream: true,
  responseStream: true,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
};
type Handler = (call: ServerDuplexStream<Buffer, Buffer>) => void;

async function grpcServer(test: Test, handler: Handler): Promise<number> {
  const server = new Server();
  server.addService({ echo: METHOD }, { echo: handler });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  test.teardown(() => server.forceShutdown());
  return port;
}

const echo: Handler = (call) => {
  call.on("data", (message: Buffer) => call.write(message));
  call.on("end", () => call.end());
};

t.test("messages echoed by grpc-js come back whole, in order, plain and gzipped", async (t) => {
  const port = await grpcServer(t, echo);
  for (const encoding of [undefined, "gzip"]) {
    const connection = await connectHttp2({ host: "127.0.0.1", port, connectTimeoutMs: 5000 });
    const received: string[] = [];
    const call = openGrpcCall(connection, { path: METHOD.path, ...(encoding ? { encoding } : {}), onMessage: (message) => received.push(message.toString()) });
    const sent = Array.from({ length: 50 }, (_, at) => `message ${at} `.repeat(at * 40));
    for (const text of sent) t.equal(await call.send(Buffer.from(text)), true);
    await call.halfClose();
    const end = await call.ended;
    t.match(end, { status: 0, source: "trailers", trailersOnly: false });
    t.same(received, sent);
    await connection.close();
  }
});

t.test("messages just before an error status are delivered before it, its text decoded", async (t) => {
  const port = await grpcServer(t, (call) => {
    for (let at = 0; at < 100; at += 1) call.write(Buffer.from(`${at}`));
    call.emit("error", { code: grpcStatus.RESOURCE_EXHAUSTED, details: "voll: 100 % für heute ☃" });
  });
  const connection = await connectHttp2({ host: "127.0.0.1", port, connectTimeoutMs: 5000 });
  let received = 0;
  const call = openGrpcCall(connection, { path: METHOD.path, onMessage: () => (received += 1) });
  t.match(await call.ended, { status: 8, message: "voll: 100 % für heute ☃", source: "trailers" });
  t.equal(received, 100);
  await connection.close();
});

t.test("an unknown method ends trailers-only with UNIMPLEMENTED", async (t) => {
  const port = await grpcServer(t, echo);
  const connection = await connectHttp2({ host: "127.0.0.1", port, connectTimeoutMs: 5000 });
  const call = openGrpcCall(connection, { path: "/test.Echo/Nothing" });
  t.match(await call.ended, { status: 12, trailersOnly: true });
  t.equal(await call.initialMetadata, undefined);
  await connection.close();
});

t.test("a deadline is the server's to enforce", async (t) => {
  const port = await grpcServer(t, () => {});
  const connection = await connectHttp2({ host: "127.0.0.1", port, connectTimeoutMs: 5000 });
  const call = openGrpcCall(connection, { path: METHOD.path, grpcTimeout: "30m" });
  const end = await call.ended;
  t.ok(end.status === 4 || end.resetCode === 8, end.detail);
  await connection.close();
});
