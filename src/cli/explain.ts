import { checks } from "../../scenarios/index.js";
import { idMatcher } from "../conformance/patterns.js";
import { HarnessError } from "../core/errors.js";
import { didYouMean } from "../core/suggest.js";
import { explainAsText } from "../harness/explanation.js";
import { defineCommand } from "./command.js";

/** Says what a check means. */
export const explain = defineCommand({
  usage: "<id..>",
  about: "Says what a check asks, where that comes from, why it matters, what usually breaks it, and how it is proved.",
  examples: [
    ["halfclose explain filter-updates/no-old-after-new", "one check"],
    ["halfclose explain 'eof/*'", "a topic"],
  ],
  options: {},
  arity: [1, 1000],
  run({ arguments: patterns, console }) {
    const ids = checks.map(({ id }) => id as string);
    for (const pattern of patterns) {
      const matches = idMatcher(pattern, ids);
      const found = checks.filter(({ id }) => matches(id));
      if (found.length === 0) {
        throw new HarnessError("usage", `There is no check "${pattern}".${didYouMean(pattern, ids)}`, {
          place: pattern,
          hint: "halfclose list checks shows every id",
        });
      }
      console.out(found.map((check) => explainAsText(check, console.columns)).join("\n"));
    }
    return Promise.resolve(0);
  },
});
