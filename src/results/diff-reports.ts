import type { CheckRecord, Report } from "../core/report.js";

/** One check before and after. */
export interface CheckChange {
  readonly before: CheckRecord;
  readonly after: CheckRecord;
}

/** What became of each check from one run to another. */
export interface ReportDiff {
  /** Failed after, and not before. */
  readonly newlyFailing: readonly CheckChange[];
  /** Failed before; passed, or only warned, after. */
  readonly fixed: readonly CheckChange[];
  readonly stillFailing: readonly CheckChange[];
  /** Any other change of verdict: a check that is unproven is no longer proved, and that must not pass in silence. */
  readonly changed: readonly CheckChange[];
  /** In the later run only, whatever their verdict. */
  readonly added: readonly CheckRecord[];
  readonly removed: readonly CheckRecord[];
  readonly unchanged: number;
  /** Why the two runs are not quite comparable: another contract, suite or harness, or one that was interrupted. One sentence each. */
  readonly caveats: readonly string[];
}

/** Compares two runs check by check and transport by transport. */
export function diffReports(before: Report, after: Report): ReportDiff {
  const earlier = byKey(before.checks);
  const later = byKey(after.checks);
  const changes = [...later].flatMap(([key, record]): CheckChange[] => {
    const was = earlier.get(key);
    return was === undefined ? [] : [{ before: was, after: record }];
  });
  const isFailing = (check: CheckRecord): boolean => check.status === "failed";
  const isGood = (check: CheckRecord): boolean => check.status === "passed" || check.status === "warned";
  const newlyFailing = changes.filter((change) => !isFailing(change.before) && isFailing(change.after));
  const stillFailing = changes.filter((change) => isFailing(change.before) && isFailing(change.after));
  const fixed = changes.filter((change) => isFailing(change.before) && isGood(change.after));
  const named = new Set([...newlyFailing, ...stillFailing, ...fixed]);
  const rest = changes.filter((change) => !named.has(change));
  const changed = rest.filter((change) => change.before.status !== change.after.status);
  return {
    newlyFailing,
    fixed,
    stillFailing,
    changed,
    added: [...later].filter(([key]) => !earlier.has(key)).map(([, record]) => record),
    removed: [...earlier].filter(([key]) => !later.has(key)).map(([, record]) => record),
    unchanged: rest.length - changed.length,
    caveats: caveats(before, after),
  };
}

/** The diff in plain lines: each group with its checks, then the counts. */
export function diffText(diff: ReportDiff): string {
  const title = ({ id, transport }: CheckRecord): string => `${id} (${transport})`;
  const group = (name: string, lines: readonly string[]): string[] => (lines.length === 0 ? [] : [name, ...lines.map((line) => `  ${line}`), ""]);
  const seen = ({ after }: CheckChange): string => `${title(after)}${after.actual === undefined ? "" : `: ${after.actual}`}`;
  const became = ({ before, after }: CheckChange): string =>
    `${title(after)}: ${before.status}, then ${after.status}${after.reason === undefined ? "" : `: ${after.reason}`}`;
  const counts: readonly (readonly [string, number])[] = [
    ["newly failing", diff.newlyFailing.length],
    ["fixed", diff.fixed.length],
    ["still failing", diff.stillFailing.length],
    ["changed otherwise", diff.changed.length],
    ["added", diff.added.length],
    ["removed", diff.removed.length],
    ["unchanged", diff.unchanged],
  ];
  return `${[
    ...group("Not quite comparable", diff.caveats),
    ...group("Newly failing", diff.newlyFailing.map(seen)),
    ...group("Still failing", diff.stillFailing.map(seen)),
    ...group(
      "Fixed",
      diff.fixed.map(({ after }) => title(after)),
    ),
    ...group("Changed otherwise", diff.changed.map(became)),
    ...group(
      "Added",
      diff.added.map((check) => `${title(check)}: ${check.status}`),
    ),
    ...group("Removed", diff.removed.map(title)),
    counts.map(([name, number]) => `${number} ${name}`).join(", "),
  ]
    .map(printable)
    .join("\n")}\n`;
}

/** By id and transport; of several results of one check the worst stands for it. */
function byKey(checks: readonly CheckRecord[]): Map<string, CheckRecord> {
  const records = new Map<string, CheckRecord>();
  for (const check of checks) {
    const key = `${check.id} ${check.transport}`;
    const known = records.get(key);
    if (known === undefined || badness(check) > badness(known)) {
      records.set(key, check);
    }
  }
  return records;
}

function badness(check: CheckRecord): number {
  return ["passed", "not-applicable", "known-failing", "warned", "unproven", "broken", "failed"].indexOf(check.status);
}

function caveats(before: Report, after: Report): string[] {
  const sentences: readonly (readonly [boolean, string])[] = [
    [before.target.contract.hash !== after.target.contract.hash, "The contracts differ."],
    [before.target.suite !== after.target.suite, `The suites differ: ${before.target.suite}, then ${after.target.suite}.`],
    [before.harness.version !== after.harness.version, `The versions of halfclose differ: ${before.harness.version}, then ${after.harness.version}.`],
    [before.partial, "The earlier run was interrupted."],
    [after.partial, "The later run was interrupted."],
  ];
  return sentences.filter(([applies]) => applies).map(([, sentence]) => sentence);
}

/** Nothing that a target said may move the cursor or end a line. */
function printable(line: string): string {
  return line.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`);
}
