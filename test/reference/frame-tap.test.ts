import fc from "fast-check";
import { Duplex, PassThrough } from "node:stream";
import t from "tap";

import { FrameSplitter, FrameTap } from "../../src/reference/frame-tap.js";
import { decodeFrame, encodeFrame, frameBytes, tapHttp2 } from "../../src/reference/http2-tap.js";
import { tapWebSocket, encodeFrame as encodeWebSocketFrame } from "../../src/reference/websocket-tap.js";
import { http2Frame, webSocketFrame } from "./clients.js";

/** A connection whose two directions are in the test's hands. */
function pair(): { readonly connection: Duplex; readonly toServer: PassThrough; readonly toClient: Buffer[] } {
  const toServer = new PassThrough();
  const toClient: Buffer[] = [];
  const connection = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      toClient.push(chunk);
      done();
    },
  });
  toServer.on("data", (chunk: Buffer) => connection.push(chunk));
  toServer.on("end", () => connection.push(null));
  return { connection, toServer, toClient };
}

async function readAll(duplex: Duplex, bytes: number): Promise<Buffer> {
  let read = Buffer.alloc(0);
  for await (const chunk of duplex.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    read = Buffer.concat([read, chunk]);
    if (read.length >= bytes) break;
  }
  return read;
}

t.test("frames come out whole however the bytes are cut, and encode to what they were", async () => {
  const frames = fc.array(
    fc.record({
      type: fc.nat(255),
      flags: fc.nat(255),
      streamId: fc.nat(0x7fffffff),
      payload: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    }),
  );
  fc.assert(
    fc.property(frames, fc.integer({ min: 1, max: 30 }), (all, size) => {
      const bytes = Buffer.concat(all.map(encodeFrame));
      const splitter = new FrameSplitter(frameBytes);
      const seen: Buffer[] = [];
      for (let at = 0; at < bytes.length; at += size) seen.push(...splitter.push(bytes.subarray(at, at + size)));
      return JSON.stringify(seen.map(decodeFrame)) === JSON.stringify(all);
    }),
  );
});

t.test("a tap without rules passes both directions, the end and the close", async (t) => {
  const { connection, toServer, toClient } = pair();
  const tap = new FrameTap(connection);
  toServer.write("hello");
  t.equal((await readAll(tap as Duplex, 5)).toString(), "hello");
  tap.write("world");
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(Buffer.concat(toClient).toString(), "world");
  const closed = new Promise((resolve) => tap.once("close", resolve));
  tap.cut();
  await closed;
});

t.test("below HTTP/2 a fault sees each frame of each direction, and what it leaves out is swallowed", async (t) => {
  const { connection, toServer, toClient } = pair();
  const types: number[] = [];
  const tap = tapHttp2(connection, [
    { inbound: (frame) => (frame.type === 6 ? [] : [frame]) },
    {
      inbound: (frame) => {
        types.push(frame.type);
        return [frame];
      },
      outbound: (frame) => [{ ...frame, flags: 0 }],
    },
  ]);
  const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  const [settings, ping, data] = [http2Frame(4, 0, 0), http2Frame(6, 0, 0, Buffer.alloc(8)), http2Frame(0, 1, 1, Buffer.from("x"))];
  for (const byte of Buffer.concat([preface, settings, ping, data])) toServer.write(Buffer.from([byte]));
  const kept = Buffer.concat([preface, settings, data]);
  t.ok((await readAll(tap, kept.length)).equals(kept));
  t.strictSame(types, [4, 0]);
  tap.write(data);
  await new Promise((resolve) => setImmediate(resolve));
  t.ok(Buffer.concat(toClient).equals(http2Frame(0, 0, 1, Buffer.from("x"))));
  tap.destroy();
});

t.test("below WebSocket a fault sees frames in the clear, after the head of the 101", async (t) => {
  const { connection, toServer, toClient } = pair();
  const tap = tapWebSocket(connection, [
    { inbound: (frame) => [{ ...frame, payload: Buffer.from(frame.payload.toString().toUpperCase()) }], outbound: (frame) => [frame, frame] },
  ]);
  tap.write("HTTP/1.1 101 Switching Protocols\r\n\r\n");
  toServer.write(Buffer.from([0x81, 0x82, 1, 2, 3, 4, 0x61 ^ 1, 0x62 ^ 2]));
  t.ok((await readAll(tap, 8)).equals(webSocketFrame(0x81, Buffer.from("AB"))));
  await new Promise((resolve) => setImmediate(resolve));
  for (const length of [1, 200, 70_000]) {
    toClient.length = 0;
    const frame = encodeWebSocketFrame({ fin: true, rsv: 0, opcode: 1, masked: false, payload: Buffer.alloc(length, "x") });
    tap.write(frame);
    await new Promise((resolve) => setImmediate(resolve));
    t.ok(Buffer.concat(toClient).equals(Buffer.concat([frame, frame])));
  }
  tap.destroy();
});
