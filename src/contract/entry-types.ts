import protobuf from "protobufjs";
import type { Entry, EntryDraft } from "../core/contract.js";
import { protobufFieldOf, protobufFieldsOf } from "./protobuf-codec.js";
import type { ContractFile } from "./schema.js";

/** The field of a message type at `a.b.c`, numbers indexing lists; undefined where the path leads nowhere, into a map, or the types say no more. */
export function fieldAt(type: protobuf.Type, path: string): protobuf.Field | undefined {
  let within: protobuf.Type | undefined = type;
  let found: protobuf.Field | undefined;
  for (const step of path.split(".")) {
    if (found !== undefined && /^\d+$/.test(step)) {
      continue;
    }
    found = within?.fields[step];
    if (found === undefined) {
      return undefined;
    }
    found.resolve();
    within = found.map || !(found.resolvedType instanceof protobuf.Type) ? undefined : found.resolvedType;
  }
  return found;
}

/** The protobuf types of the fields that entries have by the contract's own names; repeated ones, and what no type declares, are left out. */
export function entryTypesOf({ each, fields }: ContractFile["entries"], response: protobuf.Type | undefined): ReadonlyMap<string, string> {
  const element = response === undefined || each === undefined ? response : fieldAt(response, each)?.resolvedType;
  if (!(element instanceof protobuf.Type)) {
    return new Map();
  }
  const declared =
    fields === undefined
      ? protobufFieldsOf(element)
      : Object.entries(fields).flatMap(([name, field]) => {
          const path = typeof field === "string" ? field : field.decode === undefined ? field.path : undefined;
          const at = path === undefined ? undefined : fieldAt(element, path);
          return at === undefined ? [] : [{ ...protobufFieldOf(at), name }];
        });
  return new Map(declared.flatMap(({ name, type, repeated }) => (repeated ? [] : [[name, type] as const])));
}

/** What a draft's values are in the entry that is made of them. */
export interface DraftTypes {
  isNumber(field: string): boolean;
  isInteger(field: string): boolean;
  isBoolean(field: string): boolean;
}

/** Types as declared; without one a field is a number where the producer's template writes it as one (`{field:number}`). */
export function draftTypesOf(declared: ReadonlyMap<string, string>, written: ReadonlySet<string>): DraftTypes {
  const isInteger = (field: string): boolean => /^[su]?(?:int|fixed)(?:32|64)$|^sfixed/.test(declared.get(field) ?? "");
  const isFloat = (field: string): boolean => ["double", "float"].includes(declared.get(field) ?? (written.has(field) ? "double" : ""));
  return { isInteger, isNumber: (field) => isInteger(field) || isFloat(field), isBoolean: (field) => declared.get(field) === "bool" };
}

/** The entry of a draft whose texts stand for what they say: numbers, but for those that would not be exact, and booleans. */
export function typedEntry(draft: EntryDraft, types: DraftTypes): Entry {
  return Object.fromEntries(Object.entries(draft).map(([field, text]) => [field, typedValue(field, text, types)]));
}

function typedValue(field: string, text: string, types: DraftTypes): unknown {
  if (types.isBoolean(field)) {
    return text === "true" ? true : text === "false" ? false : text;
  }
  const number = Number(text);
  const isExact = text.trim() !== "" && Number.isFinite(number) && (Number.isSafeInteger(number) || !Number.isInteger(number));
  return types.isNumber(field) && isExact ? number : text;
}
