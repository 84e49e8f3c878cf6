import type { CheckRecord } from "../core/report.js";
import { levels } from "../core/verdict.js";

/** Failures that are likely one defect: the one to read, those that fail alike, and those that only follow from it. */
export interface FailureGroup {
  readonly lead: CheckRecord;
  /** Other checks, or the same one on the other transport, that saw the same thing. */
  readonly alike: readonly CheckRecord[];
  /** Checks that name one of the above as the cause of their own failure. */
  readonly consequences: readonly CheckRecord[];
}

/**
 * Groups failures, the most telling first: by level, then by how many others a group explains.
 * Two failures are alike if what was seen is equal but for numbers, tokens and the messages quoted; a consequence stands with its cause on the same transport, else on the other.
 */
export function groupFailures(failures: readonly CheckRecord[]): FailureGroup[] {
  const roots = failures.filter((check) => rootOf(check, failures) === check);
  const groups = new Map<string, { members: CheckRecord[]; consequences: CheckRecord[] }>();
  const groupOf = new Map<CheckRecord, { members: CheckRecord[]; consequences: CheckRecord[] }>();
  for (const check of roots) {
    const key = likeness(check);
    const group = groups.get(key) ?? { members: [], consequences: [] };
    groups.set(key, group);
    group.members.push(check);
    groupOf.set(check, group);
  }
  for (const check of failures) {
    const root = rootOf(check, failures);
    if (root !== check) {
      groupOf.get(root)?.consequences.push(check);
    }
  }
  return [...groups.values()]
    .map(({ members, consequences }): FailureGroup => {
      const [lead, ...alike] = members.toSorted(byLevel);
      if (lead === undefined) {
        throw new Error("a group of failures has no member");
      }
      return { lead, alike, consequences };
    })
    .toSorted((a, b) => byLevel(a.lead, b.lead) || weight(b) - weight(a));
}

function likeness(check: CheckRecord): string {
  const seen = check.actual ?? check.reason;
  // Without anything seen there is nothing to be alike in.
  return seen === undefined
    ? `${check.id} ${check.transport}`
    : seen
        .replace(/\{[^{}]*\}/g, "{}")
        .replace(/\bhc-[0-9a-f]+/g, "hc")
        .replace(/\d+(?:[.,]\d+)*/g, "0")
        .replace(/\s+/g, " ");
}

function causeOf(check: CheckRecord, failures: readonly CheckRecord[]): CheckRecord | undefined {
  if (check.consequenceOf === undefined || check.consequenceOf === check.id) {
    return undefined;
  }
  const candidates = failures.filter((other) => other.id === check.consequenceOf);
  return candidates.find((other) => other.transport === check.transport) ?? candidates[0];
}

function rootOf(check: CheckRecord, failures: readonly CheckRecord[]): CheckRecord {
  const seen = new Set<CheckRecord>();
  let current = check;
  for (let cause = causeOf(current, failures); cause !== undefined; cause = causeOf(current, failures)) {
    // Failures that name each other have no root: each stands for itself.
    if (seen.has(cause)) {
      return check;
    }
    seen.add(cause);
    current = cause;
  }
  return current;
}

function byLevel(a: CheckRecord, b: CheckRecord): number {
  return levels.indexOf(a.level) - levels.indexOf(b.level);
}

function weight(group: FailureGroup): number {
  return group.alike.length + group.consequences.length;
}
