import { once } from "node:events";
import t from "tap";
import { loadContract } from "../../src/contract/load-contract.js";
import { websocketWireDriver as driver } from "../../src/drivers/websocket-wire.js";
import { encodeClosePayload, encodeFrame, opcodes } from "../../src/wire/websocket-frames.js";
import { startUpgradedPeer } from "../wire/byte-peer.js";
import { hear, targetOf } from "./listener.js";

const contract = await loadContract("logger");

t.test("every frame is told, up to the Close that ends the stream", async (t) => {
  const frame = (opcode: number, payload: string, fin = true): Buffer => encodeFrame({ opcode, payload, fin, mask: false });
  const peer = await startUpgradedPeer(async (socket) => {
    await once(socket, "readable");
    socket.end(
      Buffer.concat([
        frame(opcodes.text, '{"a"', false),
        frame(opcodes.ping, "p"),
        frame(opcodes.continuation, ":1}"),
        encodeFrame({ opcode: opcodes.close, mask: false, payload: encodeClosePayload(1000, "done") }),
        frame(opcodes.text, "late"),
      ]),
    );
  });
  t.teardown(() => peer.close());
  const connection = await driver.connect(targetOf(driver, contract, { grpcPort: 0, httpPort: peer.port }), { timeoutMs: 2000 });
  const heard = await hear(connection, contract);
  await heard.stream.send({});
  await heard.stream.ended;
  await connection.close();
  t.strictSame(
    heard.events.map((event) => (event.kind === "frame" ? `${event.direction} ${event.describe()}` : event.kind)),
    [
      "opened",
      "sent text 2 bytes",
      "received text 4 bytes, more to come",
      "received ping 1 byte",
      "sent pong 1 byte",
      "received continuation 3 bytes",
      "message",
      "received Close 1000 done",
      "ended",
    ],
  );
});

t.test("the loss names what was broken, and at which byte", async (t) => {
  const peer = await startUpgradedPeer((socket) => void socket.write(encodeFrame({ opcode: 3, mask: false })));
  t.teardown(() => peer.close());
  const connection = await driver.connect(targetOf(driver, contract, { grpcPort: 0, httpPort: peer.port }), { timeoutMs: 2000 });
  const heard = await hear(connection, contract);
  t.match(await heard.stream.ended, { kind: "lost", native: "RESERVED_OPCODE", cause: /expected opcode 0, 1, 2, 8, 9 or 10 .*got opcode 3 at byte \d+/ });
  await connection.close();
});

t.test("a cancel is a TCP reset", async (t) => {
  let failed: Promise<unknown> | undefined;
  const peer = await startUpgradedPeer((socket) => {
    failed = new Promise((resolve) => socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code)));
    socket.resume();
    socket.write(encodeFrame({ opcode: opcodes.text, mask: false, payload: "{}" }));
  });
  t.teardown(() => peer.close());
  const connection = await driver.connect(targetOf(driver, contract, { grpcPort: 0, httpPort: peer.port }), { timeoutMs: 2000 });
  const heard = await hear(connection, contract);
  await heard.until(() => heard.messages[0]);
  heard.stream.cancel();
  t.match(await heard.stream.ended, { kind: "lost", cause: "cancelled by us" });
  t.equal(await failed, "ECONNRESET");
  await connection.close();
});
