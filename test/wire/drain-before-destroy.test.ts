import t from "tap";
import { once } from "node:events";
import type { Socket } from "node:net";
import { connect } from "node:net";
import { drainBeforeDestroy } from "../../src/wire/drain-before-destroy.js";
import { startBytePeer } from "./byte-peer.js";

t.test("bytes that came before a reset are read although a write failed first", async (t) => {
  let reset: () => void = () => {};
  const isReset = new Promise<void>((resolve) => (reset = resolve));
  const peer = await startBytePeer(async (socket) => {
    await once(socket, "readable");
    await new Promise((resolve) => socket.write(Buffer.alloc(20_000), resolve));
    socket.resetAndDestroy();
    await once(socket, "close");
    reset();
  });
  let bytes = 0;
  const buffer = Buffer.alloc(1000);
  const client: Socket = connect({ host: "127.0.0.1", port: peer.port, allowHalfOpen: true, onread: { buffer, callback: (count) => (bytes += count) > 0 } });
  client.on("error", () => {});
  const errors: (string | undefined)[] = [];
  drainBeforeDestroy(client, (error) => errors.push(error.code));
  await once(client, "connect");
  client.pause();
  client.write("go");
  await isReset;
  const written = new Promise((resolve) => client.write("too late", resolve));
  t.match(await written, { code: "ECONNRESET" });
  t.strictSame(errors, ["ECONNRESET"], "the error is told at once");
  t.notOk(client.destroyed, "a paused reader is waited for");
  const closed = new Promise((resolve) => client.once("close", resolve));
  client.resume();
  await closed;
  t.equal(bytes, 20_000);
  await peer.close();
});

t.test("a destroy without error is at once", async (t) => {
  const peer = await startBytePeer((socket) => void socket.resume());
  const client = connect({ host: "127.0.0.1", port: peer.port });
  drainBeforeDestroy(client, () => t.fail("there is no error"));
  await once(client, "connect");
  client.destroy();
  t.ok(client.destroyed);
  await once(client, "close");
  await peer.close();
});
