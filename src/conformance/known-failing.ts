import { stringify } from "yaml";
import * as z from "zod";
import { transports } from "../core/contract.js";
import type { CheckRecord, GateRecord } from "../core/report.js";
import { isTooBusy } from "../core/verdict.js";
import { parseYaml } from "../yaml/document.js";
import { validateYaml } from "../yaml/validate.js";
import { idMatcher } from "./patterns.js";

const entrySchema = z.strictObject({
  check: z.string().min(1).describe('Id of a check, or a pattern of ids: "eof/*".'),
  transport: z.enum(transports).optional().describe("Absent: both."),
  reason: z.string().min(1).describe("Why it fails, and why that is accepted."),
  sometimes: z.boolean().default(false).describe("It fails by a race: passing is not held against the entry. Default false."),
  consequences: z
    .boolean()
    .default(false)
    .describe("What the run reports as a consequence of this check, while it fails, is known to fail too; passing is not held against it. Default false."),
  message: z.string().min(1).optional().describe('Part of the text after "actual", or /a regular expression/; absent: any.'),
});

/** The known-failing file: a list. */
export const knownFailingSchema = z.array(entrySchema).describe("Checks that are known to fail on this target.");

/** One known failure, with the place where it is written. */
export type KnownFailure = z.output<typeof entrySchema> & { readonly place: string };

/**
 * Reads a known-failing file.
 * @throws HarnessError `config` with file:line:column.
 */
export function parseKnownFailing(text: string, file: string): KnownFailure[] {
  const document = parseYaml(text, file, "config");
  // A file in which everything was mended is an empty file.
  if (document.value === null || document.value === undefined) {
    return [];
  }
  const entries = validateYaml(document, knownFailingSchema);
  for (const [index, entry] of entries.entries()) {
    try {
      messageMatcher(entry.message);
      idMatcher(entry.check, []);
    } catch (thrown) {
      throw document.errorFor([{ path: [index], message: `This is not a regular expression: ${(thrown as Error).message}.` }]);
    }
  }
  return entries.map((entry, index) => ({ ...entry, place: document.placeOf([index]) }));
}

/**
 * Marks the failures that were known, and judges the entries: one that passed, failed with another message,
 * or fits no check at all is stale, and fails the run. One that this machine was too busy to tell is unproven.
 * @param allIds every id that there is, selected or not: an entry about what was not selected is not stale.
 */
export function judgeKnownFailing(
  records: readonly CheckRecord[],
  entries: readonly KnownFailure[],
  allIds: readonly string[],
): { readonly records: CheckRecord[]; readonly gates: GateRecord[] } {
  const stale: GateRecord[] = [];
  const complain = (entry: KnownFailure, what: string): void => {
    stale.push({ name: "known-failing", status: "failed", detail: `${entry.place}: ${what}` });
  };
  const known = entries.map((entry) => ({ entry, fits: idMatcher(entry.check, allIds), expected: messageMatcher(entry.message) }));
  for (const { entry, fits } of known) {
    if (!allIds.some((id) => fits(id))) {
      complain(entry, `"${entry.check}" fits no check`);
    }
  }
  const judged = records.map((record): CheckRecord => {
    const applying = entriesAbout(record, known);
    const [first] = applying;
    if (first === undefined) {
      return record;
    }
    const name = `${record.id} over ${record.transport}`;
    if (record.status === "failed" || record.status === "warned") {
      const match = applying.find(({ expected }) => expected(record.actual ?? ""));
      if (match === undefined) {
        complain(first.entry, `${name} fails otherwise than with "${first.entry.message ?? ""}": ${record.actual ?? ""}`);
        return record;
      }
      return { ...record, status: "known-failing", reason: match.entry.reason };
    }
    // The run does not stand or fall with what is expected to fail.
    if (isTooBusy(record)) {
      return { ...record, status: "unproven", reason: `a calmer machine: ${record.reason}; that it fails is known: ${first.entry.reason}` };
    }
    if (record.status === "passed" && !first.entry.sometimes) {
      complain(first.entry, `${name} passed: the entry is out of date`);
    } else if (record.status === "not-applicable" && !first.entry.sometimes) {
      complain(first.entry, `${name} does not apply: the entry is out of date`);
    }
    return record;
  });
  const withKnownRoots = judged.map((record) => consequenceOfKnown(record, judged, known));
  if (entries.length > 0 && stale.length === 0) {
    return {
      records: withKnownRoots,
      gates: [{ name: "known-failing", status: "passed", detail: `${entries.length} ${entries.length === 1 ? "entry" : "entries"}, none out of date` }],
    };
  }
  return { records: withKnownRoots, gates: stale };
}

/** An entry, and which ids it is about. */
interface FittedEntry {
  readonly entry: KnownFailure;
  readonly fits: (id: string) => boolean;
}

function entriesAbout<Fitted extends FittedEntry>({ id, transport }: CheckRecord, known: readonly Fitted[]): Fitted[] {
  return known.filter(({ entry, fits }) => fits(id) && (entry.transport ?? transport) === transport);
}

/** A failure without an entry of its own, whose root is known to fail and whose entry there vouches for consequences; else the record as it is. */
function consequenceOfKnown(record: CheckRecord, records: readonly CheckRecord[], known: readonly FittedEntry[]): CheckRecord {
  const root = records.find(({ id, transport, status }) => id === record.consequenceOf && transport === record.transport && status === "known-failing");
  if (root === undefined || (record.status !== "failed" && record.status !== "warned")) {
    return record;
  }
  // Whoever said how it fails wants to hear that it fails otherwise.
  if (entriesAbout(record, known).length > 0 || !entriesAbout(root, known).some(({ entry }) => entry.consequences)) {
    return record;
  }
  return { ...record, status: "known-failing", reason: `a consequence of ${root.id}: ${root.reason ?? ""}` };
}

/** A known-failing file of what failed; entries of the file before keep their reasons. */
export function writeKnownFailing(records: readonly CheckRecord[]): string {
  const entries = records
    .filter(({ status }) => status === "failed" || status === "known-failing")
    .map((record) => ({
      check: record.id,
      transport: record.transport,
      reason: record.status === "known-failing" ? (record.reason ?? "") : "found by --write-known-failing; say here why it is accepted",
      message: messagePattern(record.actual ?? ""),
    }));
  return entries.length === 0 ? "[]\n" : stringify(entries, { lineWidth: 0 });
}

/** The message with what differs from run to run left open: tokens, times, and how many entries. */
function messagePattern(actual: string): string {
  const varying = /(hc-[0-9a-f]+|#?\b\d[\d.,]*(?= ?(?:ms|s|µs|%|other|entr|of|more)\b)|\bentry \d+|#\d+)/;
  const parts = actual.split(varying);
  if (parts.length === 1) {
    return actual;
  }
  const escaped = parts.map((part, index) =>
    index % 2 === 0
      ? part.replaceAll(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`)
      : part.startsWith("hc-")
        ? "hc-[0-9a-f]+"
        : part.replace(/\d[\d.,]*/, String.raw`[\d.,]+`),
  );
  return `/${escaped.join("")}/`;
}

function messageMatcher(message: string | undefined): (actual: string) => boolean {
  if (message === undefined) {
    return () => true;
  }
  const expression = /^\/(.+)\/(i?)$/s.exec(message);
  if (expression !== null) {
    const compiled = new RegExp(expression[1] ?? "", expression[2]);
    return (actual) => compiled.test(actual);
  }
  return (actual) => actual.includes(message);
}
