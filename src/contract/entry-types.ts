import type { Entry, EntryDraft } from "../core/contract.js";
import type { ValueType } from "./value-types.js";

/** The protobuf types of the fields that entries have by the contract's own names: of scalars and enums the name, else `list`, `map`, `message`. */
export function entryTypesOf(entry: ValueType): ReadonlyMap<string, string> {
  if (entry.kind !== "message") {
    return new Map();
  }
  return new Map(
    entry.names.flatMap((name): readonly (readonly [string, string])[] => {
      const type = entry.field(name);
      return type === undefined || type.kind === "unknown" ? [] : [[name, type.kind === "scalar" ? type.name : type.kind]];
    }),
  );
}

/** What a draft's values are in the entry that is made of them. */
export interface DraftTypes {
  isNumber(field: string): boolean;
  isInteger(field: string): boolean;
  isBoolean(field: string): boolean;
}

/** Fields that a producer's template writes otherwise than as texts. */
export type WrittenForms = ReadonlyMap<string, "number" | "boolean">;

/** Types as declared; without one a field is what the producer's template writes it as (`{field:number}`, `{field:boolean}`). */
export function draftTypesOf(declared: ReadonlyMap<string, string>, written: WrittenForms): DraftTypes {
  const isInteger = (field: string): boolean => /^[su]?(?:int|fixed)(?:32|64)$/.test(declared.get(field) ?? "");
  const isFloat = (field: string): boolean => ["double", "float"].includes(declared.get(field) ?? (written.get(field) === "number" ? "double" : ""));
  const isBoolean = (field: string): boolean => (declared.get(field) ?? (written.get(field) === "boolean" ? "bool" : "")) === "bool";
  return { isInteger, isNumber: (field) => isInteger(field) || isFloat(field), isBoolean };
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
