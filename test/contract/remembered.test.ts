import fc from "fast-check";
import t from "tap";
import { remembered } from "../../src/contract/remembered.js";
import type { Entry } from "../../src/core/contract.js";

const value = fc.oneof(
  fc.constantFrom<unknown>("", "a", "1", "1:a", "true", 1, 1n, true, false, null, undefined, Number.NaN, 0),
  fc.array(fc.constantFrom("a", "b"), { maxLength: 2 }),
);
const entry: fc.Arbitrary<Entry> = fc.record({ x: value, y: value }, { requiredKeys: [] });

t.test("a verdict that is remembered is the one that was given for the same fields", async () => {
  const judge = ({ x, y }: Entry): boolean => JSON.stringify([typeof x, String(x), typeof y, String(y)]).length % 2 === 0;
  fc.assert(
    fc.property(fc.constantFrom(["x"], ["y"], ["x", "y"]), fc.array(entry, { maxLength: 50 }), (fields, entries) => {
      const seen = (one: Entry): Entry => Object.fromEntries(fields.filter((field) => Object.hasOwn(one, field)).map((field) => [field, one[field]]));
      const remembering = remembered((one) => judge(seen(one)), fields);
      return entries.every((one) => remembering(one) === judge(seen(one)));
    }),
  );
});

t.test("what was judged once is not judged again", async (t) => {
  let judged = 0;
  const remembering = remembered(
    (one) => {
      judged += 1;
      return one["level"] === "info";
    },
    ["level"],
  );
  for (let n = 0; n < 100; n++) {
    t.equal(remembering({ level: n % 2 === 0 ? "info" : "warn", sequence: n }), n % 2 === 0);
  }
  t.equal(judged, 2);
});

t.test("fields that differ in each entry are soon judged without remembering, and in bounded memory before that", async (t) => {
  let judged = 0;
  const remembering = remembered(() => {
    judged += 1;
    return true;
  }, ["id"]);
  for (let n = 0; n < 20_000; n++) {
    remembering({ id: String(n) });
  }
  for (let n = 0; n < 10; n++) {
    remembering({ id: "19999" });
  }
  t.equal(judged, 20_010, "each was judged, repeated ones too");
});
