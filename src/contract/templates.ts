import type { Message } from "../core/contract.js";
import { valueAtPath } from "./paths.js";

/** What a template's texts may refer to: `$filter`, `$filter.field`, `$from`, `$slot`, `$old`, `$namespace`, `$message`. */
export interface TemplateVariables {
  readonly filter?: Message;
  /** The filter before this one. */
  readonly from?: Message;
  readonly slot?: number;
  readonly old?: number;
  readonly namespace?: string;
  readonly message?: Message;
}

const names = "filter|from|slot|old|namespace|message";
/** `$name.path`; `${name.path}` where a letter follows; `${name.path:base64}` for the base64 of its text. */
const reference = new RegExp(`\\$(?:(${names})((?:\\.\\w+)*)(?!\\w)|\\{(${names})((?:\\.\\w+)*)(:base64)?\\})`, "g");
const wholeReference = new RegExp(`^(?:${reference.source})$`);

/** Names that begin with `$` in a template's texts and mean nothing, each with the path to it. */
export function unknownReferences(
  template: unknown,
  allowed: readonly string[],
  path: readonly (string | number)[] = [],
): { readonly name: string; readonly path: readonly (string | number)[] }[] {
  if (typeof template === "string") {
    return [...template.replaceAll("$$", "").matchAll(/\$\{?([A-Za-z_]\w*)/g)].flatMap(([, name = ""]) => (allowed.includes(name) ? [] : [{ name, path }]));
  }
  if (Array.isArray(template)) {
    return template.flatMap((inner, index) => unknownReferences(inner, allowed, [...path, index]));
  }
  if (typeof template === "object" && template !== null) {
    return Object.entries(template).flatMap(([key, inner]) => unknownReferences(inner, allowed, [...path, key]));
  }
  return [];
}

/**
 * Fills a template. A text that is one reference becomes the value itself, and a field or element whose value is absent is left out;
 * references inside a longer text are written into it; `$$` is a dollar sign.
 */
export function fillTemplate(template: Message, variables: TemplateVariables): Message {
  return fill(template, variables) as Message;
}

function fill(template: unknown, variables: TemplateVariables): unknown {
  if (typeof template === "string") {
    return fillText(template, variables);
  }
  if (Array.isArray(template)) {
    return template.map((inner) => fill(inner, variables)).filter((inner) => inner !== undefined);
  }
  if (typeof template === "object" && template !== null) {
    return Object.fromEntries(
      Object.entries(template).flatMap(([key, inner]) => {
        const value = fill(inner, variables);
        return value === undefined ? [] : [[key, value]];
      }),
    );
  }
  return template;
}

function fillText(text: string, variables: TemplateVariables): unknown {
  if (!text.includes("$")) {
    return text;
  }
  const whole = wholeReference.exec(text);
  if (whole !== null) {
    return lookUp(whole.slice(1), variables);
  }
  return text
    .split("$$")
    .map((part) => part.replaceAll(reference, (_, ...groups: (string | undefined)[]) => inText(lookUp(groups, variables))))
    .join("$");
}

/** The value of a reference, of which these are the groups. */
function lookUp([name, path, braced, bracedPath, base64]: readonly (string | undefined)[], variables: TemplateVariables): unknown {
  const found = variables[(name ?? braced) as keyof TemplateVariables];
  const inner = (path ?? bracedPath ?? "").slice(1);
  const value = inner === "" ? found : valueAtPath(found, inner);
  return base64 === undefined || value === undefined || value === null ? value : Buffer.from(inText(value)).toString("base64");
}

function inText(value: unknown): string {
  return value === undefined || value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
}
