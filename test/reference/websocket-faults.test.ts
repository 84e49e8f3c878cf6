import t, { type Test } from "tap";

import type { FaultName } from "../../src/reference/faults.js";
import { startReferenceServer, type ReferenceServer, type ReferenceServerOptions } from "../../src/reference/server.js";
import { handshake, RawClient, rawWebSocket, webSocketFrame, webSocketFrames } from "./clients.js";

async function start(t: Test, fault: FaultName, options: ReferenceServerOptions = {}): Promise<ReferenceServer> {
  const server = await startReferenceServer({ ...options, faults: [fault] });
  t.teardown(() => server.kill());
  return server;
}

async function answerTo(t: Test, server: ReferenceServer, request: string): Promise<string> {
  const raw = new RawClient(server.httpPort);
  t.teardown(() => raw.close());
  raw.write(request);
  await raw.until(() => raw.text.includes("\r\n\r\n"), "an answer");
  return raw.text;
}

const upgraded: readonly {
  readonly fault: FaultName;
  readonly headers: Record<string, string | undefined>;
  readonly path?: string;
  readonly options?: ReferenceServerOptions;
}[] = [
  { fault: "any-version-upgraded", headers: { "Sec-WebSocket-Version": "8" } },
  { fault: "any-key-upgraded", headers: { "Sec-WebSocket-Key": "c2hvcnQ=" } },
  { fault: "any-key-upgraded", headers: { "Sec-WebSocket-Key": undefined } },
  { fault: "any-path-upgraded", headers: {}, path: "/nothing" },
  { fault: "auth-after-upgrade", headers: {}, options: { token: "secret" } },
  { fault: "origin-ignored", headers: { Origin: "https://evil.example" }, options: { allowedOrigins: [] } },
  { fault: "subprotocol-invented", headers: { "Sec-WebSocket-Protocol": "foo" } },
];
for (const { fault, headers, path, options } of upgraded) {
  t.test(`${fault}: upgrades ${JSON.stringify(headers)}`, async (t) => {
    const answer = await answerTo(t, await start(t, fault, options), handshake(headers, path));
    t.match(answer, /^HTTP\/1\.1 101 /);
    t.equal(/sec-websocket-protocol: invented/i.test(answer), fault === "subprotocol-invented");
  });
}

t.test("connection-header-exact: a list is refused", async (t) => {
  t.match(await answerTo(t, await start(t, "connection-header-exact"), handshake({ Connection: "keep-alive, Upgrade" })), /^HTTP\/1\.1 400 /);
});

const text = (value: string): Buffer => webSocketFrame(0x81, Buffer.from(value));

/** Frames that a right server refuses, each with the fault that takes it. A filter afterwards still shows. */
const accepted: readonly { readonly fault: FaultName; readonly frame: Buffer }[] = [
  { fault: "reserved-bits-accepted", frame: webSocketFrame(0xf1, Buffer.from("{}")) },
  { fault: "opcode-3-ignored", frame: webSocketFrame(0x83, Buffer.from("{}")) },
  { fault: "opcode-11-ignored", frame: webSocketFrame(0x8b, Buffer.alloc(0)) },
  { fault: "fragmented-ping-accepted", frame: webSocketFrame(0x09, Buffer.from("hi")) },
  { fault: "long-ping-accepted", frame: webSocketFrame(0x89, Buffer.alloc(126)) },
  { fault: "orphan-continuation-ignored", frame: webSocketFrame(0x80, Buffer.from("{}")) },
  { fault: "unmasked-accepted", frame: Buffer.from([0x81, 2, 0x7b, 0x7d]) },
  { fault: "binary-frame-ignored", frame: webSocketFrame(0x82, Buffer.from("{}")) },
  { fault: "utf8-replaced", frame: webSocketFrame(0x81, Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])) },
];
for (const { fault, frame } of accepted) {
  t.test(`${fault}: the stream lives on`, async (t) => {
    const raw = await rawWebSocket(await start(t, fault));
    t.teardown(() => raw.close());
    raw.write(Buffer.concat([frame, text('{"sources":["gamma"]}')]));
    await raw.until(() => webSocketFrames(raw.received).some((seen) => seen.payload.includes("gamma")), "entries");
    t.notOk(webSocketFrames(raw.received).some((seen) => seen.opcode === 8));
  });
}

const closes: readonly { readonly fault: FaultName; readonly payload: readonly number[]; readonly answer: string }[] = [
  { fault: "any-close-code-echoed", payload: [0x03, 0xed], answer: "03ed" },
  { fault: "close-payload-unchecked", payload: [3], answer: "03e8" },
  { fault: "close-payload-unchecked", payload: [0x03, 0xe8, 0xff], answer: "03e8" },
];
for (const { fault, payload, answer } of closes) {
  t.test(`${fault}: a Close of ${Buffer.from(payload).toString("hex")} is answered by ${answer}`, async (t) => {
    const raw = await rawWebSocket(await start(t, fault));
    t.teardown(() => raw.close());
    raw.write(webSocketFrame(0x88, Buffer.from(payload)));
    await raw.until(() => raw.ended, "the FIN");
    t.equal(webSocketFrames(raw.received)[0]?.payload.toString("hex"), answer);
  });
}

t.test("close-without-code and entries-after-close: what follows null", async (t) => {
  const [bare, late] = [await rawWebSocket(await start(t, "close-without-code")), await rawWebSocket(await start(t, "entries-after-close"))];
  for (const raw of [bare, late]) {
    t.teardown(() => raw.close());
    raw.write(text("{}"));
    await raw.until(() => webSocketFrames(raw.received).length > 2, "entries");
    raw.write(text("null"));
    await raw.until(() => raw.ended, "the FIN");
  }
  t.match(webSocketFrames(bare.received).at(-1), { opcode: 8, payload: Buffer.alloc(0) });
  t.strictSame(
    webSocketFrames(late.received)
      .slice(-2)
      .map((frame) => frame.opcode),
    [8, 1],
  );
});

t.test("socket-left-open, lingers-after-close and never-closes: the connection outlives the stream", async (t) => {
  for (const [fault, end] of [
    ["socket-left-open", text("null")],
    ["lingers-after-close", webSocketFrame(0x88, Buffer.from([0x03, 0xe8]))],
    ["never-closes", text("null")],
  ] as const) {
    const server = await start(t, fault);
    const raw = await rawWebSocket(server);
    t.teardown(() => raw.close());
    raw.write(end);
    const closed = (): boolean => webSocketFrames(raw.received).some((frame) => frame.opcode === 8);
    if (fault === "never-closes") raw.write(webSocketFrame(0x89, Buffer.alloc(0)));
    await raw.until(() => (fault === "never-closes" ? raw.received.length > 0 : closed()), "an answer");
    t.equal(closed(), fault !== "never-closes");
    t.notOk(raw.ended);
    t.equal(server.stats().openStreams, 0);
  }
});
