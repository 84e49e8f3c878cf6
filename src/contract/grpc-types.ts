import path from "node:path";
import type protobuf from "protobufjs";
import type { YamlDocument, YamlProblem } from "../yaml/document.js";
import { HarnessError } from "../core/errors.js";
import { findMethod, type ResolvedMethod } from "./grpc-methods.js";
import { descriptorRoot, loadDescriptorSet, loadProtoFile, ProtoFileError } from "./proto-files.js";
import type { ContractFile } from "./schema.js";

/** The protobuf types that a contract needs. */
export interface ContractTypes {
  readonly monitor: ResolvedMethod | undefined;
  readonly producer: ResolvedMethod | undefined;
}

/** `reflection`: only the server can tell. */
export type LoadedTypes = ContractTypes | "reflection";

/** Loads the types that the contract's `grpc` section names. @throws HarnessError `contract` */
export async function loadTypes(document: YamlDocument, content: ContractFile, folder: string): Promise<LoadedTypes> {
  const { grpc } = content;
  if (grpc === undefined) {
    return { monitor: undefined, producer: undefined };
  }
  const sources = (["proto", "descriptor-set", "reflection"] as const).filter((key) => grpc[key] !== undefined);
  if (sources.length !== 1) {
    throw document.errorFor([
      {
        path: ["grpc"],
        at: "key",
        message: `"grpc" needs exactly one of proto, descriptor-set and reflection, and has ${sources.length === 0 ? "none" : sources.join(" and ")}.`,
      },
    ]);
  }
  if (grpc.reflection === true) {
    return "reflection";
  }
  const key = grpc.proto === undefined ? "descriptor-set" : "proto";
  try {
    const root =
      grpc.proto === undefined
        ? await loadDescriptorSet(path.resolve(folder, grpc["descriptor-set"] ?? ""))
        : loadProtoFile(
            path.resolve(folder, grpc.proto),
            (grpc.include ?? []).map((include) => path.resolve(folder, include)),
          );
    return findTypes(document, content, root);
  } catch (thrown) {
    if (!(thrown instanceof ProtoFileError)) {
      throw thrown;
    }
    const place = document.placeOf(["grpc", key]);
    throw new HarnessError("contract", `${grpc.proto ?? grpc["descriptor-set"]}: ${thrown.message}`, {
      place: thrown.place ?? place,
      hint: `It is named at ${place}.`,
      cause: thrown,
    });
  }
}

/** The types in the bytes of a FileDescriptorSet that a server gave. @throws HarnessError `contract` */
export async function typesFromDescriptors(document: YamlDocument, content: ContractFile, bytes: Uint8Array, from: string): Promise<ContractTypes> {
  try {
    return findTypes(document, content, await descriptorRoot(bytes, from));
  } catch (thrown) {
    if (!(thrown instanceof ProtoFileError)) {
      throw thrown;
    }
    throw new HarnessError("contract", `${from}: ${thrown.message}`, { place: document.placeOf(["grpc", "reflection"]), cause: thrown });
  }
}

function findTypes(document: YamlDocument, content: ContractFile, root: protobuf.Root): ContractTypes {
  const problems: YamlProblem[] = [];
  const find = (name: string | undefined, place: readonly string[], streams: "both" | "none"): ResolvedMethod | undefined => {
    if (name === undefined) {
      return undefined;
    }
    const lookup = findMethod(root, name, streams);
    if ("problem" in lookup) {
      problems.push({ path: place, message: lookup.problem });
      return undefined;
    }
    return lookup.method;
  };
  const types: ContractTypes = {
    monitor: find(content.grpc?.method, ["grpc", "method"], "both"),
    producer: find(typeof content.producer === "object" && "grpc" in content.producer ? content.producer.grpc : undefined, ["producer", "grpc"], "none"),
  };
  if (problems.length > 0) {
    throw document.errorFor(problems);
  }
  return types;
}
