import fc from "fast-check";
import t from "tap";

import { FrameReader } from "../../src/wire/http2-frame-reader.js";
import { encodeFrame } from "../../src/wire/http2-frames.js";
import { splitAt } from "./splits.js";

interface Seen {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: string;
  readonly atByte: number;
}

/** What a reader makes of the pieces; each lies somewhere inside a larger, reused buffer. */
function read(pieces: readonly Uint8Array[], maxFrameBytes = 100): { frames: Seen[]; error: unknown; unfinished: string | undefined } {
  const frames: Seen[] = [];
  const reader = new FrameReader({
    maxFrameBytes,
    onFrame: ({ type, flags, streamId, buffer, start, end, atByte }) =>
      frames.push({ type, flags, streamId, payload: buffer.toString("hex", start, end), atByte }),
  });
  const shared = Buffer.alloc(10_000);
  try {
    for (const piece of pieces) {
      shared.fill(0xaa);
      shared.set(piece, 7);
      reader.push(shared, 7, 7 + piece.length);
    }
  } catch (error) {
    return { frames, error: { ...(error as object) }, unfinished: reader.unfinished };
  }
  return { frames, error: undefined, unfinished: reader.unfinished };
}

const frame = fc
  .record({
    type: fc.integer({ min: 0, max: 255 }),
    flags: fc.integer({ min: 0, max: 255 }),
    streamId: fc.nat({ max: 0x7fffffff }),
    payload: fc.uint8Array({ maxLength: 110 }),
  })
  .map((one) => ({ ...one, bytes: encodeFrame(one) }));

t.test("any split of any frames gives the same frames, the same place and the same error", (t) => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 6 }), fc.array(fc.nat(), { maxLength: 20 }), fc.nat({ max: 8 }), (frames, cuts, tail) => {
      const bytes = Buffer.concat([...frames.map((one) => one.bytes), Buffer.alloc(tail)]);
      t.same(read(splitAt(bytes, cuts)), read([bytes]));
    }),
    { numRuns: 300 },
  );
  t.end();
});

t.test("frames come out as they went in, with their offsets, and the reserved bit is dropped", (t) => {
  const sent = [
    { type: 0, flags: 1, streamId: 5, payload: Buffer.from("abc") },
    { type: 0xfe, flags: 0xff, streamId: 0x7fffffff, payload: Buffer.alloc(0) },
  ];
  const bytes = Buffer.concat(sent.map(encodeFrame));
  bytes[5 + 12] = 0xff;
  t.same(read([bytes]).frames, [
    { type: 0, flags: 1, streamId: 5, payload: "616263", atByte: 0 },
    { type: 0xfe, flags: 0xff, streamId: 0x7fffffff, payload: "", atByte: 12 },
  ]);
  t.end();
});

t.test("a frame that is too long is refused at its header, and nothing follows", (t) => {
  const bytes = Buffer.concat([
    encodeFrame({ type: 6, payload: Buffer.alloc(8) }),
    encodeFrame({ type: 0, streamId: 1, length: 101 }),
    encodeFrame({ type: 6, payload: Buffer.alloc(8) }),
  ]);
  for (const pieces of [[bytes], splitAt(bytes, [18, 19, 20, 21, 22, 23, 24, 25])]) {
    const { frames, error } = read(pieces);
    t.equal(frames.length, 1);
    t.match(error, { code: "FRAME_SIZE_ERROR", atByte: 17 });
  }
  t.end();
});

t.test("what an end would cut off is told", (t) => {
  const bytes = encodeFrame({ type: 0, streamId: 1, payload: Buffer.alloc(20) });
  t.equal(read([bytes]).unfinished, undefined);
  t.equal(read([bytes.subarray(0, 4)]).unfinished, "4 of 9 bytes of a frame header");
  t.equal(read([bytes.subarray(0, 9)]).unfinished, "0 of 20 payload bytes of DATA");
  t.equal(read([bytes.subarray(0, 10), bytes.subarray(10, 19)]).unfinished, "10 of 20 payload bytes of DATA");
  t.end();
});
