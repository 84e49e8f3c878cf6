import { readFileSync } from "node:fs";
import path from "node:path";
import protobuf from "protobufjs";
import { messageOf } from "../core/errors.js";

/** A .proto file cannot be read, parsed or resolved; `place` is `file:line:column` in it where that is known. */
export class ProtoFileError extends Error {
  readonly place: string | undefined;

  constructor(message: string, place: string | undefined) {
    super(message);
    this.place = place;
  }
}

/**
 * Loads a .proto file and all that it imports; field names are kept as written.
 * Imports are sought beside the importing file, then in the folders given; `google/protobuf/*.proto` come with the library.
 * @throws ProtoFileError
 */
export function loadProtoFile(file: string, includes: readonly string[]): protobuf.Root {
  const root = new protobuf.Root();
  const seen = new Set<string>();
  const load = (name: string): void => {
    const full = path.resolve(name);
    if (seen.has(full)) {
      return;
    }
    seen.add(full);
    const text = readText(name);
    const { imports, weakImports } = parseInto(root, text, name);
    for (const imported of [...(imports ?? []), ...(weakImports ?? [])]) {
      const found = [path.dirname(name), ...includes].map((folder) => path.join(folder, imported)).find(isReadable);
      if (found !== undefined) {
        load(found);
      } else if (protobuf.common.get(imported) === null) {
        throw new ProtoFileError(
          `The import "${imported}" is in none of ${[path.dirname(name), ...includes].map((folder) => `"${folder}"`).join(", ")}.`,
          placeOf(text, imported, name),
        );
      } else if (!seen.has(imported)) {
        seen.add(imported);
        root.addJSON(protobuf.common.get(imported)?.nested ?? {});
      }
    }
  };
  load(file);
  return resolve(root, file);
}

/** Loads a binary FileDescriptorSet. @throws ProtoFileError */
export async function loadDescriptorSet(file: string): Promise<protobuf.Root> {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (thrown) {
    throw new ProtoFileError(`The descriptor set cannot be read: ${messageOf(thrown)}.`, file);
  }
  return descriptorRoot(bytes, file);
}

/** Builds types from the bytes of a FileDescriptorSet, field names as in the .proto; `from` names them in errors. @throws ProtoFileError */
export async function descriptorRoot(bytes: Uint8Array, from: string): Promise<protobuf.Root> {
  // The extension adds Root.fromDescriptor; it is loaded only where descriptors are.
  await import("protobufjs/ext/descriptor.js");
  const factory = protobuf.Root as unknown as { fromDescriptor(set: Uint8Array, options: { readonly keepCase: boolean }): protobuf.Root };
  try {
    return resolve(factory.fromDescriptor(bytes, { keepCase: true }), from);
  } catch (thrown) {
    throw thrown instanceof ProtoFileError ? thrown : new ProtoFileError(`This is not a FileDescriptorSet: ${messageOf(thrown)}.`, from);
  }
}

function resolve(root: protobuf.Root, from: string): protobuf.Root {
  try {
    root.resolveAll();
    return root;
  } catch (thrown) {
    throw new ProtoFileError(`A type is missing: ${messageOf(thrown)}.`, from);
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (thrown) {
    throw new ProtoFileError(`The file cannot be read: ${messageOf(thrown)}.`, file);
  }
}

function isReadable(file: string): boolean {
  try {
    readFileSync(file);
    return true;
  } catch {
    return false;
  }
}

function parseInto(root: protobuf.Root, text: string, file: string): protobuf.IParserResult {
  try {
    return protobuf.parse(text, root, { keepCase: true });
  } catch (thrown) {
    const message = messageOf(thrown);
    const line = Number(/\(.*?line (\d+)\)/.exec(message)?.[1] ?? Number.NaN);
    const token = /(?:illegal|duplicate)[^']*'([^']*)'/.exec(message)?.[1];
    const column = Math.max(0, (text.split("\n")[line - 1] ?? "").indexOf(token ?? "\0")) + 1;
    const said = message.replace(/\s*\([^()]*line \d+\)\s*$/, "");
    throw new ProtoFileError(`It does not parse: ${said}.`, Number.isNaN(line) ? file : `${file}:${line}:${column}`);
  }
}

function placeOf(text: string, imported: string, file: string): string {
  const lines = text.split("\n");
  const line = lines.findIndex((candidate) => candidate.includes(imported));
  return line === -1 ? file : `${file}:${line + 1}:${(lines[line] ?? "").indexOf(imported) + 1}`;
}
