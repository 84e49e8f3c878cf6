import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Contract } from "../core/contract.js";
import { HarnessError, messageOf } from "../core/errors.js";
import { nearestName } from "../core/suggest.js";
import { parseYaml } from "../yaml/document.js";
import { validateYaml } from "../yaml/validate.js";
import { compileContract, type ContractDraft } from "./compile-contract.js";
import { loadTypes, typesFromDescriptors } from "./grpc-types.js";
import { askReflection, type ReflectionAddress } from "./reflection.js";
import { contractSchema } from "./schema.js";

/** Contracts that come with the harness. */
export const builtInContracts = ["logger", "etcd-watch", "graphql-subscription"] as const;

/** Used when none is named. */
export const defaultContract = "logger" satisfies (typeof builtInContracts)[number];

export interface LoadOptions {
  /** Folder that a path is relative to; default: the working directory. */
  readonly folder?: string;
  /** Fills `$namespace`; default: eight random hex digits with `hc-` before them. */
  readonly namespace?: string;
  /** Whom to ask where the contract says `reflection: true`; without it the contract has no `grpc` then. */
  readonly reflection?: ReflectionAddress;
}

/**
 * Loads a contract by path, or by the name of one that comes with the harness.
 * @throws HarnessError `contract` with `file:line:column` as its place, all problems of the file in one; `unreachable` when reflection gets no answer.
 */
export async function loadContract(reference: string, options: LoadOptions = {}): Promise<Contract> {
  const draft = await readContract(reference, options);
  return compileContract(draft.types === "reflection" && options.reflection !== undefined ? await resolveReflection(draft, options.reflection) : draft);
}

/** The draft with the protobuf types that the server itself gives. */
async function resolveReflection(draft: ContractDraft, address: ReflectionAddress): Promise<ContractDraft> {
  const { content, document } = draft;
  const methods = [content.grpc?.method, typeof content.producer === "object" && "grpc" in content.producer ? content.producer.grpc : undefined];
  const services = [...new Set(methods.flatMap((method) => (method === undefined ? [] : [method.replace(/^\//, "").replace(/\/.*$/, "")])))];
  return { ...draft, types: await typesFromDescriptors(document, content, await askReflection(address, services), address.url) };
}

/** Reads and checks the file; the result becomes a contract once its protobuf types are there. */
async function readContract(reference: string, options: LoadOptions): Promise<ContractDraft> {
  const file = fileOf(reference, options.folder ?? "");
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (thrown) {
    throw notFound(reference, thrown);
  }
  const document = parseYaml(text, shownFile(reference, file), "contract");
  const content = validateYaml(document, contractSchema);
  return {
    document,
    content,
    folder: path.dirname(file),
    hash: createHash("sha256").update(text).digest("hex"),
    namespace: options.namespace ?? `hc-${randomBytes(4).toString("hex")}`,
    types: await loadTypes(document, content, path.dirname(file)),
  };
}

function fileOf(reference: string, folder: string): string {
  return isBuiltIn(reference) ? path.join(builtInFolder(), `${reference}.yaml`) : path.isAbsolute(reference) ? reference : path.join(folder, reference);
}

function isBuiltIn(reference: string): reference is (typeof builtInContracts)[number] {
  return (builtInContracts as readonly string[]).includes(reference);
}

function builtInFolder(): string {
  // From dist/src/contract to the package's own folder.
  return fileURLToPath(new URL("../../../contracts/", import.meta.url));
}

function shownFile(reference: string, file: string): string {
  return isBuiltIn(reference) ? `contracts/${path.basename(file)}` : reference;
}

function notFound(reference: string, thrown: unknown): HarnessError {
  const near = nearestName(reference, builtInContracts);
  const hint =
    near === undefined ? `Give the path of a contract file, or one of ${builtInContracts.join(", ")}.` : `Did you mean the built-in contract "${near}"?`;
  return new HarnessError("contract", `The contract "${reference}" cannot be read: ${messageOf(thrown)}.`, { place: reference, hint, cause: thrown });
}
