import type { Command } from "./command.js";
import { commonOptions } from "./command-line.js";
import type { OptionSpecs } from "./options.js";

/** A command's sentence for the overview, and where the rest of it is: loaded when it is called. */
interface CommandEntry {
  readonly about: string;
  load(): Promise<Command>;
}

/** Every command by its name, in the order of the overview. */
export const commands = {
  run: { about: "Judge a server by the checks of a suite (the default command)", load: async () => (await import("./run.js")).run },
  load: { about: "Measure a server by a workload: throughput, latency, what was lost", load: async () => (await import("./load.js")).load },
  export: { about: "Write a workload for k6, to run it on other machines", load: async () => (await import("./export.js")).exportCommand },
  capacity: { about: "Search the greatest load that a server bears", load: async () => (await import("./capacity.js")).capacity },
  explain: { about: "Say what a check means and what usually breaks it", load: async () => (await import("./explain.js")).explain },
  list: { about: "List checks, suites, reporters, faults … as names to be fed back", load: async () => (await import("./list.js")).list },
  replay: { about: "Run again what failed, and say what is fixed", load: async () => (await import("./replay.js")).replay },
  report: { about: "Make any view from results.json", load: async () => (await import("./report.js")).report },
  merge: { about: "Make one report of the shards of a run", load: async () => (await import("./merge.js")).merge },
  compare: { about: "Say what changed from one run, or one server, to another", load: async () => (await import("./compare.js")).compare },
  demo: { about: "Show the whole story on servers of its own", load: async () => (await import("./demo.js")).demo },
  serve: { about: "Serve the reference monitor, right or with chosen faults", load: async () => (await import("./serve.js")).serve },
  init: { about: "Write a contract and a config file for a monitor, by gRPC reflection", load: async () => (await import("./init.js")).init },
  doctor: { about: "Say what really answers at a URL, and what this machine is", load: async () => (await import("./doctor.js")).doctor },
  proxy: { about: "Relay TCP with the faults of a network", load: async () => (await import("./proxy.js")).proxy },
  validate: { about: "Check files without running anything", load: async () => (await import("./validate.js")).validate },
  schema: { about: "Print the JSON Schema of a kind of file", load: async () => (await import("./schema.js")).schema },
  completion: { about: "Print a completion script for a shell", load: async () => (await import("./completion.js")).completion },
} as const satisfies Record<string, CommandEntry>;

export type CommandName = keyof typeof commands;

export const commandNames = Object.keys(commands) as CommandName[];

export function isCommandName(text: string): text is CommandName {
  return Object.hasOwn(commands, text);
}

/** The options of all commands together: what a config file may set. */
export async function allOptions(): Promise<OptionSpecs> {
  const loaded = await Promise.all(commandNames.map((name) => commands[name].load()));
  return Object.assign({}, ...loaded.map((command) => command.options), commonOptions) as OptionSpecs;
}
