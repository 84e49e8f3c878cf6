import type { Transport } from "../core/contract.js";
import type { CheckRecord } from "../core/report.js";
import type { Check } from "./check.js";

/**
 * Names, for each failure, the most basic failed check that explains it on the same transport: one whose subject it stumbled over, else one that it declares to stand on.
 * @param stumbles by `id|transport`, the checks whose subject the failure may be; default: what the records themselves name.
 */
export function withConsequences(
  records: readonly CheckRecord[],
  tasks: readonly { readonly check: Check }[],
  stumbles?: ReadonlyMap<string, readonly string[]>,
): CheckRecord[] {
  // What could not be told explains no less than what failed.
  const bad = new Set(records.filter(isVerdictAgainst).map((record) => `${record.id}|${record.transport}`));
  const stumbled =
    stumbles ??
    new Map(records.flatMap((record) => (record.consequenceOf === undefined ? [] : [[`${record.id}|${record.transport}`, [record.consequenceOf]] as const])));
  const declared = new Map(tasks.map(({ check }) => [check.id as string, check.dependsOn ?? []]));
  const rootOf = (id: string, transport: Transport, seen: ReadonlySet<string>): string | undefined => {
    for (const basic of [...(stumbled.get(`${id}|${transport}`) ?? []), ...(declared.get(id) ?? [])]) {
      if (!seen.has(basic) && bad.has(`${basic}|${transport}`)) {
        return rootOf(basic, transport, new Set([...seen, basic])) ?? basic;
      }
    }
    return undefined;
  };
  const keyOf = ({ id, transport }: { readonly id: string; readonly transport: Transport }): string => `${id}|${transport}`;
  const roots = new Map<string, string>();
  for (const record of records) {
    const root = isBad(record) ? rootOf(record.id, record.transport, new Set([record.id])) : undefined;
    if (root !== undefined) {
      roots.set(keyOf(record), root);
    }
  }
  // Of two that blame each other the one that is listed first is the root.
  for (const record of records) {
    const root = roots.get(keyOf(record));
    if (root !== undefined && roots.get(keyOf({ id: root, transport: record.transport })) === record.id) {
      roots.delete(keyOf(record));
    }
  }
  return records.map((record) => {
    const { consequenceOf: _, ...rest } = record;
    const root = roots.get(keyOf(record));
    return root === undefined ? rest : { ...rest, consequenceOf: root };
  });
}

/** Whether a record says that the target, or the run, is wrong. */
export function isVerdictAgainst(record: CheckRecord): boolean {
  return isBad(record) || record.status === "broken";
}

function isBad(record: CheckRecord): boolean {
  return record.status === "failed" || record.status === "warned";
}
