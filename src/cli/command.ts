import type { Console } from "./console.js";
import type { OptionSpecs, OptionValues } from "./options.js";

/** What a command gets: its options, checked and typed, and the arguments that are no option. */
export interface Invocation<S extends OptionSpecs> {
  readonly options: OptionValues<S>;
  readonly arguments: readonly string[];
  /** The whole command line, for the report; not redacted. */
  readonly commandLine: readonly string[];
  readonly console: Console;
  /** Where a value was written, for errors: `--jobs`, `HALFCLOSE_JOBS`, `halfclose.config.yaml:3:7`. */
  placeOf(option: keyof S & string): string;
  /** Texts that must not appear in any output, beside those that the options themselves carry. */
  readonly secrets: readonly string[];
}

/** One command of the command line. */
export interface Command<S extends OptionSpecs = OptionSpecs> {
  /** `[url..]`, as shown after the command's name. */
  readonly usage: string;
  /** One or two sentences for its own `--help`. */
  readonly about: string;
  /** Command lines that teach; shown by `--help` with their sentence. */
  readonly examples: readonly (readonly [line: string, says: string])[];
  readonly options: S;
  /** At least and at most so many arguments that are no option. */
  readonly arity: readonly [least: number, most: number];
  /** The exit code. */
  run(invocation: Invocation<S>): Promise<number>;
}

/** A command with its option types kept: `export const command = defineCommand({ … })`. */
export function defineCommand<const S extends OptionSpecs>(command: Command<S>): Command<S> {
  return command;
}
