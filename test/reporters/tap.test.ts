import { createRequire } from "node:module";
import t from "tap";
import { Parser } from "tap-parser";
import { reporters } from "../../src/reporters/index.js";
import { testCases } from "../../src/reporters/test-cases.js";
import { plain, reportsByName } from "./fixtures.js";

interface TapOutResults {
  readonly asserts: readonly { readonly ok: boolean; readonly number: number; readonly name: string }[];
  readonly plans: readonly { readonly from: number; readonly to: number }[];
  readonly versions: readonly unknown[];
}
const tapOut = createRequire(import.meta.url)("tap-out") as (done: (error: Error | null, results: TapOutResults) => void) => NodeJS.WritableStream;

for (const [name, make] of Object.entries(reportsByName)) {
  t.test(`tap-parser and tap-out read the ${name} report whole`, async (t) => {
    const tap = reporters.tap.render(make(), plain);
    const cases = testCases(make());
    const parsed = new Parser({ strict: false });
    const results = new Promise<{
      readonly count: number;
      readonly fail: number;
      readonly skip: number;
      readonly todo: number;
      readonly ok: boolean;
      readonly plan: { readonly end: number | null };
    }>((resolve) => {
      parsed.on("complete", resolve);
    });
    const extra: string[] = [];
    parsed.on("extra", (line: string) => extra.push(line));
    const diagnostics: unknown[] = [];
    parsed.on("assert", (assert: { ok: boolean; todo: boolean | string; diag?: unknown }) => {
      if (!assert.ok && assert.todo === false) {
        diagnostics.push(assert.diag);
      }
    });
    parsed.end(tap);
    const counts = await results;
    const ofKind = (...kinds: readonly string[]): number => cases.filter(({ outcome }) => kinds.includes(outcome.kind)).length;
    t.same(extra, [], "every line is TAP");
    t.equal(counts.plan.end, cases.length);
    t.equal(counts.count, cases.length);
    t.equal(counts.skip, ofKind("skipped"));
    t.equal(counts.todo, ofKind("expected-failure"));
    t.equal(counts.fail - counts.todo, ofKind("failed", "error"));
    t.equal(counts.ok, make().exitCode === 0);
    t.notOk(
      diagnostics.some((diagnostic) => diagnostic === undefined || diagnostic === null),
      "each failure has its diagnostics",
    );

    const second = await new Promise<TapOutResults>((resolve, reject) => {
      tapOut((error, read) => (error === null ? resolve(read) : reject(error))).end(tap);
    });
    t.same(
      second.plans.map(({ from, to }) => [from, to]),
      [[1, cases.length]],
    );
    t.same(
      second.asserts.map(({ ok }) => ok),
      cases.map(({ outcome }) => outcome.kind === "passed" || outcome.kind === "skipped"),
    );
    t.same(
      second.asserts.map(({ number }) => number),
      cases.map((_, index) => index + 1),
    );
  });
}

t.test("a hash sign in a description begins no directive", async (t) => {
  const base = reportsByName.failing();
  const [check] = base.checks;
  if (check === undefined) {
    throw new Error("the fixture has a check");
  }
  const hostile = { ...base, checks: [{ ...check, id: "eof/x # SKIP all \\# TODO" }] };
  const line = reporters.tap
    .render(hostile, plain)
    .split("\n")
    .find((text) => text.startsWith("ok 1"));
  t.equal(line, "ok 1 - eof/x \\# SKIP all \\\\\\# TODO (grpc)");
  t.end();
});

t.test("unproven is SKIP, known failing is TODO, and an interruption bails out", (t) => {
  const tap = reporters.tap.render(reportsByName.mixed(), plain);
  t.match(tap, /^ok \d+ - isolation\/released \(grpc\) # SKIP unproven: it lacked a probe: GET \/stats answered 404$/m);
  t.match(tap, /^not ok \d+ - bad-input\/over-limit \(ws\) # TODO known failing: the framework has no limit$/m);
  t.match(tap, /^not ok \d+ - security\/plain-on-tls \(grpc\)\n {2}---\n {2}message: 'the relay could not listen: EADDRINUSE'\n {2}severity: broken$/m);
  t.match(tap, /^TAP version 13\n/);
  t.match(reporters.tap.render(reportsByName.partial(), plain), /\nBail out! The run was interrupted\.\n$/);
  t.end();
});
