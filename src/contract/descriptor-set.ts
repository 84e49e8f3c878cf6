import type protobuf from "protobufjs";

/** The parts of protobufjs' descriptor extension that are used here. */
interface DescriptorField {
  typeName?: string | null;
  name?: string | null;
}
interface DescriptorMessage {
  name: string;
  readonly field: readonly DescriptorField[];
  readonly nestedType: readonly DescriptorMessage[];
}
interface DescriptorFile {
  readonly package?: string | null;
  readonly messageType: readonly DescriptorMessage[];
}
interface DescriptorSet {
  readonly file: readonly DescriptorFile[];
}

/** The types of a root as the bytes of a FileDescriptorSet, for tools that bring a protobuf library of their own. */
export async function descriptorSetOf(root: protobuf.Root): Promise<Uint8Array> {
  const extension = await import("protobufjs/ext/descriptor.js");
  const set = (root as unknown as { toDescriptor(edition: string): protobuf.Message & DescriptorSet }).toDescriptor("proto3");
  for (const file of set.file) {
    for (const message of file.messageType) {
      qualify(root, message, file.package ?? "");
    }
  }
  const { FileDescriptorSet } = ("default" in extension ? extension.default : extension) as unknown as { readonly FileDescriptorSet: protobuf.Type };
  return FileDescriptorSet.encode(set).finish();
}

/** Other libraries want every type by its whole name, with a dot before it. */
function qualify(root: protobuf.Root, message: DescriptorMessage, scope: string): void {
  const fullName = scope === "" ? message.name : `${scope}.${message.name}`;
  const type = root.lookupType(fullName);
  for (const field of message.field) {
    const declared = type.fields[field.name ?? ""];
    const resolved = declared?.resolvedType;
    if (declared?.map === true) {
      qualifyMap({ field, entry: message.nestedType.find(({ name }) => name === field.typeName), fullName, of: resolved?.fullName });
    } else if (field.typeName && !field.typeName.startsWith(".") && resolved) {
      field.typeName = resolved.fullName;
    }
  }
  for (const nested of message.nestedType) {
    if (type.nested?.[nested.name] !== undefined) {
      qualify(root, nested, fullName);
    }
  }
}

/** A map is a list of entries of a nested type, whose name other libraries want as protoc forms it: `ByNameEntry` for `by_name`. */
function qualifyMap(map: {
  readonly field: DescriptorField;
  readonly entry: DescriptorMessage | undefined;
  readonly fullName: string;
  /** The type of the values; undefined for scalars. */
  readonly of: string | undefined;
}): void {
  const { field, entry, fullName, of } = map;
  if (entry === undefined) {
    return;
  }
  entry.name = `${(field.name ?? "").replace(/(?:^|_+)([A-Za-z0-9]?)/g, (_, letter: string) => letter.toUpperCase())}Entry`;
  field.typeName = `.${fullName}.${entry.name}`;
  const value = entry.field.find(({ name }) => name === "value");
  if (value !== undefined && of !== undefined) {
    value.typeName = of;
  }
}
