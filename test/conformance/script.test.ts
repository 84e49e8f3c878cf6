import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import t, { type Test } from "tap";
import { parseScript } from "../../src/conformance/script-file.js";
import { runConformance } from "../../src/harness/conformance-run.js";
import { packageFolder } from "../../src/harness/suites.js";
import { type FaultName } from "../../src/reference/faults.js";
import { startReferenceServer } from "../../src/reference/server.js";

const shipped = path.join(packageFolder("scenarios"), "scripts");

async function perform(t: Test, text: string, bugs: readonly FaultName[] = []) {
  const server = await startReferenceServer({ faults: bugs });
  t.teardown(() => server.kill());
  const folder = t.testdir({ "scenario.yaml": text });
  return runConformance({ urls: [server.urls.grpc, server.urls.websocket], folder, scenarios: ["scenario.yaml"] });
}

function refusal(text: string): unknown {
  try {
    return parseScript(text, "s.yaml");
  } catch (thrown) {
    return thrown;
  }
}

for (const file of readdirSync(shipped)) {
  t.test(`the shipped scenario ${file} passes on the reference server over both transports`, async (t) => {
    const report = await perform(t, readFileSync(path.join(shipped, file), "utf8"));
    t.match(report.checks, [{ status: "passed" }, { status: "passed" }]);
    t.equal(report.exitCode, 0);
  });
}

t.test("an expectation that does not come true fails with what was expected", async (t) => {
  const report = await perform(t, "{ name: impatient, requirement: r, steps: [{ send: $silent }, { expect: { entries: 1, within: 100ms } }] }");
  t.match(report.checks[0], { id: "script/impatient", status: "unproven" });
  const ended = await perform(t, "{ name: wrong-end, requirement: r, steps: [{ send: $broad }, end, { expect: { end: rejected } }] }");
  t.match(ended.checks, [
    { status: "failed", expected: /names/, actual: "OK" },
    { status: "failed", actual: /1000/ },
  ]);
  t.match(ended.checks[0]?.reproduce, /--scenario scenario\.yaml --grep script\/wrong-end --transport grpc/);
});

t.test("silence that is broken fails", async (t) => {
  const report = await perform(
    t,
    "{ name: loud, requirement: r, transports: [ws], steps: [{ send: $broad }, { expect: applied }, { expect: { silence: 200ms } }] }",
  );
  t.match(report.checks, [{ status: "failed", expected: "no entry for 200 ms" }]);
});

t.test("an invalid filter written out is expected to be rejected with its codes", async (t) => {
  const report = await perform(
    t,
    "{ name: rejected, requirement: r, steps: [{ send: { message: { min_level: shouting } } }, { expect: { end: rejected, grpc: [3], ws: [1007, 1008] } }] }",
  );
  t.match(report.checks, [{ status: "passed" }, { status: "passed" }]);
});

t.test("an unknown step, filter or unit is refused at its place with the nearest name", async (t) => {
  t.match(refusal("{ name: x, requirement: r, steps: [{ sned: alpha }] }"), {
    code: "scenario",
    place: /^s\.yaml:1:\d+$/,
    message: /"sned".*Did you mean "send"/,
  });
  t.match(refusal("{ name: x, requirement: r, steps: [{ wait: 5 s }] }"), { message: /duration/ });
  t.match(refusal("{ name: x, requirement: r, steps: [{ wait: 5s }] }"), { message: /longer than 200 ms/ });
  t.match(refusal("{ name: x, requirement: r, steps: [cancle] }"), { code: "scenario" });
  await t.rejects(perform(t, "{ name: x, requirement: r, steps: [{ send: alhpa }] }"), {
    code: "scenario",
    message: /no filter "alhpa"\. Did you mean "alpha"/,
    place: "scenario.yaml:1:36",
  });
});
