import { HarnessError } from "../core/errors.js";
import { engineNames, engineNamed } from "../harness/engines.js";
import { runWorkload } from "../harness/load-run.js";
import { readReport } from "../harness/read-report.js";
import { commonOptions } from "./command-line.js";
import { defineCommand, type Invocation } from "./command.js";
import { connectionOptions, readConnection } from "./connection.js";
import { k6Option } from "./k6-option.js";
import type { OptionSpecs } from "./options.js";
import { createOutput } from "./output.js";
import { ownServer } from "./own-server.js";
import { reportingRun } from "./reporting-run.js";
import { readShard } from "./shard-option.js";
import { readStartTime } from "./start-time.js";
import { viewOptions } from "./views.js";

const group = "Load";

const options = {
  ...connectionOptions,
  duration: { kind: "duration", short: "d", group, value: "TIME", about: "How long it is measured; default: the workload's" },
  streams: { kind: "whole", least: 1, most: 1_000_000, short: "n", group, value: "N", about: "Streams of its first group; default: the workload's" },
  threshold: { kind: "texts", short: "t", group, value: "RULE", about: "Instead of the workload's on that metric: 'filter-apply p99 < 50ms'" },
  engine: { kind: "choice", of: engineNames, group, value: engineNames.join("|"), about: "Who performs it: this program, or k6", fallback: "native" },
  k6: k6Option,
  shard: { kind: "text", group, value: "I/N", about: "Only part I of N; halfclose merge makes one record of all of them" },
  "start-at": {
    kind: "text",
    group,
    value: "TIME",
    about: "Open the streams, and begin at this time: 2030-01-31T12:00:00Z, or +30s from now; the same for all shards",
  },
  "flood-elsewhere": { kind: "flag", group, about: "The workload's flood may go to another host than the target's" },
  calibrate: { kind: "flag", group, about: "Perform it on a server that comes with halfclose first, for 5 s: what machine and generator take by themselves" },
  workers: { kind: "whole", least: 1, most: 256, group, value: "N", about: "Worker threads; default: one less than the machine has cores" },
  baseline: { kind: "text", group, value: "FILE", about: "results.json of an earlier run to compare with; thresholds may say `vs baseline`" },
  seed: { kind: "whole", least: 0, most: 2 ** 32 - 1, group, about: "Seed of all schedules; default: a new one, which the report names, or 1 of shards" },
  "target-name": { kind: "text", group, value: "NAME", about: "What the report calls the target" },
  ...viewOptions,
  color: commonOptions.color,
} as const satisfies OptionSpecs;

/** Measures a server. */
export const load = defineCommand({
  usage: "<workload> [url..]",
  about:
    "Performs a workload on many streams and measures: entries a second, how soon a filter applies, what was lost, late or out of place. Every entry is verified.",
  examples: [
    ["halfclose load throughput grpc://localhost:50051", "as many entries as the server gives"],
    ["halfclose load filter-churn ws://localhost:8080 -d 10s -t 'filter-apply p99 < 50ms'", "how soon a filter applies, with a limit"],
    ["halfclose load throughput ws://localhost:8080 --engine k6", "the same, performed by k6"],
    ["halfclose load soak ws://staging:8080 --shard 1/2 --start-at 2030-01-31T12:00:00Z -o shard-1", "the first of two machines"],
    ["halfclose list workloads", "what there is"],
  ],
  options,
  arity: [1, 9],
  run: (invocation) => performLoad(invocation),
});

async function performLoad(invocation: Invocation<typeof options>): Promise<number> {
  const { options: given, console } = invocation;
  const [workload = "", ...urls] = invocation.arguments;
  const output = createOutput(given, console);
  const connection = readConnection({ ...invocation, arguments: urls });
  if (given.shard !== undefined && given.baseline !== undefined) {
    throw new HarnessError("usage", "A shard is no whole that could be compared with a baseline.", {
      place: "--baseline",
      hint: "halfclose compare compares what halfclose merge made",
    });
  }
  const shard = given.shard === undefined ? undefined : readShard(given.shard, invocation.placeOf("shard"));
  const startAtMs = given["start-at"] === undefined ? undefined : readStartTime(given["start-at"], invocation.placeOf("start-at"), Date.now());
  const baseline = given.baseline === undefined ? undefined : await readReport(console.workingDirectory, given.baseline);
  const report = await reportingRun(invocation, output, (hooks) =>
    runWorkload({
      ...connection,
      ...hooks,
      workload,
      durationSeconds: given.duration === undefined ? undefined : given.duration / 1000,
      streams: given.streams,
      thresholds: given.threshold.length === 0 ? undefined : given.threshold,
      calibrate: given.calibrate === true ? ownServer() : undefined,
      workers: given.workers,
      baseline: baseline === undefined ? undefined : { name: given.baseline ?? "", report: baseline },
      engine: engineNamed(given.engine ?? "native", { k6: given.k6, environment: console.environment }),
      floodElsewhere: given["flood-elsewhere"],
      seed: given.seed,
      shard: shard === undefined ? undefined : { index: shard.index - 1, count: shard.count },
      startAtMs,
      targetName: given["target-name"],
      command: invocation.commandLine,
      secrets: invocation.secrets,
    }),
  );
  return report.exitCode;
}
