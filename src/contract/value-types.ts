import protobuf from "protobufjs";
import type { ContractFile } from "./schema.js";
import { wellKnownType, wrappedType } from "./well-known-types.js";

/** What the protobuf types say of a value in a message; `unknown` where nothing does. */
export type ValueType =
  | { readonly kind: "unknown" }
  | { readonly kind: "scalar"; /** `string`, `uint64`, the name of an enum. */ readonly name: string }
  | { readonly kind: "list"; readonly of: ValueType }
  | { readonly kind: "map"; readonly of: ValueType }
  | {
      readonly kind: "message";
      /** `fleet.v1.Point`; empty where the contract's own names are meant. */ readonly name: string;
      readonly names: readonly string[];
      /** Undefined: there is no such field. */ readonly field: (name: string) => ValueType | undefined;
    };

/** The types of a method's messages. */
export interface MonitorTypes {
  readonly request: protobuf.Type;
  readonly response: protobuf.Type;
}

const unknown: ValueType = { kind: "unknown" };

/** The type of the filters that a contract's samples and rules are about; unknown where they are the contract's own, filled into templates. */
export function filterTypeOf(content: ContractFile, request: protobuf.Type | undefined): ValueType {
  return request === undefined || content.open !== undefined ? unknown : messageType(request);
}

/** The type of what the rules call an entry: the message that comes, an element of its list, or the fields that the contract names. */
export function entryTypeOf(content: ContractFile, response: protobuf.Type | undefined): ValueType {
  const { each, fields } = content.entries;
  const message = messageTypeOf(response);
  const found = each === undefined ? message : typeAtPath(message, each);
  const element = each === undefined ? found : found.kind === "list" ? found.of : unknown;
  if (fields === undefined) {
    return element;
  }
  const types = new Map(
    Object.entries(fields).map(([name, field]): [string, ValueType] => {
      if (typeof field === "string" || field.decode === undefined) {
        return [name, typeAtPath(element, typeof field === "string" ? field : field.path)];
      }
      return [name, field.decode === "json" ? unknown : { kind: "scalar", name: "string" }];
    }),
  );
  return { kind: "message", name: "", names: [...types.keys()], field: (name) => types.get(name) };
}

/** The type of a message that comes. */
export function messageTypeOf(type: protobuf.Type | undefined): ValueType {
  return type === undefined ? unknown : messageType(type);
}

function messageType(type: protobuf.Type): ValueType {
  const known = wellKnownType(type.fullName);
  const name = type.fullName.replace(/^\./, "");
  const wrapped = wrappedType(name);
  if (wrapped !== undefined) {
    return { kind: "scalar", name: wrapped };
  }
  if (known !== undefined) {
    return { kind: "scalar", name: `${name}: ${known.example}` };
  }
  // Struct, Any and their like: JSON has forms of its own for them.
  if (name.startsWith("google.protobuf.")) {
    return unknown;
  }
  return {
    kind: "message",
    name,
    names: Object.keys(type.fields),
    field: (field) => {
      const found = Object.hasOwn(type.fields, field) ? type.fields[field] : undefined;
      return found === undefined ? undefined : fieldType(found);
    },
  };
}

function fieldType(field: protobuf.Field): ValueType {
  field.resolve();
  const { resolvedType } = field;
  const single: ValueType =
    resolvedType instanceof protobuf.Type ? messageType(resolvedType) : { kind: "scalar", name: resolvedType?.fullName.replace(/^\./, "") ?? field.type };
  return field.map ? { kind: "map", of: single } : field.repeated ? { kind: "list", of: single } : single;
}

/** Numbers index lists. */
function typeAtPath(start: ValueType, path: string): ValueType {
  let at = start;
  for (const step of path.split(".")) {
    at = at.kind === "message" ? (at.field(step) ?? unknown) : at.kind === "map" || (at.kind === "list" && /^\d+$/.test(step)) ? at.of : unknown;
  }
  return at;
}
