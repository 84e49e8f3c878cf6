import { oneLine } from "../plain-text.js";

/** HTML that is safe as it stands: made by `markup` alone, so that text cannot be taken for it. */
export interface Markup {
  readonly markup: string;
}

type Value = string | number | Markup | readonly (Markup | undefined)[] | undefined;

/** A template whose values are text, escaped for elements and quoted attributes alike, unless they are markup themselves; undefined is nothing. */
export function markup(strings: TemplateStringsArray, ...values: readonly Value[]): Markup {
  let text = strings[0] ?? "";
  for (const [index, value] of values.entries()) {
    text += markupOf(value) + (strings[index + 1] ?? "");
  }
  return { markup: text };
}

/** Ours, to the letter: an asset, or a number formatted for SVG. Never text of a report. */
export function verbatim(text: string): Markup {
  return { markup: text };
}

/** Nothing. */
export const none: Markup = { markup: "" };

function markupOf(value: Value): string {
  if (value === undefined) {
    return "";
  }
  if (typeof value === "string" || typeof value === "number") {
    return escapeText(String(value));
  }
  return isMarkup(value) ? value.markup : value.map((part) => part?.markup ?? "").join("");
}

function isMarkup(value: Markup | readonly (Markup | undefined)[]): value is Markup {
  return !Array.isArray(value);
}

function escapeText(text: string): string {
  return oneLine(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;").replaceAll("'", "&#39;");
}
