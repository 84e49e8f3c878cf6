import { HarnessError } from "../core/errors.js";
import { combineExitCodes, exitCodeOf, exitCodes } from "../core/exit-code.js";
import type { CheckRecord, EnvironmentRecord, GateRecord, Report, WorkloadRecord } from "../core/report.js";

/** A report, and the file that it comes from. */
export interface SourcedReport {
  readonly report: Report;
  readonly source: string;
}

export interface MergeOptions {
  /**
   * Judges the checks of all shards together: what the suite's gates say of the whole, and which failure follows from which.
   * Without it the gates of the shards stand side by side, failed if one failed.
   */
  readonly rejudge?: (checks: readonly CheckRecord[]) => { readonly checks: readonly CheckRecord[]; readonly gates: readonly GateRecord[] };
  /** Makes one record of the shards of a workload. Without it they are refused as the same workload twice. */
  readonly mergeWorkload?: (shards: readonly { readonly record: WorkloadRecord; readonly source: string }[]) => WorkloadRecord;
}

/**
 * Makes one report of the shards of a run: all checks, workloads and problems, gates and exit code judged anew.
 * Given in the order of their numbers, the checks come back in the order of the whole run.
 * @throws HarnessError `usage` when there is none, when two hold the same check or workload, or when they are not of one contract and suite.
 */
export function mergeReports(shards: readonly SourcedReport[], options: MergeOptions = {}): Report {
  const [first] = shards;
  if (first === undefined) {
    throw new HarnessError("usage", "There are no results to merge.", { hint: "name at least one results.json" });
  }
  for (const shard of shards.slice(1)) {
    requireSameRun(first, shard);
  }
  requireDistinct(shards, ({ checks }) => checks.map(({ id, transport }) => `${id} (${transport})`), "check");
  const { mergeWorkload } = options;
  const isShared = ({ shard }: WorkloadRecord): boolean => shard !== undefined && mergeWorkload !== undefined;
  requireDistinct(shards, ({ workloads }) => workloads.filter((record) => !isShared(record)).map(({ name }) => name), "workload");
  const reports = shards.map(({ report }) => report);
  const judged = options.rejudge?.(interleave(reports.map(({ checks }) => checks)));
  const merged = {
    ...first.report,
    command: ["halfclose", "merge", ...shards.map(({ source }) => source)],
    ...spanOf(reports),
    target: mergeTargets(reports),
    environment: mergeEnvironments(reports.map(({ environment }) => environment)),
    partial: reports.some(({ partial }) => partial),
    checks: judged?.checks ?? interleave(reports.map(({ checks }) => checks)),
    workloads: mergeWorkload === undefined ? reports.flatMap(({ workloads }) => workloads) : mergeWorkloads(shards, mergeWorkload),
    gates: judged === undefined ? mergeGates(reports) : [...judged.gates, ...unjudgedGates(reports, judged.gates)],
    problems: [...new Set(reports.flatMap(({ problems }) => problems))],
  };
  return { ...merged, exitCode: mergedExitCode(merged, reports) };
}

/** Whole ones as they are; of those that were shared out, one for each name, where its first shard stood. */
function mergeWorkloads(shards: readonly SourcedReport[], mergeWorkload: NonNullable<MergeOptions["mergeWorkload"]>): WorkloadRecord[] {
  const all = shards.flatMap(({ report, source }) => report.workloads.map((record) => ({ record, source })));
  return all.flatMap(({ record }, i) => {
    const alike = all.filter((other) => other.record.name === record.name);
    if (alike.every((other) => other.record.shard === undefined)) {
      return [record];
    }
    return alike[0] === all[i] ? [mergeWorkload(alike)] : [];
  });
}

function requireSameRun(first: SourcedReport, other: SourcedReport): void {
  const differences: readonly (readonly [what: string, a: string, b: string])[] = [
    [
      "contract",
      `${first.report.target.contract.name} ${first.report.target.contract.hash}`,
      `${other.report.target.contract.name} ${other.report.target.contract.hash}`,
    ],
    ["suite", first.report.target.suite, other.report.target.suite],
    ["version of halfclose", first.report.harness.version, other.report.harness.version],
  ];
  const different = differences.find(([, a, b]) => a !== b);
  if (different !== undefined) {
    const [what, a, b] = different;
    throw new HarnessError("usage", `These are not parts of one run: ${first.source} is of ${what} ${a}, ${other.source} of ${b}.`, { place: other.source });
  }
}

function requireDistinct(shards: readonly SourcedReport[], namesOf: (report: Report) => readonly string[], what: string): void {
  const sourceOf = new Map<string, string>();
  for (const { report, source } of shards) {
    for (const name of namesOf(report)) {
      const earlier = sourceOf.get(name);
      if (earlier !== undefined) {
        const where = earlier === source ? `twice in ${source}` : `in ${earlier} and in ${source}`;
        throw new HarnessError("usage", `The ${what} ${name} is ${where}: shards have no ${what} in common.`, { place: source });
      }
      sourceOf.set(name, source);
    }
  }
}

/** One of each in turn, as a run deals them out. */
function interleave<T>(lists: readonly (readonly T[])[]): T[] {
  const longest = Math.max(0, ...lists.map((list) => list.length));
  return Array.from({ length: longest }, (_, index) => lists.flatMap((list) => list.slice(index, index + 1))).flat();
}

/** From the first beginning to the last end. */
function spanOf(reports: readonly Report[]): Pick<Report, "startedAt" | "elapsedMs"> {
  const starts = reports.map(({ startedAt }) => Date.parse(startedAt));
  const start = Math.min(...starts);
  const end = Math.max(...reports.map(({ elapsedMs }, index) => (starts[index] ?? 0) + elapsedMs));
  return Number.isFinite(start)
    ? { startedAt: new Date(start).toISOString(), elapsedMs: end - start }
    : { startedAt: reports[0]?.startedAt ?? "", elapsedMs: Math.max(...reports.map(({ elapsedMs }) => elapsedMs)) };
}

function mergeTargets(reports: readonly Report[]): Report["target"] {
  const [first] = reports;
  if (first === undefined) {
    throw new Error("no target to merge");
  }
  return {
    ...first.target,
    urls: [...new Set(reports.flatMap(({ target }) => target.urls))],
    identity: joined(reports.flatMap(({ target }) => target.identity ?? [])),
    start: joined(reports.flatMap(({ target }) => target.start ?? [])),
  };
}

/** Shards that ran on several machines have an environment of their own, which equals none of theirs. */
function mergeEnvironments(environments: readonly EnvironmentRecord[]): EnvironmentRecord {
  const [first] = environments;
  if (first === undefined) {
    throw new Error("no environment to merge");
  }
  if (environments.every(({ fingerprint }) => fingerprint === first.fingerprint)) {
    return first;
  }
  const all = (read: (environment: EnvironmentRecord) => string): string => joined(environments.map(read)) ?? "";
  return {
    os: all(({ os }) => os),
    cpu: all(({ cpu }) => cpu),
    cores: Math.min(...environments.map(({ cores }) => cores)),
    memoryBytes: Math.min(...environments.map(({ memoryBytes }) => memoryBytes)),
    node: all(({ node }) => node),
    fingerprint: [...new Set(environments.map(({ fingerprint }) => fingerprint))].join("+"),
  };
}

function joined(texts: readonly string[]): string | undefined {
  return texts.length === 0 ? undefined : [...new Set(texts)].join("; ");
}

/** Each gate once for each thing it says, failures first. */
function mergeGates(reports: readonly Report[]): GateRecord[] {
  const distinct = new Map(reports.flatMap(({ gates }) => gates).map((gate) => [JSON.stringify(gate), gate]));
  return [...distinct.values()].toSorted((a, b) => Number(a.status === "passed") - Number(b.status === "passed"));
}

/** Gates of the shards that are judged where they ran: of workloads, of known failures. */
function unjudgedGates(reports: readonly Report[], judged: readonly GateRecord[]): GateRecord[] {
  const names = new Set(judged.map(({ name }) => name));
  return mergeGates(reports).filter(({ name }) => !names.has(name));
}

/** What the merged findings say, and what only the shards knew: a target that died, an error of the user, an interruption. */
function mergedExitCode(merged: Pick<Report, "checks" | "workloads" | "gates" | "partial">, reports: readonly Report[]): number {
  const interruption = reports.map(({ exitCode }) => exitCode).find((code) => code === exitCodes.interrupted || code === exitCodes.terminated);
  if (interruption !== undefined || merged.partial) {
    return interruption ?? exitCodes.interrupted;
  }
  const known = reports.map(({ exitCode }) => exitCode).filter((code) => code === exitCodes.usage || code === exitCodes.bug || code === exitCodes.target);
  const found = exitCodeOf(merged);
  // Checks that broke because the target died are no bug of the harness; their shard says 4.
  const blamed = found === exitCodes.bug && !known.includes(exitCodes.bug) && known.includes(exitCodes.target);
  return combineExitCodes([...known, blamed ? exitCodeOf({ ...merged, checks: merged.checks.filter(({ status }) => status !== "broken") }) : found]);
}
