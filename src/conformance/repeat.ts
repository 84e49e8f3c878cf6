import type { CheckRecord } from "../core/report.js";

/** Which of several verdicts of one check stands for them all: the worst that says something of the target. */
const severity: readonly CheckRecord["status"][] = ["failed", "broken", "warned", "known-failing", "unproven", "not-applicable", "passed"];

/** One record for each check and transport out of several runs: the worst verdict, which says how often it came. */
export function joinRepeats(runs: readonly (readonly CheckRecord[])[]): CheckRecord[] {
  const [first, ...others] = runs;
  if (first === undefined || others.length === 0) {
    return [...(first ?? [])];
  }
  return first.map((record) => {
    const all = runs.flatMap((run) => run.filter(({ id, transport }) => id === record.id && transport === record.transport));
    const worst = all.reduce((a, b) => (severity.indexOf(b.status) < severity.indexOf(a.status) ? b : a));
    const times = all.filter(({ status }) => status === worst.status).length;
    if (times === all.length) {
      return worst;
    }
    const often = `${worst.status} in ${times} of ${all.length} runs`;
    return worst.actual === undefined
      ? { ...worst, reason: worst.reason === undefined ? often : `${worst.reason} (${often})` }
      : { ...worst, actual: `${worst.actual} (${often})` };
  });
}
