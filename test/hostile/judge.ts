import type { CheckRecord, Report } from "../../src/core/report.js";
import { verdictStatuses } from "../../src/core/verdict.js";
import type { Behaviour } from "./behaviour.js";

/** What was seen of one run against a behaviour. */
export interface Observed {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** results.json as it was found; undefined: there is none. */
  readonly results: string | undefined;
  readonly elapsedMs: number;
  /** Largest resident memory of the process; undefined where it was not measured. */
  readonly peakBytes?: number;
  /** What still keeps the process alive long after the run. */
  readonly left?: readonly string[];
}

export interface Limits {
  readonly runMs: number;
  readonly peakBytes: number;
}

const documented: readonly number[] = [0, 1, 4, 5];
const stackLine = /\n\s+at .+[:(].+:\d+:\d+\)?/;

/** What the harness did that it must never do, one sentence each. */
export function complaintsAbout(behaviour: Behaviour, observed: Observed, limits: Limits): string[] {
  const complaints: string[] = [];
  const { exitCode, stderr, elapsedMs, peakBytes } = observed;
  const late = lateOnly(observed);
  if (exitCode === undefined || !(documented.includes(exitCode) || (exitCode === 3 && late))) {
    complaints.push(`exit code ${exitCode ?? "none"}`);
  }
  if (elapsedMs > limits.runMs) {
    complaints.push(`it took ${Math.round(elapsedMs)} ms, over ${limits.runMs} ms`);
  }
  if (peakBytes !== undefined && peakBytes > limits.peakBytes) {
    complaints.push(`it took ${Math.round(peakBytes / 2 ** 20)} MiB, over ${Math.round(limits.peakBytes / 2 ** 20)} MiB`);
  }
  if (observed.left !== undefined && observed.left.length > 0) {
    complaints.push(`left behind: ${observed.left.join(", ")}`);
  }
  if (stackLine.test(stderr) || stderr.includes("bug of halfclose")) {
    complaints.push(`a stack on standard error: ${stderr.trim().slice(0, 600)}`);
  }
  if (/[\u0000-\u0008\u000b-\u001f]/.test(stderr) || /[\u0000-\u0008\u000b-\u001f]/.test(observed.stdout)) {
    complaints.push("control characters of the target are printed");
  }
  complaints.push(...aboutReachability(behaviour, observed), ...aboutResults(observed));
  return complaints;
}

function aboutReachability(behaviour: Behaviour, { exitCode, stderr }: Observed): string[] {
  if (behaviour.expect === "judged") {
    return exitCode === 4 ? [`it is taken for unreachable: ${stderr.trim()}`] : [];
  }
  if (behaviour.expect === "either" && exitCode !== 4) {
    return [];
  }
  if (exitCode !== 4) {
    return [`exit code ${exitCode ?? "none"} for a target that cannot be reached`];
  }
  const sentence = stderr.split("\n").find((line) => line.startsWith("halfclose: ")) ?? "";
  if (sentence === "") {
    return behaviour.expect === "either" ? [] : ["no sentence says what came"];
  }
  const complaints = sentence.length > 700 ? [`the sentence has ${sentence.length} characters`] : [];
  return behaviour.says === undefined || behaviour.says.test(sentence) ? complaints : [...complaints, `"${sentence}" does not say ${String(behaviour.says)}`];
}

function aboutResults({ results, exitCode }: Observed): string[] {
  const report = parse(results);
  if (report === undefined) {
    return ["results.json is missing or no JSON"];
  }
  const complaints = report.checks.flatMap(aboutRecord);
  if (exitCode !== 4 && report.checks.length === 0) {
    complaints.push("no check was run");
  }
  if (report.exitCode !== exitCode) {
    complaints.push(`results.json says exit code ${report.exitCode}`);
  }
  return complaints;
}

function aboutRecord(record: CheckRecord): string[] {
  const { id, status, reason, expected, actual } = record;
  if (!verdictStatuses.includes(status)) {
    return [`${id}: the status ${status}`];
  }
  if (status === "broken" && !isLateness(record) && !(reason ?? "").startsWith("the target ")) {
    return [`${id} is broken: ${reason ?? "for no reason"}`];
  }
  if ((status === "failed" || status === "warned") && ((expected ?? "") === "" || (actual ?? "") === "")) {
    return [`${id} does not say what was expected and what came`];
  }
  const words = [reason, expected, actual].filter((text) => text !== undefined).join(" ");
  return words.length > 2000 ? [`${id} says it in ${words.length} characters`] : [];
}

/** Whether nothing is broken but by the lateness of a busy machine. */
function lateOnly({ results }: Observed): boolean {
  const broken = parse(results)?.checks.filter(({ status }) => status === "broken") ?? [];
  return broken.length > 0 && broken.every(isLateness);
}

function isLateness({ reason }: CheckRecord): boolean {
  return reason?.includes("the machine is too busy to tell") === true;
}

function parse(results: string | undefined): Report | undefined {
  try {
    return results === undefined ? undefined : (JSON.parse(results) as Report);
  } catch {
    return undefined;
  }
}
