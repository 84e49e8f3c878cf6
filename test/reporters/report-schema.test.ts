import { createRequire } from "node:module";
import t from "tap";
import { HarnessError } from "../../src/core/errors.js";
import { reporters } from "../../src/reporters/index.js";
import { parseReport, reportJsonSchema } from "../../src/reporters/report-schema.js";
import { mixedReport, plain, reportsByName } from "./fixtures.js";

type Validate = ((value: unknown) => boolean) & { readonly errors?: readonly { readonly instancePath: string }[] | null };
const { Ajv2020 } = createRequire(import.meta.url)("ajv/dist/2020.js") as { readonly Ajv2020: new (options: object) => { compile(schema: object): Validate } };

for (const [name, make] of Object.entries(reportsByName)) {
  t.test(`the ${name} report obeys the published schema, and comes back equal from its JSON`, (t) => {
    const text = reporters.json.render(make(), plain);
    const validate = new Ajv2020({ strict: false }).compile(reportJsonSchema());
    t.ok(validate(JSON.parse(text)), JSON.stringify(validate.errors?.slice(0, 3)));
    t.strictSame(parseReport(text, "results.json"), make());
    t.end();
  });
}

t.test("a field of the wrong kind is named by its path", (t) => {
  const broken = JSON.parse(JSON.stringify(mixedReport())) as { checks: { status: string }[] };
  broken.checks[3]!.status = "fine";
  const thrown = caught(() => parseReport(JSON.stringify(broken), "reports/results.json"));
  t.equal(thrown.place, "reports/results.json: checks[3].status");
  t.equal(thrown.code, "usage");
  t.match(thrown.message, 'This report is not as its schema says: Invalid option: expected one of "passed"');
  t.end();
});

t.test("what is no JSON, no report or another version is said in one sentence", (t) => {
  t.match(caught(() => parseReport("{", "x.json")).message, /^This is not JSON: /);
  t.equal(caught(() => parseReport("[1]", "x.json")).message, 'This is not a report of halfclose: its schema is missing, not "halfclose.report/1".');
  t.match(caught(() => parseReport('{"schema":"halfclose.report/9"}', "x.json")).message, 'its schema is "halfclose.report/9"');
  t.match(caught(() => parseReport('{"schema":"halfclose.report/1"}', "x.json")).message, /and \d+ more\)\.$/);
  t.end();
});

t.test("fields of later versions do no harm", (t) => {
  const later = { ...mixedReport(), weather: "fine" };
  t.strictSame(parseReport(JSON.stringify(later), "x.json"), mixedReport());
  t.end();
});

t.test("the JSON Schema names every field that others rely on", (t) => {
  const { properties, required } = reportJsonSchema() as { properties: Record<string, unknown>; required: string[] };
  const stable = ["schema", "harness", "command", "seed", "target", "environment", "partial", "checks", "workloads", "gates", "exitCode"];
  t.ok(stable.every((name) => name in properties && required.includes(name)));
  t.end();
});

function caught(run: () => unknown): HarnessError {
  try {
    run();
  } catch (thrown) {
    if (thrown instanceof HarnessError) {
      return thrown;
    }
    throw thrown;
  }
  throw new Error("nothing was thrown");
}
