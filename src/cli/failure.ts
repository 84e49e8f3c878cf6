import { HarnessError, messageOf } from "../core/errors.js";
import { exitCodes } from "../core/exit-code.js";
import type { Console } from "./console.js";

/** Says on standard error what went wrong, and gives the exit code for it. */
export function explainFailure(thrown: unknown, console: Console): number {
  if (!(thrown instanceof HarnessError)) {
    console.err(`halfclose: this is a bug of halfclose, not of the target: ${messageOf(thrown)}\n${thrown instanceof Error ? `${thrown.stack ?? ""}\n` : ""}`);
    return exitCodes.bug;
  }
  const { message, place, hint } = thrown;
  console.err(`halfclose: ${place === undefined || message.includes(place) ? "" : `${place}: `}${message}\n${hint === undefined ? "" : `  ${hint}\n`}`);
  return exitCodeOfError(thrown);
}

/** The exit code for what was thrown: 3 for anything but a HarnessError. */
export function exitCodeOfError(error: unknown): number {
  if (!(error instanceof HarnessError)) {
    return exitCodes.bug;
  }
  switch (error.code) {
    case "unreachable":
    case "not-ready":
    case "target-died":
      return exitCodes.target;
    case "nothing-selected":
      return exitCodes.nothing;
    case "interrupted":
      return exitCodes.interrupted;
    default:
      return exitCodes.usage;
  }
}
