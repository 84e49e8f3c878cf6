import * as z from "zod";
import { transports } from "../core/contract.js";
import { durationPattern, parseDuration } from "../core/duration.js";
import { levels } from "../core/verdict.js";
import { parseYaml, type YamlDocument } from "../yaml/document.js";
import { validateYaml } from "../yaml/validate.js";

const duration = z
  .string()
  .regex(durationPattern, 'expected a duration such as "250ms", "1.5s" or "2m"')
  .transform((text) => parseDuration(text) ?? 0)
  .describe("A duration: 250ms, 1.5s, 2m.");
const count = z.int().positive();
const filter = z
  .union([z.string().min(1), z.strictObject({ message: z.record(z.string(), z.unknown()) })])
  .describe("A filter of the contract, a role ($broad, $silent, $disjoint.1, $disjoint.2, $overlap.1, $overlap.2), or { message: {…} }.");

const end = z.strictObject({
  end: z.enum(["clean", "rejected", "any"]).describe("clean: as the contract has it; rejected: with an error that the server names."),
  grpc: z.array(z.int().min(0).max(16)).optional().describe("Statuses accepted; absent: any of that kind."),
  ws: z.array(z.int().min(1000).max(4999)).optional().describe("Close codes accepted; absent: any of that kind."),
  within: duration.optional(),
});

const step = z.union([
  z.enum(["end", "cancel", "pause", "resume"]),
  z.strictObject({ send: z.union([filter, z.strictObject({ filter, times: count })]) }),
  z.strictObject({
    expect: z.union([
      z.enum(["applied", "produced", "end"]),
      z.strictObject({ what: z.enum(["applied", "produced", "end"]), within: duration.optional() }),
      z.strictObject({ entries: count, within: duration.optional() }),
      z.strictObject({ silence: duration.describe("No entry in that time; at most 200ms.") }),
      end,
    ]),
  }),
  z.strictObject({ wait: duration.describe("At most 200ms: longer waits prove nothing that a later event would not.") }),
  z.strictObject({ produce: z.strictObject({ filter, count: count.max(10_000).optional() }) }),
]);

/** The scenario file. */
export const scriptSchema = z
  .strictObject({
    name: z.string().regex(/^[a-z][a-z0-9-]*$/, "expected small letters, digits and dashes"),
    requirement: z.string().min(1).describe("What must hold, in one sentence."),
    level: z.enum(levels).default("must"),
    clause: z.string().min(1).default("a scenario of one's own").describe("Where the requirement comes from."),
    transports: z
      .array(z.enum(transports))
      .min(1)
      .default([...transports]),
    steps: z.array(step).min(1).describe("What one stream does, in order."),
  })
  .describe("A scenario: what one stream does and what must come of it.");

/** One scenario as written. */
export type Script = z.output<typeof scriptSchema>;
export type ScriptStep = Script["steps"][number];
export type ScriptFilter = z.output<typeof filter>;

/** A scenario with the document it stands in, for the places of errors. */
export interface ScriptFile {
  readonly script: Script;
  readonly document: YamlDocument;
}

/** Longest fixed wait, in milliseconds. */
const longestWaitMs = 200;

/**
 * Reads a scenario.
 * @throws HarnessError `scenario` with file:line:column.
 */
export function parseScript(text: string, file: string): ScriptFile {
  const document = parseYaml(text, file, "scenario");
  const script = validateYaml(document, scriptSchema);
  const problems = script.steps.flatMap((given, index) => {
    const ms = typeof given === "object" && "wait" in given ? given.wait : silenceOf(given);
    return ms !== undefined && ms > longestWaitMs ? [{ path: ["steps", index], message: `A fixed wait of ${ms} ms is longer than ${longestWaitMs} ms.` }] : [];
  });
  if (problems.length > 0) {
    throw document.errorFor(problems);
  }
  return { script, document };
}

/** The JSON Schema (draft 2020-12) of a scenario file, for editors. */
export function scriptJsonSchema(): object {
  return z.toJSONSchema(scriptSchema, { io: "input", unrepresentable: "any" });
}

function silenceOf(given: ScriptStep): number | undefined {
  return typeof given === "object" && "expect" in given && typeof given.expect === "object" && "silence" in given.expect ? given.expect.silence : undefined;
}
