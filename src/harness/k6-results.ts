import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { HarnessError, messageOf } from "../core/errors.js";
import { exitCodeOf } from "../core/exit-code.js";
import { Histogram } from "../core/histogram.js";
import { formatNumber } from "../core/quantity.js";
import type { Report } from "../core/report.js";
import { parseThresholds } from "../core/threshold.js";
import type { EngineOutcome } from "../engines/engine.js";
import { createK6PointReader } from "../engines/k6-points.js";
import { spoiledByLoad } from "../engines/k6.js";
import { windowedTimes } from "../load/run-load.js";
import { engineRecord } from "./engine-run.js";
import { EnginePointBook } from "./engine-points.js";
import type { K6ExportRecord } from "./k6-export.js";

export interface K6ResultsOptions {
  /** Folder that paths are relative to. */
  readonly folder: string;
  /** Folder that `export k6` wrote. */
  readonly exported: string;
  /** What each instance wrote with `--out json`. */
  readonly files: readonly string[];
  readonly command: readonly string[];
}

/**
 * Makes one report of what instances of k6 wrote: histograms and counts are added up, and thresholds judged on the whole.
 * @throws HarnessError `usage` for a file that cannot be read, or was not written by this export's script.
 */
export async function mergeK6Results(options: K6ResultsOptions): Promise<Report> {
  const record = await readExport(options);
  const [template] = record.report.workloads;
  if (template === undefined) {
    throw new HarnessError("usage", `${options.exported}/halfclose.json holds no workload.`, { place: "--k6-export" });
  }
  const thresholds = parseThresholds(record.thresholds, `${options.exported}/halfclose.json`);
  const windowed = windowedTimes(record.workload, thresholds);
  const instances = [];
  for (const file of options.files) {
    instances.push(await readInstance(options, file, { record, windowed }));
  }
  const merged = engineRecord(
    { name: "k6", remarks: template.remarks, uncounted: () => record.uncounted },
    { workload: record.workload, targets: [], thresholds, baseline: undefined, instances, samples: [] },
  );
  const workloads = [{ ...merged, transports: template.transports, hash: template.hash }];
  return {
    ...record.report,
    command: options.command,
    elapsedMs: Math.round(Math.max(...instances.map(({ outcome }) => outcome.measuredMicros)) / 1000),
    partial: false,
    workloads,
    exitCode: exitCodeOf({ ...record.report, workloads }),
  };
}

async function readExport({ folder, exported }: K6ResultsOptions): Promise<K6ExportRecord> {
  const file = path.join(exported, "halfclose.json");
  let record: Partial<K6ExportRecord> | null;
  try {
    record = JSON.parse(await readFile(path.resolve(folder, file), "utf8")) as Partial<K6ExportRecord> | null;
  } catch (thrown) {
    throw new HarnessError("usage", `${file} cannot be read: ${messageOf(thrown)}.`, {
      place: "--k6-export",
      hint: "name the folder that `halfclose export k6` wrote",
      cause: thrown,
    });
  }
  if (record?.schema !== "halfclose.k6-export/1") {
    throw new HarnessError("usage", `${file} was not written by this version's \`halfclose export k6\`.`, { place: "--k6-export" });
  }
  return record as K6ExportRecord;
}

async function readInstance(
  { folder }: K6ResultsOptions,
  file: string,
  { record, windowed }: { readonly record: K6ExportRecord; readonly windowed: ConstructorParameters<typeof EnginePointBook>[1] },
): Promise<{ readonly book: EnginePointBook; readonly outcome: EngineOutcome }> {
  const groups = record.workload.groups.map(({ name }) => name);
  const book = new EnginePointBook(groups, windowed);
  const loopDelay = new Histogram();
  let foreign: string | undefined;
  const reader = createK6PointReader((point) => {
    if (point.kind !== "error" && !groups.includes(point.group)) {
      foreign ??= point.group;
      return;
    }
    if (point.kind === "time" && point.metric === "loop-delay") {
      loopDelay.recordMany(point.micros, point.times);
    }
    book.take(point);
  });
  const input = createReadStream(path.resolve(folder, file));
  try {
    for await (const line of createInterface({ input, crlfDelay: Infinity })) {
      reader.take(line);
    }
  } catch (thrown) {
    throw new HarnessError("usage", `${file} cannot be read: ${messageOf(thrown)}.`, { place: file, cause: thrown });
  } finally {
    input.destroy();
  }
  const begin = reader.beginMicros;
  if (begin === undefined || foreign !== undefined) {
    throw new HarnessError(
      "usage",
      foreign === undefined ? `${file} holds nothing that the exported script measured.` : `${file} is of another workload: it names the group "${foreign}".`,
      {
        place: file,
        hint: "give what k6 run --out json=FILE wrote",
      },
    );
  }
  return {
    book,
    outcome: {
      measuredMicros: Math.max(0, Math.min(record.workload.durationMs * 1000, reader.lastMicros - begin)),
      cpuMicros: 0,
      spoiled: [
        ...spoiledByLoad(loopDelay, record.latencyLimitMicros, 0),
        ...(reader.unreadable > 0 ? [`${formatNumber(reader.unreadable)} lines of ${file} could not be read.`] : []),
      ],
      remarks: ["Memory and CPU of the k6 instances were not watched."],
    },
  };
}
