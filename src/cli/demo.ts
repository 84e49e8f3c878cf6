import { runConformance } from "../harness/conformance-run.js";
import { runWorkload } from "../harness/load-run.js";
import { type FaultName, faults } from "../reference/faults.js";
import { reporters } from "../reporters/index.js";
import { defineCommand, type Invocation } from "./command.js";
import { wantsColour, type Console } from "./console.js";
import { HarnessError } from "../core/errors.js";
import type { Report } from "../core/report.js";
import { didYouMean } from "../core/suggest.js";
import { commonOptions } from "./command-line.js";
import { interruptible } from "./interrupt.js";
import type { OptionSpecs } from "./options.js";
import { ownServer } from "./own-server.js";

const options = {
  bug: { kind: "text", group: "Demo", value: "NAME", about: "The fault to show; halfclose list faults shows them" },
  seconds: { kind: "whole", least: 1, most: 60, group: "Demo", value: "N", about: "Length of the load run", fallback: "4" },
  color: commonOptions.color,
} as const satisfies OptionSpecs;

/** Shown when no other is named: the one that most implementations have at first. */
const shownFault = "blocking-fetch";

/** Tells the whole story without a server of one's own. */
export const demo = defineCommand({
  usage: "",
  about:
    "Shows the whole story on servers of its own: one that conforms, one with a fault, and a short load run. Ends with 0 when the story is as it should be.",
  examples: [["halfclose demo --bug union-of-filters", "with another fault"]],
  options,
  arity: [0, 0],
  async run(invocation) {
    const outcome = await interruptible(invocation.console, (signal) => tell(invocation, signal));
    if (outcome.kind === "failed") {
      throw outcome.thrown;
    }
    return outcome.signalCode ?? outcome.value;
  },
});

async function tell({ options: given, console }: Invocation<typeof options>, signal: AbortSignal): Promise<number> {
  const fault = requireFault(given.bug ?? shownFault);
  const print = printer(console, given.color);
  const heading = (text: string): void => console.out(`\n${"─".repeat(Math.min(console.columns, 80))}\n${text}\n\n`);

  heading("1. A monitor that conforms: every check, over gRPC and WebSocket.");
  const good = await judged([], { signal, console, retries: 1 });
  print(good);

  heading(`2. The same monitor with one fault, judged by three topics. "${fault}": ${faults[fault].sentence}`);
  const bad = await judged([fault], { signal, console, topics: ["first-filter", "filter-updates", "eof"] });
  print(bad);

  heading("3. How fast is it? Filters change on many streams; every entry is verified.");
  print(
    await runWorkload({
      urls: [],
      start: ownServer(),
      workload: "filter-churn",
      durationSeconds: given.seconds ?? 4,
      signal,
      command: ["halfclose", "demo"],
    }),
  );

  if (signal.aborted) {
    return 130;
  }
  const failed = bad.checks.filter(({ status }) => status === "failed");
  const asExpected = good.exitCode === 0 && failed.length > 0;
  heading(
    asExpected
      ? `That is the story: the first server passed, the second was caught by ${failed.length === 1 ? "one check" : `${failed.length} checks`}.\nNow yours: halfclose grpc://localhost:50051 ws://localhost:8080/logs/monitor`
      : `The story is not as it should be: the first server ended with exit code ${good.exitCode}, and ${failed.length} checks failed on the second.`,
  );
  return asExpected ? 0 : 3;
}

function judged(
  bugs: readonly FaultName[],
  {
    signal,
    console,
    topics = [],
    retries = 0,
  }: { readonly signal: AbortSignal; readonly console: Console; readonly topics?: readonly string[]; readonly retries?: number },
): Promise<Report> {
  return runConformance({
    select: { topics },
    retries,
    urls: [],
    start: ownServer({ bugs }),
    targetName: bugs.length === 0 ? "the reference server" : `the reference server with the fault ${bugs.join(", ")}`,
    command: ["halfclose", "demo"],
    signal,
    onEvent(event) {
      if (event.kind === "check-finished") {
        console.redraw(event.done === event.total ? undefined : `  ${event.done}/${event.total}`);
      }
    },
  });
}

function printer(console: Console, colour: boolean | undefined): (report: Report) => void {
  return (report) => {
    console.redraw(undefined);
    console.out(
      reporters.text.render(report, { colour: wantsColour(console.environment, console.outIsTerminal, colour), columns: Math.min(console.columns, 100) }),
    );
  };
}

function requireFault(name: string): FaultName {
  if (!Object.hasOwn(faults, name)) {
    throw new HarnessError("usage", `There is no fault "${name}".${didYouMean(name, Object.keys(faults))}`, {
      place: "--bug",
      hint: "halfclose list faults shows them all",
    });
  }
  return name as FaultName;
}
