import t from "tap";
import { checks } from "../../scenarios/index.js";
import { faults, type Fault } from "../../src/reference/faults.js";
import { runAgainstReference } from "./reference-run.js";

t.setTimeout(5 * 60 * 1000);

for (const tls of [false, true]) {
  t.test(`nothing is held against the correct server${tls ? " over TLS" : ""}`, async (t) => {
    const report = await runAgainstReference({ tls, patient: !tls });
    const against = report.checks.filter((check) => !["passed", "unproven", "not-applicable"].includes(check.status));
    t.same(
      against.map((check) => `${check.status} ${check.transport} ${check.id}: ${check.actual ?? check.reason ?? ""}`),
      [],
    );
    const passed = new Set(report.checks.filter((check) => check.status === "passed").map((check) => check.id));
    const silent = checks
      .map((check) => check.id as string)
      .filter((id) => !passed.has(id) && !id.startsWith("exploration/") && id !== "resources/idle-cpu" && (tls || id !== "security/tls-versions"));
    t.same(silent, [], "every check had its say");
  });
}

t.test("every check is proved by a fault, and every fault names checks that exist", async (t) => {
  const ids = new Set<string>(checks.map((check) => check.id));
  const caught = new Set(Object.values(faults as Record<string, Fault>).flatMap((fault) => fault.caughtBy));
  t.same(
    [...caught].filter((id) => !ids.has(id)),
    [],
    "faults name known checks",
  );
  const unproved = checks.filter((check) => check.level !== "info" && !caught.has(check.id)).map((check) => check.id);
  t.same(unproved, [], "checks without a fault");
});
