import protobuf from "protobufjs";
import type { Message } from "../core/contract.js";

/** Two members of one oneof in a message; `place` leads to the second of them. */
export interface DoubleMember {
  readonly place: readonly string[];
  /** A clause that names both, and the oneof. */
  readonly says: string;
}

/** Finds the first oneof of which a message, or one within it, sets more than one member: only the last of them would arrive. */
export function findDoubleMember(type: protobuf.Type, message: Message): DoubleMember | undefined {
  for (const oneof of type.oneofsArray) {
    const [first, second] = Object.keys(message).filter((name) => oneof.oneof.includes(name) && message[name] !== undefined && message[name] !== null);
    if (first !== undefined && second !== undefined) {
      const whose = `${type.fullName.replace(/^\./, "")}.${oneof.name}`;
      return { place: [second], says: `"${first}" and "${second}" are members of the oneof ${whose}, of which a message holds one` };
    }
  }
  for (const [name, value] of Object.entries(message)) {
    const field = type.fields[name]?.resolve();
    if (field?.resolvedType instanceof protobuf.Type) {
      const found = within(field.resolvedType, value, field.map || field.repeated);
      if (found !== undefined) {
        return { ...found, place: [name, ...found.place] };
      }
    }
  }
  return undefined;
}

function within(type: protobuf.Type, value: unknown, several: boolean): DoubleMember | undefined {
  if (typeof value !== "object" || value === null) {
    return undefined;
  }
  if (!several) {
    return findDoubleMember(type, value as Message);
  }
  for (const [key, inner] of Object.entries(value)) {
    const found = within(type, inner, false);
    if (found !== undefined) {
      return { ...found, place: [key, ...found.place] };
    }
  }
  return undefined;
}
