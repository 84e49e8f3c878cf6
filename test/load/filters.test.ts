import t from "tap";
import { filterResolver, referencesOf } from "../../src/load/filters.js";
import { parseWorkload } from "../../src/load/workload-file.js";
import { memoryContract } from "./memory-server.js";

t.test("names, roles and written-out messages resolve, and like filters are one object", (t) => {
  const resolve = filterResolver(memoryContract(), "x.yaml");
  t.equal(resolve("alpha").filter.name, "alpha");
  t.equal(resolve("$disjoint.1"), resolve("alpha"));
  t.equal(resolve({ sources: ["alpha"] }), resolve("alpha"));
  t.match(resolve("$broad"), { everything: true, nothing: false });
  t.match(resolve("$silent"), { everything: false, nothing: true });
  t.match(resolve("beta"), { everything: false, nothing: false });
  t.end();
});

t.test("a role that the contract lacks is named, with what to add", (t) => {
  const contract = memoryContract({ roles: { invalid: [] } });
  t.throws(() => filterResolver(contract, "x.yaml")("$disjoint.2"), {
    name: "HarnessError",
    code: "workload",
    place: "x.yaml",
    message: /role "disjoint"/,
    hint: /roles: \{ disjoint/,
  });
  t.end();
});

t.test("all references of a workload are found once", (t) => {
  const workload = parseWorkload(
    "name: x\nabout: y\nduration: 1s\nbegin: [send: $broad, produce: { filter: alpha }]\neach: [send: { next-of: [$broad, { message: { a: 1 } }] }, expect: applied]",
    "x.yaml",
  );
  t.same(referencesOf(workload), ["$broad", "alpha", { a: 1 }]);
  t.end();
});
