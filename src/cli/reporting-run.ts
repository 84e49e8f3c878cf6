import { messageOf } from "../core/errors.js";
import type { Report, RunEvent } from "../core/report.js";
import { redact } from "../harness/redact.js";
import type { Invocation } from "./command.js";
import { exitCodeOfError } from "./failure.js";
import { interruptible } from "./interrupt.js";
import type { OptionSpecs } from "./options.js";
import type { Output } from "./output.js";

/** What a run is given so that its report is kept while it goes on. */
export interface RunHooks {
  readonly signal: AbortSignal;
  readonly onEvent: (event: RunEvent) => void;
  readonly onReport: (report: () => Report) => Promise<void>;
}

/**
 * Carries out a run and writes its report, whatever becomes of it: whole, interrupted (exit code 130 or 143, marked partial),
 * or failed, in which case the file says why beside what was measured before, and the error is thrown on.
 */
export async function reportingRun(
  invocation: Pick<Invocation<OptionSpecs>, "console" | "secrets">,
  output: Output,
  work: (hooks: RunHooks) => Promise<Report>,
): Promise<Report> {
  let last: (() => Report) | undefined;
  const outcome = await interruptible(invocation.console, (signal) =>
    work({
      signal,
      onEvent: (event) => output.hear(event),
      onReport: (report) => {
        last = report;
        return output.keep(report);
      },
    }),
  );
  if (outcome.kind === "failed") {
    if (last !== undefined) {
      const exitCode = outcome.signalCode ?? exitCodeOfError(outcome.thrown);
      await output.finishFailed({ ...last(), problems: [redact(messageOf(outcome.thrown), invocation.secrets)], exitCode });
    }
    throw outcome.thrown;
  }
  const report = outcome.signalCode === undefined ? outcome.value : { ...outcome.value, partial: true, exitCode: outcome.signalCode };
  await output.finish(report);
  return report;
}
