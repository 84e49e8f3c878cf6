import t from "tap";
import { loadContract } from "../../src/contract/load-contract.js";
import type { Transport } from "../../src/core/contract.js";
import type { WorkloadRecord } from "../../src/core/report.js";
import type { Driver } from "../../src/core/stream.js";
import type { Target } from "../../src/core/target.js";
import { drivers } from "../../src/drivers/index.js";
import { runLoad, type RunLoadOptions } from "../../src/load/run-load.js";
import { parseWorkload } from "../../src/load/workload-file.js";
import { type ReferenceServer, type ReferenceServerOptions, startReferenceServer } from "../../src/reference/server.js";

/** What the report must say, because the server did it: planted measures of the reference server, over both transports. */
const contract = await loadContract("logger");
const transports: readonly Transport[] = ["grpc", "ws"];
const script = new URL("../../src/harness/load-worker.js", import.meta.url);

function targetOf(server: ReferenceServer, transport: Transport): Target {
  const grpc = transport === "grpc";
  return {
    url: grpc ? server.urls.grpc : server.urls.websocket,
    transport,
    host: "127.0.0.1",
    port: grpc ? server.grpcPort : server.httpPort,
    tls: undefined,
    path: (grpc ? contract.grpc?.path : contract.websocket?.path) ?? "",
    headers: [],
    contract,
  };
}

const workload = (yaml: string) => parseWorkload(`name: truth\nabout: what was planted\n${yaml}`, "truth.yaml");

async function against(options: ReferenceServerOptions, run: (server: ReferenceServer) => Promise<void>): Promise<void> {
  const server = await startReferenceServer(options);
  try {
    await run(server);
  } finally {
    await server.stop({ graceMs: 200 });
  }
}

/** In worker threads, as users run it. */
function perform(server: ReferenceServer, transport: Transport, options: Pick<RunLoadOptions, "workload"> & Partial<RunLoadOptions>): Promise<WorkloadRecord> {
  return runLoad({
    targets: [targetOf(server, transport)],
    drivers: [drivers["grpc-wire"], drivers["websocket-wire"]],
    seed: 7,
    threads: { script, contractReferences: ["logger"], count: 1 },
    ...options,
  });
}

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
          "streams: 2\nduration: 3s\nbegin: [send: $disjoint.1, expect: applied]\neach: [send: { next-of: [$disjoint.2, $disjoint.1] }, expect: applied]\nclosed: { think: 300ms }\n",
        ),
      });
      const { total } = server.planted();
      t.ok(total.staleHard > 0);
      t.equal(record.counters["stale-hard"], total.staleHard);
      t.ok((record.counters["stale-in-flight"] ?? 0) >= total.staleInFlight - 3 * 2, "and those that were under way by themselves");
      t.equal(record.counters["lost"], 0);
    });
  });

  for (const applyDelayMs of [0, 20, 100]) {
    t.test(`${transport}: a filter that applies after ${applyDelayMs} ms is reported so, within the stated resolution`, async (t) => {
      await against({ rate: 1500, planted: { applyDelayMs } }, async (server) => {
        const record = await perform(server, transport, {
          workload: workload(
            "streams: 4\nduration: 2s\nbegin: [send: $disjoint.1, expect: applied]\neach: [send: { next-of: [$disjoint.2, $disjoint.1] }, expect: applied]\nclosed: { think: 10ms }\n",
          ),
        });
        const applied = server
          .planted()
          .streams.flatMap((stream) => stream.applied.slice(1).map(({ receivedMicros, appliedMicros }) => appliedMicros - receivedMicros));
        const truth = quantile(applied, 0.5);
        const measured = record.histograms["filter-apply-service"]?.p50 ?? 0;
        const slack = slackMicros(record);
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
      const record = await perform(server, transport, { workload: workload("streams: 3\nduration: 1s\nbegin: [send: $broad, expect: { entries: 1 }]\n") });
      t.ok((record.histograms["first-entry"]?.min ?? 0) >= 299_000);
      t.equal(record.histograms["first-entry"]?.count, 3);
    });
  });

  t.test(`${transport}: a backlog shows in the delivery lag, and nothing of it is lost`, async (t) => {
    await against({ rate: 1000, planted: { backlog: 300 } }, async (server) => {
      const record = await perform(server, transport, { workload: workload("streams: 2\nduration: 2s\nbegin: [send: $broad]\n") });
      t.equal(record.counters["lost"], 0);
      t.ok((record.histograms["delivery-lag"]?.max ?? 0) >= 250_000, "the first of 300 entries waited for the last");
      t.ok((record.histograms["delivery-lag"]?.p50 ?? Infinity) < (record.histograms["delivery-lag"]?.max ?? 0));
    });
  });

  t.test(`${transport}: a stall shows on the intended schedule, as the server and the clock had it`, async (t) => {
    await against({ rate: 300, planted: { stallEveryMs: 1500, stallForMs: 400 } }, async (server) => {
      const sends: number[][] = [];
      const record = await runLoad({
        targets: [targetOf(server, transport)],
        drivers: [transport === "grpc" ? recordingSends(drivers["grpc-wire"], sends) : recordingSends(drivers["websocket-wire"], sends)],
        seed: 7,
        workload: workload(
          "streams: 30\nduration: 4500ms\napply-within: 5s\nbegin: [send: $disjoint.1, expect: applied]\neach: [send: { next-of: [$disjoint.2, $disjoint.1] }, expect: applied]\nopen: { of: updates, rate: 30/s, spacing: uniform }\n",
        ),
      });
      // The k-th filter of a stream was sent then, and put in force then.
      const truth = server
        .planted()
        .streams.flatMap((stream, i) => stream.applied.flatMap(({ appliedMicros }, k) => (k === 0 ? [] : [appliedMicros - (sends[i]?.[k] ?? Number.NaN)])));
      if (record.generator.status === "invalid") {
        // On a machine that is too busy for this the record says so, which is the truth as well.
        t.ok(record.generator.reasons.length > 0);
        return;
      }
      t.equal(record.histograms["filter-apply"]?.overflow, 0);
      const slack = slackMicros(record);
      for (const [name, q] of [
        ["p90", 0.9],
        ["p99", 0.99],
      ] as const) {
        const measured = record.histograms["filter-apply"]?.[name] ?? 0;
        const real = quantile(truth, q);
        t.ok(real > 100_000, `${name}: a stall of 400 ms of 1500 reaches one update in four: ${real}`);
        t.ok(Math.abs(measured - real) <= real * 0.1 + slack, `${name}: ${measured} against ${real}, within 10 % and ${slack}`);
      }
    });
  });
}

t.test("a generator whose loop is burned says that its numbers are invalid", async (t) => {
  await against({ rate: 1000 }, async (server) => {
    const burning = setInterval(() => {
      const until = performance.now() + 90;
      while (performance.now() < until);
    }, 100);
    const record = await runLoad({
      targets: [targetOf(server, "grpc")],
      drivers: [drivers["grpc-wire"]],
      seed: 7,
      workload: workload(
        "streams: 4\nduration: 2s\nbegin: [send: $disjoint.1, expect: applied]\neach: [send: { next-of: [$disjoint.2, $disjoint.1] }, expect: applied]\nopen: { of: updates, rate: 50/s }\n",
      ),
    });
    clearInterval(burning);
    t.equal(record.generator.status, "invalid");
    t.ok(record.generator.reasons.length > 0);
  });
});

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

t.test("what is read in place agrees with the drivers that users have", async (t) => {
  await against({ rate: 0, planted: { loseEvery: 7, duplicateEvery: 11 } }, async (server) => {
    for (const name of ["grpc-wire", "grpc", "websocket-wire", "websocket"] as const) {
      const driver = drivers[name];
      const stop = new AbortController();
      const before = server.planted().total;
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
      t.equal(record.counters["lost"], total.lost - before.lost, name);
      t.equal(record.counters["duplicated"], total.duplicated - before.duplicated, name);
      t.equal(record.counters["received"], total.sent - before.sent, name);
      t.equal(record.counters["violations"], 0, name);
    }
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

/** What the measurement itself can be off by: the time between discriminating entries, and how late this machine's loops ran. */
function slackMicros(record: WorkloadRecord): number {
  return 2000 + 2 * (record.values?.["resolution"] ?? 0) + 2 * (record.histograms["loop-delay"]?.p99 ?? 0) + (record.histograms["delivery-lag"]?.p99 ?? 0);
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0;
}

/** Notes when each filter of each stream, in the order of opening, was handed to the driver. */
function recordingSends(driver: Driver, sends: number[][]): Driver {
  return {
    ...driver,
    async connect(target, options) {
      const connection = await driver.connect(target, options);
      return {
        close: () => connection.close(),
        async open(openOptions) {
          const times: number[] = [];
          sends.push(times);
          const stream = await connection.open(openOptions);
          return Object.create(stream, {
            send: {
              value: (message: Parameters<typeof stream.send>[0]) => {
                times.push((performance.timeOrigin + performance.now()) * 1000);
                return stream.send(message);
              },
            },
          }) as typeof stream;
        },
      };
    },
  };
}
