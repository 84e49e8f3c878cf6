import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { HarnessError } from "../core/errors.js";
import { Histogram } from "../core/histogram.js";
import type { CountMetric } from "../core/metric.js";
import { formatMicros, formatNumber } from "../core/quantity.js";
import type { Target } from "../core/target.js";
import type { Engine, EngineOutcome, EnginePoint, EngineTask } from "./engine.js";
import { requireK6 } from "./k6-binary.js";
import { k6Plan, k6Refusals } from "./k6-plan.js";
import { createK6PointReader, type K6PointReader } from "./k6-points.js";
import { type K6Ending, type ProcessWatch, runK6 } from "./k6-process.js";
import type { K6Plan } from "./k6/plan.js";

export interface K6EngineOptions {
  /** A file, or a name on PATH. Default `k6`. */
  readonly binary?: string | undefined;
  /** What k6 gets beside the plan; its own `K6_…` variables are left out, since they would change what is run. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly watch: ProcessWatch;
  /** More resident memory than this ends k6: its queue of received WebSocket messages has no bound. Default 2 GiB. */
  readonly rssLimitBytes?: number;
  /** How much longer than planned k6 may take before it is killed, in milliseconds. Default 15 000. */
  readonly slackMs?: number;
  /** How long k6 may say nothing after its streams should be open, in milliseconds. Default 15 000. */
  readonly silentMs?: number;
}

/** What every report of this engine says. */
const remarks: readonly string[] = [
  "k6 has a connection for each stream, and one virtual user for each.",
  "k6 does not tell status and trailers at the end of a stream, nor the bytes of gRPC messages, and has no timeline of the wire.",
  "Times of gRPC streams are those at which k6's script had its turn, to 1 ms and no better; entry times are compared to 1 ms.",
  "Of an entry's shape k6's script verifies that the required fields are there.",
];

/** The k6 binary as a load engine. */
export function createK6Engine(options: K6EngineOptions): Engine {
  return {
    name: "k6",
    remarks,
    uncounted: k6Uncounted,
    refusals: k6Refusals,
    async perform(task) {
      const { path: command } = await requireK6(options.binary ?? "k6");
      const folder = await mkdtemp(path.join(tmpdir(), "halfclose-k6-"));
      try {
        const plan = await writeK6Run(task, folder);
        return await performPlan(task, plan, { ...options, command, folder });
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}

/** Virtual users cannot compare what they receive, and k6 does not tell the size of a gRPC message. */
function k6Uncounted(targets: readonly Target[]): CountMetric[] {
  return ["lost-relative", "silent", ...(targets.some(({ transport }) => transport === "grpc") ? (["bytes"] as const) : [])];
}

/** Writes the script and the types that a plan needs into a folder. @returns the plan, whose files are relative to the script. */
export async function writeK6Run(task: EngineTask, folder: string): Promise<K6Plan> {
  const protosets = await Promise.all(
    task.targets.map(async ({ contract, transport }, i) => {
      const bytes = transport === "grpc" ? await contract.grpc?.descriptorSet?.() : undefined;
      if (bytes === undefined) {
        return undefined;
      }
      const name = `types-${i}.protoset`;
      await writeFile(path.join(folder, name), bytes);
      return name;
    }),
  );
  await copyFile(fileURLToPath(new URL("./k6/script.js", import.meta.url)), path.join(folder, "script.js"));
  return k6Plan(task, protosets);
}

interface RunOptions extends K6EngineOptions {
  readonly command: string;
  readonly folder: string;
}

/** The kernel takes no environment variable longer than 128 KiB. */
const longestVariable = 100 * 1024;
const defaultRssLimitBytes = 2 * 1024 ** 3;

async function performPlan(task: EngineTask, plan: K6Plan, options: RunOptions): Promise<EngineOutcome> {
  const seen = new Seen();
  const reader = createK6PointReader((point) => {
    seen.take(point);
    task.onPoint(point);
  });
  const text = JSON.stringify(plan);
  const byFile = text.length > longestVariable;
  if (byFile) {
    await writeFile(path.join(options.folder, "plan.json"), text, { mode: 0o600 });
  }
  const slackMs = options.slackMs ?? 15_000;
  const rssLimitBytes = options.rssLimitBytes ?? defaultRssLimitBytes;
  const ending = await runK6({
    command: options.command,
    arguments: [
      "run",
      "--quiet",
      "--no-color",
      "--no-usage-report",
      "--no-thresholds",
      "--summary-mode=disabled",
      "--address=",
      "--out",
      "json=-",
      "script.js",
    ],
    folder: options.folder,
    environment: {
      ...Object.fromEntries(Object.entries(options.environment).filter(([name]) => !/^(K6_|HALFCLOSE_)/.test(name))),
      ...(byFile ? {} : { HALFCLOSE_PLAN: text }),
    },
    watch: options.watch,
    signal: task.signal,
    deadlineMs: plan.setupMs + plan.warmUpMs + plan.durationMs + plan.finishMs + slackMs,
    firstLineWithinMs: plan.setupMs + (options.silentMs ?? 15_000),
    rssLimitBytes,
    onLine: (line) => reader.take(line),
  });
  return outcomeOf(task, { ending, reader, seen, plan, rssLimitBytes });
}

/** What the engine itself must know of the points that go by. */
class Seen {
  readonly loopDelay = new Histogram();
  opened = 0;
  error: string | undefined;

  take(point: EnginePoint): void {
    if (point.kind === "time" && point.metric === "loop-delay") {
      this.loopDelay.recordMany(point.micros, point.times);
    } else if (point.kind === "count" && point.metric === "opened") {
      this.opened += point.times;
    } else if (point.kind === "error") {
      this.error ??= point.text;
    }
  }
}

interface Ended {
  readonly ending: K6Ending;
  readonly reader: K6PointReader;
  readonly seen: Seen;
  readonly plan: K6Plan;
  readonly rssLimitBytes: number;
}

function outcomeOf(task: EngineTask, ended: Ended): EngineOutcome {
  const { ending, reader, seen, plan } = ended;
  if (ending.failure !== undefined) {
    throw new HarnessError("usage", `k6 could not be started: ${ending.failure}.`, { place: "--engine k6" });
  }
  if (seen.opened === 0 && seen.error !== undefined && ending.killed === undefined) {
    throw new HarnessError("unreachable", `k6 could open no stream: ${seen.error}.`, { place: task.targets.map(({ url }) => url).join(", ") });
  }
  const begin = reader.beginMicros;
  const measuredMicros = begin === undefined ? 0 : Math.max(0, Math.min(plan.durationMs * 1000, reader.lastMicros - begin));
  const during = begin === undefined ? [] : ending.usage.filter(({ atEpochMicros }) => atEpochMicros >= begin && atEpochMicros <= begin + measuredMicros);
  const cpuMicros = (during.at(-1)?.cpuMicros ?? 0) - (during[0]?.cpuMicros ?? 0);
  const sampledMicros = (during.at(-1)?.atEpochMicros ?? 0) - (during[0]?.atEpochMicros ?? 0);
  return {
    measuredMicros,
    cpuMicros,
    spoiled: [...spoiledByEnding(ended), ...spoiledByLoad(seen.loopDelay, task.latencyLimitMicros, sampledMicros === 0 ? 0 : cpuMicros / sampledMicros)],
    remarks:
      ending.usage.length === 0
        ? ["k6's memory and CPU could not be watched on this system."]
        : [`k6 used up to ${formatNumber(Math.round(Math.max(...ending.usage.map(({ rssBytes }) => rssBytes)) / 1024 ** 2))} MiB of memory.`],
  };
}

/** What its own end says of the numbers. */
function spoiledByEnding({ ending, reader, plan, rssLimitBytes }: Ended): string[] {
  const reasons: string[] = [];
  const log = lastWords(ending.log);
  switch (ending.killed) {
    case "deadline":
      reasons.push(
        `k6 did not end within ${formatNumber((plan.setupMs + plan.warmUpMs + plan.durationMs + plan.finishMs) / 1000)} s, all its bounds together, and was killed${log}.`,
      );
      break;
    case "silent":
      reasons.push(`k6 wrote nothing for so long that it was killed${log}.`);
      break;
    case "memory":
      reasons.push(
        `k6 took more than ${formatNumber(Math.round(rssLimitBytes / 1024 ** 2))} MiB of memory and was killed: it queues what it cannot handle; offer it less.`,
      );
      break;
    case "aborted":
      break;
    case undefined:
      reasons.push(...endedByItself(ending, log));
  }
  if (reader.unreadable + ending.overlongLines > 0) {
    reasons.push(`${formatNumber(reader.unreadable + ending.overlongLines)} lines of k6's output could not be read.`);
  }
  if (reader.beginMicros === undefined && reasons.length === 0 && ending.killed === undefined) {
    reasons.push(`k6 ended without having measured anything${log}.`);
  }
  return reasons;
}

/** k6's exit codes: 99 thresholds (which are judged here), 105 a signal, 107 an exception in the script, 108 and 110 the script's own. */
function endedByItself({ code, exitSignal }: K6Ending, log: string): string[] {
  if (code === 0 || code === 99) {
    return [];
  }
  if (code === null) {
    return [`k6 was ended by ${exitSignal ?? "a signal"}${log}.`];
  }
  return [
    code === 105
      ? `Somebody stopped k6 (exit code 105)${log}.`
      : code === 107
        ? `k6's script failed (exit code 107)${log}.`
        : `k6 ended with exit code ${code}${log}.`,
  ];
}

/** Least limit of a turn's lateness: garbage collection of k6 alone takes milliseconds. */
const leastLoopDelayMicros = 10_000;
const busyCores = 0.9;

/**
 * k6 says nothing of its own lateness: what its script's timers and the system tell decides.
 * @param cores that it used; 0 when nobody watched.
 */
export function spoiledByLoad(loopDelay: Histogram, latencyLimitMicros: number, cores: number): string[] {
  const reasons: string[] = [];
  const limit = Math.max(leastLoopDelayMicros, 0.1 * latencyLimitMicros);
  const p99 = loopDelay.quantile(0.99);
  if (p99 > limit) {
    reasons.push(`k6's script had its turn ${formatMicros(p99)} late at p99, more than ${formatMicros(limit)}: latencies are k6's own.`);
  }
  if (cores > busyCores * availableParallelism()) {
    reasons.push(
      `k6 used ${formatNumber(Math.round(cores * 10) / 10)} of ${availableParallelism()} cores: it was the bottleneck, the target can do at least what was measured.`,
    );
  }
  return reasons;
}

function lastWords(log: string): string {
  const line =
    log
      .trim()
      .split("\n")
      .findLast((candidate) => /level=(error|fatal)|panic/.test(candidate)) ??
    log.trim().split("\n").at(-1) ??
    "";
  const text = /msg="((?:[^"\\]|\\.)*)"/.exec(line)?.[1]?.replaceAll(String.raw`\n`, " ") ?? line;
  return text === "" ? "" : `; its last words: ${text.slice(0, 300)}`;
}
