import t from "tap";
import assert from "node:assert/strict";
import { isUtf8 } from "node:buffer";
import fc from "fast-check";
import { Utf8Checker } from "../../src/wire/utf8.js";
import { chunksOf, splitAt } from "./splits.js";

/** Bytes that are often near the borders of UTF-8's rules. */
const nearText = fc
  .array(
    fc.oneof(fc.constantFrom(0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff), fc.nat(255)),
    { maxLength: 12 },
  )
  .map((bytes) => Uint8Array.from(bytes));

function badByte(chunks: readonly Uint8Array[]): number | "incomplete" | "text" {
  const checker = new Utf8Checker();
  let before = 0;
  for (const chunk of chunks) {
    const index = checker.push(chunk);
    if (index >= 0) return before + index;
    before += chunk.length;
  }
  return checker.complete ? "text" : "incomplete";
}

t.test("text is what node takes for UTF-8, in whatever pieces it comes", (t) => {
  fc.assert(
    fc.property(nearText, fc.array(fc.nat()), (bytes, cuts) => {
      const verdict = badByte([bytes]);
      assert.equal(verdict === "text", isUtf8(bytes));
      assert.equal(badByte(splitAt(bytes, cuts)), verdict);
      assert.equal(badByte(chunksOf(bytes, 1)), verdict);
    }),
    { numRuns: 1000 },
  );
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.array(fc.nat()), (text, cuts) => {
      assert.equal(badByte(splitAt(Buffer.from(text), cuts)), "text");
    }),
  );
  t.pass("held for every run");
  t.end();
});

t.test("the first byte that cannot be is named", (t) => {
  const cases: readonly (readonly [hex: string, verdict: number | "incomplete"])[] = [
    ["6180", 1],
    ["61c080", 1],
    ["e080", 1],
    ["eda080", 1],
    ["f08080", 1],
    ["f490", 1],
    ["f5", 0],
    ["e282", "incomplete"],
    ["e28261", 2],
  ];
  for (const [hex, verdict] of cases) t.equal(badByte([Buffer.from(hex, "hex")]), verdict, hex);
  t.end();
});

t.test("after a reset a text begins", (t) => {
  const checker = new Utf8Checker();
  checker.push(Buffer.from("e2", "hex"));
  t.notOk(checker.complete);
  checker.reset();
  t.ok(checker.complete);
  t.equal(checker.push(Buffer.from("a")), -1);
  t.end();
});
