import { HarnessError } from "../core/errors.js";
import type { RawValue } from "./options.js";

/**
 * What was thrown, and where a target could not be reached also where its URL was written: a config file may be one that nobody thinks of, and its
 * URL takes the place of those that a started server prints.
 */
export function withUrlPlace(
  thrown: unknown,
  given: { readonly arguments: readonly string[]; readonly url: RawValue | undefined; readonly start: RawValue | undefined },
): unknown {
  if (!(thrown instanceof HarnessError) || (thrown.code !== "unreachable" && thrown.code !== "not-ready")) {
    return thrown;
  }
  const onCommandLine = given.arguments.some((argument) => /^[a-z]+:\/\//i.test(argument));
  const place = onCommandLine ? "the command line" : given.url?.place;
  if (place === undefined || (onCommandLine && given.start === undefined)) {
    return thrown;
  }
  const { code, message, hint } = thrown;
  const instead =
    given.start === undefined ? "" : ", and stands in place of what a ready line of --start says: where there is one, leave the URL out, or give it port 0";
  return new HarnessError(code, message, {
    ...(thrown.place === undefined ? {} : { place: thrown.place }),
    hint: `${hint === undefined ? "" : `${hint}${/[.?!]$/.test(hint) ? "" : "."} `}The URL is from ${place}${instead}.`,
    cause: thrown,
  });
}
