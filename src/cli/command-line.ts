import yargs from "yargs";
import { HarnessError, messageOf } from "../core/errors.js";
import { didYouMean } from "../core/suggest.js";
import type { Command } from "./command.js";
import { type OptionSpecs, type RawValue, variableOf } from "./options.js";

/** Options that every command has. */
export const commonOptions = {
  config: {
    kind: "text",
    group: "General",
    value: "FILE",
    about: "Config file; default: halfclose.config.yaml or .json, sought upwards from here",
    commandLineOnly: true,
  },
  profile: { kind: "text", group: "General", value: "NAME", about: "Profile of the config file to lay over its defaults", commandLineOnly: true },
  color: { kind: "flag", group: "General", about: "Colour; default: on a terminal, unless NO_COLOR is set" },
  help: { kind: "flag", short: "h", group: "General", about: "Show this help", commandLineOnly: true },
  version: { kind: "flag", group: "General", about: "Show the version", commandLineOnly: true },
} as const satisfies OptionSpecs;

/** A command line taken apart, nothing checked but the names. */
export interface ParsedCommandLine {
  readonly arguments: readonly string[];
  readonly values: Readonly<Record<string, RawValue>>;
}

/**
 * Takes a command's arguments apart.
 * @throws HarnessError `usage` for an option that the command does not have, with the nearest one that it has.
 */
export async function parseCommandLine(name: string, specs: OptionSpecs, args: readonly string[]): Promise<ParsedCommandLine> {
  const parsed = (await parser(name, specs, args).parseAsync()) as Readonly<Record<string, unknown>>;
  const known = Object.keys(specs);
  const values: Record<string, RawValue> = {};
  for (const [key, value] of Object.entries(parsed)) {
    if (key === "_" || key === "$0" || key === "--" || known.some((option) => specs[option]?.short === key)) {
      continue;
    }
    if (specs[key] === undefined) {
      const written = key.length === 1 ? `-${key}` : `--${key}`;
      throw new HarnessError("usage", `Unknown option "${written}".${suggestion(key, known)}`, {
        place: written,
        hint: `halfclose ${name} --help lists the options`,
      });
    }
    if (value !== undefined) {
      values[key] = { place: `--${key}`, value: value as RawValue["value"] };
    }
  }
  const rest = [...(parsed["_"] as readonly unknown[]), ...((parsed["--"] as readonly unknown[] | undefined) ?? [])].map(String);
  return { arguments: rest, values };
}

function suggestion(key: string, known: readonly string[]): string {
  const near = didYouMean(
    `--${key}`,
    known.map((option) => `--${option}`),
  );
  return near;
}

/** The command's help: usage, what it does, its options by group, examples. */
export async function helpText(name: string, command: Command, columns: number): Promise<string> {
  const specs = { ...command.options, ...commonOptions };
  const usage = `halfclose ${name === "run" ? "[run]" : name} ${command.usage}\n\n${command.about}`;
  let y = parser(name, specs, [])
    .usage(usage)
    .wrap(Math.max(60, Math.min(columns, 100)));
  for (const [line, says] of command.examples) {
    y = y.example(line, says);
  }
  y = y.epilogue(
    `Every option is also an environment variable (--${exampleOption(command)}: ${variableOf(exampleOption(command))}) and a key of halfclose.config.yaml.`,
  );
  return `${await y.getHelp()}\n`;
}

function exampleOption(command: Command): string {
  return Object.keys(command.options).find((option) => option.includes("-") && command.options[option]?.commandLineOnly !== true) ?? "color";
}

function parser(name: string, specs: OptionSpecs, args: readonly string[]): ReturnType<typeof yargs> {
  const built = yargs([...args])
    .scriptName(`halfclose ${name}`)
    .parserConfiguration({
      "camel-case-expansion": false,
      "dot-notation": false,
      "parse-numbers": false,
      "parse-positional-numbers": false,
      "populate--": true,
      "strip-aliased": true,
      "duplicate-arguments-array": true,
      "greedy-arrays": false,
      "boolean-negation": true,
    })
    .help(false)
    .version(false)
    .exitProcess(false)
    .showHelpOnFail(false)
    .locale("en")
    .fail((message: string | undefined, thrown: unknown) => {
      throw new HarnessError("usage", sentence(message ?? messageOf(thrown)), { hint: `halfclose ${name} --help lists the options` });
    });
  for (const [option, spec] of Object.entries(specs)) {
    built.option(option, {
      describe: `${spec.about}${spec.kind === "texts" || spec.kind === "choices" ? " (repeatable)" : ""}`,
      group: `${spec.group}:`,
      type: spec.kind === "flag" ? "boolean" : "string",
      ...(spec.kind === "flag" ? {} : { requiresArg: true }),
      ...(spec.short === undefined ? {} : { alias: spec.short }),
      ...("of" in spec ? { defaultDescription: [spec.fallback, `of ${spec.of.join(", ")}`].filter((part) => part !== undefined).join("; ") } : {}),
      ...(spec.fallback === undefined || "of" in spec ? {} : { defaultDescription: spec.fallback }),
    });
  }
  return built;
}

/** What the parser says, in our words where it is about a value. */
function sentence(message: string): string {
  const lacking = /^Not enough arguments following: (\S+)/.exec(message)?.[1];
  return lacking === undefined ? message : `--${lacking} needs a value.`;
}
