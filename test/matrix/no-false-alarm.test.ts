import t from "tap";
import { checks } from "../../scenarios/index.js";
import { runConformance } from "../../src/harness/conformance-run.js";
import { faults, type Fault } from "../../src/reference/faults.js";
import { startReferenceServer } from "../../src/reference/server.js";
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

t.test("nothing is held against a server that bears eight streams at once and turns away the ninth", async (t) => {
  const report = await runAgainstReference({ streams: 8 });
  const against = report.checks.filter((check) => !["passed", "unproven", "not-applicable"].includes(check.status));
  t.same(
    against.map((check) => `${check.status} ${check.transport} ${check.id}: ${check.actual ?? check.reason ?? ""}`),
    [],
  );
  const crowded = report.checks.filter(({ reason }) => reason?.includes("more streams at once than the server takes"));
  t.ok(
    crowded.some(({ id }) => id === "isolation/many-connections"),
    "what takes more streams says so",
  );
  t.ok(crowded.length < 20, `and little else does: ${crowded.map(({ id }) => id).join(", ")}`);
});

for (const [what, rate] of [
  ["says nothing by itself", 0],
  ["has entries that come by themselves alone", 100],
] as const) {
  t.test(`nothing is held against a monitor without a producer that ${what}`, async (t) => {
    const server = await startReferenceServer({ rate, limits: { handshakeTimeoutMs: 2500 } });
    t.teardown(() => server.kill());
    const report = await runConformance({
      urls: [server.urls.grpc, `${server.urls.websocket}/logs/monitor`],
      // Nothing listens there.
      httpUrl: "http://127.0.0.1:1",
      headers: [],
      seed: 1,
      patient: false,
    });
    const against = report.checks.filter((check) => !["passed", "unproven", "not-applicable"].includes(check.status));
    t.same(
      against.map((check) => `${check.status} ${check.transport} ${check.id}: ${check.actual ?? check.reason ?? ""}`),
      [],
    );
    const takesEffect = report.checks.filter(({ id }) => id === "first-filter/takes-effect");
    t.same(
      takesEffect.map(({ status }) => status),
      rate === 0 ? ["unproven", "unproven"] : ["passed", "passed"],
    );
  });
}

t.test("a server without a producer that loses its first filter does not pass for a quiet one", async (t) => {
  for (const fault of ["first-filter-lost", "empty-filter-is-end"] as const) {
    const server = await startReferenceServer({ rate: 100, faults: [fault] });
    t.teardown(() => server.kill());
    const { checks: records } = await runConformance({
      urls: [server.urls.grpc, `${server.urls.websocket}/logs/monitor`],
      httpUrl: "http://127.0.0.1:1",
      headers: [],
      seed: 1,
      select: { ids: ["first-filter/takes-effect"] },
    });
    t.same(
      records.map(({ id, status }) => `${id} ${status}`),
      ["first-filter/takes-effect failed", "first-filter/takes-effect failed"],
      fault,
    );
  }
});

t.test("a reader that stalls the others is found out by its window where there is no producer", async (t) => {
  const server = await startReferenceServer({ rate: 200, faults: ["slow-reader-stalls-all"] });
  t.teardown(() => server.kill());
  const { checks: records } = await runConformance({
    urls: [server.urls.grpc],
    httpUrl: "http://127.0.0.1:1",
    headers: [],
    seed: 1,
    select: { ids: ["flow-control/slow-reader-harms-no-other"] },
  });
  t.match(records, [{ status: "failed", actual: /^they stopped after/ }]);
});

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
