import { once } from "node:events";
import type { Socket } from "node:net";
import t, { type Test } from "tap";
import { loadContract } from "../../src/contract/load-contract.js";
import type { Contract } from "../../src/core/contract.js";
import type { Driver, StreamEnd } from "../../src/core/stream.js";
import type { Target } from "../../src/core/target.js";
import { websocketDriver } from "../../src/drivers/websocket.js";
import { websocketWireDriver } from "../../src/drivers/websocket-wire.js";
import { encodeClosePayload, encodeFrame, opcodes } from "../../src/wire/websocket-frames.js";
import { acceptResponse, readRequestHead, startBytePeer, startUpgradedPeer, type BytePeer } from "../wire/byte-peer.js";
import { hear, targetOf, type Heard } from "./listener.js";

const contract: Contract = await loadContract("logger");
const websocket = contract.websocket!;
const text = (payload: string | Uint8Array): Buffer => encodeFrame({ opcode: opcodes.text, mask: false, payload });
const close = (code?: number, reason?: string): Buffer => encodeFrame({ opcode: opcodes.close, mask: false, payload: encodeClosePayload(code, reason) });

async function heardFrom(t: Test, driver: Driver, peer: BytePeer, more: Partial<Target> = {}): Promise<Heard> {
  t.teardown(() => peer.close());
  const connection = await driver.connect(targetOf(driver, contract, { grpcPort: 0, httpPort: peer.port }, more), { timeoutMs: 2000 });
  t.teardown(() => connection.close());
  return hear(connection, contract);
}

const ends: readonly (readonly [what: string, bytes: Buffer, end: Partial<StreamEnd>])[] = [
  ["Close 1000", close(1000), { kind: "completed", native: "1000" }],
  ["a Close without code", close(), { kind: "completed", native: "1005" }],
  ["Close 1001", close(1001, "going away"), { kind: "rejected", native: "1001", code: 1001, detail: "going away" }],
  ["Close 1008 behind an entry", Buffer.concat([text('{"sequence":1}'), close(1008, "why")]), { kind: "rejected", native: "1008", code: 1008, detail: "why" }],
  ["FIN without Close", Buffer.alloc(0), { kind: "lost" }],
  ["a frame that breaks the protocol", encodeFrame({ opcode: opcodes.text, mask: false, rsv: 3 }), { kind: "lost" }],
  ["a masked frame", encodeFrame({ opcode: opcodes.text, payload: "{}" }), { kind: "lost" }],
  ["text that is no UTF-8", text(Buffer.from("ff", "hex")), { kind: "lost" }],
];

for (const driver of [websocketDriver, websocketWireDriver]) {
  for (const [what, bytes, end] of ends) {
    t.test(`${driver.name}: ${what} is an end of its kind, told once and last`, async (t) => {
      const peer = await startUpgradedPeer((socket) => {
        socket.resume();
        socket.end(bytes);
      });
      const heard = await heardFrom(t, driver, peer);
      t.match(await heard.stream.ended, end);
      t.same(heard.end, await heard.stream.ended);
      t.equal(heard.events.at(-1)?.kind, "ended");
      t.equal(heard.events.filter((event) => event.kind === "ended").length, 1);
      await t.rejects(heard.stream.send({}));
    });
  }

  t.test(`${driver.name}: a reset is a loss`, async (t) => {
    const peer = await startUpgradedPeer(async (socket) => {
      await once(socket, "readable");
      socket.resetAndDestroy();
    });
    const heard = await heardFrom(t, driver, peer);
    await heard.stream.send({});
    t.match(await heard.stream.ended, { kind: "lost" });
  });

  t.test(`${driver.name}: a refused upgrade is a rejection with the HTTP status and what the body says`, async (t) => {
    const peer = await startBytePeer(async (socket) => {
      await readRequestHead(socket);
      socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 8\r\n\r\nno entry");
      socket.resume();
    });
    const heard = await heardFrom(t, driver, peer);
    t.strictSame(await heard.stream.ended, { kind: "rejected", native: "HTTP 403", code: 403, detail: "no entry" });
    t.strictSame(
      heard.events.map((event) => event.kind),
      ["ended"],
    );
    heard.stream.cancel();
    await heard.stream.end();
  });

  t.test(`${driver.name}: a server that breaks off the upgrade, or answers it wrongly, is a loss and no error of the harness`, async (t) => {
    const broken = await startBytePeer(async (socket) => {
      await readRequestHead(socket);
      socket.end();
    });
    t.match(await (await heardFrom(t, driver, broken)).stream.ended, { kind: "lost" });
    const wrong = await startBytePeer(async (socket) => {
      await readRequestHead(socket);
      socket.write("HTTP/1.1 101 A\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n");
    });
    t.match(await (await heardFrom(t, driver, wrong)).stream.ended, { kind: "lost", cause: /accept/i });
  });

  t.test(`${driver.name}: a port that does not speak HTTP is unreachable, in one sentence`, async (t) => {
    for (const bytes of ["220 mail.example ESMTP\r\n", "\x15\x03\x01\x00\x02\x02\x46"]) {
      const peer = await startBytePeer((socket) => void socket.write(bytes, "latin1"));
      await t.rejects(heardFrom(t, driver, peer), { name: "HarnessError", code: "unreachable", message: /answers, but not in HTTP|answers with a TLS alert/ });
    }
  });

  t.test(`${driver.name}: what is no message of the contract is told as such, and the stream goes on`, async (t) => {
    const binary = encodeFrame({ opcode: opcodes.binary, mask: false, payload: '{"a":1}' });
    const peer = await startUpgradedPeer((socket) => {
      socket.resume();
      socket.end(Buffer.concat([text("not json"), text('{"b":2}'), binary, close(1000)]));
    });
    const heard = await heardFrom(t, driver, peer);
    await heard.stream.ended;
    const told = heard.events.filter((event) => event.kind === "undecodable" || event.kind === "message");
    t.match(told, [{ kind: "undecodable" }, { kind: "message", text: true, message: { b: 2 } }, { kind: "message", text: false, message: { a: 1 } }]);
  });

  t.test(`${driver.name}: the client's end is the contract's text, or a Close frame where it names none`, async (t) => {
    for (const endText of ["null\n", undefined]) {
      let bytes = "";
      const peer = await startUpgradedPeer((socket) => {
        socket.once("data", (chunk: Buffer) => {
          bytes = chunk.toString("latin1");
          socket.end(close(1000));
        });
      });
      const heard = await heardFrom(t, driver, peer, { contract: { ...contract, websocket: { ...websocket, endText } } });
      await heard.stream.end();
      await heard.stream.end();
      t.match(await heard.stream.ended, { kind: "completed", native: "1000" });
      t.equal(bytes.charCodeAt(0), endText === undefined ? 0x88 : 0x81);
      t.equal(bytes.charCodeAt(1), 0x80 + (endText?.length ?? 2));
    }
  });

  t.test(`${driver.name}: the request carries subprotocols and headers, a stream's own in place of the target's`, async (t) => {
    const heads: string[] = [];
    const peer = await startBytePeer(async (socket: Socket) => {
      const head = await readRequestHead(socket);
      heads.push(head);
      socket.end(Buffer.concat([Buffer.from(acceptResponse(head, ["Sec-WebSocket-Protocol: second", "X-Answer: yes"])), close(1000)]));
      socket.resume();
    });
    t.teardown(() => peer.close());
    const binding = {
      ...websocket,
      subprotocols: ["first", "second"],
      headers: [
        ["x-contract", "c"],
        ["x-both", "contract"],
      ] as const,
    };
    const target = targetOf(
      driver,
      contract,
      { grpcPort: 0, httpPort: peer.port },
      {
        contract: { ...contract, websocket: binding },
        headers: [
          ["x-both", "target"],
          ["authorization", "target"],
        ],
      },
    );
    const connection = await driver.connect(target, { timeoutMs: 2000 });
    const heard = await hear(connection, contract, { headers: [["authorization", "stream"]] });
    await heard.stream.ended;
    await connection.close();
    const [head = ""] = heads;
    t.match(head, /^GET \/logs\/monitor HTTP\/1\.1\r\n/);
    t.match(head, /\r\nx-contract: c\r\n/i);
    t.match(head, /\r\nx-both: target\r\n/i);
    t.match(head, /\r\nauthorization: stream\r\n/i);
    t.notMatch(head, /: contract\r\n|authorization: target/i);
    t.match(head, /\r\nsec-websocket-protocol: first, ?second\r\n/i);
    t.match(
      heard.events.find((event) => event.kind === "opened"),
      { headers: { "x-answer": "yes" } },
    );
  });

  t.test(`${driver.name}: an abort ends an upgrade that nobody answers`, async (t) => {
    const controller = new AbortController();
    const peer = await startBytePeer(() => controller.abort());
    t.teardown(() => peer.close());
    const connection = await driver.connect(targetOf(driver, contract, { grpcPort: 0, httpPort: peer.port }), { timeoutMs: 5000 });
    t.teardown(() => connection.close());
    const heard = await hear(connection, contract, { signal: controller.signal });
    t.match(await heard.stream.ended, { kind: "lost" });
  });
}
