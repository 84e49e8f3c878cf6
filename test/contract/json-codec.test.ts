import fc from "fast-check";
import t from "tap";
import { createJsonCodec } from "../../src/contract/json-codec.js";

const codec = createJsonCodec("text");

/** As JSON, where a double that was written as a whole number and came as a bigint is that double. */
function asDoubles(message: unknown): string {
  return JSON.stringify(message, (_, value: unknown) => (typeof value === "bigint" ? Number(value) : value));
}

t.test("what is encoded is decoded to the same message", async () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true }),
      (message) => asDoubles(codec.decode(codec.encode(message))) === JSON.stringify(message),
    ),
  );
});

t.test("a message amid other bytes is the same message, or refused in the same words", async (t) => {
  const around = (bytes: Uint8Array): Buffer => Buffer.concat([Buffer.from('{"'), bytes, Buffer.from("}")]);
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue(), { noNullPrototype: true }), (message) => {
      const bytes = codec.encode(message);
      return asDoubles(codec.decode(around(bytes), 2, bytes.length + 2)) === asDoubles(codec.decode(bytes));
    }),
  );
  for (const text of ["", "[]", "{", "\ufeff{}"]) {
    const bytes = Buffer.from(text);
    const wanted = t.throws(() => codec.decode(bytes)) as Error;
    t.throws(() => codec.decode(around(bytes), 2, bytes.length + 2), { message: wanted.message }, text);
  }
  t.throws(() => codec.decode(around(Buffer.from([0x7b, 0xff, 0x7d])), 2, 5), { message: "not UTF-8: the first bad byte is at 1" });
  t.same(codec.decode(Buffer.from('{"a":"\ufffd"}')), { a: "\ufffd" }, "a replacement character that was sent");
});

t.test("brackets in texts are not nesting", async (t) => {
  const message = { a: `${"[{".repeat(2000)} \\"`, b: Array.from({ length: 2000 }, () => [{}]) };
  t.same(codec.decode(codec.encode(message)), message);
});

t.test("bigint is written as int64 is: a decimal text", async (t) => {
  t.equal(Buffer.from(codec.encode({ n: 2n ** 64n - 1n })).toString(), '{"n":"18446744073709551615"}');
});

t.test("what is no JSON object is refused by what it is", async (t) => {
  for (const [bytes, message] of [
    ["", "an empty frame, not a JSON object"],
    ["null", "JSON null, not an object"],
    ["[]", "JSON array, not an object"],
    ["5", "JSON number, not an object"],
    ['"x"', "JSON string, not an object"],
    ["{", /^not JSON: /],
    ["{}{}", /^not JSON: /],
    [`{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`, "JSON nested more than 500 deep"],
    ["\u{feff}{}", /^not JSON: /],
    [Buffer.from([0x7b, 0x22, 0xc3, 0x28, 0x22]), "not UTF-8: the first bad byte is at 3"],
    [Buffer.from([0x22, 0xe2, 0x98]), "not UTF-8: the first bad byte is at 2"],
    [Buffer.from([0xff]), "not UTF-8: the first bad byte is at 0"],
  ] as const) {
    t.throws(() => codec.decode(Buffer.from(bytes as string)), { message }, JSON.stringify(bytes).slice(0, 60));
  }
});

t.test("whatever the bytes, the answer is an object or an Error", async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        return typeof codec.decode(bytes) === "object";
      } catch (thrown) {
        return thrown instanceof Error && thrown.message.length < 300;
      }
    }),
    { numRuns: 2000 },
  );
});

t.test("whole numbers that no double holds come as bigint, all others as numbers, wherever they stand", async (t) => {
  const text = String.raw`{"a":9007199254740993,"b":[-9007199254740995,{"c":18446744073709551615}],"9007199254740993":"9007199254740993 \"9007199254740997","d":9007199254740992,"e":0.12345678901234567890,"f":12345678901234567e3,"g":1.5e300,"h":123456789012345678901234567890}`;
  t.same(codec.decode(Buffer.from(text)), {
    a: 2n ** 53n + 1n,
    b: [-(2n ** 53n) - 3n, { c: 2n ** 64n - 1n }],
    "9007199254740993": '9007199254740993 "9007199254740997',
    d: 2 ** 53,
    e: Number("0.12345678901234567890"),
    f: 12345678901234567e3,
    g: 1.5e300,
    h: 1.2345678901234568e29,
  });
  const around = JSON.stringify({ text: `"${"\\".repeat(5)}` });
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }), (n) => {
      const { n: got } = codec.decode(Buffer.from(`{"before":${around},"n":${n}}`));
      return typeof got === (Number.isSafeInteger(Number(n)) ? "number" : typeof got) && BigInt(got as number | bigint) === n;
    }),
  );
});
