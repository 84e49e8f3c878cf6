import { readFile } from "node:fs/promises";
import path from "node:path";
import { parseEnv } from "node:util";
import * as z from "zod";
import { HarnessError, messageOf } from "../core/errors.js";
import { didYouMean } from "../core/suggest.js";
import { parseYaml, type YamlDocument } from "../yaml/document.js";
import { validateYaml } from "../yaml/validate.js";
import type { OptionSpecs, RawValue } from "./options.js";

/** Names under which the config file is sought, in this order. */
export const configFileNames = ["halfclose.config.yaml", "halfclose.config.yml", "halfclose.config.json"] as const;

/** What a config file says, profile applied. */
export interface Config {
  readonly file: string | undefined;
  readonly values: Readonly<Record<string, RawValue>>;
  /** Texts that must not appear in any output. */
  readonly secrets: readonly string[];
}

const scalar = z.union([z.string(), z.number(), z.boolean()]);
const setting = z.union([scalar, z.array(scalar)]);

/** The schema of the config file: every option under its own name, named profiles, and what to redact. */
export function configSchema(specs: OptionSpecs): z.ZodType {
  const settings = Object.fromEntries(
    Object.entries(specs)
      .filter(([, spec]) => spec.commandLineOnly !== true)
      .map(([name, spec]) => [name, setting.optional().describe(spec.about)]),
  );
  return z
    .strictObject({
      ...settings,
      redact: z.array(z.string().min(1)).optional().describe("Values that appear in no output; ${NAME} takes one from the environment or .env."),
      profiles: z.record(z.string(), z.strictObject(settings)).optional().describe("Named sets of options, chosen by --profile."),
    })
    .describe("Options of halfclose, by name.");
}

/**
 * Reads the config file named, or the nearest one upwards from the working directory, and lays the profile over it.
 * @throws HarnessError `config` with file:line:column for what is wrong in it, `usage` for a profile that it does not have.
 */
export async function loadConfig(options: {
  readonly workingDirectory: string;
  readonly file: string | undefined;
  readonly profile: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Every option that a file may set; asked for only when there is a file. */
  readonly specs: () => Promise<OptionSpecs>;
}): Promise<Config> {
  const found = options.file === undefined ? await seek(options.workingDirectory, configFileNames) : await readNamed(options.workingDirectory, options.file);
  if (found === undefined) {
    if (options.profile !== undefined) {
      throw new HarnessError("usage", `--profile ${options.profile} needs a config file, and there is none here or above.`, {
        place: "--profile",
        hint: `write ${configFileNames[0]}, or name one with --config`,
      });
    }
    return { file: undefined, values: {}, secrets: [] };
  }
  const document = parseYaml(found.text, path.relative(options.workingDirectory, found.file) || found.file, "config");
  const value = validateYaml(document, configSchema(await options.specs())) as Readonly<Record<string, unknown>>;
  const profiles = (value["profiles"] ?? {}) as Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  if (options.profile !== undefined && profiles[options.profile] === undefined) {
    const names = Object.keys(profiles);
    throw new HarnessError(
      "usage",
      `The config file has no profile "${options.profile}".${didYouMean(options.profile, names) || ` It has: ${names.join(", ") || "none"}.`}`,
      {
        place: document.file,
      },
    );
  }
  const fill = filler(document, options.environment);
  const values = {
    ...rawValues(document, value, [], fill),
    ...(options.profile === undefined ? {} : rawValues(document, profiles[options.profile] ?? {}, ["profiles", options.profile], fill)),
  };
  const secrets = ((value["redact"] ?? []) as readonly string[]).map((text, index) => fill(text, ["redact", index]));
  return { file: found.file, values, secrets: secrets.filter((text) => text !== "") };
}

/** The variables of the nearest `.env` file upwards; none when there is no such file. */
export async function loadDotEnv(workingDirectory: string): Promise<Readonly<Record<string, string>>> {
  const found = await seek(workingDirectory, [".env"]);
  return found === undefined ? {} : (parseEnv(found.text) as Record<string, string>);
}

function rawValues(
  document: YamlDocument,
  section: Readonly<Record<string, unknown>>,
  base: readonly string[],
  fill: (text: string, at: readonly (string | number)[]) => string,
): Record<string, RawValue> {
  const values: Record<string, RawValue> = {};
  for (const [name, value] of Object.entries(section)) {
    if (name === "profiles" || name === "redact" || value === undefined) {
      continue;
    }
    const at = [...base, name];
    const text = (one: unknown): string => fill(String(one), at);
    values[name] = {
      place: `${document.placeOf(at)} (${name})`,
      value: Array.isArray(value) ? value.map(text) : typeof value === "boolean" ? value : text(value),
    };
  }
  return values;
}

/** `${NAME}` in a text becomes the variable's value. */
function filler(document: YamlDocument, environment: Readonly<Record<string, string | undefined>>) {
  return (text: string, at: readonly (string | number)[]): string =>
    text.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => {
      const value = environment[name];
      if (value === undefined) {
        throw new HarnessError("config", `The variable ${name} is set neither in the environment nor in .env.`, { place: document.placeOf(at) });
      }
      return value;
    });
}

async function seek(from: string, names: readonly string[]): Promise<{ readonly file: string; readonly text: string } | undefined> {
  for (let folder = path.resolve(from); ; folder = path.dirname(folder)) {
    for (const name of names) {
      const file = path.join(folder, name);
      try {
        return { file, text: await readFile(file, "utf8") };
      } catch (thrown) {
        const code = (thrown as NodeJS.ErrnoException).code;
        // A folder of that name, or one that may not be entered, is not our file.
        if (code !== "ENOENT" && code !== "ENOTDIR" && code !== "EISDIR" && code !== "EACCES") {
          throw thrown;
        }
      }
    }
    if (path.dirname(folder) === folder) {
      return undefined;
    }
  }
}

async function readNamed(workingDirectory: string, name: string): Promise<{ readonly file: string; readonly text: string }> {
  const file = path.resolve(workingDirectory, name);
  try {
    return { file, text: await readFile(file, "utf8") };
  } catch (thrown) {
    throw new HarnessError("config", `The config file cannot be read: ${messageOf(thrown)}.`, { place: name, cause: thrown });
  }
}
