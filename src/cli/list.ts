import { checks } from "../../scenarios/index.js";
import { topics } from "../conformance/check.js";
import { builtInContracts } from "../contract/load-contract.js";
import { HarnessError } from "../core/errors.js";
import { metrics } from "../core/metric.js";
import { driverNames } from "../core/stream.js";
import { didYouMean } from "../core/suggest.js";
import { loadSuite, suiteNames } from "../harness/suites.js";
import { loadWorkload, shippedWorkloadNames } from "../load/shipped-workloads.js";
import { faults } from "../reference/faults.js";
import { reporters } from "../reporters/index.js";
import { defineCommand } from "./command.js";
import type { OptionSpecs } from "./options.js";

/** A name that can be fed back, and what it stands for. */
type Row = readonly [name: string, ...cells: readonly string[]];

const lists = {
  checks: {
    about: "every check: id, level, transports, requirement",
    rows: () => checks.map((check): Row => [check.id, check.level, check.on.join(" "), check.requirement]),
  },
  topics: {
    about: "topics of checks",
    rows: () => topics.map((topic): Row => [topic, `${checks.filter(({ id }) => id.startsWith(`${topic}/`)).length} checks`]),
  },
  suites: { about: "suites that come with halfclose", rows: suiteRows },
  workloads: { about: "workloads that come with halfclose", rows: () => shippedWorkloadNames().map((name): Row => [name, loadWorkload(name).about]) },
  metrics: { about: "metrics of load runs, for thresholds", rows: () => Object.entries(metrics).map(([name, metric]): Row => [name, metric.about]) },
  contracts: { about: "contracts that come with halfclose", rows: () => builtInContracts.map((name): Row => [name]) },
  reporters: { about: "reporters", rows: () => Object.entries(reporters).map(([name, reporter]): Row => [name, reporter.about]) },
  drivers: { about: "drivers", rows: () => driverNames.map((name): Row => [name]) },
  faults: { about: "faults of the reference server", rows: () => Object.entries(faults).map(([name, fault]): Row => [name, fault.sentence]) },
} as const satisfies Record<string, { readonly about: string; rows(): readonly Row[] | Promise<readonly Row[]> }>;

const listNames = Object.keys(lists) as (keyof typeof lists)[];

const options = {
  json: { kind: "flag", group: "Output", about: "As JSON: a list of lists of cells" },
  names: { kind: "flag", group: "Output", about: "Names alone, one a line" },
  matrix: { kind: "flag", group: "Output", about: "Check × fault: which check catches which fault" },
} as const satisfies OptionSpecs;

/** Prints what there is, by names that other commands take. */
export const list = defineCommand({
  usage: `[${listNames.join("|")}]`,
  about: "Lists what there is. The first word of each line can be fed back: to --grep, --suite, --reporter, --bug …",
  examples: [
    ["halfclose list", "every check"],
    ["halfclose list faults --names", "the names for serve --bug"],
    ["halfclose list --matrix", "which check catches which fault"],
  ],
  options,
  arity: [0, 1],
  async run({ options: given, arguments: [what = "checks"], console }) {
    if (given.matrix === true) {
      console.out(matrix());
      return 0;
    }
    if (!Object.hasOwn(lists, what)) {
      throw new HarnessError("usage", `There is no list of "${what}".${didYouMean(what, listNames) || ` There are: ${listNames.join(", ")}.`}`, {
        place: what,
      });
    }
    const rows: readonly Row[] = await lists[what as keyof typeof lists].rows();
    if (given.json === true) {
      console.out(`${JSON.stringify(rows, undefined, 1)}\n`);
    } else if (given.names === true) {
      console.out(rows.map(([name]) => `${name}\n`).join(""));
    } else {
      console.out(table(rows));
    }
    return 0;
  },
});

async function suiteRows(): Promise<Row[]> {
  const names = await suiteNames();
  return Promise.all(names.map(async (name): Promise<Row> => [name, (await loadSuite(name, ".")).about]));
}

/** Rows in columns, the last one ragged. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    }
  }
  return rows.map((row) => `${row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join("  ")}\n`).join("");
}

/** Each fault with the checks that catch it, then the checks that no fault proves. */
function matrix(): string {
  const rows = Object.entries(faults).map(([name, fault]) => [name, (fault.caughtBy as readonly string[]).join(" ")]);
  const proved = new Set(Object.values(faults).flatMap((fault) => fault.caughtBy as readonly string[]));
  const unproved = checks.filter(({ id }) => !proved.has(id)).map(({ id }) => id);
  return `${table(rows)}\n${checks.length - unproved.length} of ${checks.length} checks are proved by a fault${unproved.length === 0 ? "" : `; not proved: ${unproved.join(" ")}`}\n`;
}
