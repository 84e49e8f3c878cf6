import { parseDuration } from "../core/duration.js";
import { HarnessError } from "../core/errors.js";
import { didYouMean } from "../core/suggest.js";

/**
 * One option: `--name`, the environment variable HALFCLOSE_NAME, and the key `name` of the config file are the same option.
 * - `text`, `flag`: as given; `texts`: may be given several times (environment: separated by newlines or commas)
 * - `whole`: a whole number from `least` to `most`; `duration`: `250ms`, `2s` … as milliseconds; `choice`, `choices`: one or several of `of`
 */
export type OptionSpec = OptionBase &
  (
    | { readonly kind: "text" | "texts" | "flag" | "duration" }
    | { readonly kind: "whole"; readonly least: number; readonly most?: number }
    | { readonly kind: "choice" | "choices"; readonly of: readonly string[] }
  );

interface OptionBase {
  readonly about: string;
  /** Heading under which `--help` shows it. */
  readonly group: string;
  /** One letter. */
  readonly short?: string;
  /** What stands for the value in `--help`: `FILE`, `SECONDS`. */
  readonly value?: string;
  /** Shown in `--help`; the command itself applies it. */
  readonly fallback?: string;
  /** Its value must not be shown anywhere. */
  readonly secret?: boolean;
  /** Only on the command line: a habit of the moment, not a setting. */
  readonly commandLineOnly?: boolean;
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

export type OptionValues<S extends OptionSpecs> = { readonly [K in keyof S]: ValueOf<S[K]> };

type ValueOf<O extends OptionSpec> = O extends { kind: "flag" }
  ? boolean | undefined
  : O extends { kind: "texts" }
    ? readonly string[]
    : O extends { kind: "choices"; of: readonly (infer C)[] }
      ? readonly C[]
      : O extends { kind: "choice"; of: readonly (infer C)[] }
        ? C | undefined
        : O extends { kind: "whole" | "duration" }
          ? number | undefined
          : string | undefined;

/** A value before it is checked, with the place where it was written. */
export interface RawValue {
  readonly place: string;
  readonly value: string | boolean | readonly string[];
}

/** The environment variable of an option: `http-url` → `HALFCLOSE_HTTP_URL`. */
export function variableOf(option: string): string {
  return `HALFCLOSE_${option.toUpperCase().replaceAll("-", "_")}`;
}

/**
 * Checks one value against its option.
 * @throws HarnessError `usage` that names the place, the value and what is accepted.
 */
export function parseOption(spec: OptionSpec, raw: RawValue | undefined): unknown {
  const several = spec.kind === "texts" || spec.kind === "choices";
  if (raw === undefined) {
    return several ? [] : undefined;
  }
  const given = Array.isArray(raw.value) ? (raw.value as readonly string[]) : [raw.value as string | boolean];
  if (!several && given.length > 1) {
    throw refuse(raw, `is given ${given.length} times, but takes one value`);
  }
  if (spec.kind === "flag") {
    return parseFlag(raw, given[0] ?? true);
  }
  const texts = given.map((value) => {
    if (typeof value === "boolean" || value === "") {
      throw refuse(raw, `needs a value${spec.value === undefined ? "" : `: ${spec.value}`}`);
    }
    return value;
  });
  if (spec.kind === "texts") {
    return texts;
  }
  if (spec.kind === "choices" || spec.kind === "choice") {
    const chosen = spec.kind === "choices" ? texts.flatMap((text) => text.split(",").map((part) => part.trim())) : texts;
    for (const text of chosen) {
      if (!spec.of.includes(text)) {
        throw refuse(raw, `does not know "${text}".${didYouMean(text, spec.of) || ` Known: ${spec.of.join(", ")}.`}`);
      }
    }
    return spec.kind === "choices" ? chosen : chosen[0];
  }
  const text = texts[0] as string;
  if (spec.kind === "whole") {
    const number = Number(text);
    if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(number) || number < spec.least || number > (spec.most ?? Infinity)) {
      throw refuse(raw, `is "${text}", not a whole number ${spec.most === undefined ? `of at least ${spec.least}` : `from ${spec.least} to ${spec.most}`}`);
    }
    return number;
  }
  if (spec.kind === "duration") {
    const ms = parseDuration(text);
    if (ms === undefined) {
      throw refuse(raw, `is "${text}", not a duration such as 500ms, 2s or 1m`);
    }
    return ms;
  }
  return text;
}

function parseFlag(raw: RawValue, value: string | boolean): boolean {
  if (typeof value === "boolean") {
    return value;
  }
  if (["true", "1", "yes", "on"].includes(value.toLowerCase())) {
    return true;
  }
  if (["false", "0", "no", "off"].includes(value.toLowerCase())) {
    return false;
  }
  throw refuse(raw, `is "${value}", not true or false`);
}

function refuse(raw: RawValue, what: string): HarnessError {
  return new HarnessError("usage", `${raw.place} ${what}${/[.?]$/.test(what) ? "" : "."}`, { place: raw.place });
}
