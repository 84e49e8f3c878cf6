import fc from "fast-check";
import t from "tap";
import type { Check } from "../../src/conformance/check.js";
import { everything, selectTasks, shardOf } from "../../src/conformance/select.js";

function check(id: Check["id"], more: Partial<Check> = {}): Check {
  return { id, on: ["grpc", "ws"], level: "must", requirement: "r", clause: "c", why: "w", exchange: [], causes: {}, run: () => Promise.resolve(), ...more };
}

const checks = [check("eof/while-idle"), check("eof/while-idle-again"), check("opening/ws-only", { on: ["ws"], level: "should" })];

function ids(...selections: Parameters<typeof selectTasks>[1]): string[] {
  return selectTasks(checks, selections, ["grpc", "ws"]).map(({ check, transport }) => `${check.id} ${transport}`);
}

t.test("nothing asked is everything, on every transport of a check that has a target", (t) => {
  t.equal(ids(everything).length, 5);
  t.equal(selectTasks(checks, [everything], ["grpc"]).length, 2);
  t.end();
});

t.test("a whole id means just that one, a part of an id all that contain it, a topic its checks", (t) => {
  t.strictSame(ids({ ...everything, ids: ["eof/while-idle"], transports: ["ws"] }), ["eof/while-idle ws"]);
  t.equal(ids({ ...everything, ids: ["while-idle"] }).length, 4);
  t.equal(ids({ ...everything, ids: ["opening"] }).length, 1);
  t.equal(ids({ ...everything, ids: ["*again"] }).length, 2);
  t.equal(ids({ ...everything, ids: ["/idle$/"] }).length, 2);
  t.end();
});

t.test("every selection must let a task through", (t) => {
  t.strictSame(ids({ ...everything, topics: ["eof"] }, { ...everything, ids: ["*again"], transports: ["grpc"] }), ["eof/while-idle-again grpc"]);
  t.strictSame(ids({ ...everything, levels: ["should"] }), ["opening/ws-only ws"]);
  t.end();
});

t.test("a pattern that fits nothing, and a selection that leaves nothing, are errors of their own", (t) => {
  t.throws(() => ids({ ...everything, ids: ["eof/while-idel"] }), { code: "usage", message: /Did you mean "eof\/while-idle"/ });
  t.throws(() => ids({ ...everything, ids: ["/(/"] }), { code: "usage", message: /regular expression/ });
  t.throws(() => ids({ ...everything, ids: ["opening"], transports: ["grpc"] }), { code: "nothing-selected" });
  t.throws(() => selectTasks(checks, [{ ...everything, ids: ["opening"] }], ["grpc"]), { code: "nothing-selected", hint: /ws:\/\// });
  t.end();
});

t.test("the shards of any count are all tasks, each once", (t) => {
  const tasks = selectTasks(checks, [everything], ["grpc", "ws"]);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), (count) => {
      const parts = Array.from({ length: count }, (_, index) => shardOf(tasks, index + 1, count)).flat();
      return parts.length === tasks.length && new Set(parts).size === tasks.length;
    }),
  );
  t.end();
});
