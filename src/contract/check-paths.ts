import protobuf from "protobufjs";
import { didYouMean } from "../core/suggest.js";
import type { YamlPath, YamlProblem } from "../yaml/document.js";
import type { ContractFile } from "./schema.js";

/** Checks the paths of `entries` against the protobuf type of the messages that come: a path that leads nowhere would show as an absent field. */
export function checkPaths(content: ContractFile, response: protobuf.Type, problems: YamlProblem[]): void {
  const { each, fields } = content.entries;
  const start = each === undefined ? response : follow(response, each, ["entries", "each"], problems);
  if (start === undefined) {
    return;
  }
  for (const [name, field] of Object.entries(fields ?? {})) {
    const place = ["entries", "fields", name];
    follow(start, typeof field === "string" ? field : field.path, typeof field === "string" ? place : [...place, "path"], problems);
  }
}

/** The message type at the end of a path; undefined where it ends at a scalar, or types say no more (maps, places in lists). */
function follow(type: protobuf.Type, path: string, place: YamlPath, problems: YamlProblem[]): protobuf.Type | undefined {
  let at: protobuf.Type | undefined = type;
  for (const step of path.split(".")) {
    if (/^\d+$/.test(step)) {
      continue;
    }
    if (at === undefined) {
      return undefined;
    }
    const field: protobuf.Field | undefined = at.fields[step];
    if (field === undefined) {
      const known = Object.keys(at.fields);
      const others = known.length === 0 ? "" : ` It has ${known.join(", ")}.`;
      problems.push({ path: place, message: `The message ${at.fullName.replace(/^\./, "")} has no field "${step}".${didYouMean(step, known) || others}` });
      return undefined;
    }
    field.resolve();
    at = field.map || !(field.resolvedType instanceof protobuf.Type) ? undefined : field.resolvedType;
  }
  return at;
}
