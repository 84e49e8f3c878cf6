import t from "tap";
import type { Transport } from "../../src/core/contract.js";
import { drivers } from "../../src/drivers/index.js";
import { runLoad } from "../../src/load/run-load.js";
import { against, perform, quantile, slackMicros, targetOf, workload } from "./planted-server.js";

// What the report must say, because the server did it: planted measures of the reference server, over both transports.
const transports: readonly Transport[] = ["grpc", "ws"];
const script = new URL("../../src/harness/load-worker.js", import.meta.url);
// They wait for most of their time.
t.jobs = 5;

const reader = workload("streams: 2\nduration: 60s\nbegin: [send: $broad]\n");

for (const transport of transports) {
  t.test(`${transport}: loss, duplicates and late entries are counted exactly, in entries that all arrive`, async (t) => {
    await against({ rate: 0, planted: { loseEvery: 10, duplicateEvery: 13, reorderEvery: 17 } }, async (server) => {
      const stop = new AbortController();
      // 1,003 ends on an entry that is neither lost nor held back.
      const entries = 1003;
      let written = false;
      const record = await perform(server, transport, {
        workload: reader,
        signal: stop.signal,
        onEvent() {
          if (!written) {
            written = true;
            server.append(Array.from({ length: entries }, (_, i) => ({ level: "info" as const, source: "alpha", message: `entry ${i}` })));
          } else if (server.planted().total.sent + server.planted().total.lost >= 2 * entries) {
            stop.abort();
          }
        },
      });
      const { total } = server.planted();
      t.ok(total.lost > 0 && total.duplicated > 0 && total.reordered > 0);
      t.equal(record.counters["received"], total.sent);
      t.equal(record.counters["lost"], total.lost);
      t.equal(record.counters["duplicated"], total.duplicated);
      t.equal(record.counters["reordered"], total.reordered);
      t.equal(record.counters["stale-hard"], 0);
      t.same(record.errors, {});
    });
  });

  t.test(`${transport}: stale entries are counted exactly, in flight and hard`, async (t) => {
    await against({ rate: 1000, planted: { staleInFlight: 3, staleHard: 2 } }, async (server) => {
      const record = await perform(server, transport, {
        workload: workload(
          // The entries behind each update have come before the next one goes out: what is hard stays hard.
          "streams: 2\nduration: 1500ms\nbegin: [send: $disjoint.1, expect: applied]\neach: [send: { next-of: [$disjoint.2, $disjoint.1] }, expect: applied, expect: { entries: 12 }]\nclosed: { think: 10ms }\n",
        ),
      });
      const { total } = server.planted();
      t.ok(total.staleHard > 0);
      t.equal(record.counters["stale-hard"], total.staleHard);
      t.ok((record.counters["stale-in-flight"] ?? 0) >= total.staleInFlight - 3 * 2, "and those that were under way by themselves");
      t.equal(record.counters["lost"], 0);
    });
  });

  for (const applyDelayMs of [0, 5, 20, 100]) {
    t.test(`${transport}: a filter that applies after ${applyDelayMs} ms is reported so, within the stated resolution`, async (t) => {
      await against({ rate: 1500, planted: { applyDelayMs } }, async (server) => {
        const record = await perform(server, transport, {
          workload: workload(
            "streams: 4\nduration: 1500ms\nbegin: [send: $disjoint.1, expect: applied]\neach: [send: { next-of: [$disjoint.2, $disjoint.1] }, expect: applied]\nclosed: { think: 10ms }\n",
          ),
        });
        const applied = server
          .planted()
          .streams.flatMap((stream) => stream.applied.slice(1).map(({ receivedMicros, appliedMicros }) => appliedMicros - receivedMicros));
        const truth = quantile(applied, 0.5);
        const measured = record.histograms["filter-apply-service"]?.p50 ?? 0;
        const slack = slackMicros(record, "p90");
        t.ok((record.histograms["filter-apply-service"]?.min ?? 0) >= applyDelayMs * 1000 - 1000, "never sooner than the server did it");
        t.ok(measured >= truth - 1000, `${measured} against ${truth}`);
        t.ok(measured <= truth + slack, `${measured} against ${truth}, within ${slack}`);
        t.equal(record.counters["timeouts"], 0);
        t.equal(record.counters["stale-hard"], 0);
      });
    });
  }

  t.test(`${transport}: a slow start shows in the first entry`, async (t) => {
    await against({ rate: 1000, planted: { slowStartMs: 300 } }, async (server) => {
      const record = await perform(server, transport, { workload: workload("streams: 3\nduration: 500ms\nbegin: [send: $broad, expect: { entries: 1 }]\n") });
      t.ok((record.histograms["first-entry"]?.min ?? 0) >= 299_000);
      t.equal(record.histograms["first-entry"]?.count, 3);
    });
  });

  t.test(`${transport}: a backlog shows in the delivery lag, and nothing of it is lost`, async (t) => {
    await against({ rate: 1000, planted: { backlog: 300 } }, async (server) => {
      const record = await perform(server, transport, { workload: workload("streams: 2\nduration: 1s\nbegin: [send: $broad]\n") });
      t.equal(record.counters["lost"], 0);
      const { max = 0, p50 = Infinity } = record.histograms["delivery-lag"] ?? {};
      // A server that was late writes what it owes at once: how long they were held is its own record.
      const held = server.planted().streams.map(({ heldMicros = 0 }) => heldMicros);
      t.equal(held.length, 2);
      for (const heldMicros of held) {
        t.ok(heldMicros > 0);
        t.ok(max >= heldMicros - 2000, `the first of 300 entries waited for the last: ${max} against ${heldMicros}`);
      }
      t.ok(p50 < max);
    });
  });
}

t.test("both transports at once, in two workers, add up to one record", async (t) => {
  await against({ rate: 1000 }, async (server) => {
    const record = await runLoad({
      targets: [targetOf(server, "grpc"), targetOf(server, "ws")],
      drivers: [drivers["grpc-wire"], drivers["websocket-wire"]],
      seed: 7,
      threads: { script, contractReferences: ["logger", "logger"], count: 2 },
      workload: workload("streams: 6\ntransports: [grpc, ws]\nduration: 2s\nbegin: [send: $broad, expect: { entries: 1 }]\n"),
    });
    t.equal(record.workers, 2);
    t.same(record.transports, ["grpc", "ws"]);
    t.equal(record.counters["opened"], 6);
    t.equal(record.counters["lost"], 0);
    t.ok(record.windows.length >= 2);
    t.equal(
      record.windows.reduce((sum, window) => sum + window.received, 0) <= (record.counters["received"] ?? 0),
      true,
      "entries that come after the measured part belong to no window",
    );
  });
});

for (const name of ["grpc-wire", "grpc", "websocket-wire", "websocket"] as const) {
  t.test(`${name}: what is read in place agrees with the drivers that users have`, async (t) => {
    await against({ rate: 0, planted: { loseEvery: 7, duplicateEvery: 11 } }, async (server) => {
      const driver = drivers[name];
      const stop = new AbortController();
      let written = false;
      const record = await runLoad({
        targets: [targetOf(server, driver.transport)],
        drivers: [driver],
        seed: 7,
        workload: reader,
        signal: stop.signal,
        onEvent() {
          if (!written) {
            written = true;
            server.append(Array.from({ length: 500 }, () => ({ level: "error" as const, source: "gamma", message: 'quoted "text" & <more>' })));
          } else {
            stop.abort();
          }
        },
      });
      const { total } = server.planted();
      t.equal(record.counters["lost"], total.lost);
      t.equal(record.counters["duplicated"], total.duplicated);
      t.equal(record.counters["received"], total.sent);
      t.equal(record.counters["violations"], 0);
    });
  });
}

t.test("a bound that the caller changed holds in worker threads too", async (t) => {
  await against({ rate: 1000, planted: { applyDelayMs: 600 } }, async (server) => {
    const target = targetOf(server, "grpc");
    const targets = [{ ...target, contract: { ...target.contract, bounds: { ...target.contract.bounds, applyMs: 200 } } }];
    const back = "begin: [send: $disjoint.1, wait: 700ms]\neach: [send: { next-of: [$disjoint.2, $disjoint.1] }, expect: applied]\n";
    const record = await perform(server, "grpc", { targets, workload: workload(`streams: 1\nduration: 1s\n${back}`) });
    t.ok((record.counters["timeouts"] ?? 0) > 0, "600 ms are beyond it");
  });
});

t.test("a target that nobody answers for is unreachable, and a worker's error keeps its code", async (t) => {
  await against({}, async (server) => {
    const target = { ...targetOf(server, "grpc"), port: 1 };
    for (const threads of [undefined, { script, contractReferences: ["logger"], count: 1 }]) {
      await t.rejects(
        runLoad({ targets: [target], drivers: [drivers["grpc-wire"]], seed: 1, workload: reader, ...(threads === undefined ? {} : { threads }) }),
        { name: "HarnessError", code: "unreachable" },
      );
    }
  });
});
