import { writeFile } from "node:fs/promises";
import path from "node:path";
import t, { type Test } from "tap";
import { variantsOf } from "../../scenarios/variants.js";
import type { Session } from "../../src/conformance/session.js";
import { createSupply } from "../../src/conformance/supply.js";
import { loadContract } from "../../src/contract/load-contract.js";

const head = "name: readings\nwebsocket: { path: /readings }\n";
const rest = `entries: { sequence: id, required: [id] }
producer: { http: POST /readings, body: '{"room":"{room}","value":"{value:number}","note":"{token}"}' }
`;

/** What is written for a contract of these filters and rules, by the filter it is for: values of the field, and whether they match. */
async function written(t: Test, filters: string, field: string): Promise<Record<string, [string | undefined, boolean][]>> {
  const file = path.join(t.testdir(), "c.yaml");
  await writeFile(file, `${head}${filters}${rest}`);
  const contract = await loadContract(file);
  const producer = { produce: () => Promise.resolve({ kind: "produced" as const }) };
  const supply = createSupply({ contract, producer, state: { kind: "ready" }, background: [], backgroundPerSecond: 0 });
  const variants = variantsOf({ contract, supply } as unknown as Session);
  return Object.fromEntries(variants.map(({ filter, drafts }) => [filter.name, drafts.map(({ draft, matches }) => [draft[field], matches])]));
}

t.test("around each number of a sample that CEL judges lie the entries that tell > from >=", async (t) => {
  const filters = `filters: { all: {}, warm: { min: 20 } }
roles: { broad: all, invalid: [] }
match: [{ cel: "!has(filter.min) || entry.value >= filter.min" }]
`;
  const { warm, ...others } = await written(t, filters, "value");
  t.same(others, {}, "a filter without a value has no edge");
  const byValue = new Map(warm);
  t.strictSame(
    ["19", "20", "21"].map((value) => byValue.get(value)),
    [false, true, true],
  );
});

t.test("texts of a sample that CEL judges are lengthened, cut and written in the other case", async (t) => {
  const filters = `filters: { all: {}, kitchen: { rooms: { names: [kitchen] } } }
roles: { broad: all, invalid: [] }
match: [{ cel: "!has(filter.rooms) || entry.room in filter.rooms.names" }]
`;
  const { kitchen } = await written(t, filters, "room");
  const byRoom = new Map(kitchen);
  t.strictSame(
    ["kitchen", "kitchens", "kitche", "KITCHEN"].map((room) => byRoom.get(room)),
    [true, false, false, false],
  );
});

t.test("a field that a rule of its own names has the edges of that rule alone", async (t) => {
  const filters = `filters: { all: {}, warm: { min: 20 } }
roles: { broad: all, invalid: [] }
match: [{ filter: min, entry: value, rule: at-least }]
`;
  t.notOk("warm" in (await written(t, filters, "value")));
});

t.test("a sample of several messages has its edges by the fields of each", async (t) => {
  const filters = `filters: { all: {}, warm: [{}, { min: 20 }] }
roles: { broad: all, invalid: [] }
match: [{ cel: "!has(filter.min) || entry.value >= filter.min" }]
`;
  t.same(new Map((await written(t, filters, "value"))["warm"]).get("19"), false);
});
