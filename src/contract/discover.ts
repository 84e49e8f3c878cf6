import protobuf from "protobufjs";
import type { ProtobufField } from "../core/contract.js";
import { descriptorRoot } from "./proto-files.js";
import { protobufFieldsOf } from "./protobuf-codec.js";
import { askReflection, listServices, type ReflectionAddress } from "./reflection.js";
import { wellKnownType } from "./well-known-types.js";

/**
 * A field of a method that was found. One that is a single value in messages has its scalar's name as its type, or the full name of a type such as
 * `google.protobuf.Timestamp`; `message` is what holds fields of its own, or is a map.
 */
export interface FoundField extends ProtobufField {
  /** The fields of a message; absent for all others. */
  readonly parts?: readonly ProtobufField[];
}

/** A method that streams both ways: it may be a monitor. */
export interface MonitorCandidate {
  /** `package.Service/Method` */
  readonly method: string;
  readonly filterFields: readonly FoundField[];
  readonly entryFields: readonly FoundField[];
}

/** Services of gRPC itself, which are no monitors. */
const ownServices = /^grpc\./;

/**
 * Asks a server by reflection for its methods that stream both ways.
 * @throws HarnessError `contract` when it serves no reflection, `unreachable` when it does not answer.
 */
export async function discoverMonitors(address: ReflectionAddress): Promise<MonitorCandidate[]> {
  const names = (await listServices(address)).filter((name) => !ownServices.test(name));
  if (names.length === 0) {
    return [];
  }
  const root = await descriptorRoot(await askReflection(address, names), address.url);
  return names.flatMap((name) => {
    const service = root.lookupService(name);
    return service.methodsArray.flatMap((method): MonitorCandidate[] => {
      method.resolve();
      const { resolvedRequestType: request, resolvedResponseType: response } = method;
      const both = Boolean(method.requestStream) && Boolean(method.responseStream);
      return both && request !== null && response !== null
        ? [{ method: `${name}/${method.name}`, filterFields: foundFieldsOf(request), entryFields: foundFieldsOf(response) }]
        : [];
    });
  });
}

function foundFieldsOf(type: protobuf.Type): FoundField[] {
  return protobufFieldsOf(type).map((field): FoundField => {
    const declared = type.fields[field.name];
    const of = declared?.resolvedType;
    if (!(of instanceof protobuf.Type) || declared?.map === true) {
      return field;
    }
    return wellKnownType(of.fullName) === undefined ? { ...field, parts: protobufFieldsOf(of) } : { ...field, type: of.fullName.replace(/^\./, "") };
  });
}
