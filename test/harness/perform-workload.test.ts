import t from "tap";
import { ownServer } from "../../src/cli/own-server.js";
import { performWorkload } from "../../src/harness/perform-workload.js";
import { openSurroundings } from "../../src/harness/surroundings.js";
import { parseWorkload } from "../../src/load/workload-file.js";

const workload = parseWorkload(
  "name: churn\nabout: back and forth\nstreams: 8\nduration: 3s\napply-within: 1s\nbegin: [send: $disjoint.1, expect: applied]\n" +
    "each: [send: { next-of: [$disjoint.2, $disjoint.1] }, expect: applied]\nclosed: { think: 1ms }\n",
  "churn.yaml",
);

t.test("a loop that stood still for longer than a filter may take reads what had come before it gives anything up", async (t) => {
  const surroundings = await openSurroundings({ urls: [], start: ownServer() });
  t.teardown(() => surroundings.close());
  // Without a contract's name it is performed in this thread, which is held meanwhile.
  const performing = performWorkload(surroundings, { workload, seed: 1 });
  const held = setInterval(() => {
    const until = performance.now() + 1300;
    while (performance.now() < until);
  }, 1500);
  const { counters, histograms } = await performing;
  clearInterval(held);
  t.ok((histograms["filter-apply"]?.max ?? 0) > 1_000_000, "updates were under way, and took as long");
  t.equal(counters["timeouts"], 0);
  t.equal(counters["stale-hard"], 0);
});
