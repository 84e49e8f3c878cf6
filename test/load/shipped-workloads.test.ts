import t from "tap";
import { loadWorkload, shippedWorkloadNames } from "../../src/load/shipped-workloads.js";

t.test("every shipped workload is valid and named as its file", (t) => {
  const names = shippedWorkloadNames();
  t.ok(names.includes("throughput") && names.includes("filter-churn"));
  for (const name of names) {
    t.equal(loadWorkload(name).name, name);
  }
  t.end();
});

t.test("an unknown name is an error with the nearest one, a path that cannot be read with its cause", (t) => {
  t.throws(() => loadWorkload("thoughput"), { name: "HarnessError", code: "workload", message: /Did you mean "throughput"/ });
  t.throws(() => loadWorkload("./no/such.yaml"), { name: "HarnessError", code: "workload", message: /cannot be read/, place: "./no/such.yaml" });
  t.end();
});
