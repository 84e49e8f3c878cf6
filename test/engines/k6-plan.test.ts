import t from "tap";
import { loadContract } from "../../src/contract/load-contract.js";
import { k6Plan, k6Refusals } from "../../src/engines/k6-plan.js";
import { churn, taskOf, unservedTarget } from "./engine-task.js";

t.test("filters and messages are written out for each transport, in the names that k6 shows", async (t) => {
  const targets = [await unservedTarget("grpc"), await unservedTarget("ws", { headers: [["authorization", "Bearer x"]] })];
  const task = taskOf(churn, targets);
  t.strictSame(k6Refusals(task), []);
  const plan = k6Plan(task, ["types-0.protoset", undefined]);
  t.match(plan.targets[0], {
    address: "127.0.0.1:9",
    method: "logger.Logger/Monitor",
    protoset: "types-0.protoset",
    endText: null,
    sequenceField: "sequence",
    order: "increasing",
  });
  t.match(plan.targets[1], { address: "ws://127.0.0.1:9/logs/monitor", protoset: null, endText: "null\n", headers: { authorization: "Bearer x" } });
  t.strictSame(
    plan.targets[0]?.filters.map(({ name, tests, opening }) => ({ name, tests, opening })),
    [
      { name: "alpha", tests: [{ kind: "one-of", field: "source", values: ["alpha"] }], opening: [{ sources: ["alpha"] }] },
      { name: "beta", tests: [{ kind: "one-of", field: "source", values: ["beta"] }], opening: [{ sources: ["beta"] }] },
    ],
  );
  t.match(plan.groups[0], { targets: [0, 1], thinkMs: 20, streams: 2 });
  t.strictSame(plan.groups[0]?.each[0], {
    kind: "send",
    filters: [
      [1, 0],
      [1, 0],
    ],
    times: 1,
  });
  t.strictSame(JSON.parse(JSON.stringify(plan)), plan, "it is plain JSON");
});

t.test("an order becomes the values that pass", async (t) => {
  const text = churn.replace("$disjoint.1 }, {", "{ message: { min_level: warn } } }, {");
  const plan = k6Plan(taskOf(text, [await unservedTarget("ws")]), [undefined]);
  t.match(plan.targets[0]?.filters[0]?.tests, [{ kind: "one-of", field: "level", values: ["warn", "error"] }]);
});

t.test("every part of a workload that k6 cannot perform is named", async (t) => {
  const text = `
name: mixed
about: Much.
duration: 1s
groups:
  - name: storm
    open: { rate: 10/s }
    each: [{ send: $broad }]
  - name: slow
    begin: [{ send: $broad }, pause, resume, cancel]
    finish: []
`;
  const refusals = k6Refusals(taskOf(text, [await unservedTarget("grpc")]));
  t.match(refusals, [/"storm" has an open model/, /"slow" has the step "pause": k6 reads always/, /"resume"/, /"cancel": k6 cannot cancel one stream/]);
});

t.test("contracts whose messages are more than entries are refused", async (t) => {
  const contract = await loadContract("etcd-watch");
  const refusals = k6Refusals(
    taskOf(churn.replaceAll("$disjoint.1", "$broad").replaceAll("$disjoint.2", "$broad"), [await unservedTarget("grpc", { contract })]),
  );
  t.match(refusals, [/"etcd-watch" needs more than plain entries/]);
});

t.test("a message that protobuf cannot hold is refused: k6 would hang on it for good", async (t) => {
  const text = churn.replaceAll("$disjoint.1", "{ message: { no_such_field: 1 } }");
  t.match(k6Refusals(taskOf(text, [await unservedTarget("grpc")])).join(" "), /cannot be sent \(.*no_such_field/);
});
