import fc from "fast-check";
import t from "tap";

import { matches, readJsonFilter, readProtobufFilter } from "../../src/reference/filter.js";
import { levels, LogEntry } from "../../src/reference/log-entry.js";
import { encodeFilter } from "./clients.js";

const entry = (fields: Partial<{ level: (typeof levels)[number]; source: string; message: string }> = {}): LogEntry =>
  new LogEntry(1, "2026-07-30T12:00:00Z", { level: "info", source: "alpha", message: "tick 1", ...fields });

t.test("each field constrains by itself, and all do together", async (t) => {
  t.ok(matches({}, entry()));
  t.ok(matches({ minLevel: "info" }, entry()));
  t.notOk(matches({ minLevel: "warn" }, entry()));
  t.ok(matches({ sources: ["beta", "alpha"] }, entry()));
  t.notOk(matches({ sources: [""] }, entry()));
  t.ok(matches({ sources: [""] }, entry({ source: "" })));
  t.ok(matches({ contains: "k 1" }, entry()));
  t.notOk(matches({ contains: "TICK" }, entry()));
  t.notOk(matches({ minLevel: "info", sources: ["alpha"], contains: "tock" }, entry()));
});

t.test("both encodings of a filter read alike", async () => {
  const wire = fc.record(
    {
      min_level: fc.constantFrom(...levels),
      sources: fc.array(fc.string({ unit: "grapheme", maxLength: 20 }), { minLength: 1, maxLength: 4 }),
      contains: fc.string({ unit: "grapheme", maxLength: 100 }).filter((text) => Buffer.byteLength(text) <= 256),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(wire, (filter) => {
      const read = readJsonFilter(JSON.stringify(filter));
      return read.kind === "filter" && JSON.stringify(readProtobufFilter(encodeFilter(filter))) === JSON.stringify(read);
    }),
  );
});

t.test("JSON: null ends, a null-valued field is absent, unknown fields are ignored", async (t) => {
  for (const text of ["null", "null\n", "\t null "]) t.strictSame(readJsonFilter(text), { kind: "end" });
  t.strictSame(readJsonFilter('{"min_level":null,"sources":null,"contains":null,"x":[1],"__proto__":{"min_level":"info"}}'), { kind: "filter", filter: {} });
  t.strictSame(readJsonFilter('{"sources":[]}'), { kind: "filter", filter: {} });
});

t.test("JSON: what is no filter is malformed, what is none of the contract is invalid", async (t) => {
  for (const text of [
    "",
    "{",
    "nul",
    '"null"',
    "1",
    "true",
    "[]",
    "[null]",
    '{"min_level":1}',
    '{"sources":"alpha"}',
    '{"sources":[null]}',
    '{"contains":{}}',
  ]) {
    t.equal(readJsonFilter(text).kind, "malformed", text);
  }
  for (const value of [{ min_level: "" }, { min_level: "INFO" }, { contains: "ä".repeat(129) }]) t.equal(readJsonFilter(JSON.stringify(value)).kind, "invalid");
  t.equal(readJsonFilter(JSON.stringify({ contains: "ä".repeat(128) })).kind, "filter");
  t.match(readJsonFilter(JSON.stringify({ contains: "ä".repeat(129) })), { tooLong: { contains: "ä".repeat(129) } }, "what it would be but for its length");
});

t.test("protobuf: unknown fields are skipped, the last of a scalar wins, a field of another wire type is unknown", async (t) => {
  const unknown = Buffer.from([0x20, 0x96, 0x01, 0x29, 1, 2, 3, 4, 5, 6, 7, 8, 0x35, 1, 2, 3, 4, 0x3b, 0x08, 0x01, 0x3c, 0x08, 0x05]);
  t.strictSame(readProtobufFilter(Buffer.concat([unknown, encodeFilter({ contains: "a" }), encodeFilter({ contains: "b" })])), {
    kind: "filter",
    filter: { contains: "b" },
  });
  t.strictSame(readProtobufFilter(Buffer.alloc(0)), { kind: "filter", filter: {} });
});

t.test("protobuf: no bytes at all make it throw, and what is cut off or not UTF-8 is malformed", async (t) => {
  for (const bytes of [
    [0x0a, 0x05, 0x61],
    [0x0a],
    [0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f],
    [0x12, 0x01, 0xff],
    [0x0f],
    [0x00],
    [0x0b],
    [0x0c],
    [0x08, ...Array<number>(11).fill(0xff)],
  ]) {
    t.equal(readProtobufFilter(Buffer.from(bytes)).kind, "malformed", Buffer.from(bytes).toString("hex"));
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => ["filter", "invalid", "malformed"].includes(readProtobufFilter(Buffer.from(bytes)).kind)));
});
