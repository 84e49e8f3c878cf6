import type { Entry } from "../core/contract.js";

/** Verdicts kept at once; entries differ in a few texts or in each. */
const keptVerdicts = 1024;
/** Entries after which remembering must have paid for itself. */
const trialEntries = 4096;

/**
 * A pure predicate over entries that remembers its verdicts by the fields that it reads: a level or a source has few values, and an expression is
 * slow to evaluate. It stops remembering when most entries differ in those fields, or hold there something other than a text, a number or a boolean.
 */
export function remembered(judge: (entry: Entry) => boolean, fields: readonly string[]): (entry: Entry) => boolean {
  const verdicts = new Map<unknown, boolean>();
  const [only] = fields;
  const keyOf = fields.length === 1 && only !== undefined ? (entry: Entry) => plain(entry[only]) : (entry: Entry) => joined(entry, fields);
  let asked = 0;
  let missed = 0;
  return (entry) => {
    if (missed > trialEntries && missed * 2 > asked) {
      return judge(entry);
    }
    asked += 1;
    const key = keyOf(entry);
    let verdict = key === undefined ? undefined : verdicts.get(key);
    if (verdict === undefined) {
      missed += 1;
      verdict = judge(entry);
      if (verdicts.size >= keptVerdicts) {
        verdicts.clear();
      }
      if (key !== undefined) {
        verdicts.set(key, verdict);
      }
    }
    return verdict;
  };
}

/** A value that may be a key as it is, so that two keys are the same only for values of one type; undefined for all others. */
function plain(value: unknown): unknown {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" || typeof value === "bigint" ? value : undefined;
}

/** One text that only the same values give; undefined where there is none. Lengths part the texts, so that none can imitate the border. */
function joined(entry: Entry, fields: readonly string[]): string | undefined {
  let key = "";
  for (const field of fields) {
    const value = plain(entry[field]);
    if (value === undefined) {
      return undefined;
    }
    key += typeof value === "string" ? `${value.length}:${value}` : `${typeof value} ${String(value)};`;
  }
  return key;
}
