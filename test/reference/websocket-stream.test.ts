import t, { type Test } from "tap";

import { startReferenceServer, type ReferenceServer, type ReferenceServerOptions } from "../../src/reference/server.js";
import { eventually, rawWebSocket, WebSocketClient, webSocketFrame, webSocketFrames, type RawClient } from "./clients.js";

// Many wait for the server to give up on a client that does not answer.
t.jobs = 12;

async function start(t: Test, options: ReferenceServerOptions = {}): Promise<ReferenceServer> {
  const server = await startReferenceServer(options);
  t.teardown(() => server.kill());
  return server;
}

async function open(t: Test, server: ReferenceServer): Promise<WebSocketClient> {
  const client = new WebSocketClient(server);
  t.teardown(() => client.close());
  return client.opened();
}

async function openRaw(t: Test, server: ReferenceServer): Promise<RawClient> {
  const raw = await rawWebSocket(server);
  t.teardown(() => raw.close());
  return raw;
}

/** The Close frame that a raw client received, as its code; -1 where it has none. */
function closeCodeOf(raw: RawClient): number | undefined {
  const close = webSocketFrames(raw.received).find((frame) => frame.opcode === 8);
  if (close === undefined) return undefined;
  return close.payload.length < 2 ? -1 : close.payload.readUInt16BE(0);
}

const text = (value: string): Buffer => webSocketFrame(0x81, Buffer.from(value));
const close = (...payload: number[]): Buffer => webSocketFrame(0x88, Buffer.from(payload));

for (const end of ["null\n", "null", " null "]) {
  t.test(`${JSON.stringify(end)} ends the stream with Close 1000, and the server closes TCP though the client never answers`, { buffered: true }, async (t) => {
    const server = await start(t);
    const raw = await openRaw(t, server);
    raw.write(text("{}"));
    await raw.until(() => webSocketFrames(raw.received).length > 2, "entries");
    raw.write(text(end));
    await raw.until(() => closeCodeOf(raw) !== undefined, "the Close");
    t.equal(closeCodeOf(raw), 1000);
    t.equal(server.stats().openStreams, 0);
    raw.write(text("{}"));
    await raw.until(() => raw.ended, "the FIN");
    const frames = webSocketFrames(raw.received);
    t.equal(
      frames.findIndex((frame) => frame.opcode === 8),
      frames.length - 1,
    );
  });
}

const refusals: readonly { readonly title: string; readonly frame: Buffer; readonly code: number }[] = [
  { title: "malformed JSON", frame: text("{"), code: 1007 },
  { title: "an empty text frame", frame: text(""), code: 1007 },
  { title: "a scalar", frame: text("7"), code: 1007 },
  { title: 'the string "null"', frame: text('"null"'), code: 1007 },
  { title: "an array", frame: text("[null]"), code: 1007 },
  { title: "a filter with a field of the wrong type", frame: text('{"sources":"alpha"}'), code: 1007 },
  { title: "invalid UTF-8", frame: webSocketFrame(0x81, Buffer.from([0x22, 0xff, 0x22])), code: 1007 },
  { title: "an unknown level", frame: text('{"min_level":"shouting"}'), code: 1008 },
  { title: "a contains of 257 bytes", frame: text(JSON.stringify({ contains: "x".repeat(257) })), code: 1008 },
  { title: "a binary frame", frame: webSocketFrame(0x82, Buffer.from("{}")), code: 1003 },
  { title: "a frame of 65,537 bytes", frame: longText(65_537), code: 1009 },
  { title: "an unmasked frame", frame: Buffer.from([0x81, 2, 0x7b, 0x7d]), code: 1002 },
  { title: "a reserved bit", frame: webSocketFrame(0xc1, Buffer.from("{}")), code: 1002 },
  { title: "opcode 3", frame: webSocketFrame(0x83, Buffer.alloc(0)), code: 1002 },
  { title: "opcode 11", frame: webSocketFrame(0x8b, Buffer.alloc(0)), code: 1002 },
  { title: "a fragmented ping", frame: webSocketFrame(0x09, Buffer.alloc(0)), code: 1002 },
  { title: "a ping of 126 bytes", frame: webSocketFrame(0x89, Buffer.alloc(126)), code: 1002 },
  { title: "an orphan continuation", frame: webSocketFrame(0x80, Buffer.from("{}")), code: 1002 },
  { title: "a Close of one byte", frame: close(3), code: 1002 },
  { title: "a Close with code 1005", frame: close(0x03, 0xed), code: 1002 },
  { title: "a Close whose reason is not UTF-8", frame: close(0x03, 0xe8, 0xff), code: 1007 },
];
for (const { title, frame, code } of refusals) {
  t.test(`${title} is answered by Close ${code} and the end of the connection`, { buffered: true }, async (t) => {
    const server = await start(t);
    const raw = await openRaw(t, server);
    raw.write(frame);
    await raw.until(() => raw.ended, "the FIN");
    t.equal(closeCodeOf(raw), code);
    t.equal(server.stats().openStreams, 0);
  });
}

/** A text frame of so many payload bytes, which hold one filter. */
function longText(bytes: number): Buffer {
  const header = Buffer.alloc(14);
  header[0] = 0x81;
  header[1] = 0xff;
  header.writeBigUInt64BE(BigInt(bytes), 2);
  return Buffer.concat([header, Buffer.from("{}".padEnd(bytes, " "))]);
}

for (const { title, payload, code } of [
  { title: "1000", payload: [0x03, 0xe8], code: 1000 },
  { title: "1001 with a reason", payload: [0x03, 0xe9, 0x62, 0x79, 0x65], code: 1001 },
  { title: "4321", payload: [0x10, 0xe1], code: 4321 },
  { title: "no code", payload: [], code: 1000 },
]) {
  t.test(`a Close with ${title} is answered by ${code}, and the server closes TCP first`, async (t) => {
    const server = await start(t);
    const raw = await openRaw(t, server);
    raw.write(text("{}"));
    await raw.until(() => webSocketFrames(raw.received).length > 2, "entries");
    raw.write(close(...payload));
    await raw.until(() => raw.ended, "the FIN");
    t.equal(closeCodeOf(raw), code);
    t.equal(server.stats().openStreams, 0);
    t.notOk(raw.closed);
  });
}

t.test("FIN and RST without a Close release the stream, and so does null with an instant FIN", async (t) => {
  const server = await start(t);
  const bystander = await open(t, server);
  bystander.send({});
  for (const drop of [
    (raw: RawClient): void => void raw.socket.end(),
    (raw: RawClient): void => void raw.socket.resetAndDestroy(),
    (raw: RawClient): void => {
      raw.write(text("null\n"));
      raw.close();
    },
  ]) {
    const raw = await rawWebSocket(server, { allowHalfOpen: false });
    raw.write(text("{}"));
    await raw.until(() => raw.received.length > 0, "entries");
    t.equal(server.stats().openStreams, 2);
    drop(raw);
    await eventually(() => server.stats().openStreams === 1, "the release");
  }
  const seen = bystander.entries.length;
  await bystander.changed.until(() => bystander.entries.length > seen, "more entries");
});

t.test("what follows a filter that ended the stream is ignored", async (t) => {
  const server = await start(t);
  const raw = await openRaw(t, server);
  raw.write(Buffer.concat([text("null"), text("{"), text("{}")]));
  await raw.until(() => raw.ended, "the FIN");
  t.equal(closeCodeOf(raw), 1000);
  t.equal(webSocketFrames(raw.received).length, 1);
});

t.test("a frame of 65,536 bytes is a filter, fragments are one, and pings between them are answered", async (t) => {
  const server = await start(t);
  const raw = await openRaw(t, server);
  raw.write(longText(65_536));
  await raw.until(() => raw.received.length > 0, "entries");
  const [first, second] = [Buffer.from('{"sources":["al'), Buffer.from('pha"]}')];
  raw.write(Buffer.concat([webSocketFrame(0x01, first), webSocketFrame(0x89, Buffer.from("hi")), webSocketFrame(0x80, second)]));
  const pongAt = (): number => webSocketFrames(raw.received).findIndex((frame) => frame.opcode === 10);
  await raw.until(() => pongAt() >= 0, "the pong");
  t.equal(webSocketFrames(raw.received)[pongAt()]?.payload.toString(), "hi");
  const after = (): string[] =>
    webSocketFrames(raw.received)
      .slice(pongAt() + 1)
      .map((frame) => frame.payload.toString());
  await raw.until(() => after().length > 5, "entries");
  t.ok(after().every((json) => json.includes('"source":"alpha"')));
});

t.test("each entry is one JSON value in one text frame, with its five fields", async (t) => {
  const server = await start(t);
  const raw = await openRaw(t, server);
  raw.write(text("{}"));
  await raw.until(() => webSocketFrames(raw.received).length > 5, "entries");
  for (const frame of webSocketFrames(raw.received)) {
    t.equal(frame.opcode, 1);
    t.strictSame(Object.keys(JSON.parse(frame.payload.toString()) as object), ["sequence", "time", "level", "source", "message"]);
  }
});

t.test("a null-valued field is an absent one, unknown fields are ignored, and an empty source is a source", async (t) => {
  const server = await start(t, { rate: 0 });
  const raw = await openRaw(t, server);
  raw.write(text('{"min_level":null,"sources":[""],"contains":null,"colour":"red"}'));
  await eventually(() => server.stats().openStreams === 1, "the stream");
  raw.write(webSocketFrame(0x89, Buffer.alloc(0)));
  await raw.until(() => raw.received.length > 0, "the pong");
  server.append([
    { level: "debug", source: "alpha", message: "no" },
    { level: "debug", source: "", message: "yes" },
  ]);
  await raw.until(() => webSocketFrames(raw.received).length === 2, "the entry");
  t.match(webSocketFrames(raw.received)[1]?.payload.toString(), /"sequence":2.*yes/);
});

t.test("a client that reads nothing and closes is dropped all the same", async (t) => {
  const server = await start(t, { rate: 0 });
  const raw = await openRaw(t, server);
  raw.write(text("{}"));
  raw.socket.pause();
  raw.write(webSocketFrame(0x89, Buffer.alloc(0)));
  await eventually(() => server.stats().openStreams === 1, "the stream");
  const batch = Array.from({ length: 100 }, () => ({ level: "info" as const, source: "alpha", message: "x".repeat(100_000) }));
  server.append(batch);
  raw.write(close(0x03, 0xe8));
  await eventually(() => server.stats().openStreams === 0, "the release");
});

t.test("a long reason is cut between two characters", async (t) => {
  const server = await start(t);
  const raw = await openRaw(t, server);
  raw.write(text(JSON.stringify({ min_level: "ä☃😀".repeat(30) })));
  await raw.until(() => closeCodeOf(raw) !== undefined, "the Close");
  const reason = webSocketFrames(raw.received)[0]?.payload.subarray(2) ?? Buffer.alloc(0);
  t.ok(reason.length > 110 && reason.length <= 123);
  t.ok(Buffer.from(reason.toString("utf8")).equals(reason));
});
