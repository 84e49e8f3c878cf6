import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { performance } from "node:perf_hooks";
import { HarnessError } from "../core/errors.js";
import type { CountMetric } from "../core/metric.js";
import type { Report } from "../core/report.js";
import { judgedBy } from "../core/threshold.js";
import type { Workload } from "../core/workload.js";
import { createK6Engine, writeK6Run } from "../engines/k6.js";
import { oldestK6 } from "../engines/k6-binary.js";
import type { K6Plan } from "../engines/k6/plan.js";
import { loadWorkload } from "../load/shipped-workloads.js";
import { assembleReport } from "./assemble-report.js";
import { engineRecord, prepareTask } from "./engine-run.js";
import { operatorManifests, operatorReadme, pointsReader } from "./k6-operator.js";
import { openSurroundings, type SurroundingsOptions } from "./surroundings.js";

/** What `halfclose.json` of an exported folder holds: what the results of its instances are judged with. */
export interface K6ExportRecord {
  readonly schema: "halfclose.k6-export/1";
  readonly workload: Workload;
  readonly thresholds: readonly string[];
  readonly latencyLimitMicros: number;
  /** Counters that k6 does not keep for these targets. */
  readonly uncounted: readonly CountMetric[];
  /** A report without measurements: target, seed and what this engine cannot see. */
  readonly report: Report;
}

export interface K6ExportOptions extends SurroundingsOptions {
  readonly workload: string;
  /** Folder to write; it is made. */
  readonly out: string;
  readonly durationSeconds?: number | undefined;
  readonly streams?: number | undefined;
  readonly thresholds?: readonly string[] | undefined;
  /** Write manifests for k6-operator too, with so many instances. */
  readonly operator?: { readonly parallelism: number } | undefined;
  readonly command: readonly string[];
}

/**
 * Writes all that k6 needs to perform a workload by hand, and what its results are judged with.
 * @returns the names of the files.
 * @throws HarnessError `workload` for what k6 cannot perform, `usage` when the folder has other files in it.
 */
export async function exportK6(options: K6ExportOptions): Promise<string[]> {
  const folder = path.resolve(options.folder ?? ".", options.out);
  await mkdir(folder, { recursive: true });
  const foreign = (await readdir(folder)).filter((name) => !isOurs(name));
  if (foreign.length > 0) {
    throw new HarnessError("usage", `The folder ${options.out} has other files in it: ${foreign.slice(0, 3).join(", ")}.`, {
      place: "--out",
      hint: "name an empty or absent one",
    });
  }
  const workload = loadWorkload(options.workload);
  const surroundings = await openSurroundings(options);
  try {
    const engine = createK6Engine({ environment: {}, watch: { usage: () => undefined, kill: () => undefined } });
    const targets = Object.values(surroundings.targets);
    const { task, thresholds } = prepareTask(engine, {
      workload,
      targets,
      drivers: Object.values(surroundings.drivers),
      seed: 0,
      ...(options.durationSeconds === undefined ? {} : { durationSeconds: options.durationSeconds }),
      ...(options.streams === undefined ? {} : { streams: options.streams }),
      thresholds: judgedBy(workload, options.thresholds, engine.uncounted(targets)),
    });
    const plan = await writeK6Run({ ...task, onPoint: () => undefined }, folder);
    // Headers may hold secrets.
    await writeFile(path.join(folder, "plan.json"), `${JSON.stringify(plan, undefined, 1)}\n`, { mode: 0o600 });
    const frame = {
      command: options.command,
      suite: workload.name,
      seed: 0,
      startedAt: new Date().toISOString(),
      startMs: performance.now(),
      targetName: undefined,
      startCommand: undefined,
      secrets: surroundings.reach.secrets,
    };
    const empty = engineRecord(engine, { workload: task.workload, targets, thresholds, baseline: undefined, instances: [], samples: [] });
    const record: K6ExportRecord = {
      schema: "halfclose.k6-export/1",
      workload: task.workload,
      thresholds: thresholds.map(({ text }) => text),
      latencyLimitMicros: task.latencyLimitMicros,
      uncounted: engine.uncounted(targets),
      report: assembleReport(frame, surroundings, { workloads: [empty], partial: true }),
    };
    await writeFile(path.join(folder, "halfclose.json"), `${JSON.stringify(record, undefined, 1)}\n`);
    if (options.operator !== undefined) {
      await writeOperatorFiles(folder, task.workload, { parallelism: options.operator.parallelism, plan });
    }
    const onKubernetes = options.operator === undefined ? "" : operatorReadme(workload.name, options.out);
    await writeFile(path.join(folder, "README.md"), readme(workload.name, options.out) + onKubernetes);
    return (await readdir(folder)).filter(isOurs).toSorted();
  } finally {
    await surroundings.close();
  }
}

async function writeOperatorFiles(
  folder: string,
  workload: Workload,
  { parallelism, plan }: { readonly parallelism: number; readonly plan: K6Plan },
): Promise<void> {
  const streams = workload.groups.reduce((most, group) => Math.max(most, group.arrivals.model === "open" ? group.arrivals.inFlight : group.streams), 0);
  if (parallelism > streams) {
    throw new HarnessError("usage", `${parallelism} instances cannot share ${streams} streams: some would have none.`, {
      place: "--parallelism",
      hint: "--streams says how many there are over all instances",
    });
  }
  const protosets = new Map<string, Uint8Array>();
  for (const { protoset } of plan.targets) {
    if (protoset !== null) {
      protosets.set(protoset, await readFile(path.join(folder, protoset)));
    }
  }
  const script = await readFile(path.join(folder, "script.js"), "utf8");
  const text = operatorManifests({ workload: workload.name, parallelism, script, protosets, plan: JSON.stringify(plan) });
  // The plan in it may hold secrets.
  await writeFile(path.join(folder, "operator.yaml"), text, { mode: 0o600 });
  await writeFile(path.join(folder, "points-reader.yaml"), pointsReader(workload.name));
}

function isOurs(name: string): boolean {
  return (
    ["script.js", "plan.json", "halfclose.json", "README.md", "operator.yaml", "points-reader.yaml"].includes(name) ||
    /^types-\d+\.protoset$/.test(name) ||
    name.startsWith("points")
  );
}

function readme(workload: string, out: string): string {
  return `# ${workload} with k6

Needs k6 ${oldestK6} or later. \`plan.json\` holds the headers of the target: treat it as you treat those.

In this folder, on one machine:

    k6 run --out json=points.json script.js

On several, here two; each gets this folder and runs its part at about the same time:

    k6 run --out json=points-1.json --execution-segment 0:1/2 --execution-segment-sequence 0,1/2,1 script.js
    k6 run --out json=points-2.json --execution-segment 1/2:1 --execution-segment-sequence 0,1/2,1 script.js

k6's own summary is of one instance and knows no thresholds. Collect the points of all in this folder, and judge the whole, from the folder above:

    halfclose merge --k6-export ${out} ${out}/points-1.json ${out}/points-2.json
`;
}
