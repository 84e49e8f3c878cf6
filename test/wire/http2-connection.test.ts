import { createServer as createHttp2Server, type Http2Server, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";

import t, { type Test } from "tap";

import { connectHttp2, type FrameRecord } from "../../src/wire/http2-connection.js";
import { FRAME } from "../../src/wire/http2-frames.js";
import type { Http2StreamEvent } from "../../src/wire/http2-stream.js";

const REQUEST = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/echo"],
  [":authority", "localhost"],
] as const;

async function echoServer(test: Test, onStream?: (stream: ServerHttp2Stream) => void): Promise<{ port: number; server: Http2Server }> {
  const server = createHttp2Server();
  server.on("stream", (stream) => {
    stream.on("error", () => {});
    if (onStream) onStream(stream);
    else {
      stream.respond({ ":status": 200 });
      stream.pipe(stream);
    }
  });
  server.on("sessionError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  test.teardown(() => new Promise((resolve) => server.close(resolve)));
  return { port: (server.address() as AddressInfo).port, server };
}

t.test("a request to node's http2 server comes back in order and ends", async (t) => {
  const { port } = await echoServer(t);
  const connection = await connectHttp2({ host: "127.0.0.1", port, connectTimeoutMs: 5000 });
  const body = Buffer.alloc(300_000, "abcdefghij");
  const received: Buffer[] = [];
  const kinds: string[] = [];
  const stream = connection.request(REQUEST, {
    onEvent: (event: Http2StreamEvent) => {
      if (event.kind !== "window" && kinds.at(-1) !== event.kind) kinds.push(event.kind);
      if (event.kind === "data") received.push(Buffer.from(event.data));
    },
  });
  t.equal(await stream.write(body, { endStream: true }), true);
  t.match(await stream.ended, { kind: "end-stream" });
  t.ok(Buffer.concat(received).equals(body));
  t.same(kinds, ["headers", "data", "ended"]);
  t.ok((await connection.ping({ withinMs: 5000 })) !== undefined);
  t.equal(connection.openStreams, 0);
  await connection.close();
  t.match(await connection.closed, { kind: "closed-locally" });
});

t.test("reset sends RST_STREAM without a half-close before it", async (t) => {
  let settle: (code: number) => void = () => {};
  const code = new Promise<number>((resolve) => (settle = resolve));
  const { port } = await echoServer(t, (stream) => {
    stream.respond({ ":status": 200 });
    stream.on("close", () => settle(stream.rstCode ?? -1));
    stream.resume();
  });
  const sent: number[] = [];
  const onFrame = (frame: FrameRecord): void => void (frame.direction === "sent" && frame.streamId === 1 && sent.push(frame.type));
  const connection = await connectHttp2({ host: "127.0.0.1", port, connectTimeoutMs: 5000, onFrame });
  const stream = connection.request(REQUEST, { onEvent: (event) => event.kind === "headers" && stream.reset() });
  t.match(await stream.ended, { kind: "reset-locally", code: 8 });
  t.equal(await code, 8);
  t.same(sent, [FRAME.HEADERS, FRAME.RST_STREAM]);
  await connection.close();
});

t.test("a window of one byte is never exceeded and nothing is lost", async (t) => {
  const { port } = await echoServer(t);
  const sizes: number[] = [];
  const connection = await connectHttp2({ host: "127.0.0.1", port, connectTimeoutMs: 5000, settings: { INITIAL_WINDOW_SIZE: 1 } });
  const received: Buffer[] = [];
  const stream = connection.request(REQUEST, {
    onEvent: (event) => {
      if (event.kind !== "data") return;
      sizes.push(event.data.length);
      received.push(Buffer.from(event.data));
    },
  });
  void stream.write(Buffer.from("one byte at a time"), { endStream: true });
  t.match(await stream.ended, { kind: "end-stream" });
  t.equal(Buffer.concat(received).toString(), "one byte at a time");
  t.equal(Math.max(...sizes), 1);
  await connection.close();
});
