import fc from "fast-check";
import t from "tap";
import { BytePattern, ByteWindow, Contains, fourDigits, IsOneOf, StartsWith } from "../../src/load/byte-tests.js";

const text = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 12 }),
  fc.string({ unit: "grapheme", maxLength: 6 }),
);

function windowOn(value: string): { readonly window: ByteWindow; readonly start: number; readonly end: number } {
  const window = new ByteWindow();
  const bytes = Buffer.from(value, "utf8");
  // What lies around the field must not matter.
  window.use(Buffer.concat([Buffer.from("ab"), bytes, Buffer.from("abab")]));
  return { window, start: 2, end: 2 + bytes.length };
}

t.test("containing, beginning and being are what they are for strings", (t) => {
  fc.assert(
    fc.property(text, text, fc.array(text, { maxLength: 3 }), (field, wanted, others) => {
      const { window, start, end } = windowOn(field);
      return (
        new Contains(0, wanted).test(window, start, end) === field.includes(wanted) &&
        new StartsWith(0, wanted).test(window, start, end) === field.startsWith(wanted) &&
        new IsOneOf(0, [wanted, ...others]).test(window, start, end) === [wanted, ...others].includes(field)
      );
    }),
    { numRuns: 3000 },
  );
  t.end();
});

t.test("a part of the field itself is always found, however long", (t) => {
  fc.assert(
    fc.property(fc.string({ maxLength: 600, unit: "grapheme-ascii" }), fc.nat(600), fc.nat(600), (field, a, b) => {
      const { window, start, end } = windowOn(field);
      return new Contains(0, field.slice(Math.min(a, b), Math.max(a, b))).test(window, start, end);
    }),
    { numRuns: 1000 },
  );
  t.end();
});

t.test("a pattern is found only where it lies", (t) => {
  const window = new ByteWindow();
  window.use(Buffer.from("xneedlex"));
  const needle = new BytePattern(Buffer.from("needle"));
  t.same(
    [0, 1, 2].map((at) => needle.at(window, at)),
    [false, true, false],
  );
  t.ok(new BytePattern(Buffer.from("")).at(window, 3));
  t.end();
});

t.test("four digits are a number, anything else is negative", (t) => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.integer({ min: 0x30, max: 0x39 }), fc.integer({ min: 0, max: 255 })), { minLength: 4, maxLength: 4 }), (bytes) => {
      const buffer = Buffer.from(bytes);
      const value = fourDigits(new DataView(buffer.buffer, buffer.byteOffset, 4), 0);
      return bytes.every((byte) => byte >= 0x30 && byte <= 0x39) ? value === Number(buffer.toString("latin1")) : value < 0;
    }),
    { numRuns: 5000 },
  );
  t.end();
});
