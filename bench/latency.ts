import type { ChildProcess } from "node:child_process";

import type { WorkloadRecord } from "../src/core/report.js";
import { histogramFromRecord } from "../src/load/histogram-record.js";
import { runLoad } from "../src/load/run-load.js";
import { parseWorkload } from "../src/load/workload-file.js";
import type { PlantedOptions, PlantedRecord } from "../src/reference/planted.js";
import { startReferenceServer } from "../src/reference/server.js";
import { firstMessage, play } from "./compare.js";
import { targetAt } from "./target.js";
import { recordingSends } from "../test/load/recording-sends.js";

/** What a server does that the report must say. */
interface LatencyRow {
  readonly name: string;
  readonly rate: number;
  readonly planted: PlantedOptions;
  readonly workload: string;
  /** The truth is counted from when filters were sent (the schedule), or from when the server had them. */
  readonly from: "sent" | "received";
  /** How far each quantile may be off: microseconds, or a share of the truth. */
  readonly within: readonly { readonly q: number; readonly micros?: number; readonly share?: number }[];
}

const backAndForth = "begin: [send: $disjoint.1, expect: applied]\neach: [send: { next-of: [$disjoint.2, $disjoint.1] }, expect: applied]\n";
const p50AndP99 = (p99Micros: number) => [
  { q: 0.5, micros: 1000 },
  { q: 0.99, micros: p99Micros },
];

const rows: readonly LatencyRow[] = [
  {
    name: "a filter applies after 20 ms",
    rate: 6000,
    planted: { applyDelayMs: 20 },
    workload: `streams: 2\nduration: 4s\n${backAndForth}closed: { think: 5ms }\n`,
    from: "received",
    within: p50AndP99(10_000),
  },
  {
    name: "a stall of 500 ms every 5 s",
    rate: 600,
    planted: { stallEveryMs: 5000, stallForMs: 500 },
    workload: `streams: 80\nduration: 10400ms\napply-within: 5s\n${backAndForth}open: { of: updates, rate: 100/s, spacing: uniform }\n`,
    from: "sent",
    within: [
      { q: 0.95, share: 0.1 },
      { q: 0.99, share: 0.1 },
    ],
  },
  {
    name: "20 ms, on streams of 20,000 entries a second",
    rate: 60_000,
    planted: { applyDelayMs: 20 },
    workload: `streams: 2\nduration: 4s\n${backAndForth}closed: { think: 5ms }\n`,
    from: "received",
    within: p50AndP99(25_000),
  },
];

interface Asked {
  readonly grpc: number;
  readonly http: number;
}

/** In a process of its own: the server of a row; tells its ports, and what it did when asked. */
export async function serveLatency(name: string): Promise<void> {
  const row = rows.find((each) => each.name === name);
  const server = await startReferenceServer({ rate: row?.rate ?? 0, planted: row?.planted ?? {} });
  process.once("disconnect", () => process.exit());
  process.on("message", () => process.send?.(server.planted()));
  process.send?.({ grpc: server.grpcPort, http: server.httpPort } satisfies Asked);
}

/** Prints, for each row and transport, what was measured against what the server did. */
export async function compareLatency(): Promise<void> {
  for (const row of rows) {
    for (const transport of ["grpc", "ws"] as const) {
      const server = play(["latency-server", row.name]);
      try {
        console.log(`  ${row.name}, ${transport === "grpc" ? "gRPC" : "WebSocket"}: ${await lineOf(row, transport, server)}`);
      } finally {
        server.kill();
      }
    }
  }
}

async function lineOf(row: LatencyRow, transport: "grpc" | "ws", server: ChildProcess): Promise<string> {
  const { grpc, http } = (await firstMessage(server)) as Asked;
  const sends: number[][] = [];
  const record = await perform(row, transport, transport === "grpc" ? grpc : http, sends);
  server.send("planted");
  const { streams } = (await firstMessage(server)) as PlantedRecord;
  const truth = streams
    .flatMap(({ applied }, i) =>
      applied.map(({ receivedMicros, shownMicros = Number.NaN }, k) =>
        k === 0 ? Number.NaN : shownMicros - (row.from === "sent" ? (sends[i]?.[k] ?? Number.NaN) : receivedMicros),
      ),
    )
    .filter((micros) => !Number.isNaN(micros))
    .toSorted((a, b) => a - b);
  const apply = record.histograms[row.from === "sent" ? "filter-apply" : "filter-apply-service"];
  if (apply === undefined || truth.length === 0) {
    return "nothing was measured";
  }
  const histogram = histogramFromRecord(apply);
  const shown = (micros: number): string => `${(micros / 1000).toFixed(2)} ms`;
  const quantiles = row.within.map(({ q, micros = 0, share = 0 }) => {
    const measured = histogram.quantile(q);
    const real = truth[Math.max(0, Math.ceil(q * truth.length) - 1)] ?? 0;
    const limit = micros + share * real;
    return `p${q * 100} ${shown(measured)} of ${shown(real)} (within ${shown(limit)}: ${Math.abs(measured - real) <= limit ? "yes" : "no"})`;
  });
  const { generator, values } = record;
  const resolution = `resolution ${shown(values?.["resolution"] ?? 0)}`;
  return `${quantiles.join(", ")}; ${apply.count} samples, ${resolution}, ${generator.status === "valid" ? "valid" : `INVALID: ${generator.reasons.join(" ")}`}`;
}

async function perform({ workload, rate }: LatencyRow, transport: "grpc" | "ws", port: number, sends: number[][]): Promise<WorkloadRecord> {
  const { target, driver } = await targetAt(transport, port);
  return runLoad({
    workload: parseWorkload(`name: latency\nabout: ${rate} entries a second\n${workload}`, "bench"),
    targets: [target],
    drivers: [recordingSends(driver, sends)],
    seed: 1,
    thresholds: ["filter-apply p99 < 100ms"],
  });
}
