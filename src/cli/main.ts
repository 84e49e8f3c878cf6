import { HarnessError } from "../core/errors.js";
import { exitCodes } from "../core/exit-code.js";
import { didYouMean } from "../core/suggest.js";
import { harnessVersion } from "../harness/version.js";
import type { Command } from "./command.js";
import { commonOptions, helpText, parseCommandLine } from "./command-line.js";
import { allOptions, commandNames, commands, isCommandName, type CommandName } from "./commands.js";
import { explainFailure } from "./failure.js";
import { loadConfig, loadDotEnv } from "./config-file.js";
import type { Console } from "./console.js";
import { type OptionSpecs, type OptionValues, parseOption, type RawValue, variableOf } from "./options.js";
import { withUrlPlace } from "./url-place.js";

/** Runs one command line and gives its exit code; never rejects. */
export async function main(args: readonly string[], console: Console): Promise<number> {
  try {
    const [name, rest] = chooseCommand(args);
    if (name === undefined) {
      console.out(args.includes("--version") ? `${harnessVersion()}\n` : overview());
      return exitCodes.passed;
    }
    return await perform(name, rest, args, console);
  } catch (thrown) {
    return explainFailure(thrown, console);
  }
}

/** The command's name and its own arguments; no name: nothing but a wish for help or version was given. */
function chooseCommand(args: readonly string[]): readonly [CommandName | undefined, readonly string[]] {
  const [first, ...rest] = args;
  if (first === undefined || (args.length === 1 && ["--help", "-h", "help", "--version"].includes(first))) {
    return [undefined, rest];
  }
  if (first === "help" && rest[0] !== undefined && isCommandName(rest[0])) {
    return [rest[0], ["--help"]];
  }
  if (isCommandName(first)) {
    return [first, rest];
  }
  // A URL, or an address that lacks its scheme: both are the default command's matter.
  if (first.startsWith("-") || first.includes(":") || first.includes("/")) {
    return ["run", args];
  }
  throw new HarnessError("usage", `"${first}" is neither a command nor a URL.${didYouMean(first, commandNames)}`, {
    hint: "halfclose --help lists the commands; a URL begins with grpc://, grpcs://, ws:// or wss://",
  });
}

async function perform(name: CommandName, args: readonly string[], commandLine: readonly string[], console: Console): Promise<number> {
  const command: Command = await commands[name].load();
  const specs: OptionSpecs = { ...command.options, ...commonOptions };
  const parsed = await parseCommandLine(name, specs, args);
  if (parsed.values["help"] !== undefined) {
    console.out(await helpText(name, command, console.columns));
    return exitCodes.passed;
  }
  if (parsed.values["version"] !== undefined) {
    console.out(`${harnessVersion()}\n`);
    return exitCodes.passed;
  }
  const environment = { ...(await loadDotEnv(console.workingDirectory)), ...console.environment };
  const config = await loadConfig({
    workingDirectory: console.workingDirectory,
    file: parseOption(commonOptions.config, parsed.values["config"] ?? fromEnvironment(environment, "config")) as string | undefined,
    profile: parseOption(commonOptions.profile, parsed.values["profile"] ?? fromEnvironment(environment, "profile")) as string | undefined,
    environment,
    specs: allOptions,
  });
  const raw: Record<string, RawValue> = {};
  for (const option of Object.keys(specs)) {
    const value =
      parsed.values[option] ?? (specs[option]?.commandLineOnly === true ? undefined : (fromEnvironment(environment, option) ?? config.values[option]));
    if (value !== undefined) {
      raw[option] = value;
    }
  }
  const options = Object.fromEntries(
    Object.entries(specs).map(([option, spec]) => [option, parseOption(spec, separated(spec.kind, raw[option]))]),
  ) as OptionValues<OptionSpecs>;
  checkArity(name, command, parsed.arguments);
  try {
    return await command.run({
      options,
      arguments: parsed.arguments,
      commandLine: ["halfclose", ...commandLine],
      console: { ...console, environment },
      placeOf: (option) => raw[option]?.place ?? `--${option}`,
      secrets: [...config.secrets, ...secretValues(specs, raw)],
    });
  } catch (thrown) {
    throw withUrlPlace(thrown, { arguments: parsed.arguments, url: raw["url"], start: raw["start"] });
  }
}

function fromEnvironment(environment: Console["environment"], option: string): RawValue | undefined {
  const value = environment[variableOf(option)];
  return value === undefined || value === "" ? undefined : { place: variableOf(option), value };
}

/** An environment variable holds several values on several lines. */
function separated(kind: string, raw: RawValue | undefined): RawValue | undefined {
  if (raw === undefined || kind !== "texts" || typeof raw.value !== "string" || !raw.value.includes("\n")) {
    return raw;
  }
  return {
    place: raw.place,
    value: raw.value
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== ""),
  };
}

function checkArity(name: string, command: Command, args: readonly string[]): void {
  const [least, most] = command.arity;
  const stray = args.find((arg) => isCommandName(arg));
  if (args.length < least) {
    throw new HarnessError("usage", `halfclose ${name} needs ${least === 1 ? "an argument" : `${least} arguments`}: ${command.usage}`, {
      hint: `halfclose ${name} --help shows examples`,
    });
  }
  if (args.length > most) {
    throw new HarnessError("usage", `halfclose ${name} takes ${most === 0 ? "no arguments" : `at most ${most}`}, not "${args[most] ?? ""}".`, {
      hint: stray === undefined ? `halfclose ${name} --help shows examples` : `the command comes first: halfclose ${stray}`,
    });
  }
}

function secretValues(specs: OptionSpecs, raw: Readonly<Record<string, RawValue>>): string[] {
  return Object.entries(raw).flatMap(([option, { value }]) =>
    specs[option]?.secret === true ? [value].flat().filter((text) => typeof text === "string") : [],
  );
}

function overview(): string {
  const width = Math.max(...commandNames.map((name) => name.length)) + 2;
  const lines = commandNames.map((name) => `  ${name.padEnd(width)}${commands[name].about}`);
  return `halfclose ${harnessVersion()}: conformance and load tests for monitor streams, over gRPC and WebSocket.

  halfclose grpc://localhost:50051 ws://localhost:8080/logs/monitor    judge a running server
  halfclose --start "./server"                                         start it, judge it, stop it
  halfclose demo                                                       see the whole story without a server

Commands (halfclose COMMAND --help says more; run is the default)
${lines.join("\n")}

Exit codes: 0 passed, 1 not conforming, 2 usage, 3 a bug of halfclose, 4 target unreachable, 5 nothing proved,
6 machine too busy, 99 only thresholds failed, 130/143 interrupted.
`;
}
