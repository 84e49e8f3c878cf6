import type { ProtobufField } from "../core/contract.js";
import { descriptorRoot } from "./proto-files.js";
import { protobufFieldsOf } from "./protobuf-codec.js";
import { askReflection, listServices, type ReflectionAddress } from "./reflection.js";

/** A method that streams both ways: it may be a monitor. */
export interface MonitorCandidate {
  /** `package.Service/Method` */
  readonly method: string;
  readonly filterFields: readonly ProtobufField[];
  readonly entryFields: readonly ProtobufField[];
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
        ? [{ method: `${name}/${method.name}`, filterFields: protobufFieldsOf(request), entryFields: protobufFieldsOf(response) }]
        : [];
    });
  });
}
