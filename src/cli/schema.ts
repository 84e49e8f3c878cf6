import * as z from "zod";
import { knownFailingSchema } from "../conformance/known-failing.js";
import { scriptJsonSchema } from "../conformance/script-file.js";
import { suiteJsonSchema } from "../conformance/suite.js";
import { contractJsonSchema } from "../contract/schema.js";
import { HarnessError } from "../core/errors.js";
import { didYouMean } from "../core/suggest.js";
import { workloadJsonSchema } from "../load/workload-file.js";
import { reportJsonSchema } from "../reporters/report-schema.js";
import { defineCommand } from "./command.js";
import { configSchema } from "./config-file.js";
import type { OptionSpecs } from "./options.js";

/** The kinds of file that have a schema. */
const schemas = {
  contract: { about: "how a monitor is described", make: () => Promise.resolve(contractJsonSchema()) },
  workload: { about: "what load is offered", make: () => Promise.resolve(workloadJsonSchema()) },
  scenario: { about: "what one stream does and what must come of it", make: () => Promise.resolve(scriptJsonSchema()) },
  suite: { about: "which checks, and the gates", make: () => Promise.resolve(suiteJsonSchema()) },
  report: { about: "results.json", make: () => Promise.resolve(reportJsonSchema()) },
  config: { about: "halfclose.config.yaml", make: async () => z.toJSONSchema(configSchema(await everyOption()), { io: "input" }) },
  "known-failing": { about: "checks that are known to fail", make: () => Promise.resolve(z.toJSONSchema(knownFailingSchema, { io: "input" })) },
} as const satisfies Record<string, { readonly about: string; make(): Promise<object> }>;

const schemaNames = Object.keys(schemas) as (keyof typeof schemas)[];

/** Prints a JSON Schema. */
export const schema = defineCommand({
  usage: `<${schemaNames.join("|")}>`,
  about: "Prints the JSON Schema (draft 2020-12) of a kind of file, for editors and other tools.",
  examples: [["halfclose schema contract > contract.schema.json", "then, first line of the contract: # yaml-language-server: $schema=contract.schema.json"]],
  options: {},
  arity: [1, 1],
  async run({ arguments: [kind = ""], console }) {
    if (!Object.hasOwn(schemas, kind)) {
      throw new HarnessError("usage", `There is no schema "${kind}".${didYouMean(kind, schemaNames) || ` There are: ${schemaNames.join(", ")}.`}`, {
        place: kind,
      });
    }
    console.out(`${JSON.stringify(await schemas[kind as keyof typeof schemas].make(), undefined, 2)}\n`);
    return 0;
  },
});

/** Imported when called: the registry of commands imports this file. */
async function everyOption(): Promise<OptionSpecs> {
  const { allOptions } = await import("./commands.js");
  return allOptions();
}
