import { appendFile, mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { checks } from "../../scenarios/index.js";
import { HarnessError, messageOf } from "../core/errors.js";
import type { Report } from "../core/report.js";
import type { RenderOptions, Reporter } from "../core/reporter.js";
import { didYouMean } from "../core/suggest.js";
import { type ReporterName, reporterNames, reporters } from "../reporters/index.js";
import { type Console, runsInCi, wantsColour } from "./console.js";
import type { OptionSpecs } from "./options.js";

const group = "Output";

/** Options of every command that makes views of a report. */
export const viewOptions = {
  reporter: { kind: "texts", short: "r", group, value: "NAME[=PATH]", about: "A view of the results, several at once; a path of - is standard output" },
  output: { kind: "text", short: "o", group, value: "FOLDER", about: "Where results.json and reports without a path go", fallback: "reports" },
  verbose: { kind: "flag", short: "v", group, about: "Show passed checks one by one too" },
} as const satisfies OptionSpecs;

/** The values of those options. */
export interface ViewValues {
  readonly reporter: readonly string[];
  readonly output: string | undefined;
  readonly verbose: boolean | undefined;
  readonly color: boolean | undefined;
}

/** One view of a report and where it goes. */
interface View {
  readonly name: ReporterName;
  readonly sink: { readonly kind: "print" } | { readonly kind: "write" | "append"; readonly file: string };
}

/** All views of a report that were asked for, or that the CI system is known to read. */
export interface Views {
  /** Folder of results.json. */
  readonly folder: string;
  /** The view on standard output, which may speak while the run goes on. */
  readonly printed: Reporter;
  readonly render: RenderOptions;
  /** Prints what is to be printed. @param streamed what `printed` said on the way is not said again. */
  print(report: Report, streamed: boolean): void;
  /** Writes the files but `except`. @throws HarnessError `output` */
  write(report: Report, except: string | undefined): Promise<void>;
}

/**
 * Reads the options. Without another view on standard output there is `text` on a terminal and `line` elsewhere. Under GitHub Actions annotations and
 * a step summary, under GitLab a JUnit file come by themselves.
 * @throws HarnessError `usage` for a reporter that is not there, and for two on standard output.
 */
export function readViews(values: ViewValues, console: Console): Views {
  const folder = path.resolve(console.workingDirectory, values.output ?? "reports");
  const asked = values.reporter.map((text) => readView(text, folder, console));
  const printed = asked.filter(({ sink, name }) => sink.kind === "print" && name !== "github");
  if (printed.length > 1) {
    throw new HarnessError("usage", `Two reporters write to standard output: ${printed.map(({ name }) => name).join(" and ")}.`, {
      place: "--reporter",
      hint: "give one of them a path: NAME=PATH",
    });
  }
  const first: ReporterName = printed[0]?.name ?? (console.outIsTerminal && !runsInCi(console.environment) ? "text" : "line");
  const ci = ciViews(console, folder).filter(({ name }) => !asked.some((view) => view.name === name));
  const others = [...asked.filter((view) => view !== printed[0]), ...ci];
  const render: RenderOptions = {
    colour: wantsColour(console.environment, console.outIsTerminal, values.color),
    columns: console.columns,
    verbose: values.verbose === true,
    explanations: explanations(),
  };
  return {
    folder,
    printed: reporters[first],
    render,
    print(report, streamed) {
      console.out(reporters[first].render(report, { ...render, streamed }));
      for (const { name, sink } of others) {
        if (sink.kind === "print") {
          console.out(reporters[name].render(report, { ...render, colour: false }));
        }
      }
    },
    async write(report, except) {
      for (const { name, sink } of others) {
        if (sink.kind !== "print" && sink.file !== except) {
          await writeView(sink, reporters[name].render(report, { ...render, colour: false }));
        }
      }
    },
  };
}

function readView(text: string, folder: string, console: Console): View {
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
  if (given === "-" || (given === undefined && reporter.fileName === undefined)) {
    return { name, sink: { kind: "print" } };
  }
  return {
    name,
    sink: { kind: "write", file: given === undefined ? path.join(folder, reporter.fileName ?? name) : path.resolve(console.workingDirectory, given) },
  };
}

/** What the CI system that runs us reads. */
function ciViews({ environment }: Console, folder: string): View[] {
  if (environment["GITHUB_ACTIONS"] === "true") {
    const summary = environment["GITHUB_STEP_SUMMARY"];
    return [
      { name: "github", sink: { kind: "print" } },
      ...(summary === undefined || summary === "" ? [] : [{ name: "github-summary", sink: { kind: "append", file: summary } } as const]),
    ];
  }
  return environment["GITLAB_CI"] === "true" ? [{ name: "junit", sink: { kind: "write", file: path.join(folder, "junit.xml") } }] : [];
}

function isReporterName(name: string): name is ReporterName {
  return Object.hasOwn(reporters, name);
}

async function writeView({ kind, file }: { readonly kind: "write" | "append"; readonly file: string }, text: string): Promise<void> {
  try {
    await mkdir(path.dirname(file), { recursive: true });
    await (kind === "append" ? appendFile(file, text) : writeFile(file, text));
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
