import { formatMicros, formatNumber } from "../core/quantity.js";
import type { CapacityTrial } from "../core/report.js";
import { runCapacitySearch } from "../harness/capacity-run.js";
import { commonOptions } from "./command-line.js";
import { defineCommand, type Invocation } from "./command.js";
import { connectionOptions, readConnection } from "./connection.js";
import type { OptionSpecs } from "./options.js";
import { createOutput } from "./output.js";
import { ownServer } from "./own-server.js";
import { reportingRun } from "./reporting-run.js";
import { viewOptions } from "./views.js";

const group = "Search";

const options = {
  ...connectionOptions,
  objective: { kind: "text", group, value: "RULE", about: "What the load must be borne with", fallback: "filter-apply p99 <= 100ms" },
  "at-least": { kind: "whole", least: 1, group, value: "N", about: "Load that must be sustained; below it the exit code is 99" },
  from: { kind: "whole", least: 1, group, value: "N", about: "Load tried first; default: the workload's" },
  most: { kind: "whole", least: 1, group, value: "N", about: "Greatest load tried" },
  trial: { kind: "duration", group, value: "TIME", about: "Least length of a trial", fallback: "15s" },
  confirm: { kind: "duration", group, value: "TIME", about: "Length of the trial that confirms the result", fallback: "60s" },
  within: { kind: "duration", group, value: "TIME", about: "Begin no trial after so long, and say what was found until then" },
  calibrate: {
    kind: "flag",
    group,
    about: "First find the generator's own ceiling on a server that comes with halfclose; --no-calibrate leaves it out",
    fallback: "true",
  },
  workers: { kind: "whole", least: 1, most: 256, group, value: "N", about: "Worker threads; default: one less than the machine has cores" },
  seed: { kind: "whole", least: 0, most: 2 ** 32 - 1, group, about: "Seed of all schedules" },
  ...viewOptions,
  color: commonOptions.color,
} as const satisfies OptionSpecs;

/** Searches the greatest load that a server bears. */
export const capacity = defineCommand({
  usage: "<workload> [url..]",
  about:
    "Searches the greatest load that a server bears with an objective: doubles until it fails, halves the bracket, confirms. Every trial is shown, and what limited it.",
  examples: [
    ["halfclose capacity filter-churn grpc://localhost:50051", "how many streams may change filters"],
    ["halfclose capacity filter-churn ws://localhost:8080 --objective 'filter-apply p99 <= 20ms' --at-least 200", "as a gate"],
  ],
  options,
  arity: [1, 9],
  run: (invocation) => performCapacity(invocation),
});

async function performCapacity(invocation: Invocation<typeof options>): Promise<number> {
  const { options: given, console } = invocation;
  const [workload = "", ...urls] = invocation.arguments;
  const output = createOutput(given, console);
  const connection = readConnection({ ...invocation, arguments: urls });
  const rows = trialPrinter((text) => console.out(text));
  const report = await reportingRun(invocation, output, (hooks) =>
    runCapacitySearch({
      ...connection,
      ...hooks,
      workload,
      objective: given.objective ?? "filter-apply p99 <= 100ms",
      startLoad: given.from,
      mostLoad: given.most,
      trialSeconds: given.trial === undefined ? undefined : given.trial / 1000,
      confirmSeconds: given.confirm === undefined ? undefined : given.confirm / 1000,
      withinSeconds: given.within === undefined ? undefined : given.within / 1000,
      atLeast: given["at-least"],
      calibrate: given.calibrate === false ? undefined : ownServer(),
      seed: given.seed,
      workers: given.workers,
      command: invocation.commandLine,
      secrets: invocation.secrets,
      onTrial: rows,
    }),
  );
  for (const { sentence } of report.capacities ?? []) {
    console.out(`\n${sentence}\n`);
  }
  return report.exitCode;
}

/** Prints each trial as a row, with a heading for each search. */
function trialPrinter(print: (text: string) => void): (trial: CapacityTrial, of: "ceiling" | "target") => void {
  let heading: string | undefined;
  return (trial, of) => {
    if (heading !== of) {
      heading = of;
      print(`${of === "ceiling" ? "The generator by itself" : "The target"}\n        load  result        quantile  achieved   limited by\n`);
    }
    const quantile = trial.quantileUs >= Number.MAX_SAFE_INTEGER ? "∞" : formatMicros(trial.quantileUs);
    print(
      `${formatNumber(Math.round(trial.load)).padStart(12)}  ${trial.status.padEnd(12)}${quantile.padStart(10)}${`${(trial.achieved * 100).toFixed(1)} %`.padStart(10)}   ${trial.limitedBy ?? ""}\n`,
    );
  };
}
