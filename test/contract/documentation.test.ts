import { readFileSync } from "node:fs";
import t from "tap";
import { fileURLToPath } from "node:url";
import { contractJsonSchema, contractSchema } from "../../src/contract/schema.js";
import { parseYaml } from "../../src/yaml/document.js";
import { validateYaml } from "../../src/yaml/validate.js";

const text = readFileSync(fileURLToPath(new URL("../../../docs/contract-format.md", import.meta.url)), "utf8");
const examples = [...text.matchAll(/```yaml\n(.*?)```/gs)].map(([, yaml = ""]) => yaml);

t.test("every example in docs/contract-format.md is accepted", async (t) => {
  t.ok(examples.length >= 7);
  // Parts of a contract are checked as if the rest stood beside them.
  const rest = { name: "x", filters: {}, match: [] };
  for (const yaml of examples) {
    const document = parseYaml(yaml, "docs/contract-format.md", "contract");
    t.doesNotThrow(() => validateYaml({ ...document, value: { ...rest, ...(document.value as object) } }, contractSchema), yaml);
  }
});

t.test("every key of a contract is in docs/contract-format.md", async (t) => {
  const { properties } = contractJsonSchema() as { readonly properties: Readonly<Record<string, { readonly properties?: object }>> };
  for (const key of [
    ...Object.keys(properties),
    ...Object.keys(properties["semantics"]?.properties ?? {}),
    ...Object.keys(properties["entries"]?.properties ?? {}),
  ]) {
    t.ok(new RegExp(`\\b${key}\\b`).test(text), key);
  }
});
