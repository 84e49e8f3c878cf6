/**
 * What went wrong for our user, not for the target:
 * - `usage`: an option or argument; `config`: a file that configures the run; `contract`, `scenario`, `workload`, `suite`: a file of that kind;
 * - `unreachable`: no connection to the target; `not-ready`: it never became ready; `target-died`: it ended while under test;
 * - `output`: a report could not be written; `nothing-selected`: the selection is empty; `interrupted`: a signal ended the run.
 */
export type HarnessErrorCode =
  | "usage"
  | "config"
  | "contract"
  | "scenario"
  | "workload"
  | "suite"
  | "output"
  | "unreachable"
  | "not-ready"
  | "target-died"
  | "nothing-selected"
  | "interrupted";

/** An error that the user can mend: it names the place (option, URL, file:line:column) and the way out. */
export class HarnessError extends Error {
  readonly code: HarnessErrorCode;
  /** Where: `--bound`, `grpc://localhost:1`, `contract.yaml:3:5`. */
  readonly place: string | undefined;
  /** What to do about it, one sentence. */
  readonly hint: string | undefined;

  constructor(code: HarnessErrorCode, message: string, more: { place?: string; hint?: string; cause?: unknown } = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = "HarnessError";
    this.code = code;
    this.place = more.place;
    this.hint = more.hint;
  }
}

/** The message of anything thrown; never throws itself. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) {
    return thrown.message === "" ? thrown.name : thrown.message;
  }
  return String(thrown);
}
