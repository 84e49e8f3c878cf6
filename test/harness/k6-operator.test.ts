import { createRequire } from "node:module";
import t from "tap";
import { parseAllDocuments } from "yaml";
import { operatorManifests, operatorName, pointsReader } from "../../src/harness/k6-operator.js";
import { testRunSchema } from "./test-run-schema.js";

type Validate = ((value: unknown) => boolean) & { readonly errors?: unknown };
const { Ajv } = createRequire(import.meta.url)("ajv") as { readonly Ajv: new (options: object) => { compile(schema: object): Validate } };

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly [part: string]: unknown;
}

const documentsOf = (text: string) => parseAllDocuments(text).map((document) => document.toJS() as Manifest);
const given = {
  workload: "filter-churn",
  parallelism: 4,
  script: "// a script with $(signs) and `quotes`\n",
  protosets: new Map([["types-0.protoset", Uint8Array.of(0, 255, 10, 13)]]),
  plan: '{"headers":{"authorization":"Bearer x"}}',
};

/** The operator's API server drops what it does not know without a word: here that is an error. */
function strict(schema: object): object {
  return Object.fromEntries(
    Object.entries({ ...schema, ...("properties" in schema ? { additionalProperties: false } : {}) }).map(([key, value]: [string, unknown]) => [
      key,
      typeof value === "object" && value !== null && !Array.isArray(value) ? strict(value) : value,
    ]),
  );
}

t.test("the TestRun is valid by the schema of its definition, and has no field that is not in it", (t) => {
  const validate = new Ajv({ strict: false }).compile(strict(testRunSchema));
  const run = documentsOf(operatorManifests(given)).find(({ kind }) => kind === "TestRun");
  t.ok(validate(run), JSON.stringify(validate.errors));
  t.notOk(validate({ ...run, spec: { ...(run?.["spec"] as object), paralelism: 2 } }), "the schema would notice");
  t.end();
});

t.test("what the TestRun names is among the manifests", (t) => {
  const documents = documentsOf(operatorManifests(given));
  t.strictSame(
    documents.map(({ apiVersion, kind, metadata }) => [apiVersion, kind, metadata.name]),
    [
      ["v1", "ConfigMap", "halfclose-filter-churn"],
      ["v1", "Secret", "halfclose-filter-churn-plan"],
      ["v1", "PersistentVolumeClaim", "halfclose-filter-churn-points"],
      ["k6.io/v1alpha1", "TestRun", "halfclose-filter-churn"],
    ],
  );
  const [map, secret, , run] = documents;
  t.match(map, { data: { "script.js": given.script } });
  t.strictSame(
    Buffer.from((map as { binaryData?: Record<string, string> } | undefined)?.binaryData?.["types-0.protoset"] ?? "", "base64"),
    Buffer.of(0, 255, 10, 13),
  );
  t.match(secret, { stringData: { "plan.json": given.plan } });
  t.notMatch(JSON.stringify([map, run]), /Bearer/, "credentials are in the Secret alone");
  t.match(run?.["spec"], {
    parallelism: 4,
    script: { configMap: { name: "halfclose-filter-churn", file: "script.js" } },
    arguments: /^--out json=\/points\/\$\(POD_NAME\)\.json/,
    runner: {
      env: [{ name: "POD_NAME" }, { name: "HALFCLOSE_PLAN_FILE", value: "/plan/plan.json" }],
      volumes: [
        { name: "plan", secret: { secretName: "halfclose-filter-churn-plan" } },
        { name: "points", persistentVolumeClaim: { claimName: "halfclose-filter-churn-points" } },
      ],
      volumeMounts: [
        { name: "plan", mountPath: "/plan" },
        { name: "points", mountPath: "/points" },
      ],
    },
  });
  t.match(documentsOf(pointsReader("filter-churn"))[0], {
    kind: "Pod",
    spec: { volumes: [{ persistentVolumeClaim: { claimName: "halfclose-filter-churn-points" } }] },
  });
  t.end();
});

t.test("names are what Kubernetes takes", (t) => {
  const name = operatorName(`${"very-long-".repeat(10)}name`);
  t.match(name, /^[a-z][a-z0-9-]*[a-z0-9]$/);
  t.ok(`${name}-initializer`.length <= 63);
  t.end();
});

t.test("what is too large for one object is refused", (t) => {
  t.throws(() => operatorManifests({ ...given, plan: "x".repeat(1024 * 1024) }), { code: "usage", message: /The plan of this workload: 1024 KiB/ });
  t.end();
});
