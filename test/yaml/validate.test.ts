import t, { type Test } from "tap";
import * as z from "zod";
import { HarnessError } from "../../src/core/errors.js";
import { parseYaml } from "../../src/yaml/document.js";
import { validateYaml } from "../../src/yaml/validate.js";

const schema = z.strictObject({
  name: z.string().regex(/^[a-z]+$/, "expected small letters"),
  size: z.int().positive().default(1),
  kind: z.enum(["one", "many"]).optional(),
  flag: z.literal(true).optional(),
  step: z.union([z.literal("none"), z.strictObject({ http: z.string(), body: z.string() }), z.strictObject({ command: z.string() })]).optional(),
  rule: z.union([z.strictObject({ kind: z.enum(["least", "most"]) }), z.strictObject({ kind: z.literal("between"), from: z.int() })]).optional(),
  items: z.array(z.strictObject({ path: z.string() })).optional(),
  named: z.record(z.string().min(2), z.int()).optional(),
});

function refuses(t: Test, text: string, place: string, message: string | RegExp): void {
  try {
    validateYaml(parseYaml(text, "f", "config"), schema);
    t.fail(`accepted: ${text}`);
  } catch (thrown) {
    t.ok(thrown instanceof HarnessError, text);
    t.match(thrown, { code: "config", place, message }, text);
  }
}

t.test("what fits is completed with its defaults", async (t) => {
  t.same(validateYaml(parseYaml("name: x", "f", "config"), schema), { name: "x", size: 1 });
});

t.test("each kind of mistake is a sentence at its place", async (t) => {
  refuses(t, "name: x\nsise: 3", "f:2:1", 'Unknown key "sise". Did you mean "size"?');
  refuses(t, "name: x\nzzzzzzzz: 3", "f:2:1", 'Unknown key "zzzzzzzz". Known: name, size, kind, flag, step, rule, items, named.');
  refuses(t, "size: 3", "f:1:1", '"name" is missing.');
  refuses(t, "name: 3", "f:1:7", '"name" is 3, not a text.');
  refuses(t, "name: X", "f:1:7", '"name": expected small letters.');
  refuses(t, "name: x\nsize: 1.5", "f:2:7", /"size"/);
  refuses(t, "name: x\nkind: mny", "f:2:7", '"kind" is "mny", not one of one, many. Did you mean "many"?');
  refuses(t, "name: x\nflag: false", "f:2:7", '"flag" is false, not true.');
  refuses(t, "name: x\nitems: { path: y }", "f:2:8", '"items" is a mapping, not a list.');
  refuses(t, "name: x\nitems:\n  - path: y\n  - pth: z", "f:4:5", /"items\.1\.path" is missing.*pth/);
  refuses(t, "name: x\nnamed: { a: 1 }", "f:2:10", /The name "a" is not accepted/);
  refuses(t, "", "f:1:1", /The document is (empty|missing)/);
  refuses(t, "- a", "f:1:1", "The document is a list, not a mapping.");
});

t.test("in a union the complaint is about the form that was meant", async (t) => {
  refuses(t, "name: x\nstep: { http: GET, boddy: y }", "f:2:7", /"step\.body" is missing.*Unknown key "boddy" in "step"\. Did you mean "body"\?/);
  refuses(t, "name: x\nstep: { command: 3 }", "f:2:18", '"step.command" is 3, not a text.');
  refuses(t, "name: x\nrule: { kind: betwen }", "f:2:15", '"rule.kind" is "betwen", not one of least, most, between. Did you mean "between"?');
  refuses(t, "name: x\nstep: non", "f:2:7", /"step" is "non"/);
});
