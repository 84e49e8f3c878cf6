import * as z from "zod";
import type { CheckRecord, GateRecord } from "../core/report.js";
import { levels } from "../core/verdict.js";
import { parseYaml } from "../yaml/document.js";
import { validateYaml } from "../yaml/validate.js";
import { topics } from "./check.js";

const count = z.int().min(0);

/** The suite file. */
export const suiteSchema = z
  .strictObject({
    name: z.string().regex(/^[a-z][a-z0-9-]*$/, "expected small letters, digits and dashes"),
    about: z.string().min(1).describe("What it is for, in one sentence."),
    select: z
      .union([
        z.literal("none"),
        z.strictObject({
          topics: z.array(z.enum(topics)).default([]),
          ids: z.array(z.string().min(1)).default([]).describe('Ids, or patterns of ids: "eof/*", "/idle$/".'),
          levels: z.array(z.enum(levels)).default([]),
        }),
      ])
      .prefault({})
      .describe('Which checks; what is left out does not narrow. "none": the suite is its workloads.'),
    workloads: z.array(z.string().min(1)).default([]).describe("Workloads that run after the checks, by name or path."),
    gates: z
      .strictObject({
        "at-most-warned": count.optional().describe("Greatest number of warned checks."),
        "at-most-unproven": count.optional().describe("Greatest number of unproven checks."),
        "at-most-flaky": count.optional().describe("Greatest number of checks that passed on a retry only."),
        "at-least-proved": count.optional().describe("Least number of checks that passed, failed or warned."),
      })
      .prefault({})
      .describe("Conditions of exit code 0 beside: no check failed."),
  })
  .describe("A named selection of checks, with the gates that decide the exit code.");

export type Suite = z.output<typeof suiteSchema>;

/**
 * Reads a suite.
 * @throws HarnessError `suite` with file:line:column.
 */
export function parseSuite(text: string, file: string): Suite {
  return validateYaml(parseYaml(text, file, "suite"), suiteSchema);
}

/** The JSON Schema (draft 2020-12) of a suite file, for editors. */
export function suiteJsonSchema(): object {
  return z.toJSONSchema(suiteSchema, { io: "input" });
}

/** What the suite's gates say of the records. */
export function judgeGates(suite: Suite, records: readonly CheckRecord[]): GateRecord[] {
  const number = (test: (record: CheckRecord) => boolean): number => records.filter(test).length;
  const { gates } = suite;
  const limits: readonly (readonly [name: string, limit: number | undefined, least: boolean, value: number, what: string])[] = [
    ["at-most-warned", gates["at-most-warned"], false, number(({ status }) => status === "warned"), "warned"],
    ["at-most-unproven", gates["at-most-unproven"], false, number(({ status }) => status === "unproven"), "unproven"],
    ["at-most-flaky", gates["at-most-flaky"], false, number(({ flaky }) => flaky !== undefined), "passed on a retry only"],
    ["at-least-proved", gates["at-least-proved"], true, number(({ status }) => status === "passed" || status === "failed" || status === "warned"), "proved"],
  ];
  return limits.flatMap(([name, limit, least, value, what]): GateRecord[] =>
    limit === undefined
      ? []
      : [
          {
            name,
            status: (least ? value >= limit : value <= limit) ? "passed" : "failed",
            detail: `${value} ${what}, ${least ? "at least" : "at most"} ${limit} asked`,
          },
        ],
  );
}
