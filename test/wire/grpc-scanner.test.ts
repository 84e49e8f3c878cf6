import fc from "fast-check";
import t from "tap";

import { encodeMessage } from "../../src/wire/grpc-messages.js";
import { GrpcScanner } from "../../src/wire/grpc-scanner.js";
import { splitAt } from "./splits.js";

function scan(pieces: readonly Uint8Array[], maxMessageBytes = 1000): { messages: string[]; error: unknown; unfinished: string | undefined } {
  const messages: string[] = [];
  const scanner = new GrpcScanner({ maxMessageBytes, onMessage: (buffer, start, end, flag) => messages.push(`${flag}:${buffer.toString("hex", start, end)}`) });
  const shared = Buffer.alloc(20_000);
  try {
    for (const piece of pieces) {
      shared.fill(0xaa);
      shared.set(piece, 3);
      scanner.push(shared, 3, 3 + piece.length);
    }
  } catch (error) {
    return { messages, error: { ...(error as object) }, unfinished: scanner.unfinished };
  }
  return { messages, error: undefined, unfinished: scanner.unfinished };
}

t.test("any split of any messages gives the same messages, the same place and the same error", (t) => {
  const message = fc.tuple(
    fc.uint8Array({ maxLength: 1010 }),
    fc.oneof({ weight: 9, arbitrary: fc.nat({ max: 1 }) }, { weight: 1, arbitrary: fc.nat({ max: 255 }) }),
  );
  fc.assert(
    fc.property(fc.array(message, { maxLength: 6 }), fc.array(fc.nat(), { maxLength: 20 }), fc.nat({ max: 6 }), (parts, cuts, tail) => {
      const bytes = Buffer.concat([...parts.map(([payload, flagByte]) => encodeMessage(payload, { flagByte })), Buffer.alloc(tail)]);
      t.same(scan(splitAt(bytes, cuts)), scan([bytes]));
    }),
    { numRuns: 300 },
  );
  t.end();
});

t.test("every legal list of messages comes out as it went in, empty ones too", (t) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), (payloads) => {
      const { messages, error, unfinished } = scan([Buffer.concat(payloads.map((payload) => encodeMessage(payload)))]);
      t.same(
        { messages, error, unfinished },
        { messages: payloads.map((payload) => `0:${Buffer.from(payload).toString("hex")}`), error: undefined, unfinished: undefined },
      );
    }),
    { numRuns: 100 },
  );
  t.end();
});

t.test("a flag byte from 2 to 255 and a message that is too long are refused at their prefix", (t) => {
  const first = encodeMessage(Buffer.from("ok"));
  for (let flagByte = 2; flagByte < 256; flagByte += 1) {
    t.match(scan([Buffer.concat([first, encodeMessage(Buffer.alloc(0), { flagByte })])]).error, { code: "BAD_MESSAGE_FLAG", atByte: 7 });
  }
  t.match(scan([Buffer.from("00000003e9", "hex")]).error, { code: "MESSAGE_TOO_LONG", atByte: 1, actual: "1001 bytes" });
  t.match(scan([Buffer.from("00ffff", "hex"), Buffer.from("ffff", "hex")]).error, { code: "MESSAGE_TOO_LONG", actual: "4294967295 bytes" });
  t.equal(scan([Buffer.from("00000003e8", "hex")]).error, undefined);
  t.end();
});

t.test("what an end would cut off is told", (t) => {
  t.equal(scan([Buffer.from("000000", "hex")]).unfinished, "3 of 5 bytes of a message's prefix");
  t.equal(scan([Buffer.from("0000000007aabb", "hex")]).unfinished, "2 of 7 message bytes");
  t.end();
});

t.test("a message that lies whole in what was pushed is handed out where it lies", (t) => {
  const bytes = Buffer.concat([encodeMessage(Buffer.from("one")), encodeMessage(Buffer.from("two"))]);
  const scanner = new GrpcScanner({ maxMessageBytes: 10, onMessage: (buffer) => t.equal(buffer, bytes) });
  scanner.push(bytes, 0, bytes.length);
  t.end();
});

t.test("memory for a gathered message grows with what came, not with what was promised", (t) => {
  const scanner = new GrpcScanner({ maxMessageBytes: 2 ** 32, onMessage: () => t.fail("no message is whole") });
  const before = process.memoryUsage().arrayBuffers;
  const scanners = Array.from({ length: 100 }, () => new GrpcScanner({ maxMessageBytes: 2 ** 32, onMessage: () => {} }));
  for (const one of [scanner, ...scanners]) one.push(Buffer.from("00fffffff0616263", "hex"), 0, 8);
  t.ok(process.memoryUsage().arrayBuffers - before < 10_000_000);
  t.end();
});
