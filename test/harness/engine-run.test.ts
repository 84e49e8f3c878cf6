import t from "tap";
import { engineNamed } from "../../src/harness/engines.js";
import { prepareTask } from "../../src/harness/engine-run.js";
import { loadWorkload, shippedWorkloadNames } from "../../src/load/shipped-workloads.js";
import { drivers } from "../../src/drivers/index.js";
import { unservedTarget } from "../engines/engine-task.js";

const k6 = engineNamed("k6", { k6: undefined, environment: {} })!;

t.test("each shipped workload is either performed by k6 or refused with the part that it cannot perform", async (t) => {
  const targets = [await unservedTarget("grpc"), await unservedTarget("ws")];
  const performed: string[] = [];
  for (const name of shippedWorkloadNames()) {
    try {
      prepareTask(k6, {
        workload: loadWorkload(name),
        targets,
        drivers: [drivers["grpc-wire"], drivers["websocket-wire"]],
        seed: 1,
        produce: () => Promise.resolve(),
      });
      performed.push(name);
    } catch (thrown) {
      t.match(
        thrown,
        { code: "workload", message: /The engine k6 cannot perform ".*": (Group|The threshold|It has a flood)/, hint: "--engine native performs it." },
        name,
      );
    }
  }
  t.ok(performed.includes("throughput") && performed.includes("filter-churn"));
});

t.test("a threshold on what k6 does not count is refused: its 0 would pass", async (t) => {
  const targets = [await unservedTarget("grpc")];
  const given = { workload: loadWorkload("throughput"), targets, drivers: [drivers["grpc-wire"]], seed: 1 };
  t.throws(() => prepareTask(k6, { ...given, thresholds: ["lost-relative == 0"] }), { message: /rests on lost-relative, which it does not count/ });
  t.throws(() => prepareTask(k6, { ...given, thresholds: ["bytes rate < 1000/s"] }), { message: /rests on bytes/ });
  t.equal(prepareTask(k6, { ...given, thresholds: ["filter-apply p99 < 5ms"] }).task.latencyLimitMicros, 5000);
});
