import t from "tap";
import { reporters } from "../../src/reporters/index.js";
import { plain, reportsByName } from "./fixtures.js";

t.test("json is the report itself", (t) => {
  for (const make of Object.values(reportsByName)) {
    const parsed: unknown = JSON.parse(reporters.json.render(make(), plain));
    t.same(parsed, JSON.parse(JSON.stringify(make())));
  }
  t.end();
});
