import fc from "fast-check";
import t from "tap";
import type { Contract, Entry } from "../../src/core/contract.js";
import { loadContract } from "../../src/contract/load-contract.js";
import { type ByteScan, createByteScan } from "../../src/load/byte-scan.js";
import { chooseReader } from "../../src/load/choose-reader.js";
import { filterResolver } from "../../src/load/filters.js";
import { memoryContract } from "./memory-server.js";

const contract = await loadContract("logger");

const levels = ["debug", "info", "warn", "error"] as const;
const textOf = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.constantFrom("tick 1", "needle", "a needle in hay", "needl", 'quo"te', "back\\slash", "<&>"),
);
const entryOf = fc.record({
  sequence: fc.oneof(
    fc.integer({ min: 1, max: 1000 }),
    fc.integer({ min: 2 ** 31 - 5, max: 2 ** 31 + 5 }),
    fc.integer({ min: 999_999_990, max: 1_000_000_010 }),
    fc.integer({ min: 1, max: 2 ** 50 }),
  ),
  time: fc
    .date({ min: new Date("2020-01-01"), max: new Date("2021-01-01"), noInvalidDate: true })
    .chain((date) =>
      fc.constantFrom(
        date.toISOString(),
        date.toISOString().replace("Z", "123456Z"),
        date.toISOString().replace(/\.\d+/, ""),
        date.toISOString().replace("Z", "+00:00"),
      ),
    ),
  level: fc.constantFrom(...levels),
  source: fc.oneof(
    fc.constantFrom("alpha", "beta", "gamma", "alph", "alphabet"),
    textOf.filter((text) => text !== ""),
  ),
  message: textOf.filter((text) => text !== ""),
});

const filterMessages = [
  {},
  { sources: ["alpha"] },
  { sources: ["beta", "alphabet"] },
  { min_level: "warn" },
  { contains: "needle" },
  { sources: ["alpha"], min_level: "info", contains: "tick" },
];

/** Half a surrogate pair cannot be sent. */
function wellFormed(text: string): string {
  return Buffer.from(text, "utf8").toString("utf8");
}

function prepared(of: Contract) {
  const resolve = filterResolver(of, "test");
  return filterMessages.map((message) => resolve(message));
}

/** A fresh one for each reader: what it keeps has a page, which many readers would fill. */
function freshScan(): ByteScan {
  const scan = createByteScan(65_536);
  if (scan === undefined) {
    throw new Error("WebAssembly with SIMD is in every Node that is supported");
  }
  return scan;
}

/** What the reader says must be what decoding whole says, or it must not say anything; in the thread's read buffer and elsewhere. */
function agrees(
  transport: "grpc" | "ws",
  entries: readonly Entry[],
  encode: (entry: Entry) => Uint8Array,
): { readonly agreed: boolean; readonly surprises: number } {
  const scan = freshScan();
  const elsewhere = readsAlike(transport, entries, encode, scan, (bytes) => ({
    buffer: Buffer.concat([Buffer.from([7, 7, 7]), bytes, Buffer.from('"},"x":1}')]),
    start: 3,
  }));
  const inReadBuffer = readsAlike(transport, entries, encode, scan, (bytes) => {
    // What an entry before it left there lies before it.
    const start = scan.readBuffer.length - bytes.length;
    scan.readBuffer.set(bytes, start);
    return { buffer: scan.readBuffer, start };
  });
  return { agreed: elsewhere.agreed && inReadBuffer.agreed && elsewhere.surprises === inReadBuffer.surprises, surprises: elsewhere.surprises };
}

function readsAlike(
  transport: "grpc" | "ws",
  entries: readonly Entry[],
  encode: (entry: Entry) => Uint8Array,
  scan: ByteScan,
  place: (bytes: Uint8Array) => { readonly buffer: Buffer; readonly start: number },
): { readonly agreed: boolean; readonly surprises: number } {
  const filters = prepared(contract);
  const choice = chooseReader(contract, transport, filters, scan);
  if (choice.kind !== "compiled") {
    throw new Error(choice.why);
  }
  const { reader } = choice;
  let surprises = 0;
  for (const entry of entries) {
    const bytes = encode(entry);
    const { buffer, start } = place(bytes);
    if (!reader.read(buffer, start, start + bytes.length)) {
      surprises++;
      continue;
    }
    const same =
      reader.sequence === reader.relative(entry["sequence"] as number | bigint) &&
      reader.timeMicros === contract.timeOf(entry) &&
      filters.every((filter) => reader.matches(choice.prepare(filter)) === filter.filter.matches(entry));
    if (!same) {
      return { agreed: false, surprises };
    }
  }
  return { agreed: true, surprises };
}

const grpcCodec = contract.grpc?.codec;
/** Entries go the other way in life, so the test has an encoder of its own. */
function encodeEntry(entry: Entry): Uint8Array {
  const varint = (value: bigint): number[] => (value < 128n ? [Number(value)] : [Number(value & 127n) | 128, ...varint(value >> 7n)]);
  const string = (number: number, text: string): Buffer => {
    const bytes = Buffer.from(text, "utf8");
    return Buffer.concat([Buffer.from([(number << 3) | 2, ...varint(BigInt(bytes.length))]), bytes]);
  };
  const { sequence, time, level, source, message } = entry as Record<string, never>;
  return Buffer.concat([
    Buffer.from([8, ...varint(BigInt(sequence as never))]),
    string(2, time as never),
    string(3, level as never),
    string(4, source as never),
    string(5, message as never),
  ]);
}

t.test("protobuf read in place says what decoding whole says", (t) => {
  t.ok(grpcCodec, "the default contract has protobuf");
  fc.assert(
    fc.property(fc.array(entryOf, { maxLength: 30 }), (entries) => {
      const clean = entries.map((entry) => ({ ...entry, source: wellFormed(entry.source), message: wellFormed(entry.message) }));
      const { agreed, surprises } = agrees("grpc", clean, encodeEntry);
      return agreed && surprises === 0;
    }),
    { numRuns: 300 },
  );
  t.end();
});

t.test("JSON read in place says what parsing whole says, whatever the order of fields and the blanks", (t) => {
  const order = fc.shuffledSubarray(["sequence", "time", "level", "source", "message", "extra"], { minLength: 6 });
  const blanks = fc.constantFrom("", " ", "\n  ");
  fc.assert(
    fc.property(fc.array(entryOf, { maxLength: 30 }), order, blanks, (entries, keys, blank) => {
      const encode = (entry: Entry): Uint8Array => {
        const value: Record<string, unknown> = { ...entry, extra: { nested: ["}", '"', { a: 1 }], n: null } };
        // A nested value can only be stepped over when nothing that is needed comes after it.
        const used = keys.at(-1) === "extra" ? keys : keys.filter((key) => key !== "extra");
        return Buffer.from(`{${blank}${used.map((key) => `${JSON.stringify(key)}:${blank}${JSON.stringify(value[key])}`).join(`,${blank}`)}${blank}}`);
      };
      return agrees(
        "ws",
        entries.map((entry) => ({ ...entry, source: wellFormed(entry.source), message: wellFormed(entry.message) })),
        encode,
      ).agreed;
    }),
    { numRuns: 500 },
  );
  t.end();
});

t.test("plain JSON entries hold no surprise", (t) => {
  const entries = Array.from({ length: 100 }, (_, i) => ({
    sequence: 999_999_950 + i,
    time: `2026-01-01T00:00:${String(i % 60).padStart(2, "0")}.${"5".repeat(1 + (i % 9))}Z`,
    level: levels[i % 4],
    source: "alpha",
    message: `tick ${i}`,
  }));
  t.same(
    agrees("ws", entries, (entry) => Buffer.from(JSON.stringify(entry))),
    { agreed: true, surprises: 0 },
  );
  t.same(agrees("ws", entries, (entry) => Buffer.from(JSON.stringify({ ...entry, sequence: String(entry["sequence"]) }))).agreed, true, "int64 as text");
  t.end();
});

t.test("differences of sequence numbers beyond 2^53 stay exact on both encodings", (t) => {
  const base = 18_446_744_073_709_500_000n;
  for (const [transport, encode] of [
    ["grpc", encodeEntry],
    ["ws", (entry: Entry) => Buffer.from(JSON.stringify({ ...entry, sequence: String(entry["sequence"]) }))],
  ] as const) {
    const choice = chooseReader(contract, transport, prepared(contract));
    t.equal(choice.kind, "compiled");
    if (choice.kind !== "compiled") {
      return;
    }
    const read = (sequence: bigint): number => {
      const bytes = Buffer.from(encode({ sequence, time: "2026-01-01T00:00:00Z", level: "info", source: "a", message: "m" }));
      t.ok(choice.reader.read(bytes, 0, bytes.length));
      return choice.reader.sequence;
    };
    const first = read(base);
    t.equal(read(base + 1n) - first, 1, transport);
    t.equal(read(base + 3n) - first, 3, transport);
    t.equal(choice.reader.relative(base + 2n) - first, 2, transport);
  }
  t.end();
});

t.test("damaged entries are left to whole decoding and never read beyond their end", (t) => {
  const good = { sequence: 300, time: "2026-01-01T00:00:00.5Z", level: "info", source: "alpha", message: "tick" };
  const filters = prepared(contract);
  for (const [transport, bytes] of [
    ["grpc", encodeEntry(good)],
    ["ws", Buffer.from(JSON.stringify(good))],
  ] as const) {
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 0, max: 255 }), fc.boolean(), fc.boolean(), (at, byte, cut, inReadBuffer) => {
        const scan = freshScan();
        const choice = chooseReader(contract, transport, filters, scan);
        if (choice.kind !== "compiled") {
          return false;
        }
        const damaged = inReadBuffer ? scan.readBuffer : Buffer.alloc(2 * bytes.length);
        damaged.set(Buffer.concat([bytes, bytes]));
        damaged[at] = byte;
        const ok = choice.reader.read(damaged, 0, cut ? at : bytes.length);
        if (ok) {
          filters.forEach((filter) => choice.reader.matches(choice.prepare(filter)));
        }
        return true;
      }),
      { numRuns: 1000 },
    );
  }
  const choice = chooseReader(contract, "grpc", filters);
  t.equal(choice.kind === "compiled" && choice.reader.read(Buffer.alloc(0), 0, 0), false, "an empty message lacks what is needed");
  t.end();
});

t.test("what is not compiled is left to whole decoding with the reason", (t) => {
  const why = (change: Partial<Contract>, message: Record<string, unknown> = { sources: ["alpha"] }, transport: "grpc" | "ws" = "ws"): string => {
    const changed = memoryContract({ everyMessageIsAnEntry: true, ...change });
    const choice = chooseReader(changed, transport, [filterResolver(changed, "test")(message)]);
    return choice.kind === "whole" ? choice.why : "compiled";
  };
  t.equal(why({}), "compiled");
  t.match(why({ everyMessageIsAnEntry: false }), /not all entries/);
  t.match(why({ matchRules: undefined }), /CEL/);
  t.match(why({}, { sources: [7] }), /other than texts/);
  t.match(why({ matchRules: [{ filter: "n", entry: "n", rule: "at-least", order: undefined }] }, { n: "7" }), /without a stated order/);
  t.match(why({}, {}, "grpc"), /no protobuf/);
  t.end();
});
