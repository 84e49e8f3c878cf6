import t from "tap";
import { reporters } from "../../src/reporters/index.js";
import { plain, reportsByName } from "./fixtures.js";

t.test("json is the report itself, a value beyond measure as null", (t) => {
  for (const make of Object.values(reportsByName)) {
    const parsed: unknown = JSON.parse(reporters.json.render(make(), plain));
    t.same(parsed, JSON.parse(JSON.stringify(make())));
  }
  const load = JSON.parse(reporters.json.render(reportsByName.load(), plain)) as { workloads: { histograms: Record<string, { p999: unknown }> }[] };
  t.equal(load.workloads[1]?.histograms["filter-apply"]?.p999, null);
  t.end();
});
