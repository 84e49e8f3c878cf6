import t from "tap";
import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { constants, deflateRawSync } from "node:zlib";
import fc from "fast-check";
import type { WebSocketConnection, WebSocketEvent } from "../../src/wire/websocket-connection.js";
import type { FrameToSend } from "../../src/wire/websocket-frames.js";
import { FrameDecoder, encodeClosePayload, encodeFrame, opcodes } from "../../src/wire/websocket-frames.js";
import type { UpgradeOptions } from "../../src/wire/websocket-upgrade.js";
import { upgrade } from "../../src/wire/websocket-upgrade.js";
import { acceptResponse, readRequestHead, startBytePeer, startUpgradedPeer } from "./byte-peer.js";
import { splitAt } from "./splits.js";

const frame = (parts: FrameToSend): Buffer => encodeFrame({ mask: false, ...parts });
const text = (payload: string, more: Partial<FrameToSend> = {}): Buffer => frame({ opcode: opcodes.text, payload, ...more });
const close = (code?: number, reason?: string): Buffer => frame({ opcode: opcodes.close, payload: encodeClosePayload(code, reason) });

/** One line an event, in order: what a test asserts. */
function describe(event: WebSocketEvent): string {
  switch (event.kind) {
    case "message":
      return `${event.type} ${Buffer.from(event.bytes).toString("latin1").slice(0, 40)}${event.fragments > 1 ? ` in ${event.fragments}` : ""}`;
    case "ping":
    case "pong":
      return `${event.kind} ${Buffer.from(event.payload).toString("latin1").slice(0, 40)}`;
    case "close":
      return `close ${event.code} ${event.reason}`;
    case "violation":
      return `violation ${event.error.code} at ${event.error.atByte}`;
    default:
      return event.kind;
  }
}

async function connect(port: number, options: Partial<UpgradeOptions> = {}): Promise<{ connection: WebSocketConnection; heard: string[]; headBytes: number }> {
  const outcome = await upgrade({ host: "127.0.0.1", port, path: "/", timeoutMs: 5000, closeWithinMs: 5000, ...options });
  if (outcome.kind !== "accepted") throw new Error(`refused with ${outcome.response.status}`);
  const heard: string[] = [];
  outcome.connection.onEvent = (event) => heard.push(describe(event));
  return { connection: outcome.connection, heard, headBytes: outcome.response.rawHead.length };
}

/** Plays `bytes` to a client, then FIN, and tells all that the client heard, offsets counted from the first frame. */
async function hear(
  bytes: Uint8Array | readonly Uint8Array[],
  options: Partial<UpgradeOptions> = {},
): Promise<{ heard: string[]; connection: WebSocketConnection }> {
  const peer = await startUpgradedPeer(async (socket) => {
    socket.resume();
    for (const piece of bytes instanceof Uint8Array ? [bytes] : bytes) {
      await new Promise((resolve) => socket.write(piece, resolve));
      await new Promise(setImmediate);
    }
    socket.end();
  });
  try {
    const { connection, heard, headBytes } = await connect(peer.port, options);
    await connection.ended;
    return { heard: heard.map((line) => line.replace(/ at ([0-9]+)$/, (_, at: string) => ` at ${Number(at) - headBytes}`)), connection };
  } finally {
    await peer.close();
  }
}

/** The frames that a server receives from a client, until the socket ends. */
async function framesFrom(socket: Socket): Promise<string[]> {
  const lines: string[] = [];
  const decoder = new FrameDecoder(
    {
      onHeader: () => true,
      onFrame: ({ opcode, payload, maskKey }) => lines.push(`${opcode}${maskKey === undefined ? " unmasked" : ""} ${Buffer.from(payload).toString("latin1")}`),
    },
    { maxPayloadBytes: 1 << 20 },
  );
  socket.on("data", (chunk: Buffer) => decoder.push(chunk));
  await once(socket, "end");
  return lines;
}

t.test("messages, pings between fragments and a clean close are heard in order", async (t) => {
  const bytes = Buffer.concat([
    text("whole"),
    text("fir", { fin: false }),
    frame({ opcode: opcodes.ping, payload: "p" }),
    frame({ opcode: opcodes.continuation, payload: "st", fin: false }),
    frame({ opcode: opcodes.pong, payload: "q" }),
    frame({ opcode: opcodes.continuation }),
    frame({ opcode: opcodes.binary, payload: "b" }),
    text(""),
    close(1001, "bye"),
  ]);
  const { heard, connection } = await hear(bytes);
  t.strictSame(heard, ["text whole", "ping p", "pong q", "text first in 3", "binary b", "text ", "close 1001 bye", "fin"]);
  const end = await connection.ended;
  t.match(end, { closeReceived: { code: 1001, reason: "bye" }, closeSent: { code: 1001 }, tcp: "fin", violation: undefined, cleanClose: true });
  t.equal(connection.framesReceived, 9);
});

t.test("frames that come with the 101 are not lost, and are heard after the upgrade is awaited", async (t) => {
  const peer = await startBytePeer(async (socket) => {
    const head = await readRequestHead(socket);
    socket.end(Buffer.concat([Buffer.from(acceptResponse(head)), text("early"), close(1000)]));
    socket.resume();
  });
  const { connection, heard } = await connect(peer.port);
  await connection.ended;
  t.strictSame(heard, ["text early", "close 1000 ", "fin"]);
  await peer.close();
});

t.test("any split of any legal stream is heard the same", async (t) => {
  const message = fc.record({
    type: fc.constantFrom(opcodes.text, opcodes.binary),
    parts: fc.array(fc.string({ maxLength: 200 }), { minLength: 1, maxLength: 3 }),
    ping: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 4 }), fc.array(fc.nat(), { maxLength: 12 }), async (messages, cuts) => {
      const frames: Buffer[] = [];
      const expected: string[] = [];
      for (const { type, parts, ping } of messages) {
        parts.forEach((payload, index) => {
          frames.push(frame({ opcode: index === 0 ? type : opcodes.continuation, payload, fin: index === parts.length - 1 }));
          if (ping && index === 0) frames.push(frame({ opcode: opcodes.ping }));
        });
        const body = Buffer.from(parts.join("")).toString("latin1").slice(0, 40);
        const line = `${type === opcodes.text ? "text" : "binary"} ${body}${parts.length > 1 ? ` in ${parts.length}` : ""}`;
        expected.push(...(ping && parts.length > 1 ? ["ping ", line] : ping ? [line, "ping "] : [line]));
      }
      const { heard } = await hear(splitAt(Buffer.concat([...frames, close(1000)]), cuts));
      assert.deepEqual(heard, [...expected, "close 1000 ", "fin"]);
    }),
    { numRuns: 25 },
  );
  t.pass("held for every run");
});

const bad: readonly (readonly [what: string, bytes: Buffer, code: string, atByte: number, closeCode: number])[] = [
  ["a masked frame", text("x", { mask: true }), "MASKED_FRAME", 1, 1002],
  ["RSV1 without extension", text("x", { rsv: 4 }), "RESERVED_BITS", 0, 1002],
  ["RSV2", text("x", { rsv: 2 }), "RESERVED_BITS", 0, 1002],
  ["RSV3 on a ping", frame({ opcode: opcodes.ping, rsv: 1 }), "RESERVED_BITS", 0, 1002],
  ["opcode 3", frame({ opcode: 3 }), "RESERVED_OPCODE", 0, 1002],
  ["opcode 11", frame({ opcode: 11 }), "RESERVED_OPCODE", 0, 1002],
  ["opcode 15", frame({ opcode: 15 }), "RESERVED_OPCODE", 0, 1002],
  ["a fragmented ping", frame({ opcode: opcodes.ping, fin: false }), "FRAGMENTED_CONTROL", 0, 1002],
  ["a ping of 126 bytes", frame({ opcode: opcodes.ping, payload: new Uint8Array(126) }), "LONG_CONTROL", 1, 1002],
  ["a continuation without start", frame({ opcode: opcodes.continuation, payload: "x" }), "ORPHAN_CONTINUATION", 0, 1002],
  ["a message inside another", Buffer.concat([text("a", { fin: false }), text("b")]), "INTERRUPTED_MESSAGE", 3, 1002],
  ["a length in too long a form", text("x", { lengthBits: 16 }), "LONG_LENGTH_FORM", 1, 1002],
  ["a length of 2 GiB", text("", { declaredLength: 2 ** 31 }), "FRAME_TOO_LONG", 0, 1009],
  ["a length with the top bit set", text("", { declaredLength: 2n ** 63n }), "FRAME_TOO_LONG", 0, 1009],
  ["bad UTF-8", frame({ opcode: opcodes.text, payload: Buffer.from("61ff62", "hex") }), "BAD_UTF8", 3, 1007],
  ["text that ends inside a character", frame({ opcode: opcodes.text, payload: Buffer.from("61e282", "hex") }), "BAD_UTF8", 5, 1007],
  [
    "bad UTF-8 in the second fragment, before the third",
    Buffer.concat([
      text("a", { fin: false }),
      frame({ opcode: opcodes.continuation, payload: Buffer.from("e282", "hex"), fin: false }),
      frame({ opcode: opcodes.continuation, payload: "x", fin: false }),
    ]),
    "BAD_UTF8",
    3 + 4 + 2,
    1007,
  ],
  ["a Close payload of 1 byte", frame({ opcode: opcodes.close, payload: "x" }), "BAD_CLOSE_PAYLOAD", 2, 1002],
  ["Close 1005", close(1005), "BAD_CLOSE_CODE", 2, 1002],
  ["Close 0", close(0), "BAD_CLOSE_CODE", 2, 1002],
  ["a Close reason that is no UTF-8", frame({ opcode: opcodes.close, payload: Buffer.from("03e861ff", "hex") }), "BAD_UTF8", 5, 1007],
];

for (const [what, bytes, code, atByte, closeCode] of bad) {
  t.test(`${what} fails the connection with a violation that points at its byte`, async (t) => {
    let received: Promise<string[]> | undefined;
    const peer = await startUpgradedPeer((socket) => {
      received = framesFrom(socket).finally(() => socket.end());
      socket.write(Buffer.concat([text("before"), bytes, text("after")]));
    });
    const { connection, heard, headBytes } = await connect(peer.port);
    const end = await connection.ended;
    const violation = `violation ${code} at ${headBytes + 8 + atByte}`;
    t.strictSame(
      heard.filter((line) => !line.startsWith("close")),
      ["text before", violation, "fin"],
      "but FIN, nothing after it is heard",
    );
    t.match(end, { tcp: "local", violation: { code }, closeSent: { code: closeCode }, cleanClose: false });
    t.match(await received, [new RegExp(`^8 ${Buffer.from([closeCode >> 8, closeCode & 255]).toString("latin1")}${code}`)]);
    await peer.close();
  });
}

t.test("an observer reports violations and hears on where framing allows", async (t) => {
  const bytes = Buffer.concat([
    text("masked", { mask: true }),
    text("rsv", { rsv: 7 }),
    frame({ opcode: 5, payload: "unknown" }),
    frame({ opcode: opcodes.ping, payload: "x".repeat(126) }),
    frame({ opcode: opcodes.continuation, payload: "orphan" }),
    frame({ opcode: opcodes.text, payload: Buffer.from("ff", "hex") }),
    text("start", { fin: false }),
    text("again"),
    close(1005),
    text("after close"),
    frame({ opcode: opcodes.ping }),
  ]);
  const { heard, connection } = await hear(bytes, { violations: "observe", autoPong: false });
  t.strictSame(
    heard.map((line) => line.replace(/ at .*/, "")),
    [
      "violation MASKED_FRAME",
      "text masked",
      "violation RESERVED_BITS",
      "text rsv",
      "violation RESERVED_OPCODE",
      "violation LONG_CONTROL",
      `ping ${"x".repeat(40)}`,
      "violation ORPHAN_CONTINUATION",
      "violation BAD_UTF8",
      "text \xff",
      "violation INTERRUPTED_MESSAGE",
      "text again",
      "violation BAD_CLOSE_CODE",
      "close 1005 ",
      "violation DATA_AFTER_CLOSE",
      "text after close",
      "ping ",
      "fin",
    ],
  );
  t.equal(connection.violations.length, 9);
  t.match(await connection.ended, { violation: { code: "MASKED_FRAME" }, cleanClose: false, tcp: "fin" });
});

t.test("a data frame after Close is a violation; it is not delivered, and the clean close is none", async (t) => {
  const { heard, connection } = await hear(Buffer.concat([close(1000), text("late")]));
  t.strictSame(heard, ["close 1000 ", "violation DATA_AFTER_CLOSE at 4", "fin"]);
  t.match(await connection.ended, { closeReceived: { code: 1000 }, closeSent: { code: 1000 }, cleanClose: false });
});

t.test("a message longer than the bound fails by its header, also in fragments", async (t) => {
  const whole = await hear(text("x".repeat(101)), { maxMessageBytes: 100 });
  t.strictSame(whole.heard, ["violation FRAME_TOO_LONG at 0", "fin"]);
  const parts = await hear(Buffer.concat([text("x".repeat(100), { fin: false }), frame({ opcode: opcodes.continuation, payload: "y" })]), {
    maxMessageBytes: 100,
  });
  t.strictSame(parts.heard, ["violation MESSAGE_TOO_LONG at 102", "fin"]);
  const fits = await hear(Buffer.concat([text("x".repeat(99), { fin: false }), frame({ opcode: opcodes.continuation, payload: "y" }), close(1000)]), {
    maxMessageBytes: 100,
  });
  t.equal(fits.heard[0], `text ${"x".repeat(40)} in 2`);
});

t.test("FIN inside a frame, or inside a message, is a violation", async (t) => {
  t.strictSame((await hear(text("whole").subarray(0, 4))).heard, ["violation TRUNCATED_FRAME at 4", "fin"]);
  t.strictSame((await hear(text("part", { fin: false }))).heard, ["violation TRUNCATED_MESSAGE at 6", "fin"]);
  const quiet = await hear(new Uint8Array(0));
  t.strictSame(quiet.heard, ["fin"]);
  t.match(await quiet.connection.ended, { tcp: "fin", closeReceived: undefined, violation: undefined, cleanClose: false });
});

t.test("a reset is told from FIN", async (t) => {
  const peer = await startUpgradedPeer((socket) => void socket.resetAndDestroy());
  const { connection, heard } = await connect(peer.port);
  t.match(await connection.ended, { tcp: "rst", tcpError: "ECONNRESET", cleanClose: false });
  t.strictSame(heard, ["rst"]);
  await peer.close();
});

t.test("what a server said before it reset is heard, also when a write fails first", async (t) => {
  let gone: Promise<unknown> | undefined;
  const peer = await startUpgradedPeer(async (socket) => {
    await once(socket, "readable");
    await new Promise((resolve) =>
      socket.write(Buffer.concat([...Array.from({ length: 20 }, (_, index) => text(`${index} ${"x".repeat(1000)}`)), close(1008, "why")]), resolve),
    );
    gone = once(socket, "close");
    socket.resetAndDestroy();
    // The client is told only by the failure of its own write.
    await gone;
    reset();
  });
  let reset: () => void = () => {};
  const isReset = new Promise<void>((resolve) => (reset = resolve));
  const { connection, heard } = await connect(peer.port);
  connection.pause();
  t.equal(await connection.sendText("go"), true);
  await isReset;
  t.equal(await connection.sendText("too late"), false);
  t.strictSame(heard, []);
  connection.resume();
  t.match(await connection.ended, { tcp: "rst", tcpError: "ECONNRESET", closeReceived: { code: 1008, reason: "why" } });
  t.equal(heard.length, 22);
  t.strictSame(heard.slice(-2), ["close 1008 why", "rst"]);
  await peer.close();
});

t.test("pings are answered with their payload and Close with its code, unless told not to", async (t) => {
  const play = async (options: Partial<UpgradeOptions>): Promise<string[]> => {
    let received: Promise<string[]> | undefined;
    const peer = await startUpgradedPeer((socket) => {
      received = framesFrom(socket);
      socket.end(Buffer.concat([frame({ opcode: opcodes.ping, payload: "one" }), close(4321, "why")]));
    });
    const { connection } = await connect(peer.port, options);
    await connection.ended;
    const lines = await received!;
    await peer.close();
    return lines;
  };
  t.strictSame(await play({}), ["10 one", "8 \x10\xe1"]);
  t.strictSame(await play({ autoPong: false, autoCloseReply: false }), []);
});

t.test("a flood of pings by a peer that does not read costs no memory, and ends the connection", async (t) => {
  const pings = Buffer.concat(Array.from({ length: 1000 }, () => frame({ opcode: opcodes.ping, payload: "x".repeat(125) })));
  const peer = await startUpgradedPeer(async (socket) => {
    // This peer never reads a pong.
    for (let count = 0; count < 150 && !socket.destroyed; count += 1)
      if (!socket.write(pings)) await Promise.race([once(socket, "drain"), once(socket, "close")]);
  });
  let queuedBytes = 0;
  const { connection } = await connect(peer.port);
  connection.onEvent = (event) => {
    if (event.kind === "ping") queuedBytes = Math.max(queuedBytes, connection.queuedBytes);
  };
  t.match(await connection.ended, { violation: { code: "CONTROL_FLOOD" } });
  t.ok(queuedBytes < 100_000, `${queuedBytes} bytes were queued at most`);
  await peer.close();
});

t.test("a server that leaves TCP open after the closing handshake is given up", async (t) => {
  for (const asks of ["server", "client"]) {
    const peer = await startUpgradedPeer((socket) => {
      socket.resume();
      if (asks === "server") socket.write(close(1000));
    });
    const { connection } = await connect(peer.port, { closeWithinMs: 20 });
    if (asks === "client") void connection.sendClose(1000);
    t.match(await connection.ended, {
      tcp: "timeout",
      cleanClose: false,
      closeSent: { code: 1000 },
      closeReceived: asks === "server" ? { code: 1000 } : undefined,
    });
    await peer.close();
  }
});

t.test("endTcp sends FIN behind what was sent, and what the server still says is heard", async (t) => {
  const peer = await startUpgradedPeer(async (socket) => {
    const lines = await framesFrom(socket);
    socket.end(text(`saw ${lines.join()}`));
  });
  const { connection, heard } = await connect(peer.port);
  void connection.sendText("last");
  connection.endTcp();
  t.match(await connection.ended, { tcp: "local", closeSent: undefined, cleanClose: false });
  t.strictSame(heard, ["text saw 1 last", "fin"]);
  await peer.close();
});

t.test("destroy is a TCP reset", async (t) => {
  let failed: Promise<unknown> | undefined;
  const peer = await startUpgradedPeer((socket) => {
    socket.resume();
    failed = new Promise((resolve) => socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code)));
    socket.write(text("ready"));
  });
  const { connection } = await connect(peer.port);
  connection.onEvent = () => connection.destroy();
  t.match(await connection.ended, { tcp: "local" });
  t.equal(await connection.sendPing(), false);
  t.equal(await failed, "ECONNRESET");
  await peer.close();
});

t.test("a destroy while FIN is on its way out ends the connection all the same", async (t) => {
  const peer = await startUpgradedPeer((socket) => void socket.resume());
  const { connection } = await connect(peer.port);
  connection.endTcp();
  connection.destroy();
  t.match(await connection.ended, { tcp: "local" });
  await peer.close();
});

t.test("a paused connection lets TCP's window close, and loses nothing", async (t) => {
  const message = text("x".repeat(60_000));
  let written = 0;
  let stalled: () => void = () => {};
  const isStalled = new Promise<void>((resolve) => (stalled = resolve));
  const peer = await startUpgradedPeer(async (socket) => {
    socket.resume();
    // Until the kernel on both sides is full: a write that is not taken within many turns of the loop.
    for (; written < 2000; written += 1) {
      if (socket.write(message)) continue;
      const drained = once(socket, "drain").then(() => true);
      const waited = new Promise<boolean>((resolve) => setTimeout(resolve, 300, false));
      if (!(await Promise.race([drained, waited]))) stalled();
      await drained;
    }
    socket.end(close(1000));
  });
  const { connection } = await connect(peer.port);
  connection.pause();
  let messages = 0;
  connection.onEvent = (event) => {
    if (event.kind === "message") messages += 1;
  };
  await isStalled;
  t.ok(written < 2000, "back-pressure reached the server");
  t.equal(messages, 0, "nothing is heard while paused");
  connection.resume();
  t.match(await connection.ended, { cleanClose: true });
  t.equal(messages, 2000);
  await peer.close();
});

t.test("frames and bytes are sent as they are asked for, and watched both ways", async (t) => {
  let received: Promise<string[]> | undefined;
  const peer = await startUpgradedPeer((socket) => {
    received = framesFrom(socket);
    socket.write(text("hello"));
  });
  const watched: string[] = [];
  const { connection } = await connect(peer.port, {
    onFrame: (direction, { opcode, payload, atByte, payloadBytes }) =>
      watched.push(`${direction} ${opcode} ${Buffer.from(payload).toString()} ${payloadBytes} ${direction === "sent" ? atByte : ""}`),
  });
  await new Promise<void>((resolve) => (connection.onEvent = () => resolve()));
  await connection.sendFrame({ opcode: opcodes.text, mask: false, rsv: 2, fin: false, payload: "odd" });
  await connection.sendPong("p");
  await connection.sendBinary(Buffer.from("b"));
  await connection.sendBytes(encodeFrame({ opcode: 7, payload: "raw" }));
  t.equal(connection.bytesSent, 5 + 7 + 7 + 9);
  connection.endTcp();
  t.strictSame(await received, ["1 unmasked odd", "10 p", "2 b", "7 raw"]);
  t.strictSame(watched, ["received 1 hello 5 ", "sent 1 odd 3 0", "sent 10 p 1 5", "sent 2 b 1 12"]);
  await peer.close();
  await connection.ended;
});

t.test("compressed messages inflate with the window of those before, within the bound", async (t) => {
  const deflated = (body: string, dictionary?: string): Buffer =>
    deflateRawSync(body, { finishFlush: constants.Z_SYNC_FLUSH, ...(dictionary === undefined ? {} : { dictionary: Buffer.from(dictionary) }) }).subarray(0, -4);
  const play = async (frames: readonly Buffer[], extension = "permessage-deflate"): Promise<string[]> => {
    const peer = await startBytePeer(async (socket) => {
      const head = await readRequestHead(socket);
      socket.write(Buffer.concat([Buffer.from(acceptResponse(head, [`Sec-WebSocket-Extensions: ${extension}`])), ...frames]));
      socket.end();
      socket.resume();
    });
    const { connection, heard } = await connect(peer.port, { deflate: true, maxMessageBytes: 1000 });
    await connection.ended;
    await peer.close();
    return heard.map((line) => line.replace(/ at .*/, ""));
  };
  const first = "all work and no play makes jack a dull boy";
  const second = deflated(first, first);
  t.ok(second.length < 10, "the second message leans on the first");
  const one = frame({ opcode: opcodes.text, rsv: 4, payload: deflated(first) });
  const heardText = `text ${first.slice(0, 40)}`;
  t.strictSame(await play([one, frame({ opcode: opcodes.text, rsv: 4, payload: second }), close(1000)]), [heardText, heardText, "close 1000 ", "fin"]);
  t.strictSame(await play([one, frame({ opcode: opcodes.text, rsv: 4, payload: second })], "permessage-deflate; server_no_context_takeover"), [
    heardText,
    "violation BAD_DEFLATE",
    "fin",
  ]);
  const cut = deflated(first);
  const fragmented = [
    frame({ opcode: opcodes.text, rsv: 4, fin: false, payload: cut.subarray(0, 9) }),
    frame({ opcode: opcodes.continuation, payload: cut.subarray(9) }),
  ];
  t.strictSame(await play([...fragmented, text("plain"), close(1000)]), [`${heardText} in 2`, "text plain", "close 1000 ", "fin"]);
  t.strictSame(await play([frame({ opcode: opcodes.text, rsv: 4, payload: deflated("x".repeat(1001)) })]), ["violation MESSAGE_TOO_LONG", "fin"], "a bomb");
  t.strictSame(await play([frame({ opcode: opcodes.text, rsv: 4, payload: Buffer.from("ffff", "hex") })]), ["violation BAD_DEFLATE", "fin"]);
  t.strictSame(await play([frame({ opcode: opcodes.continuation, rsv: 4 })]), ["violation RESERVED_BITS", "fin"]);
  const badText = deflateRawSync(Buffer.from("ff", "hex"), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
  t.strictSame(await play([frame({ opcode: opcodes.text, rsv: 4, payload: badText })]), ["violation BAD_UTF8", "fin"]);
});

t.test("scanned messages are handed out in place; control frames, violations and the close work as ever", async (t) => {
  const readBuffer = Buffer.alloc(64);
  const scanned = async (bytes: Buffer): Promise<{ messages: string[]; heard: string[]; end: Awaited<WebSocketConnection["ended"]>; inPlace: number }> => {
    const messages: string[] = [];
    let inPlace = 0;
    const { heard, connection } = await hear([bytes], {
      readBuffer,
      messageRanges: {
        take: (buffer, start, end, opcode) => {
          if (buffer.buffer === readBuffer.buffer) inPlace += 1;
          messages.push(`${opcode} ${Buffer.from(buffer.subarray(start, end)).toString()}`);
        },
      },
    });
    return { messages, heard, end: await connection.ended, inPlace };
  };
  const good = await scanned(
    Buffer.concat([
      text("one"),
      frame({ opcode: opcodes.ping, payload: "p" }),
      text("tw", { fin: false }),
      frame({ opcode: opcodes.continuation, payload: "o" }),
      text("x".repeat(200)),
      text("last"),
      close(1000),
    ]),
  );
  t.strictSame(good.messages, ["1 one", "1 two", `1 ${"x".repeat(200)}`, "1 last"]);
  t.ok(good.inPlace >= 1);
  t.strictSame(good.heard, ["ping p", "close 1000 ", "fin"]);
  t.match(good.end, { closeReceived: { code: 1000 }, closeSent: { code: 1000 }, cleanClose: true });
  const bad = await scanned(Buffer.concat([text("one"), frame({ opcode: 3 }), text("two")]));
  t.strictSame(bad.messages, ["1 one"]);
  t.strictSame(bad.heard, ["violation RESERVED_OPCODE at 5", "fin"]);
  t.match(bad.end, { tcp: "local", closeSent: { code: 1002 }, violation: { code: "RESERVED_OPCODE" } });
  const cut = await scanned(text("whole").subarray(0, 4));
  t.strictSame(cut.heard, ["violation TRUNCATED_FRAME at 4", "fin"]);
});
