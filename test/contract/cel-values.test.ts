import fc from "fast-check";
import protobuf from "protobufjs";
import t from "tap";
import { compileCel } from "../../src/contract/cel.js";
import { toCel, type ToCel, valueToCel } from "../../src/contract/cel-values.js";
import { messageTypeOf } from "../../src/contract/value-types.js";

const root = new protobuf.Root();
root.addJSON(protobuf.common.get("google/protobuf/wrappers.proto")?.nested ?? {});
protobuf.parse(
  `syntax = "proto3";
  package p;
  message Position {
    double speed = 1; float heading = 2; int32 line = 3; int64 serial = 4; uint64 total = 5; string name = 6; bool on = 7;
    Place at = 8; repeated Place way = 9; map<string, double> tanks = 10; repeated double speeds = 11;
    google.protobuf.DoubleValue limit = 12; google.protobuf.Int64Value count = 13; Kind kind = 14; Position before = 15;
  }
  message Place { double lat = 1; int32 floor = 2; }
  enum Kind { KIND_NONE = 0; KIND_BUS = 1; }`,
  root,
  { keepCase: true },
);
root.resolveAll();
const position = valueToCel(messageTypeOf(root.lookupType("p.Position")));

function holds(expression: string, entry: unknown, convert: ToCel = position): boolean {
  const compiled = compileCel(expression, { entry: { convert } });
  if ("problem" in compiled) {
    throw new Error(compiled.problem.message);
  }
  return compiled.predicate({ entry });
}

t.test("a double that is whole computes like any other of its field", async (t) => {
  for (const [expression, entry] of [
    ["entry.speed * 1.0 == 12.0", { speed: 12 }],
    ["entry.speed / 2.0 == 2.5", { speed: 5 }],
    ["entry.heading + 0.5 > 90.0", { heading: 90 }],
    ["entry.at.lat + 0.5 == 51.5", { at: { lat: 51 } }],
    ["entry.way.exists(place, place.lat / 2.0 == 25.5)", { way: [{ lat: 51 }] }],
    ["entry.tanks.a / 2.0 == 0.5", { tanks: { a: 1 } }],
    ["entry.speeds[0] / 4.0 == 0.25", { speeds: [1, 2] }],
    ["entry.limit / 4.0 == 12.5", { limit: 50 }],
    ["entry.before.before.speed / 2.0 == 0.5", { before: { before: { speed: 1 } } }],
    ["entry.speed > 1.0", { speed: "Infinity" }],
  ] as const) {
    t.ok(holds(expression, entry), expression);
  }
  t.notOk(holds("entry.speed == entry.speed", { speed: Number.NaN }));
});

t.test("an integer is one, of 64 bits also as a text", async (t) => {
  for (const [expression, entry] of [
    ["entry.line / 2 == 2", { line: 5 }],
    ["entry.serial + 1 == 9007199254740994", { serial: "9007199254740993" }],
    ["entry.serial % 2 == 1 && entry.total > 4", { serial: 7, total: "5" }],
    ["entry.count == 7", { count: "7" }],
    ["entry.at.floor % 2 == 1", { at: { floor: 3 } }],
    ["entry.name == '5' && entry.on && entry.kind == 'KIND_BUS'", { name: "5", on: true, kind: "KIND_BUS" }],
    ["entry.undeclared % 2 == 1", { undeclared: 3 }],
  ] as const) {
    t.ok(holds(expression, entry), expression);
  }
});

t.test("what has no declared type may be both within one expression", async (t) => {
  for (const speed of [12, 12.5]) {
    t.ok(
      holds(
        "entry.speed * 1.0 > 11.0 && entry.speed + 1 > 12 && 100 - entry.speed < 90.0 && entry.speed / 4.0 >= 3 && 36 / entry.speed > 2.5",
        { speed },
        toCel,
      ),
    );
  }
});

t.test("what is converted may be converted again, and what needs nothing is not copied", async () => {
  const place = fc.record({ lat: fc.double(), floor: fc.integer(), name: fc.string() }, { requiredKeys: [] });
  const number = fc.oneof(fc.double(), fc.integer(), fc.bigInt().map(String));
  const entry = fc.record(
    { speed: number, serial: number, at: fc.oneof(place, fc.constant(null)), way: fc.array(place), other: fc.jsonValue() },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(entry, (given) => {
      const once = position(given);
      return position(once) === once;
    }),
  );
});
