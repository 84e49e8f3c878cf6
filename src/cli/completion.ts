import { HarnessError } from "../core/errors.js";
import { didYouMean } from "../core/suggest.js";
import { commonOptions } from "./command-line.js";
import { defineCommand } from "./command.js";
import type { OptionSpec } from "./options.js";

const shells = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

/** What can be completed: each command with its options. */
interface Words {
  readonly name: string;
  readonly about: string;
  readonly options: readonly (readonly [name: string, spec: OptionSpec])[];
}

/** Prints a completion script. */
export const completion = defineCommand({
  usage: "<bash|zsh|fish>",
  about: "Prints a script that completes commands, options and their values in a shell.",
  examples: [
    ['eval "$(halfclose completion bash)"', "in ~/.bashrc"],
    ["halfclose completion fish > ~/.config/fish/completions/halfclose.fish", "for fish"],
  ],
  options: {},
  arity: [1, 1],
  async run({ arguments: [shell = ""], console }) {
    if (!Object.hasOwn(shells, shell)) {
      const names = Object.keys(shells);
      throw new HarnessError("usage", `There is no completion for "${shell}".${didYouMean(shell, names) || ` There is one for ${names.join(", ")}.`}`, {
        place: shell,
      });
    }
    // Imported when called: the registry of commands imports this file.
    const { commandNames, commands } = await import("./commands.js");
    const words = await Promise.all(
      commandNames.map(async (name): Promise<Words> => ({
        name,
        about: commands[name].about,
        options: Object.entries({ ...(await commands[name].load()).options, ...commonOptions }),
      })),
    );
    console.out(shells[shell as keyof typeof shells](words));
    return 0;
  },
});

function valuesOf(spec: OptionSpec): readonly string[] {
  return "of" in spec ? spec.of : [];
}

function bashScript(commands: readonly Words[]): string {
  const cases = commands.map(({ name, options }) => `    ${name}) words="${options.map(([option]) => `--${option}`).join(" ")}" ;;`);
  const values = new Map(
    commands.flatMap(({ options }) => options.flatMap(([option, spec]) => (valuesOf(spec).length === 0 ? [] : [[option, valuesOf(spec)] as const]))),
  );
  return `_halfclose() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} words
  case $previous in
${[...values].map(([option, of]) => `    --${option}) COMPREPLY=($(compgen -W "${of.join(" ")}" -- "$current")); return ;;`).join("\n")}
  esac
  if [ "$COMP_CWORD" -eq 1 ] && [[ $current != -* ]]; then
    COMPREPLY=($(compgen -W "${commands.map(({ name }) => name).join(" ")}" -- "$current")); return
  fi
  case \${COMP_WORDS[1]} in
${cases.join("\n")}
    *) words="${
      commands
        .find(({ name }) => name === "run")
        ?.options.map(([option]) => `--${option}`)
        .join(" ") ?? ""
    }" ;;
  esac
  if [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  else
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -F _halfclose halfclose
`;
}

function zshScript(commands: readonly Words[]): string {
  return `#compdef halfclose
autoload -U +X bashcompinit && bashcompinit
${bashScript(commands)}`;
}

function fishScript(commands: readonly Words[]): string {
  const quote = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", String.raw`\'`)}'`;
  return [
    ...commands.map(({ name, about }) => `complete -c halfclose -n __fish_use_subcommand -a ${name} -d ${quote(about)}`),
    ...commands.flatMap(({ name, options }) =>
      options.map(([option, spec]) => {
        const values = valuesOf(spec);
        return `complete -c halfclose -n '__fish_seen_subcommand_from ${name}' -l ${option}${spec.kind === "flag" ? "" : " -r"}${values.length === 0 ? "" : ` -a ${quote(values.join(" "))}`} -d ${quote(spec.about)}`;
      }),
    ),
    "",
  ].join("\n");
}
