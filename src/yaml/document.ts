import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import { HarnessError, type HarnessErrorCode } from "../core/errors.js";

/** Keys and indices from the root of a document to a value. */
export type YamlPath = readonly (string | number)[];

/** One thing that is wrong in a document. */
export interface YamlProblem {
  readonly path: YamlPath;
  /** Whether the key or the value of the last path element is meant; default value. */
  readonly at?: "key" | "value";
  /** How far into a text value the fault lies; ignored where that cannot be told (escapes, folded texts). Default 0. */
  readonly characters?: number;
  /** One sentence, with its full stop. */
  readonly message: string;
}

/** A parsed YAML (or JSON) file that still knows where each value stands. */
export interface YamlDocument {
  /** The file as the user named it. */
  readonly file: string;
  readonly value: unknown;
  /** `file:line:column` of a value or of its key; of the nearest parent that exists when the path leads nowhere. */
  placeOf(path: YamlPath, at?: "key" | "value"): string;
  /** One HarnessError for all problems: the first in the file is the place and the message, the others are listed after it. */
  errorFor(problems: readonly YamlProblem[]): HarnessError;
}

/** Greatest size of a file that is read, in characters; a configuration beyond it is a mistake. */
const longestText = 4 * 1024 * 1024;

/**
 * Parses a YAML text.
 * @throws HarnessError with the given code, and `file:line:column` as its place, when it is not YAML, has a key twice, or is larger than 4 Mi characters.
 */
export function parseYaml(text: string, file: string, code: HarnessErrorCode): YamlDocument {
  if (text.length > longestText) {
    throw new HarnessError(code, `The file has ${text.length} characters; at most ${longestText} are read.`, { place: file });
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true, merge: false });
  const placeAt = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${Math.max(1, line)}:${Math.max(1, col)}`;
  };
  const broken = document.errors[0];
  if (broken !== undefined) {
    throw new HarnessError(code, `This is not YAML: ${oneLine(broken.message)}.`, { place: placeAt(broken.pos[0]) });
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (thrown) {
    throw new HarnessError(code, `This YAML cannot be read: ${oneLine(thrown instanceof Error ? thrown.message : String(thrown))}.`, { place: `${file}:1:1` });
  }
  const offsetOf = (path: YamlPath, at: "key" | "value", characters = 0): number => {
    const found = locate(document, path, at);
    const opening = characters === 0 || found.node === undefined ? undefined : openingLength(found.node, text);
    return found.offset + (opening === undefined ? 0 : opening + characters);
  };
  return {
    file,
    value,
    placeOf: (path, at = "value") => placeAt(offsetOf(path, at)),
    errorFor(problems) {
      const located = problems
        .map((problem) => ({ ...problem, offset: offsetOf(problem.path, problem.at ?? "value", problem.characters) }))
        .toSorted((a, b) => a.offset - b.offset);
      const [first, ...others] = located;
      if (first === undefined) {
        throw new Error("errorFor needs a problem");
      }
      const shown = others.slice(0, 8).map((other) => `${placeAt(other.offset).slice(file.length + 1)} ${other.message}`);
      const more = others.length === 0 ? "" : ` And ${others.length} more: ${shown.join(" ")}${others.length > shown.length ? " …" : ""}`;
      return new HarnessError(code, `${first.message}${more}`, { place: placeAt(first.offset) });
    },
  };
}

/** The node at a path, or the deepest one that exists, with the offset at which it begins. */
function locate(document: Document.Parsed, path: YamlPath, at: "key" | "value"): { readonly offset: number; readonly node: Node | undefined } {
  let node: Node | null = document.contents;
  let offset = node?.range?.[0] ?? 0;
  for (const [depth, step] of path.entries()) {
    if (node !== null && isAlias(node)) {
      node = node.resolve(document) ?? null;
    }
    if (isMap(node)) {
      const pair: { key: unknown; value: unknown } | undefined = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step));
      if (pair === undefined) {
        return { offset, node };
      }
      const key = pair.key as Node;
      const value = pair.value as Node | null;
      // A key without a value has no value to point at.
      offset = (depth === path.length - 1 && at === "key") || value?.range === undefined || value.range === null ? (key.range?.[0] ?? offset) : value.range[0];
      node = value;
    } else if (isSeq(node)) {
      const item = node.items[Number(step)] as Node | undefined;
      if (item === undefined) {
        return { offset, node };
      }
      offset = item.range?.[0] ?? offset;
      node = item;
    } else {
      return { offset, node: node ?? undefined };
    }
  }
  return { offset, node: node ?? undefined };
}

/** Characters between the start of a scalar's source and its first character, if source and value agree one to one on this line. */
function openingLength(node: Node, text: string): number | undefined {
  if (!isScalar(node) || typeof node.value !== "string" || node.range === undefined || node.range === null) {
    return undefined;
  }
  const quote = node.type === "QUOTE_DOUBLE" || node.type === "QUOTE_SINGLE" ? 1 : node.type === "PLAIN" ? 0 : undefined;
  if (quote === undefined) {
    return undefined;
  }
  return text.startsWith(node.value, node.range[0] + quote) ? quote : undefined;
}

function oneLine(message: string): string {
  return message.replaceAll(/\s+/g, " ").trim().replace(/[.:]$/, "");
}
