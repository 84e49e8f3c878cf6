import { createHash } from "node:crypto";
import os from "node:os";
import type { EnvironmentRecord } from "../core/report.js";

/** What this machine is, and a hash of it by which results are told apart. */
export function describeEnvironment(): EnvironmentRecord {
  const cpus = os.cpus();
  const parts = {
    os: `${os.type()} ${os.release()} ${os.arch()}`,
    cpu: cpus[0]?.model.trim() || "unknown",
    cores: os.availableParallelism(),
    memoryBytes: os.totalmem(),
    node: process.versions.node,
  };
  return { ...parts, fingerprint: createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 16) };
}
