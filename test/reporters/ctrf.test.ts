import { isTestFlaky, parse, validate } from "ctrf";
import t from "tap";
import { reporters } from "../../src/reporters/index.js";
import { plain, reportsByName } from "./fixtures.js";

for (const [name, make] of Object.entries(reportsByName)) {
  t.test(`the ${name} report obeys CTRF's own schema, and its summary its tests`, (t) => {
    const text = reporters.ctrf.render(make(), plain);
    const { valid, errors } = validate(JSON.parse(text));
    t.same(errors ?? [], []);
    t.ok(valid);
    const { summary, tests } = parse(text).results;
    t.equal(summary.tests, tests.length);
    for (const status of ["passed", "failed", "skipped", "pending", "other"] as const) {
      t.equal(summary[status], tests.filter((test) => test.status === status).length, status);
    }
    t.equal(summary.failed + summary.other > 0, make().exitCode !== 0, "it is red exactly when the exit code is");
    t.equal(summary.flaky, tests.filter(isTestFlaky).length);
    t.equal(summary.stop - summary.start, summary.duration);
    t.end();
  });
}

t.test("what CTRF has no word for is other, skipped or pending, and keeps our word beside", (t) => {
  const { tests } = parse(reporters.ctrf.render(reportsByName.mixed(), plain)).results;
  const statusOf = (name: string) => tests.filter((test) => test.name === name).map(({ status, rawStatus }) => [status, rawStatus])[0];
  t.same(statusOf("security/plain-on-tls (grpc)"), ["other", "broken"]);
  t.same(statusOf("isolation/released (ws)"), ["skipped", "unproven"]);
  t.same(statusOf("bad-input/over-limit (ws)"), ["pending", "known-failing"]);
  t.same(statusOf("filter-updates/staleness-budget (grpc)"), ["passed", "warned"]);
  t.match(
    tests.find((test) => test.name === "eof/close-bound (ws)"),
    { flaky: true, retries: 1 },
  );
  t.match(
    tests.find((test) => test.status === "failed"),
    { message: "entry 59 (alpha) came 0.4 ms after entry 58", trace: /again: halfclose run/ },
  );
  t.end();
});
