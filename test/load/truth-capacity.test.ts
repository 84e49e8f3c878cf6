import t from "tap";
import { drivers } from "../../src/drivers/index.js";
import { runCapacity } from "../../src/load/run-capacity.js";
import { against, inThreads, targetOf, workload } from "./planted-server.js";

t.setTimeout(175_000);
/** Beside other tests many trials are spoiled and made again. */
const withinSeconds = 120;

const ceiling = 200;

t.test(`a server that applies ${ceiling} updates a second and no more is found to bear that, within 5 %`, async (t) => {
  await against({ rate: 450, planted: { maxUpdatesPerSecond: ceiling } }, async (server) => {
    const record = await runCapacity({
      targets: [targetOf(server, "grpc")],
      drivers: [drivers["grpc-wire"]],
      seed: 7,
      threads: inThreads,
      workload: workload(
        "streams: 20\nduration: 4s\napply-within: 5s\nbegin: [send: $disjoint.1, expect: applied]\n" +
          "each: [send: { next-of: [$disjoint.2, $disjoint.1] }, expect: applied]\nopen: { of: updates, rate: 150/s, spacing: uniform }\n",
      ),
      // Of four seconds the last tenth waits for so long when a fortieth more is offered than is applied.
      objective: { metric: "filter-apply", quantile: 0.9, limitMicros: 90_000, samples: 400 },
      leastSeconds: 4,
      mostSeconds: 4,
      confirmSeconds: 4,
      withinSeconds,
      onTrial: ({ load, status, limitedBy = "" }) => t.comment(`${load.toFixed(1)}: ${status} ${limitedBy}`),
    });
    t.comment(record.sentence);
    const spoiled = record.trials.some(({ status }) => status === "invalid");
    if (spoiled && (record.inconclusive !== undefined || record.generatorBound)) {
      // On a machine that is too busy for this the record says so, and claims no ceiling of the server's.
      t.match(record.sentence, /^(≥ .*generator-bound|Inconclusive)/);
      return;
    }
    t.ok(record.sustainable >= ceiling * 0.95 && record.sustainable <= ceiling * 1.05, record.sentence);
    t.ok((record.failsAt ?? 0) > ceiling * 0.98, "what fails lies at the ceiling or above");
    t.match(record.limitedBy, /filter-apply p90|backlog|achieved/);
  });
});
