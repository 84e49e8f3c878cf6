import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import t from "tap";
import { createRedactor, redacted } from "../../src/core/redaction.js";
import type { Report } from "../../src/core/report.js";
import { reporters } from "../../src/reporters/index.js";
import { checkRecord, failedCheck, plain, report, workloadRecord } from "../reporters/fixtures.js";

t.test("a secret goes wherever it stands: whole, percent-encoded, as base64, with JSON's escapes, cut off", (t) => {
  const secret = 's3cr+t/"quoted"';
  const redact = createRedactor([secret]);
  t.equal(redact(`x ${secret} y`), `x ${redacted} y`);
  t.equal(redact(encodeURIComponent(secret)), redacted);
  t.equal(redact(encodeURIComponent(secret).toLowerCase()), redacted);
  t.equal(redact(Buffer.from(secret).toString("base64url")), redacted);
  t.equal(redact(JSON.stringify({ a: secret })), `{"a":"${redacted}"}`);
  t.equal(redact(`it said ${secret.slice(0, 10)}`), `it said ${redacted}`);
  t.equal(redact(`it said ${secret.slice(0, 10)}… and more`), `it said ${redacted}… and more`);
  t.equal(redact("it said s3cr"), "it said s3cr", "too little of it to tell");
  t.end();
});

t.test("what a URL or a header shows to be secret goes without being known", (t) => {
  const redact = createRedactor([], ["x-tenant"]);
  t.equal(redact("ws://me:pw@host:1/x?token=a&page=2&api_key=b#c"), `ws://${redacted}@host:1/x?token=${redacted}&page=2&api_key=${redacted}#c`);
  t.equal(redact("grpc://me@host:1"), `grpc://${redacted}@host:1`);
  t.equal(redact("Authorization: Bearer abc"), `Authorization: ${redacted}`);
  t.equal(redact('{"set-cookie":"sid=1; Path=/","a":1}'), `{"set-cookie":"${redacted}","a":1}`);
  t.equal(redact("x-tenant=acme, content-type=text/plain"), `x-tenant=${redacted}, content-type=text/plain`);
  t.equal(redact("grpc://localhost:50051 and user@example.org"), "grpc://localhost:50051 and user@example.org");
  t.equal(redact("produce {token}: entry 3"), "produce {token}: entry 3", "the word alone is none");
  t.end();
});

t.test("a password that is one of our own words leaves the report readable", (t) => {
  const redact = createRedactor(["grpc", "passed", "must", "half", "spent"]);
  const whole = report({ checks: [checkRecord({ reason: "the password spent", clause: "must be" })] });
  const clean = redact(whole);
  t.match(clean.checks[0], { transport: "grpc", status: "passed", level: "must", reason: `the password ${redacted}`, clause: `${redacted} be` });
  t.equal(clean.harness.name, "halfclose");
  t.same(Object.keys(clean), Object.keys(whole));
  t.end();
});

t.test("redacting twice is redacting once, and what holds no secret comes back equal", (t) => {
  const json = fc.jsonValue({ maxDepth: 3 });
  fc.assert(
    fc.property(json, fc.array(fc.string({ minLength: 4, maxLength: 12 }), { maxLength: 3 }), (value, secrets) => {
      const redact = createRedactor(secrets);
      const once = redact(value);
      return JSON.stringify(redact(once)) === JSON.stringify(once);
    }),
    // A secret that is part of the mark itself would be sought in it.
    { examples: [[{ a: "‹redacted›" }, ["abcd"]]] },
  );
  const whole = report({ checks: [failedCheck()], workloads: [workloadRecord()] });
  t.same(createRedactor(["not in there"])(whole), whole);
  t.end();
});

const secrets = ["planted-token-7f3a", "planted cookie & <value>", "pl4nted/päss+word"];

/** A report with the secrets in every field that text of a user or a target reaches. */
function plantedReport(): Report {
  const all = secrets.join(" ");
  const text = `${all} ${secrets.map(encodeURIComponent).join(" ")} ${secrets.map((secret) => Buffer.from(secret).toString("base64")).join(" ")} ${JSON.stringify(secrets)}`;
  const check = {
    requirement: text,
    clause: text,
    expected: text,
    actual: text,
    reason: text,
    ends: [text],
    reproduce: text,
    timeline: [{ atMs: 1, stream: text, direction: "sent" as const, what: text, offending: true }],
  };
  const statuses = ["passed", "failed", "warned", "unproven", "not-applicable", "known-failing", "broken"] as const;
  return report({
    command: ["halfclose", "run", text, "-H", `authorization: Bearer ${all}`],
    target: {
      urls: [text, `ws://me:${secrets[0]}@host/?token=${secrets[0]}`],
      contract: { name: text, source: text, hash: "00" },
      suite: text,
      identity: text,
      start: text,
    },
    environment: { os: text, cpu: text, cores: 1, memoryBytes: 1, node: text, fingerprint: "00" },
    checks: statuses.map((status) => failedCheck({ ...check, id: `eof/${status}`, status })),
    workloads: [
      workloadRecord({
        name: text,
        engine: text,
        driver: text,
        config: { url: text, headers: { authorization: text } },
        remarks: [text],
        thresholds: [{ text, status: "failed", measured: text }],
        errors: { [text]: 2 },
        generator: { status: "invalid", reasons: [text] },
      }),
    ],
    gates: [{ name: text, status: "failed", detail: text }],
    problems: [text],
    exitCode: 1,
  });
}

/** The same output as a reader might search it: unescaped, unfolded. */
function searchable(output: string): string {
  const packed = /id="results">([^<]*)</.exec(output)?.[1];
  const embedded = packed === undefined ? "" : gunzipSync(Buffer.from(packed, "base64")).toString("utf8");
  const unescaped = output.replaceAll("&amp;", "&").replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("\\", "");
  return `${output}\n${embedded}\n${unescaped}`.replace(/\s+/g, " ");
}

for (const [name, reporter] of Object.entries(reporters)) {
  t.test(`no planted secret, and no half of one, is in the ${name} report`, (t) => {
    const clean = createRedactor(secrets)(plantedReport());
    const output = searchable(reporter.render(clean, { ...plain, verbose: true }));
    const planted = searchable(reporter.render(plantedReport(), { ...plain, verbose: true }));
    const traces = secrets.flatMap((secret) => [
      secret,
      secret.slice(0, 9),
      encodeURIComponent(secret),
      Buffer.from(secret).toString("base64url").slice(0, 12),
    ]);
    t.same(
      traces.filter((trace) => output.includes(trace)),
      [],
    );
    if (name !== "badge") {
      t.ok(planted.includes(secrets[0] ?? ""), "the search would have found them");
    }
    t.end();
  });
}
