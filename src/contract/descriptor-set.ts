import type protobuf from "protobufjs";

/** The parts of protobufjs' descriptor extension that are used here. */
interface DescriptorField {
  typeName?: string | null;
  name?: string | null;
}
interface DescriptorMessage {
  readonly name: string;
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
    const resolved = type.fields[field.name ?? ""]?.resolvedType;
    if (field.typeName && !field.typeName.startsWith(".") && resolved) {
      field.typeName = resolved.fullName;
    }
  }
  for (const nested of message.nestedType) {
    if (type.nested?.[nested.name] !== undefined) {
      qualify(root, nested, fullName);
    }
  }
}
