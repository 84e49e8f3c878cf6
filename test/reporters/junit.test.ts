import { createRequire } from "node:module";
import { join } from "node:path";
import { writeFile } from "node:fs/promises";
import { parse as junit2json } from "junit2json";
import t from "tap";
import { reporters } from "../../src/reporters/index.js";
import { failedCheck, plain, report, reportsByName } from "./fixtures.js";

interface ParsedCase {
  readonly name: string;
  readonly status: string;
  readonly failure: string;
}
interface ParsedSuite {
  readonly total: number;
  readonly failed: number;
  readonly errors: number;
  readonly skipped: number;
  readonly cases: readonly ParsedCase[];
}
// Its module type says `export default` where it exports properties.
const testResults = createRequire(import.meta.url)("test-results-parser") as {
  parse(options: { type: string; files: readonly string[] }): { readonly suites: readonly ParsedSuite[]; readonly failed: number; readonly errors: number };
};

for (const [name, make] of Object.entries(reportsByName)) {
  t.test(`two other JUnit readers count the ${name} report alike`, async (t) => {
    const xml = reporters.junit.render(make(), plain);
    const first = await junit2json(xml);
    if (first === null || first === undefined || !("testsuite" in first)) {
      t.fail("junit2json sees no suites");
      return;
    }
    const cases = (first.testsuite ?? []).flatMap((suite) => suite.testcase ?? []);
    t.equal(first.tests, cases.length, "the total is the number of cases");
    t.equal(first.failures, cases.filter((testCase) => testCase.failure !== undefined).length);
    t.equal(first.errors, cases.filter((testCase) => testCase.error !== undefined).length);
    for (const suite of first.testsuite ?? []) {
      const inside = suite.testcase ?? [];
      t.equal(suite.tests, inside.length);
      t.equal(suite.failures, inside.filter((testCase) => testCase.failure !== undefined).length);
      t.equal(suite.errors, inside.filter((testCase) => testCase.error !== undefined).length);
      t.equal(suite.skipped, inside.filter((testCase) => testCase.skipped !== undefined).length);
      t.ok(Math.abs((suite.time ?? 0) - inside.reduce((sum, testCase) => sum + (testCase.time ?? 0), 0)) < 1e-3);
    }
    t.equal(new Set(cases.map((testCase) => testCase.name)).size, cases.length, "names are unique");

    const path = join(t.testdir(), "junit.xml");
    await writeFile(path, xml);
    const second = testResults.parse({ type: "junit", files: [path] });
    const secondCases = second.suites.flatMap((suite) => suite.cases);
    t.same(
      secondCases.map((testCase) => testCase.status),
      cases.map((testCase) => (testCase.failure !== undefined || testCase.error !== undefined ? "FAIL" : testCase.skipped !== undefined ? "SKIP" : "PASS")),
    );
    t.equal(secondCases.length, cases.length);
    t.equal(second.failed + second.errors > 0, make().exitCode !== 0, "it is red exactly when the exit code is");
  });

  t.test(`the ${name} report holds XML 1.0 characters only`, (t) => {
    const xml = reporters.junit.render(make(), plain);
    t.notMatch(xml, /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/u);
    t.notMatch(xml, /[\u0080-\u009f]/, "nor C1 controls, which XML 1.0 allows but terminals obey");
    t.end();
  });
}

t.test("the target's fault is a failure, the harness's an error, and what was not judged is skipped with its reason as text", (t) => {
  const xml = reporters.junit.render(reportsByName.mixed(), plain);
  t.match(
    xml,
    /classname="filter-updates\.grpc" name="filter-updates\/no-old-after-new \(grpc\)" time="0\.012345">\s*<failure message="entry 59 \(alpha\) came 0\.4 ms after entry 58" type="failed">/,
  );
  t.match(xml, /name="security\/plain-on-tls \(grpc\)"[^>]*>\s*<error message="the relay could not listen: EADDRINUSE" type="broken">/);
  t.match(xml, "<skipped>unproven: it lacked a probe: GET /stats answered 404</skipped>");
  t.match(xml, "<skipped>not applicable: probe: none</skipped>");
  t.match(xml, "<skipped>known failing: the framework has no limit</skipped>");
  t.match(xml, "<system-out>flaky: passed on attempt 2</system-out>");
  t.match(xml, "<system-out>warned: expected p99 of staleness at most 50 ms; got p99 of 212 ms</system-out>");
  t.notMatch(xml, /<skipped message/);
  t.end();
});

t.test("thresholds, generator and gates are cases", (t) => {
  const xml = reporters.junit.render(reportsByName.load(), plain);
  t.match(
    xml,
    /classname="workload\.filter-churn" name="filter-churn: received rate &gt; 25000\/s" time="0\.000000">\s*<failure message="measured 21,400\/s, margin -14\.4 %"/,
  );
  t.match(xml, /name="filter-churn: cancel-quiet p99 &lt; 1s"[^>]*>\s*<failure message="no samples"/);
  t.match(xml, /name="throughput: the generator kept up"[^>]*>\s*<error /);
  t.match(reporters.junit.render(reportsByName.failing(), plain), /classname="gates" name="gate: every must check passes"[^>]*>\s*<failure message="1 failed"/);
  t.end();
});

t.test("an interrupted run, an empty one and one that proved nothing are red", (t) => {
  t.match(reporters.junit.render(reportsByName.partial(), plain), "The run did not finish; 2 checks had.");
  t.match(reporters.junit.render(reportsByName.empty(), plain), 'tests="1" failures="0" errors="1"');
  const unproven = report({ checks: [{ ...failedCheck(), status: "unproven", reason: "a producer" }], exitCode: 5 });
  t.match(reporters.junit.render(unproven, plain), 'tests="2" failures="0" errors="1" skipped="1"');
  t.end();
});

t.test("the same check twice keeps both results under names of their own", (t) => {
  const xml = reporters.junit.render(report({ checks: [failedCheck(), failedCheck(), failedCheck()], exitCode: 1 }), plain);
  t.match(xml, 'name="filter-updates/no-old-after-new (grpc) #2"');
  t.match(xml, 'name="filter-updates/no-old-after-new (grpc) #3"');
  t.end();
});
