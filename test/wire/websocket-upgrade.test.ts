import t from "tap";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";
import type { WebSocketEvent } from "../../src/wire/websocket-connection.js";
import { upgrade } from "../../src/wire/websocket-upgrade.js";

t.test("a message goes both ways, and both sides close cleanly", async (t) => {
  for (const deflate of [false, true]) {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: deflate ? { threshold: 0 } : false });
    await once(server, "listening");
    server.on("connection", (socket) => {
      socket.ping("are you there");
      socket.on("message", (data, isBinary) => socket.send(data as Buffer, { binary: isBinary }));
    });
    const outcome = await upgrade({ host: "127.0.0.1", port: (server.address() as AddressInfo).port, path: "/", timeoutMs: 5000, deflate });
    if (outcome.kind !== "accepted") throw new Error("refused");
    t.equal(outcome.deflate, deflate);
    const { connection } = outcome;
    const events: WebSocketEvent[] = [];
    const messages: string[] = [];
    const text = "naïve ".repeat(100);
    connection.onEvent = (event) => {
      events.push(event);
      if (event.kind === "message") messages.push(Buffer.from(event.bytes).toString());
      if (messages.length === 3) void connection.sendClose(1000, "done");
    };
    for (const sent of [text, `${text}2`, ""]) t.equal(await connection.sendText(sent), true);
    const end = await connection.ended;
    t.strictSame(messages, [text, `${text}2`, ""]);
    t.strictSame(events.map((event) => event.kind), ["ping", "message", "message", "message", "close", "fin"]);
    t.match(end, { closeReceived: { code: 1000 }, closeSent: { code: 1000, reason: "done" }, tcp: "fin", cleanClose: true, violation: undefined });
    t.equal(await connection.sendText("late"), false, "a send after the end says that it did not happen");
    server.close();
  }
});
