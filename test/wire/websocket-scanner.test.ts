import t from "tap";
import assert from "node:assert/strict";
import fc from "fast-check";
import type { FrameToSend } from "../../src/wire/websocket-frames.js";
import { FrameDecoder, encodeFrame, opcodes } from "../../src/wire/websocket-frames.js";
import { MessageAssembler } from "../../src/wire/websocket-messages.js";
import { WebSocketScanner } from "../../src/wire/websocket-scanner.js";
import { headerViolations } from "../../src/wire/websocket-violations.js";
import { WireError } from "../../src/wire/wire-error.js";
import { chunksOf, splitAt } from "./splits.js";

const maxMessageBytes = 300;
const frame = (parts: FrameToSend): Buffer => encodeFrame({ mask: false, ...parts });

/** What a scanner finds in bytes that arrive so; the chunks lie at odd places of one reused buffer, as a read buffer's do. */
function scan(chunks: readonly Uint8Array[]): string[] {
  const found: string[] = [];
  const scanner = new WebSocketScanner({
    maxMessageBytes,
    onMessage: (buffer, start, end, opcode) => found.push(`${opcode} ${Buffer.from(buffer.subarray(start, end)).toString("hex")}`),
    onControl: ({ opcode, payload }) => found.push(`${opcode} ${Buffer.from(payload).toString("hex")}`),
  });
  const readBuffer = new Uint8Array(2048);
  try {
    for (const chunk of chunks) {
      readBuffer.fill(0xee);
      const start = chunk.length % 7;
      readBuffer.set(chunk, start);
      scanner.push(readBuffer, start, start + chunk.length);
    }
    const truncated = scanner.finish();
    if (truncated !== undefined) found.push(`${truncated.code} at ${truncated.atByte}`);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    found.push(`${error.code} at ${error.atByte}`);
  }
  return found;
}

/** The same by the decoder and the assembler that checks use, which share no scanning code with it. */
function decode(bytes: Uint8Array): string[] {
  const found: string[] = [];
  const messages = new MessageAssembler({ maxMessageBytes, inflater: undefined });
  let closeReceived = false;
  const decoder = new FrameDecoder(
    {
      onHeader(header) {
        const [violation] = headerViolations(header, { messageOpen: messages.open, closeReceived, deflate: false });
        if (violation !== undefined) throw violation;
        if (header.opcode === opcodes.continuation && messages.wouldOverflow(header.payloadBytes)) {
          throw new WireError("MESSAGE_TOO_LONG", { expected: "", actual: "", atByte: header.atByte });
        }
        return true;
      },
      onFrame({ opcode, payload, ...rest }) {
        closeReceived ||= opcode === opcodes.close;
        if (opcode >= opcodes.close) found.push(`${opcode} ${Buffer.from(payload).toString("hex")}`);
        const { message } = opcode >= opcodes.close ? { message: undefined } : messages.add({ opcode, payload, ...rest });
        if (message !== undefined) found.push(`${message.type === "text" ? 1 : 2} ${Buffer.from(message.bytes).toString("hex")}`);
      },
    },
    { maxPayloadBytes: maxMessageBytes },
  );
  try {
    decoder.push(Buffer.from(bytes));
    const truncated = decoder.finish();
    if (truncated !== undefined) found.push(`${truncated.code} at ${truncated.atByte}`);
    else if (messages.open) found.push(`TRUNCATED_MESSAGE at ${bytes.length}`);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    found.push(`${error.code} at ${error.atByte}`);
  }
  return found;
}

/** Frames that are legal more often than not. */
const someFrame: fc.Arbitrary<Buffer> = fc
  .record({
    fin: fc.oneof({ weight: 5, arbitrary: fc.constant(true) }, { weight: 2, arbitrary: fc.constant(false) }),
    opcode: fc.oneof({ weight: 20, arbitrary: fc.constantFrom(0, 1, 1, 1, 2, 8, 9, 10) }, { weight: 1, arbitrary: fc.nat(15) }),
    rsv: fc.oneof({ weight: 30, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(7) }),
    mask: fc.oneof({ weight: 30, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(new Uint8Array([1, 2, 3, 4])) }),
    payload: fc.oneof(
      fc.uint8Array({ maxLength: 20 }),
      fc.constantFrom(0, 125, 126, 150, 299, 300, 301).map((bytes) => new Uint8Array(bytes).fill(0x61)),
    ),
  })
  .map((parts) => encodeFrame(parts));

t.test("a scanner finds what the decoder finds, wherever the chunks break", (t) => {
  fc.assert(
    fc.property(fc.array(someFrame, { maxLength: 8 }), fc.array(fc.nat()), (frames, cuts) => {
      const bytes = Buffer.concat(frames);
      const expected = decode(bytes);
      assert.deepEqual(scan(chunksOf(bytes, 2000)), expected);
      assert.deepEqual(scan(splitAt(bytes, cuts).flatMap((piece) => chunksOf(piece, 2000))), expected);
      assert.deepEqual(scan(chunksOf(bytes, 1)), expected);
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.array(fc.nat()), (bytes, cuts) => {
      const expected = decode(bytes);
      assert.deepEqual(scan([bytes]), expected);
      assert.deepEqual(scan(splitAt(bytes, cuts)), expected);
    }),
    { numRuns: 500 },
  );
  t.pass("held for every run");
  t.end();
});

t.test("a message that lies whole in a chunk is handed out where it lies", (t) => {
  const chunk = Buffer.concat([frame({ opcode: opcodes.text, payload: "one" }), frame({ opcode: opcodes.binary, payload: "x".repeat(200) })]);
  const seen: unknown[] = [];
  const scanner = new WebSocketScanner({
    maxMessageBytes,
    onMessage: (buffer, start, end, opcode) => seen.push([buffer === chunk, start, end, opcode]),
    onControl: () => {},
  });
  scanner.push(chunk, 0, chunk.length);
  t.strictSame(seen, [
    [true, 2, 5, opcodes.text],
    [true, 9, 209, opcodes.binary],
  ]);
  t.end();
});

t.test("the gather buffer is used again", (t) => {
  const buffers = new Set<Uint8Array>();
  const scanner = new WebSocketScanner({ maxMessageBytes, onMessage: (buffer) => buffers.add(buffer), onControl: () => {} });
  const bytes = Buffer.concat(Array.from({ length: 50 }, () => frame({ opcode: opcodes.text, payload: "x".repeat(200) })));
  for (const chunk of chunksOf(bytes, 100)) scanner.push(chunk, 0, chunk.length);
  t.equal(buffers.size, 1);
  t.end();
});

t.test("a declared length takes no memory before its bytes come", (t) => {
  const scanner = new WebSocketScanner({ maxMessageBytes: 2 ** 33, onMessage: () => {}, onControl: () => {} });
  const before = process.memoryUsage().arrayBuffers;
  const header = frame({ opcode: opcodes.text, declaredLength: 2 ** 32 });
  scanner.push(header, 0, header.length);
  scanner.push(Buffer.alloc(1000), 0, 1000);
  t.ok(process.memoryUsage().arrayBuffers - before < 100_000);
  t.match(scanner.finish(), { code: "TRUNCATED_FRAME", atByte: 1010 });
  t.end();
});

t.test("after stop nothing is handed out, not even of the same chunk", (t) => {
  let messages = 0;
  const scanner = new WebSocketScanner({
    maxMessageBytes,
    onMessage: () => {
      messages += 1;
      scanner.stop();
    },
    onControl: () => {},
  });
  const bytes = Buffer.concat([frame({ opcode: opcodes.text }), frame({ opcode: opcodes.text })]);
  scanner.push(bytes, 0, bytes.length);
  scanner.push(bytes, 0, bytes.length);
  t.equal(messages, 1);
  t.equal(scanner.finish(), undefined);
  t.end();
});

t.test("bytes count from where the connection began", (t) => {
  const scanner = new WebSocketScanner({ maxMessageBytes, onMessage: () => {}, onControl: () => {} }, 129);
  const good = frame({ opcode: opcodes.text, payload: "ok" });
  scanner.push(good, 0, good.length);
  const bad = frame({ opcode: 3 });
  t.throws(() => scanner.push(bad, 0, bad.length), { code: "RESERVED_OPCODE", atByte: 133 });
  t.end();
});
