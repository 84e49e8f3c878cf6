import { HarnessError } from "../core/errors.js";
import { didYouMean } from "../core/suggest.js";
import { exportK6 } from "../harness/k6-export.js";
import { commonOptions } from "./command-line.js";
import { defineCommand } from "./command.js";
import { connectionOptions, readConnection } from "./connection.js";
import type { OptionSpecs } from "./options.js";

const group = "Export";
const options = {
  ...connectionOptions,
  out: { kind: "text", group, value: "DIR", about: "Folder to write", fallback: "k6" },
  duration: { kind: "duration", short: "d", group, value: "TIME", about: "How long it is measured; default: the workload's" },
  streams: {
    kind: "whole",
    least: 1,
    most: 1_000_000,
    short: "n",
    group,
    value: "N",
    about: "Streams of its first group, over all machines; default: the workload's",
  },
  threshold: { kind: "texts", short: "t", group, value: "RULE", about: "Instead of the workload's: 'filter-apply p99 < 50ms'" },
  operator: { kind: "flag", group, about: "Write manifests for k6-operator on Kubernetes as well" },
  parallelism: { kind: "whole", least: 1, most: 1000, group, value: "N", about: "With --operator: instances of k6", fallback: "2" },
  color: commonOptions.color,
} as const satisfies OptionSpecs;

/** Writes a workload for a tool that runs it elsewhere. */
export const exportCommand = defineCommand({
  usage: "k6 <workload> [url..]",
  about:
    "Writes script, plan, types and instructions with which k6 performs a workload, on one machine or on several; halfclose merge --k6-export judges what they measured.",
  examples: [
    ["halfclose export k6 filter-churn grpc://staging:50051 --out k6", "then follow k6/README.md"],
    ["halfclose export k6 soak ws://staging:8080 --operator --parallelism 4", "four pods on Kubernetes"],
  ],
  options,
  arity: [2, 9],
  async run(invocation) {
    const { options: given, console } = invocation;
    const [tool = "", workload = "", ...urls] = invocation.arguments;
    if (tool !== "k6") {
      throw new HarnessError("usage", `Workloads are exported for k6, not for "${tool}".${didYouMean(tool, ["k6"])}`, { place: tool });
    }
    const out = given.out ?? "k6";
    if (given.parallelism !== undefined && given.operator !== true) {
      throw new HarnessError("usage", "--parallelism is the number of k6-operator's instances.", { place: "--parallelism", hint: "add --operator" });
    }
    const files = await exportK6({
      ...readConnection({ ...invocation, arguments: urls }),
      workload,
      out,
      durationSeconds: given.duration === undefined ? undefined : given.duration / 1000,
      streams: given.streams,
      thresholds: given.threshold.length === 0 ? undefined : given.threshold,
      operator: given.operator === true ? { parallelism: given.parallelism ?? 2 } : undefined,
      command: invocation.commandLine,
    });
    console.out(files.map((file) => `${out}/${file}\n`).join(""));
    return 0;
  },
});
