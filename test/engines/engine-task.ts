import { loadContract } from "../../src/contract/load-contract.js";
import type { Target } from "../../src/core/target.js";
import type { Workload } from "../../src/core/workload.js";
import type { EnginePoint, EngineTask } from "../../src/engines/engine.js";
import { filterResolver } from "../../src/load/filters.js";
import { targetsOf } from "../../src/load/share.js";
import { parseWorkload } from "../../src/load/workload-file.js";

export const churn = `
name: churn
about: To and fro.
streams: 2
duration: 50ms
begin: [{ send: $disjoint.1 }, { expect: applied }]
each: [{ send: { next-of: [$disjoint.2, $disjoint.1] } }, { expect: applied }]
closed: { think: 20ms }
`;

/** A target of the logger contract that nobody serves. */
export async function unservedTarget(transport: "grpc" | "ws", more: Partial<Target> = {}): Promise<Target> {
  const contract = await loadContract("logger");
  return {
    url: transport === "grpc" ? "grpc://127.0.0.1:9" : "ws://127.0.0.1:9",
    transport,
    host: "127.0.0.1",
    port: 9,
    tls: undefined,
    path: (transport === "grpc" ? contract.grpc?.path : contract.websocket?.path) ?? "",
    headers: [],
    contract,
    ...more,
  };
}

/** A task as the harness makes it, with the points that came. */
export function taskOf(text: string | Workload, targets: readonly Target[], signal?: AbortSignal): EngineTask & { readonly points: EnginePoint[] } {
  const workload = typeof text === "string" ? parseWorkload(text, "test.yaml") : text;
  const resolvers = targets.map((target) => filterResolver(target.contract, workload.source));
  const points: EnginePoint[] = [];
  return {
    workload,
    targets,
    targetsOf: (group) => targetsOf(workload.groups[group]!, targets),
    resolve: (target, reference) => resolvers[target]!(reference),
    latencyLimitMicros: 0,
    signal,
    points,
    onPoint: (point) => points.push(point),
  };
}
