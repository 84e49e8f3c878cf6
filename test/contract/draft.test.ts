import fc from "fast-check";
import path from "node:path";
import t from "tap";
import type { Entry, Filter } from "../../src/core/contract.js";
import { loadContract } from "../../src/contract/load-contract.js";

const contract = await loadContract("logger");
const filterNamed = (name: string): Filter => contract.filters[name] as Filter;

/** The entry that the writer makes of a draft. */
function entryOf(draft: Readonly<Record<string, string>>): Entry {
  const text = draft["message"] ?? "";
  return { ...draft, message: text === "" ? "hc-4f" : `${text} hc-4f` };
}

const made = fc
  .record(
    {
      min_level: fc.constantFrom("debug", "info", "warn", "error"),
      sources: fc.array(fc.constantFrom("alpha", "beta", "gamma", "delta"), { maxLength: 3 }),
      contains: fc.constantFrom("needle", "hay", "☃", "x y"),
    },
    { requiredKeys: [] },
  )
  .map((message) => contract.filter(message));

t.test("a draft is let through by every filter of yes and none of no", async (t) => {
  let found = 0;
  fc.assert(
    fc.property(fc.array(made, { maxLength: 3 }), fc.array(made, { maxLength: 2 }), (yes, no) => {
      const draft = contract.draft(yes, no);
      if (draft === undefined) {
        return true;
      }
      found += 1;
      const entry = entryOf(draft);
      return yes.every((filter) => filter.matches(entry)) && !no.some((filter) => filter.matches(entry)) && !filterNamed("nothing").matches(entry);
    }),
    { numRuns: 500 },
  );
  t.ok(found > 100, `${found} were found`);
});

t.test("whenever one filter alone can be satisfied, it is", async () => {
  fc.assert(fc.property(made, (filter) => contract.draft([filter], []) !== undefined));
});

t.test("what cannot be is undefined", async (t) => {
  t.equal(contract.draft([filterNamed("alpha"), filterNamed("beta")], []), undefined);
  t.equal(contract.draft([], [filterNamed("everything")]), undefined);
});

t.test("no check writes what the silent filter lets through, unless it asks for that", async (t) => {
  t.not(contract.draft([filterNamed("everything")], [filterNamed("alpha"), filterNamed("beta")])?.["source"], "no-such-source");
  t.equal(contract.draft([filterNamed("nothing")], [])?.["source"], "no-such-source");
});

t.test("values of an ordered field are those of the order, never a foreign one", async (t) => {
  t.same(contract.draft([], [contract.filter({ min_level: "debug" })]), undefined);
});

t.test("numbers and booleans of a draft are what the entry will have", async (t) => {
  const folder = t.testdir({
    "p.proto": `syntax = "proto3";
      package p;
      service Fleet { rpc Follow(stream Filter) returns (stream Position); }
      message Filter { double fast = 1; bool moving = 2; int32 seats = 3; }
      message Position { string note = 1; double speed = 2; bool moving = 3; Car car = 4; }
      message Car { int32 seats = 1; }`,
    "fleet.yaml": `name: fleet
grpc: { proto: p.proto, method: p.Fleet/Follow }
filters: { everything: {}, fast: { fast: 22.5 }, moving: { moving: true }, large: { seats: 5 }, twice: { fast: 3 } }
match:
  - { cel: "!has(filter.fast) || filter.fast == 0.0 || entry.speed / 1.0 >= filter.fast" }
  - { cel: "!filter.moving || entry.moving" }
  - { filter: seats, entry: seats, rule: at-least }
entries: { fields: { note: note, speed: speed, moving: moving, seats: car.seats }, token: note }
producer:
  http: POST /positions
  body: '{"note":"{token}","speed":"{speed:number}","moving":"{moving}","seats":"{seats:number}"}'
  values: { speed: ["10", "22.75"] }
`,
  });
  const fleet = await loadContract(path.join(folder, "fleet.yaml"));
  const filter = (name: string): Filter => fleet.filters[name] as Filter;
  t.match(fleet.draft([filter("fast")], []), { speed: "22.75" });
  t.match(fleet.draft([filter("twice")], [filter("fast")]), { speed: "10" });
  t.match(fleet.draft([filter("moving")], []), { moving: "true" });
  t.match(fleet.draft([], [filter("moving")]), { moving: "false" });
  t.match(fleet.draft([], [filter("large")]), { seats: "4" });
  t.same(fleet.entryOf({ note: "5", speed: "22.75", moving: "true", seats: "4" }), { note: "5", speed: 22.75, moving: true, seats: 4 });
});

t.test("with many fields an entry is found that differs from the first guess in any of them", async (t) => {
  const names = ["a", "b", "c", "d", "e", "f", "g", "h"];
  const folder = t.testdir({
    "wide.yaml": `name: wide
websocket: { path: /monitor }
filters: { all: {}, first: { a: v0 }, both: { a: v0, h: v0 }, other: { a: v1, h: v2 }, never: { a: elsewhere, z: v0 } }
match:
${[...names, "z"].map((name) => `  - { filter: ${name}, entry: ${name}, rule: equals }`).join("\n")}
entries: { required: [] }
producer:
  http: POST /entries
  body: '{${names.map((name) => `"${name}":"{${name}}"`).join(",")}}'
  values: { ${names.map((name) => `${name}: [v0, v1, v2, v3, v4, v5]`).join(", ")} }
`,
  });
  const wide = await loadContract(path.join(folder, "wide.yaml"));
  const filter = (name: string): Filter => wide.filters[name] as Filter;
  t.match(wide.draft([], [filter("first")]), { a: "v1", h: "v0" });
  t.match(wide.draft([filter("other")], [filter("both")]), { a: "v1", h: "v2" });
  t.match(wide.draft([filter("first")], [filter("both")]), { a: "v0", h: "v1" });
  t.equal(wide.draft([filter("never")], []), undefined, "no entry has the field");
  t.equal(wide.draft([filter("first")], [filter("all")]), undefined, "what lets everything through keeps nothing out");
});
