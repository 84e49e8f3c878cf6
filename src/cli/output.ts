import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { checks } from "../../scenarios/index.js";
import { HarnessError, messageOf } from "../core/errors.js";
import type { Report, RunEvent } from "../core/report.js";
import type { RenderOptions, Reporter } from "../core/reporter.js";
import { didYouMean } from "../core/suggest.js";
import { openResultsFile, type ResultsFile } from "../harness/results-file.js";
import { type ReporterName, reporterNames, reporters } from "../reporters/index.js";
import { type Console, runsInCi, wantsColour } from "./console.js";
import type { OptionSpecs } from "./options.js";

const group = "Output";

/** Options of every command that makes a report. */
export const outputOptions = {
  reporter: { kind: "texts", short: "r", group, value: "NAME[=PATH]", about: "A view of the results, several at once; a path of - is standard output" },
  output: { kind: "text", short: "o", group, value: "FOLDER", about: "Where results.json and reports without a path go", fallback: "reports" },
  verbose: { kind: "flag", short: "v", group, about: "Show passed checks one by one too" },
} as const satisfies OptionSpecs;

interface View {
  readonly name: ReporterName;
  readonly reporter: Reporter;
  /** Undefined: standard output. */
  readonly file: string | undefined;
}

/** All that a run says, while it goes on and at its end. */
export interface Output {
  readonly resultsPath: string;
  hear(event: RunEvent): void;
  /** Takes the present state for results.json; the first call writes it at once. @throws HarnessError `output` */
  keep(report: () => Report): Promise<void>;
  /** Writes results.json and every view. */
  finish(report: Report): Promise<void>;
  /** The same for a run that could not be carried out: files only, since standard error says why. */
  finishFailed(report: Report): Promise<void>;
}

/** The values of the output options. */
interface OutputValues {
  readonly reporter: readonly string[];
  readonly output: string | undefined;
  readonly verbose: boolean | undefined;
  readonly color: boolean | undefined;
}

/**
 * Reads the output options.
 * @throws HarnessError `usage` for a reporter that is not there, and for two on standard output.
 */
export function createOutput(
  options: {
    readonly reporter: readonly string[];
    readonly output: string | undefined;
    readonly verbose: boolean | undefined;
    readonly color: boolean | undefined;
  },
  console: Console,
): Output {
  const folder = path.resolve(console.workingDirectory, options.output ?? "reports");
  const views = readViews(options.reporter, folder, console);
  const colour = wantsColour(console.environment, console.outIsTerminal, options.color);
  const render: RenderOptions = { colour, columns: console.columns, verbose: options.verbose === true, explanations: explanations() };
  const printed = views.find(({ file }) => file === undefined);
  const resultsPath = path.join(folder, "results.json");
  let results: ResultsFile | undefined;
  const progress = createProgress(console);

  const writeFiles = async (report: Report): Promise<void> => {
    for (const { reporter, file } of views) {
      if (file !== undefined && path.resolve(file) !== resultsPath) {
        await writeView(file, reporter.render(report, { ...render, colour: false }));
      }
    }
  };
  return {
    resultsPath,
    hear(event) {
      progress(event);
      const text = printed?.reporter.progress?.(event, render) ?? "";
      if (text !== "") {
        console.out(text);
      }
    },
    async keep(report) {
      if (results === undefined) {
        results = await openResultsFile(resultsPath, report());
      } else {
        results.update(report);
      }
    },
    async finish(report) {
      console.redraw(undefined);
      results ??= await openResultsFile(resultsPath, report);
      await results.finish(report);
      if (printed !== undefined) {
        console.out(printed.reporter.render(report, { ...render, streamed: true }));
      }
      await writeFiles(report);
    },
    async finishFailed(report) {
      console.redraw(undefined);
      await results?.finish(report);
      await writeFiles(report);
    },
  };
}

/** Prints and writes the views of a finished report. @throws HarnessError `usage` or `output`. */
export async function printViews(options: OutputValues, console: Console, report: Report): Promise<void> {
  const { views, render } = readOutput(options, console);
  const printed = views.find(({ file }) => file === undefined);
  if (printed !== undefined) {
    console.out(printed.reporter.render(report, render));
  }
  await writeViews(views, report, { ...render, colour: false }, undefined);
}

function readOutput(options: OutputValues, console: Console): { readonly views: readonly View[]; readonly render: RenderOptions; readonly folder: string } {
  const folder = path.resolve(console.workingDirectory, options.output ?? "reports");
  const colour = wantsColour(console.environment, console.outIsTerminal, options.color);
  return {
    folder,
    views: readViews(options.reporter, folder, console),
    render: { colour, columns: console.columns, verbose: options.verbose === true, explanations: explanations() },
  };
}

async function writeViews(views: readonly View[], report: Report, render: RenderOptions, except: string | undefined): Promise<void> {
  for (const { reporter, file } of views) {
    if (file !== undefined && file !== except) {
      await writeView(file, reporter.render(report, render));
    }
  }
}

function readViews(texts: readonly string[], folder: string, console: Console): View[] {
  const views = texts.map((text): View => {
    const [name = "", ...rest] = text.split("=");
    if (!isReporterName(name)) {
      throw new HarnessError("usage", `There is no reporter "${name}".${didYouMean(name, reporterNames) || ` There are: ${reporterNames.join(", ")}.`}`, {
        place: "--reporter",
      });
    }
    const reporter: Reporter = reporters[name];
    const given = rest.length === 0 ? undefined : rest.join("=");
    if (given === "") {
      throw new HarnessError("usage", `--reporter ${text} names no path.`, { place: "--reporter", hint: `write ${name}, or ${name}=PATH` });
    }
    const file =
      given === undefined
        ? reporter.fileName === undefined
          ? undefined
          : path.join(folder, reporter.fileName)
        : given === "-"
          ? undefined
          : path.resolve(console.workingDirectory, given);
    return { name, reporter, file };
  });
  const printed = views.filter(({ file }) => file === undefined);
  if (printed.length > 1) {
    throw new HarnessError("usage", `Two reporters write to standard output: ${printed.map(({ name }) => name).join(" and ")}.`, {
      place: "--reporter",
      hint: "give one of them a path: NAME=PATH",
    });
  }
  if (printed.length === 1) {
    return views;
  }
  const name: ReporterName = console.outIsTerminal && !runsInCi(console.environment) ? "text" : "line";
  return [{ name, reporter: reporters[name], file: undefined }, ...views];
}

function isReporterName(name: string): name is ReporterName {
  return Object.hasOwn(reporters, name);
}

async function writeView(file: string, text: string): Promise<void> {
  try {
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, text);
  } catch (thrown) {
    throw new HarnessError("output", `The report cannot be written to ${file}: ${messageOf(thrown)}.`, {
      place: file,
      hint: "choose another path: --reporter NAME=PATH",
      cause: thrown,
    });
  }
}

/** What each check means and what usually makes it fail, for the failures of a report. */
function explanations(): Record<string, string> {
  return Object.fromEntries(
    checks.map(({ id, why, causes }) => [
      id,
      [why, ...Object.entries(causes).map(([where, cause]) => (where === "any" ? cause : `${where}: ${cause}`))].join(" "),
    ]),
  );
}

/** A line below the output that says how far a run is; on a terminal only. */
function createProgress(console: Console): (event: RunEvent) => void {
  const running = new Set<string>();
  let done = 0;
  let total = 0;
  const show = (): void => {
    const names = [...running].join(", ");
    const text = `  ${done}/${total}  ${names}`;
    console.redraw(done === total ? undefined : text.slice(0, Math.max(20, console.columns - 1)));
  };
  return (event) => {
    switch (event.kind) {
      case "started":
        total = event.total;
        break;
      case "check-started":
        running.add(`${event.id} ${event.transport}`);
        show();
        break;
      case "check-finished":
        running.delete(`${event.record.id} ${event.record.transport}`);
        done = event.done;
        show();
        break;
      case "finished":
        console.redraw(undefined);
        break;
      default:
        break;
    }
  };
}
