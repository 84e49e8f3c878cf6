import t from "tap";
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Frame, FrameToSend } from "../../src/wire/websocket-frames.js";
import { FrameDecoder, applyMask, encodeClosePayload, encodeFrame, isSendableCloseCode, opcodes } from "../../src/wire/websocket-frames.js";
import { WireError } from "../../src/wire/wire-error.js";
import { chunksOf, splitAt } from "./splits.js";

function decode(chunks: readonly Uint8Array[], maxPayloadBytes = 1 << 20): { frames: Frame[]; error: WireError | undefined } {
  const frames: Frame[] = [];
  const decoder = new FrameDecoder(
    { onHeader: () => true, onFrame: (frame) => frames.push({ ...frame, payload: Buffer.from(frame.payload) }) },
    { maxPayloadBytes },
  );
  try {
    // Unmasking works in place: what is pushed must not be what another run reads.
    for (const chunk of chunks) decoder.push(Buffer.from(chunk));
  } catch (error) {
    if (error instanceof WireError) return { frames, error };
    throw error;
  }
  return { frames, error: decoder.finish() };
}

const frameToSend: fc.Arbitrary<FrameToSend & { payload: Uint8Array }> = fc.record({
  fin: fc.boolean(),
  rsv: fc.nat(7),
  opcode: fc.nat(15),
  mask: fc.oneof(fc.boolean(), fc.uint8Array({ minLength: 4, maxLength: 4 })),
  payload: fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.constantFrom(125, 126, 127, 65535, 65536).map((bytes) => new Uint8Array(bytes).fill(7)),
  ),
});

t.test("what is encoded is decoded, wherever the bytes are cut", (t) => {
  fc.assert(
    fc.property(fc.array(frameToSend, { maxLength: 5 }), fc.array(fc.nat()), (sent, cuts) => {
      const bytes = Buffer.concat(sent.map((frame) => encodeFrame(frame)));
      const { frames, error } = decode(splitAt(bytes, cuts));
      assert.equal(error, undefined);
      assert.equal(frames.length, sent.length);
      let atByte = 0;
      frames.forEach((frame, index) => {
        const wanted = sent[index]!;
        assert.equal(Buffer.compare(frame.payload, wanted.payload), 0, `payload ${index}`);
        const { fin, rsv, opcode, payloadBytes } = frame;
        assert.deepEqual(
          { fin, rsv, opcode, payloadBytes, atByte: frame.atByte },
          { fin: wanted.fin, rsv: wanted.rsv, opcode: wanted.opcode, payloadBytes: wanted.payload.length, atByte },
        );
        assert.equal(frame.maskKey === undefined, wanted.mask === false);
        atByte += frame.headerBytes + frame.payloadBytes;
      });
    }),
    { numRuns: 60 },
  );
  t.pass("held for every run");
  t.end();
});

t.test("any bytes in any pieces give the same frames and the same error", (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.nat()), (bytes, cuts) => {
      const whole = decode([bytes], 100);
      const split = decode(splitAt(bytes, cuts), 100);
      assert.deepEqual(split.frames, whole.frames);
      assert.equal(split.error?.message, whole.error?.message);
      assert.deepEqual(decode(chunksOf(bytes, 1), 100).frames, whole.frames);
    }),
    { numRuns: 200 },
  );
  t.pass("held for every run");
  t.end();
});

t.test("a declared length over the bound fails at its header, before any payload", (t) => {
  for (const [declaredLength, lengthBits] of [
    [1001, 16],
    [2 ** 31, 64],
    [2n ** 63n, 64],
    [2n ** 64n - 1n, 64],
  ] as const) {
    const before = encodeFrame({ opcode: opcodes.text, mask: false, payload: "ok" });
    const header = encodeFrame({ opcode: opcodes.text, mask: false, declaredLength, lengthBits });
    const { frames, error } = decode(chunksOf(Buffer.concat([before, header]), 1), 1000);
    t.equal(frames.length, 1);
    t.match(error, {
      code: "FRAME_TOO_LONG",
      expected: "a frame of at most 1000 payload bytes",
      actual: `${Number(declaredLength)} declared`,
      atByte: before.length,
    });
  }
  t.end();
});

t.test("memory follows the bytes that came, not the length that was declared", (t) => {
  const decoder = new FrameDecoder({ onHeader: () => true, onFrame: () => t.fail("no frame is whole") }, { maxPayloadBytes: 2 ** 40 });
  const before = process.memoryUsage().arrayBuffers;
  decoder.push(encodeFrame({ opcode: opcodes.binary, mask: false, declaredLength: 2 ** 39 }));
  for (let count = 0; count < 16; count += 1) decoder.push(Buffer.alloc(1024));
  t.ok(process.memoryUsage().arrayBuffers - before < 1 << 20);
  t.match(decoder.finish(), { code: "TRUNCATED_FRAME", actual: `16384 of its ${2 ** 39} payload bytes`, atByte: 10 + 16384 });
  t.end();
});

t.test("a stream that stops inside a header is truncated, one that stops between frames is not", (t) => {
  const frame = encodeFrame({ opcode: opcodes.text, payload: "x".repeat(200) });
  for (let cut = 1; cut < frame.length; cut += 1) t.match(decode([frame.subarray(0, cut)]).error, { code: "TRUNCATED_FRAME", atByte: cut });
  t.equal(decode([frame]).error, undefined);
  t.equal(decode([]).error, undefined);
  t.end();
});

t.test("a sink that says no at a header hears nothing more", (t) => {
  let headers = 0;
  const decoder = new FrameDecoder({ onHeader: () => (headers += 1) < 2, onFrame: (frame) => t.equal(frame.opcode, opcodes.ping) }, { maxPayloadBytes: 100 });
  decoder.push(Buffer.concat([encodeFrame({ opcode: opcodes.ping }), encodeFrame({ opcode: opcodes.text }), encodeFrame({ opcode: opcodes.text })]));
  t.equal(headers, 2);
  t.equal(decoder.finish(), undefined);
  t.end();
});

t.test("the RFC's examples (section 5.7) are encoded byte for byte", (t) => {
  const hex = (frame: FrameToSend): string => encodeFrame(frame).toString("hex");
  t.equal(hex({ opcode: opcodes.text, mask: false, payload: "Hello" }), "810548656c6c6f");
  t.equal(hex({ opcode: opcodes.text, mask: Buffer.from("37fa213d", "hex"), payload: "Hello" }), "818537fa213d7f9f4d5158");
  t.equal(hex({ opcode: opcodes.text, mask: false, fin: false, payload: "Hel" }), "010348656c");
  t.equal(hex({ opcode: opcodes.continuation, mask: false, payload: "lo" }), "80026c6f");
  t.equal(hex({ opcode: opcodes.binary, mask: false, payload: new Uint8Array(256) }).slice(0, 8), "827e0100");
  t.equal(hex({ opcode: opcodes.binary, mask: false, payload: new Uint8Array(65536) }).slice(0, 20), "827f0000000000010000");
  t.equal(hex({ opcode: opcodes.text, mask: false, payload: "Hi", lengthBits: 64 }), "817f00000000000000024869");
  t.end();
});

t.test("masking leaves the caller's bytes alone, takes a fresh key each time, and undoes itself", (t) => {
  const payload = Buffer.from("payload");
  const one = encodeFrame({ opcode: opcodes.text, payload });
  const two = encodeFrame({ opcode: opcodes.text, payload });
  t.equal(payload.toString(), "payload");
  t.notSame(one.subarray(2, 6), two.subarray(2, 6));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 4, maxLength: 4 }), (bytes, key) => {
      const masked = Uint8Array.from(bytes);
      applyMask(masked, key);
      assert.deepEqual(
        [...masked],
        [...bytes].map((byte, index) => byte ^ key[index % 4]!),
      );
    }),
    { numRuns: 50 },
  );
  t.pass("held for every run");
  t.end();
});

t.test("a Close payload is its code, then its reason, or nothing", (t) => {
  t.equal(encodeClosePayload(1000, "bye").toString("hex"), "03e8627965");
  t.equal(encodeClosePayload(1000).toString("hex"), "03e8");
  t.equal(encodeClosePayload().length, 0);
  const sendable = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999];
  const not = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535];
  for (const code of sendable) t.ok(isSendableCloseCode(code), `${code}`);
  for (const code of not) t.notOk(isSendableCloseCode(code), `${code}`);
  t.end();
});
