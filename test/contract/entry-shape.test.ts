import protobuf from "protobufjs";
import t from "tap";
import { compileEntryShape } from "../../src/contract/entry-shape.js";
import type { Entry } from "../../src/core/contract.js";
import { loadContract } from "../../src/contract/load-contract.js";
import { protobufFieldsOf } from "../../src/contract/protobuf-codec.js";

const contract = await loadContract("logger");
const violationOf = (entry: Entry): string | undefined => contract.violationOf(entry);
const good = { sequence: 7, time: "2026-02-28T23:59:60Z", level: "warn", source: "alpha", message: "x" };

t.test("a whole entry has nothing wrong", async (t) => {
  for (const change of [
    {},
    { sequence: 18446744073709551615n },
    { time: "2024-02-29T00:00:00.123456789Z" },
    { time: "2026-01-01t00:00:00+05:30" },
    { more: null },
  ]) {
    t.equal(violationOf({ ...good, ...change }), undefined, Object.keys(change).join());
  }
});

t.test("each mistake is named", async (t) => {
  for (const [change, message] of [
    [{ source: undefined }, 'the required field "source" is absent'],
    [{ source: null }, 'the required field "source" is null'],
    [{ message: "" }, 'the required field "message" is empty'],
    [{ message: 5 }, '"message" is 5, not string'],
    [{ sequence: 1.5 }, '"sequence" is 1.5, not uint64'],
    [{ sequence: "x" }, '"sequence" is "x", not uint64'],
    [{ sequence: "7" }, '"sequence" is "7", not uint64'],
    [{ time: "2026-02-30T00:00:00Z" }, '"time" is "2026-02-30T00:00:00Z", not a time by RFC 3339'],
    [{ time: "2026-01-01 00:00:00" }, /not a time by RFC 3339/],
    [{ time: "2026-01-01T24:00:00Z" }, /not a time by RFC 3339/],
    [{ level: "fatal" }, '"level" is "fatal", not one of debug, info, warn, error'],
  ] as const) {
    const found = violationOf({ ...good, ...change });
    t.ok(typeof message === "string" ? found === message : found !== undefined && message.test(found), `${JSON.stringify(change)}: ${found}`);
  }
});

t.test("without declared types only the contract's own rules are held", async (t) => {
  const loose = compileEntryShape({ order: "increasing", required: ["a"], sequence: "n" }, [], { declared: [], integers: "any", timeOf: () => Number.NaN });
  t.equal(loose({ a: [1] }), undefined);
  t.match(loose({ a: 1, n: "seven" }), /"n" is "seven", not a whole number/);
});

t.test("an integer may come as a text, as protobuf's JSON has it, where the contract does not ask for a number", async (t) => {
  const declared = [{ name: "n", number: 1, type: "uint64", repeated: false }];
  const rules = { order: "increasing", required: [] } as const;
  t.equal(compileEntryShape(rules, [], { declared, integers: "any", timeOf: () => Number.NaN })({ n: "7" }), undefined);
  t.equal(compileEntryShape(rules, [], { declared, integers: "number", timeOf: () => Number.NaN })({ n: "7" }), '"n" is "7", not uint64');
});

t.test("a map of protobuf is no list of its values", async (t) => {
  const { root } = protobuf.parse('syntax = "proto3"; message E { map<string, string> labels = 1; map<int32, uint64> counts = 2; repeated string tags = 3; }');
  const declared = protobufFieldsOf(root.lookupType("E"));
  const shape = compileEntryShape({ order: "increasing", required: ["labels"] }, [], { declared, integers: "any", timeOf: () => Number.NaN });
  t.equal(shape({ labels: { env: "prod" }, counts: { 1: 2 }, tags: ["a"] }), undefined);
  t.match(shape({ labels: {}, tags: "a" }), /"tags" is "a", not a list of string/);
});
