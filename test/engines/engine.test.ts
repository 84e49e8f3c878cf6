import t from "tap";
import type { Transport } from "../../src/core/contract.js";
import type { WorkloadRecord } from "../../src/core/report.js";
import { engineNamed, engineNames } from "../../src/harness/engines.js";
import { performWorkload } from "../../src/harness/perform-workload.js";
import { openSurroundings } from "../../src/harness/surroundings.js";
import { parseWorkload } from "../../src/load/workload-file.js";
import { type ReferenceServerOptions, type ReferenceServer, startReferenceServer } from "../../src/reference/server.js";
import { installedK6 } from "./installed-k6.js";

// What every engine must report, because the server did it.
const k6 = await installedK6();
const transports: readonly Transport[] = ["grpc", "ws"];

interface Performed {
  readonly record: WorkloadRecord;
  readonly server: ReferenceServer;
}

async function perform(
  engine: (typeof engineNames)[number],
  transport: Transport,
  given: { readonly server: ReferenceServerOptions; readonly yaml: string; readonly onProgress?: (server: ReferenceServer) => void },
): Promise<Performed> {
  const server = await startReferenceServer(given.server);
  try {
    const surroundings = await openSurroundings({ urls: [transport === "grpc" ? server.urls.grpc : server.urls.websocket] });
    try {
      const record = await performWorkload(surroundings, {
        workload: parseWorkload(`name: truth\nabout: what was planted\n${given.yaml}`, "truth.yaml"),
        seed: 7,
        engine: engineNamed(engine, { k6: "path" in k6 ? k6.path : undefined, environment: process.env }),
        onEvent: () => given.onProgress?.(server),
      });
      return { record, server };
    } finally {
      await surroundings.close();
    }
  } finally {
    await server.stop({ graceMs: 200 });
  }
}

for (const engine of engineNames) {
  const skip = engine === "k6" && "missing" in k6 ? k6.missing : false;
  for (const transport of transports) {
    t.test(`${engine}, ${transport}: planted loss, duplicates and late entries are counted exactly`, { skip }, async (t) => {
      let written = false;
      const { record, server } = await perform(engine, transport, {
        server: { rate: 0, planted: { loseEvery: 10, duplicateEvery: 13, reorderEvery: 17 } },
        yaml: "streams: 2\nduration: 5s\nbegin: [send: $broad]\n",
        onProgress(server) {
          if (!written) {
            written = true;
            // 1,003 ends on an entry that is neither lost nor held back.
            server.append(Array.from({ length: 1003 }, (_, i) => ({ level: "info" as const, source: "alpha", message: `entry ${i}` })));
          }
        },
      });
      const { total } = server.planted();
      t.equal(record.engine, engine);
      t.ok(total.lost > 0 && total.duplicated > 0 && total.reordered > 0);
      t.equal(record.counters["received"], total.sent);
      t.equal(record.counters["lost"], total.lost);
      t.equal(record.counters["duplicated"], total.duplicated);
      t.equal(record.counters["reordered"], total.reordered);
      t.equal(record.counters["stale-hard"], 0);
      t.equal(record.histograms["entry-gap"]?.count, total.sent - 2, "one gap between two entries of a stream");
      t.same(record.errors, {});
    });

    t.test(`${engine}, ${transport}: streams that the server ends are told, whatever the end looks like to a client that closes too`, { skip }, async (t) => {
      let stopping: Promise<void> | undefined;
      const { record } = await perform(engine, transport, {
        server: { rate: 400 },
        yaml: "streams: 2\nduration: 5s\nbegin: [send: $broad]\n",
        onProgress(server) {
          stopping ??= server.stop({ graceMs: 0 });
        },
      });
      await stopping;
      t.ok(stopping !== undefined);
      t.equal(record.counters["opened"], 2);
      t.equal(
        Object.values(record.errors).reduce((sum, times) => sum + times, 0),
        2,
        JSON.stringify(record.errors),
      );
      t.notOk(record.histograms["half-close-to-end"], "none of them is taken for an answer to our own end");
    });

    t.test(`${engine}, ${transport}: each arrival is a stream of its own, opened and ended`, { skip }, async (t) => {
      const { record, server } = await perform(engine, transport, {
        server: { rate: 400 },
        yaml: "duration: 3s\nopen: { of: streams, rate: 10/s, spacing: uniform, in-flight: 20 }\nbegin: [send: $broad, expect: { entries: 1 }]\n",
      });
      const { counters, histograms } = record;
      // k6 begins one interval later, and the last may be due with the end.
      t.ok((counters["offered"] ?? 0) >= 28 && (counters["offered"] ?? 0) <= 30, `${counters["offered"]} offered`);
      t.equal(counters["begun"], (counters["offered"] ?? 0) - (counters["dropped"] ?? 0));
      t.equal(counters["opened"], counters["begun"]);
      t.equal(counters["rejected"], 0);
      t.equal(counters["disconnected"], 0);
      t.equal(histograms["first-entry"]?.count, counters["opened"]);
      t.equal(histograms["half-close-to-end"]?.count, counters["opened"], "each was ended by the server in time");
      t.equal(server.stats().openStreams, 0);
      t.same(record.errors, {});
    });

    t.test(`${engine}, ${transport}: planted stale entries are counted exactly, and a planted delay within its resolution`, { skip }, async (t) => {
      const applyDelayMs = 80;
      // Far longer than this process may be held up: a stale entry that is read only after the next update is no stale one.
      const thinkMs = 400;
      const { record, server } = await perform(engine, transport, {
        server: { rate: 400, planted: { staleHard: 2, applyDelayMs } },
        yaml: `streams: 2\nduration: 3s\nbegin: [send: $disjoint.1, expect: applied]\neach: [send: { next-of: [$disjoint.2, $disjoint.1] }, expect: applied]\nclosed: { think: ${thinkMs}ms }\n`,
      });
      const { total } = server.planted();
      t.ok(total.staleHard > 0);
      t.equal(record.counters["stale-hard"], total.staleHard);
      t.equal(record.counters["timeouts"], 0);
      const apply = record.histograms["filter-apply-service"];
      t.ok((apply?.count ?? 0) > 0);
      // k6 tells whole milliseconds of two clocks.
      t.ok((apply?.min ?? 0) >= applyDelayMs * 1000 - 2000, `never sooner than the server did it: ${apply?.min}`);
      if (record.generator.status === "valid") {
        t.ok((apply?.p50 ?? Infinity) < applyDelayMs * 1000 + 60_000, `${apply?.p50}`);
      } else {
        t.ok(record.generator.reasons.length > 0, "on a machine that is too busy the record says so, which is the truth as well");
      }
    });
  }
}
