import { checks } from "../../scenarios/index.js";
import { topics } from "../conformance/check.js";
import { builtInContracts, loadContract } from "../contract/load-contract.js";
import { HarnessError } from "../core/errors.js";
import { metrics } from "../core/metric.js";
import { didYouMean } from "../core/suggest.js";
import { drivers } from "../drivers/index.js";
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
  contracts: {
    about: "contracts that come with halfclose",
    rows: () => Promise.all(builtInContracts.map(async (name): Promise<Row> => [name, (await loadContract(name)).about])),
  },
  reporters: { about: "reporters", rows: () => Object.entries(reporters).map(([name, reporter]): Row => [name, reporter.about]) },
  drivers: { about: "drivers", rows: driverRows },
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

function driverRows(): Row[] {
  return Object.values(drivers).map(({ name, transport, hides }): Row => [name, transport, hides.length === 0 ? "hides nothing" : `hides ${hides.join("; ")}`]);
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

/** Each check with the faults that it catches, then what no fault proves, and what no check catches. */
function matrix(): string {
  const caughtBy = Object.entries(faults).map(([name, fault]) => [name, fault.caughtBy as readonly string[]] as const);
  const rows = checks.map(({ id }) => [id, caughtBy.flatMap(([name, ids]) => (ids.includes(id) ? [name] : [])).join(" ")]);
  const unproved = rows.filter(([, names]) => names === "").map(([id]) => id);
  const uncaught = caughtBy.filter(([, ids]) => ids.length === 0).map(([name]) => name);
  return [
    table(rows),
    `${rows.length - unproved.length} of ${rows.length} checks are proved by a fault${unproved.length === 0 ? "" : `; not proved: ${unproved.join(" ")}`}`,
    `${caughtBy.length - uncaught.length} of ${caughtBy.length} faults are caught by a check${uncaught.length === 0 ? "" : `; not caught: ${uncaught.join(" ")}`}`,
    "",
  ].join("\n");
}
