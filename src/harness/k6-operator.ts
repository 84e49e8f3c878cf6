import { stringify } from "yaml";
import { HarnessError } from "../core/errors.js";
import { oldestK6 } from "../engines/k6-binary.js";

export interface K6OperatorOptions {
  readonly workload: string;
  /** Instances of k6; the operator gives each an execution segment. */
  readonly parallelism: number;
  readonly script: string;
  /** By name, as the plan names them. */
  readonly protosets: ReadonlyMap<string, Uint8Array>;
  /** JSON; it holds the headers of the target and the client's key. */
  readonly plan: string;
}

/** Kubernetes takes no ConfigMap or Secret of more than 1 MiB, its names included. */
const mostBytes = 1024 * 1024 - 16 * 1024;
/** The user that k6's image runs as: the volume of the points must be writable for it. */
const k6User = 12345;

/** Name of the manifests' objects: of a workload's characters, and no longer than Kubernetes takes. */
export function operatorName(workload: string): string {
  return `halfclose-${workload}`.slice(0, 50).replace(/-+$/, "");
}

/**
 * What `kubectl apply` needs for k6-operator to perform a plan: script and types, the plan, a volume for what is measured, and the TestRun.
 * @throws HarnessError `usage` for what Kubernetes would not take.
 */
export function operatorManifests({ workload, parallelism, script, protosets, plan }: K6OperatorOptions): string {
  const name = operatorName(workload);
  const types = Object.fromEntries([...protosets].map(([file, bytes]) => [file, Buffer.from(bytes).toString("base64")]));
  const bytes = Buffer.byteLength(script) + Object.values(types).reduce((sum, text) => sum + text.length, 0);
  for (const [what, size] of [
    ["Script and types", bytes],
    ["The plan", Buffer.byteLength(plan)],
  ] as const) {
    if (size > mostBytes) {
      throw new HarnessError("usage", `${what} of this workload: ${Math.ceil(size / 1024)} KiB, and Kubernetes has no more than 1 MiB for one object.`, {
        place: "--operator",
        hint: "without --operator the folder can be mounted from a volume of your own",
      });
    }
  }
  const documents = [
    { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { "script.js": script }, ...(protosets.size === 0 ? {} : { binaryData: types }) },
    { apiVersion: "v1", kind: "Secret", metadata: { name: `${name}-plan` }, type: "Opaque", stringData: { "plan.json": plan } },
    {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name: `${name}-points` },
      spec: { accessModes: ["ReadWriteMany"], resources: { requests: { storage: "10Gi" } } },
    },
    testRun(name, parallelism),
  ];
  return documents.map((document) => `---\n${stringify(document, { lineWidth: 0 })}`).join("");
}

function testRun(name: string, parallelism: number): object {
  return {
    apiVersion: "k6.io/v1alpha1",
    kind: "TestRun",
    metadata: { name },
    spec: {
      parallelism,
      script: { configMap: { name, file: "script.js" } },
      // Kubernetes puts the pod's name in: each instance writes a file of its own.
      arguments: "--out json=/points/$(POD_NAME).json --no-usage-report --summary-mode=disabled",
      runner: {
        image: `grafana/k6:${oldestK6}`,
        env: [
          { name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
          { name: "HALFCLOSE_PLAN_FILE", value: "/plan/plan.json" },
        ],
        securityContext: { fsGroup: k6User },
        volumes: [
          { name: "plan", secret: { secretName: `${name}-plan` } },
          { name: "points", persistentVolumeClaim: { claimName: `${name}-points` } },
        ],
        volumeMounts: [
          { name: "plan", mountPath: "/plan", readOnly: true },
          { name: "points", mountPath: "/points" },
        ],
      },
    },
  };
}

/** A pod that reads the volume of the points: instances are over when their files are wanted. */
export function pointsReader(workload: string): string {
  const name = operatorName(workload);
  return `---\n${stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `${name}-reader` },
    spec: {
      restartPolicy: "Never",
      containers: [
        { name: "reader", image: "busybox:stable", command: ["sleep", "3600"], volumeMounts: [{ name: "points", mountPath: "/points", readOnly: true }] },
      ],
      volumes: [{ name: "points", persistentVolumeClaim: { claimName: `${name}-points` } }],
    },
  })}`;
}

/** The part of the folder's README that says how. */
export function operatorReadme(workload: string, out: string): string {
  const name = operatorName(workload);
  return `
In this folder, on Kubernetes with [k6-operator](https://grafana.com/docs/k6/latest/set-up/set-up-distributed-k6/) installed: \`operator.yaml\` holds the script, the
plan (as a Secret), a volume for what is measured, and the TestRun. The volume is written by all instances, so its storage class must allow
ReadWriteMany.

    kubectl apply -f operator.yaml
    kubectl wait --for=jsonpath='{.status.stage}'=finished --timeout=1h testrun/${name}
    kubectl apply -f points-reader.yaml
    kubectl wait --for=condition=Ready pod/${name}-reader
    kubectl cp ${name}-reader:/points points
    kubectl delete -f points-reader.yaml -f operator.yaml

And from the folder above:

    halfclose merge --k6-export ${out} ${out}/points/*.json
`;
}
