import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import protobuf from "protobufjs";
import t from "tap";
import { createProtobufCodec, UnencodableError } from "../../src/contract/protobuf-codec.js";

const root = protobuf.parse(
  `syntax = "proto3";
  package p;
  enum Kind { NONE = 0; SOME = 1; ALIAS_OF_NOTHING = 5; }
  message Inner { string name = 1; repeated Inner children = 2; int32 n = 3; }
  message All {
    string s = 1; bytes b = 2; bool yes = 3; double d = 4; float f = 5;
    int32 i32 = 6; sint32 s32 = 7; uint32 u32 = 8; fixed32 f32 = 9; sfixed32 sf32 = 10;
    int64 i64 = 11; sint64 s64 = 12; uint64 u64 = 13; fixed64 f64 = 14; sfixed64 sf64 = 15;
    Kind kind = 16; Inner inner = 17; repeated string list = 18; repeated sint64 packed = 19; repeated int32 loose = 20 [packed = false];
    map<string, int64> counts = 21; map<int32, Inner> inners = 22;
    optional string maybe = 23; oneof either { string left = 24; Inner right = 25; }
    repeated Kind kinds = 26; int32 snake_case_name = 27;
  }`,
  { keepCase: true },
).root;
root.resolveAll();
const All = root.lookupType("p.All");
const codec = createProtobufCodec(All, All, "base64");

/** Of any number of bits. */
const int64 = fc.tuple(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.nat(63)).map(([value, bits]) => value >> BigInt(bits));
const uint64 = fc.tuple(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.nat(63)).map(([value, bits]) => value >> BigInt(bits));
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const narrow = (value: bigint): number | string => (Number.isSafeInteger(Number(value)) ? Number(value) : value.toString());
const text = fc.string({ unit: "grapheme", maxLength: 20 });
const base64 = fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString("base64"));
const plain = { noNullPrototype: true };
const leaf = fc.record({ name: text, children: fc.constant([]), n: int32 }, plain);
const inner = fc.record({ name: text, children: fc.array(leaf, { maxLength: 2 }), n: int32 }, plain);
const whole = fc.record(
  {
    s: text,
    b: base64,
    yes: fc.boolean(),
    d: fc.double({ noNaN: true }).map((value) => (Object.is(value, -0) ? 0 : value)),
    f: fc.float({ noNaN: true }).map((value) => (Object.is(value, -0) ? 0 : value)),
    i32: int32,
    s32: int32,
    u32: uint32,
    f32: uint32,
    sf32: int32,
    i64: int64.map(narrow),
    s64: int64.map(narrow),
    u64: uint64.map(narrow),
    f64: uint64.map(narrow),
    sf64: int64.map(narrow),
    kind: fc.constantFrom("NONE", "SOME", 3),
    list: fc.array(text, { maxLength: 3 }),
    packed: fc.array(int64.map(narrow), { maxLength: 5 }),
    loose: fc.array(int32, { maxLength: 3 }),
    counts: fc.dictionary(text, int64.map(narrow), { maxKeys: 3, noNullPrototype: true }),
    inners: fc.dictionary(int32.map(String), inner, { maxKeys: 2, noNullPrototype: true }),
    kinds: fc.array(fc.constantFrom("NONE", "SOME"), { maxLength: 3 }),
    snake_case_name: int32,
  },
  plain,
);
const optional = fc.record({ inner, maybe: text }, { requiredKeys: [], noNullPrototype: true });
const either = fc.oneof(fc.constant({}), fc.record({ left: text }, plain), fc.record({ right: inner }, plain));
const all = fc.tuple(whole, optional, either).map((parts) => Object.assign({}, ...parts) as Record<string, unknown>);

t.test("what is encoded is decoded to the same message", async (t) => {
  fc.assert(
    fc.property(all, (message) => isDeepStrictEqual(codec.decode(codec.encode(message)), message)),
    { numRuns: 300 },
  );
  t.same(Object.keys(codec.decode(new Uint8Array(0))).includes("maybe"), false, "what has presence and is absent stays absent");
  t.match(codec.decode(new Uint8Array(0)), { s: "", i64: 0, yes: false, kind: "NONE", list: [], counts: {} }, "what has none gets its default");
});

t.test("protobufjs writes the same bytes, and reads back what the reader read", async () => {
  const theirs = (bytes: Uint8Array): object => All.toObject(All.decode(bytes), { longs: String, enums: String, bytes: String });
  fc.assert(
    fc.property(all, (message) => {
      const bytes = All.encode(All.fromObject(message)).finish();
      return Buffer.compare(bytes, codec.encode(message)) === 0 && isDeepStrictEqual(theirs(codec.encode(codec.decode(bytes))), theirs(bytes));
    }),
    { numRuns: 200 },
  );
});

t.test("any cut of a message is refused with the byte, or ends between two fields", async () => {
  fc.assert(
    fc.property(all, fc.nat(), (message, at) => {
      const bytes = codec.encode(message);
      const cut = bytes.subarray(0, bytes.length === 0 ? 0 : at % bytes.length);
      try {
        codec.decode(cut);
        return true;
      } catch (thrown) {
        return thrown instanceof Error && /byte/.test(thrown.message);
      }
    }),
    { numRuns: 500 },
  );
});

t.test("whatever the bytes, the answer is a message or an Error that says what is wrong", async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        return typeof codec.decode(bytes) === "object";
      } catch (thrown) {
        return thrown instanceof Error && thrown.constructor === Error && /byte|nested/.test(thrown.message);
      }
    }),
    { numRuns: 5000 },
  );
});

t.test("a message amid other bytes is the same message, or refused in the same words", async () => {
  const outcome = (decode: () => unknown): unknown => {
    try {
      return decode();
    } catch (thrown) {
      return thrown;
    }
  };
  fc.assert(
    fc.property(
      fc.oneof(
        all.map((message) => codec.encode(message)),
        fc.uint8Array({ maxLength: 100 }),
      ),
      fc.nat(20),
      (bytes, before) => {
        const around = Buffer.concat([Buffer.alloc(before, 8), bytes, Buffer.alloc(12, 8)]);
        return isDeepStrictEqual(
          outcome(() => codec.decode(around, before, before + bytes.length)),
          outcome(() => codec.decode(bytes)),
        );
      },
    ),
    { numRuns: 1000 },
  );
});

const bytesOf = (hex: string): Buffer => Buffer.from(hex.replaceAll(" ", ""), "hex");

t.test("each kind of bad input is named", async (t) => {
  for (const [hex, message] of [
    ["0a 05 61 62", /p\.All\.s announces 5 bytes at byte 1, but 2 are left/],
    ["0a 02 c3 28", /p\.All\.s is not UTF-8 \(bytes 2 to 3\)/],
    ["0a ff ff ff ff 0f", /announces 4294967295 bytes/],
    ["0a ff ff ff ff ff ff ff ff ff ff 01", /varint of more than 10 bytes at byte 1/],
    ["00 00", /field number 0 in p\.All at byte 0/],
    ["0e 00", /wire type 6 of field 1 in p\.All at byte 0/],
    ["0c", /end of group 1 that was not begun/],
    ["a3 06", /group 100 in p\.All group 100 is cut off/],
    ["a3 06 ac 06", /end of group 101/],
    ["21 00 00", /p\.All\.d is cut off at byte 3/],
    ["80", /a field of p\.All is cut off at byte 1/],
  ] as const) {
    t.throws(() => codec.decode(bytesOf(hex)), { message }, hex);
  }
});

t.test("unknown fields are skipped, whatever their wire type", async (t) => {
  t.equal(codec.decode(bytesOf("a0 06 01 a1 06 0000000000000000 a2 06 01 78 a5 06 00000000 a3 06 08 01 a4 06 0a 01 78"))["s"], "x");
  t.equal(codec.decode(bytesOf("08 05"))["s"], "", "a known number with another wire type is unknown");
});

t.test("the last of a field that comes twice counts, message fields are merged, and a oneof keeps one", async (t) => {
  t.equal(codec.decode(bytesOf("0a 01 61 0a 01 62"))["s"], "b");
  t.match(codec.decode(bytesOf("8a 01 03 0a 01 61 8a 01 02 18 05"))["inner"], { name: "a", n: 5 });
  const either = codec.decode(bytesOf("c2 01 01 61 ca 01 00"));
  t.same([either["left"], typeof either["right"]], [undefined, "object"]);
  t.same(codec.decode(bytesOf("98 01 02 9a 01 01 04"))["packed"], [1, 2], "packed and loose may be mixed");
});

t.test("a map key cannot reach a prototype", async (t) => {
  const counts = codec.decode(codec.encode({ counts: JSON.parse('{"__proto__": 7}') as object }))["counts"] as object;
  t.equal(Object.getPrototypeOf(counts), Object.prototype);
  t.same(Object.entries(counts), [["__proto__", 7]]);
});

t.test("nesting is bounded", async (t) => {
  let bytes: Buffer = Buffer.alloc(0);
  for (let i = 0; i < 150; i++) {
    bytes = Buffer.concat([bytesOf("12"), Buffer.from(varint(bytes.length)), bytes]);
  }
  t.throws(() => createProtobufCodec(All, root.lookupType("p.Inner"), "base64").decode(bytes), { message: /nested more than 100 deep/ });
});

t.test("what a type cannot hold is refused by the field's name", async (t) => {
  for (const [message, place] of [
    [{ nope: 1 }, "nope"],
    [{ inner: { nope: 1 } }, "inner.nope"],
    [{ i32: 2 ** 31 }, "i32"],
    [{ u32: -1 }, "u32"],
    [{ u64: "x" }, "u64"],
    [{ s: 5 }, "s"],
    [{ yes: "true" }, "yes"],
    [{ list: "a" }, "list"],
    [{ list: ["a", 1] }, "list.1"],
    [{ kind: "NOPE" }, "kind"],
    [{ counts: [1] }, "counts"],
    [{ counts: { a: "b" } }, "counts.a"],
    [{ inner: "x" }, "inner"],
    [{ i64: 1.5 }, "i64"],
  ] as const) {
    try {
      codec.encode(message);
      t.fail(JSON.stringify(message));
    } catch (thrown) {
      t.equal(thrown instanceof UnencodableError && thrown.place, place);
    }
  }
});

t.test("bytes can be plain text", async (t) => {
  const plain = createProtobufCodec(All, All, "text");
  t.equal(plain.decode(plain.encode({ b: "/a/ключ" }))["b"], "/a/ключ");
});

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >> 7)];
}
