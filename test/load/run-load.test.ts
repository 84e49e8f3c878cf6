import t from "tap";
import type { Entry } from "../../src/core/contract.js";
import type { RunEvent, WorkloadRecord } from "../../src/core/report.js";
import { runLoad, type RunLoadOptions } from "../../src/load/run-load.js";
import { parseWorkload } from "../../src/load/workload-file.js";
import { memoryContract, memoryServer, type MemoryServer } from "./memory-server.js";

const throughput = parseWorkload("name: throughput\nabout: all\nstreams: 2\nduration: 300ms\nbegin: [send: $broad]\n", "throughput.yaml");
const churn = parseWorkload(
  "name: churn\nabout: back and forth\nstreams: 3\nduration: 600ms\nbegin: [send: $disjoint.1, expect: applied]\neach: [send: { next-of: [$disjoint.2, $disjoint.1] }, expect: applied]\nclosed: { think: 5ms }\n",
  "churn.yaml",
);

function run(server: MemoryServer, options: Partial<RunLoadOptions> & Pick<RunLoadOptions, "workload">): Promise<WorkloadRecord> {
  return runLoad({ targets: [server.target], drivers: [server.driver], seed: 1, ...options });
}

t.test("a faultless server has every counter of faults at zero, and entries in number", async (t) => {
  const record = await run(memoryServer(), { workload: throughput });
  t.ok((record.counters["received"] ?? 0) > 0, "entries came");
  for (const fault of ["lost", "duplicated", "reordered", "stale-hard", "stale-in-flight", "early", "violations", "timeouts"]) {
    t.equal(record.counters[fault], 0, fault);
  }
  t.equal(record.streams, 2);
  t.same(record.errors, {});
  t.ok(record.histograms["delivery-lag"]);
  t.ok(record.histograms["half-close-to-end"]?.count, "streams are ended by the client");
});

t.test("lost, duplicated and reordered entries are counted exactly", async (t) => {
  const planted = { lost: 0, duplicated: 0, reordered: 0 };
  const server = memoryServer({
    mangle: (() => {
      let swapped: Parameters<NonNullable<Parameters<typeof memoryServer>[0]>["mangle"] & object>[0] | undefined;
      return (entry, n) => {
        if (swapped !== undefined) {
          const first = swapped;
          swapped = undefined;
          planted.reordered++;
          return [entry, first];
        }
        if (n % 10 === 4) {
          planted.duplicated++;
          return [entry, entry];
        }
        if (n % 10 === 6) {
          planted.lost++;
          return [];
        }
        if (n % 10 === 8) {
          swapped = entry;
          return [];
        }
        return [entry];
      };
    })(),
  });
  const record = await run(server, { workload: { ...throughput, groups: throughput.groups.map((group) => ({ ...group, streams: 1 })) } });
  t.ok(planted.lost > 0 && planted.reordered > 0);
  t.equal(record.counters["duplicated"], planted.duplicated);
  t.equal(record.counters["reordered"], planted.reordered);
  // The last one may be lost at the very end, where no later entry shows the gap.
  t.ok([planted.lost, planted.lost - 1].includes(record.counters["lost"] ?? -1), `${record.counters["lost"]} of ${planted.lost}`);
});

t.test("filter-apply is measured from when the update was due, and the old filter's entries meanwhile are in flight", async (t) => {
  const record = await run(memoryServer({ applyMs: 20 }), { workload: churn });
  const apply = record.histograms["filter-apply"];
  t.ok(apply !== undefined && apply.count > 0);
  t.ok((apply?.min ?? 0) >= 19_000, `never under the planted delay: ${apply?.min}`);
  t.ok((record.counters["stale-in-flight"] ?? 0) > 0);
  t.equal(record.counters["stale-hard"], 0);
  t.ok((record.values?.["resolution"] ?? 0) > 0);
  t.ok(record.remarks.some((remark) => remark.includes("cannot be told finer")));
});

t.test("entries of a clock that is far behind are named as such", async (t) => {
  const hours = 3_600_000;
  const mangle = (entry: Entry): readonly Entry[] => [{ ...entry, time: new Date(Date.now() - 2 * hours).toISOString() }];
  const record = await run(memoryServer({ mangle }), { workload: throughput });
  t.equal(record.histograms["delivery-lag"]?.count, record.histograms["delivery-lag"]?.overflow);
  t.ok(record.remarks.some((remark) => /^Entries whose own time is more than an hour ago, .*: [1-9]\d*; their delivery-lag is ∞\.$/.test(remark)));
});

t.test("entries that the contract cannot judge are named as such", async (t) => {
  const contract = memoryContract();
  const everything = { ...contract.filters["everything"]!, matches: () => false, unjudged: () => "a rule fails on it" };
  const record = await run(memoryServer({}, { ...contract, filters: { everything }, roles: { broad: everything, invalid: [] } }), { workload: throughput });
  t.ok((record.counters["stale-hard"] ?? 0) > 0);
  t.ok(record.remarks.some((remark) => remark.endsWith("could not be judged: a rule fails on it.")));
});

t.test("entries of the old filter after the first of the new one are stale-hard", async (t) => {
  const record = await run(memoryServer({ staleAfter: 2 }), { workload: churn });
  const updates = record.histograms["filter-apply"]?.count ?? 0;
  t.ok(updates > 0);
  t.ok((record.counters["stale-hard"] ?? 0) > 0);
});

t.test("updates that never apply are timeouts and +∞, and none of them is hard", async (t) => {
  const record = await run(memoryServer({ ignoresUpdates: true }), {
    workload: { ...churn, applyWithinMs: 50 },
    // Every other update goes back to what holds, and is seen to at once: half of the updates, or one less, are +∞.
    thresholds: ["filter-apply p90 < 1s min 1 samples", "timeouts == 0"],
  });
  t.ok((record.counters["timeouts"] ?? 0) > 0);
  t.equal(record.counters["stale-hard"], 0);
  t.same(
    record.thresholds.map(({ status }) => status),
    ["failed", "failed"],
  );
  t.ok(record.thresholds[0]?.measured?.includes("∞"));
});

t.test("a stream that the server ends is an error of the run, which stops when none is left", async (t) => {
  const record = await run(memoryServer({ endsAfter: 5 }), { workload: { ...throughput, durationMs: 60_000 } });
  t.equal(record.counters["rejected"], 2);
  t.same(record.errors, { "RESOURCE_EXHAUSTED: enough": 2 });
  t.ok(record.elapsedSeconds < 30);
});

t.test("a threshold without samples fails, one that allows it passes", async (t) => {
  const record = await run(memoryServer(), {
    workload: throughput,
    thresholds: ["filter-apply p99 < 1s", "filter-apply p99 < 1s allow-empty", "received rate > 1/s"],
  });
  t.same(
    record.thresholds.map(({ status }) => status),
    ["no-samples", "passed", "passed"],
  );
});

t.test("what two streams received is compared; where there is nobody to compare with, no losses are promised", async (t) => {
  const thresholds = ["lost-relative == 0"];
  const statusWith = async (perTick: number, streams: number) => {
    const workload = { ...throughput, groups: throughput.groups.map((group) => ({ ...group, streams })) };
    const { thresholds: judged, remarks } = await run(memoryServer({ perTick }), { workload, thresholds });
    return [judged[0]?.status, remarks.some((remark) => remark.startsWith("lost-relative was not counted"))];
  };
  t.same(await statusWith(100, 2), ["passed", false]);
  t.same(await statusWith(100, 1), ["no-samples", true], "one stream");
  t.same(await statusWith(1, 2), ["no-samples", true], "too few entries");
});

t.test("abort-on-fail ends the run early and says so", async (t) => {
  const server = memoryServer({ mangle: (entry) => [entry, entry] });
  const record = await run(server, { workload: { ...throughput, durationMs: 60_000 }, thresholds: ["duplicated == 0 abort-on-fail"] });
  t.ok(record.elapsedSeconds < 30);
  t.ok(record.remarks.some((remark) => remark.includes("Stopped early")));
});

t.test("an aborted run returns what it measured", async (t) => {
  const stop = new AbortController();
  const events: RunEvent[] = [];
  const record = await run(memoryServer(), {
    workload: { ...throughput, durationMs: 60_000 },
    signal: stop.signal,
    onEvent: (event) => {
      events.push(event);
      stop.abort();
    },
  });
  t.equal(events[0]?.kind, "workload-progress");
  t.ok((record.counters["received"] ?? 0) > 0);
  t.ok(record.elapsedSeconds < 30);
});

t.test("no stream is left open, whatever happened", async (t) => {
  const server = memoryServer();
  await run(server, { workload: throughput });
  t.equal(server.openStreams, 0);
});

t.test("what the workload needs and the contract or the targets lack is said before anything is sent", async (t) => {
  const server = memoryServer();
  const needs = (yaml: string, message: RegExp) =>
    t.rejects(run(server, { workload: parseWorkload(`name: x\nabout: y\nduration: 1s\n${yaml}`, "x.yaml") }), {
      name: "HarnessError",
      code: "workload",
      message,
    });
  await needs("begin: [send: $overlap.1]", /needs the role "overlap"/);
  await needs("begin: [send: alhpa]", /no filter "alhpa".*Did you mean "alpha"/);
  await needs("begin: [send: $borad]", /Unknown role "\$borad".*Did you mean "\$broad"/);
  await needs("transports: [grpc]", /runs on grpc, and no target/);
  await needs("begin: [produce: { filter: alpha }]", /no producer/);
  t.equal(server.delivered, 0);
});
