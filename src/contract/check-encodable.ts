import type protobuf from "protobufjs";
import type { Contract, Message } from "../core/contract.js";
import { messageOf } from "../core/errors.js";
import type { YamlProblem } from "../yaml/document.js";
import { findDoubleMember } from "./check-oneofs.js";
import { UnencodableError } from "./protobuf-codec.js";
import type { ContractFile } from "./schema.js";

/** Every sample must be one that can be sent, and that arrives as it is; so must what changes one for another. */
export function checkEncodable(contract: Contract, content: ContractFile, request: protobuf.Type | undefined, problems: YamlProblem[]): void {
  const { grpc } = contract;
  if (grpc === undefined || request === undefined) {
    return;
  }
  const wrongWith = (message: Message): { readonly place: readonly string[]; readonly why: string } | undefined => {
    const double = findDoubleMember(request, message);
    if (double !== undefined) {
      return { place: double.place, why: `${double.says}, so leave one of them out` };
    }
    try {
      grpc.codec.encode(message);
      return undefined;
    } catch (thrown) {
      return { place: thrown instanceof UnencodableError ? thrown.place.split(".") : [], why: messageOf(thrown) };
    }
  };
  for (const [index, message] of contract.prelude.entries()) {
    const wrong = wrongWith(message);
    if (wrong !== undefined) {
      problems.push({ path: ["prelude", index, ...wrong.place], message: `The prelude cannot be sent over gRPC: ${wrong.why}.` });
    }
  }
  let openable = true;
  for (const [name, filter] of Object.entries(contract.filters)) {
    const isList = Array.isArray(content.filters[name]);
    for (const [index, message] of contract.opening(filter, 1).entries()) {
      const wrong = wrongWith(message);
      if (wrong !== undefined) {
        openable = false;
        const inside = content.open === undefined ? [...(isList ? [index] : []), ...wrong.place] : [];
        problems.push({ path: ["filters", name, ...inside], message: `The filter "${name}" cannot be sent over gRPC: ${wrong.why}.` });
      }
    }
  }
  if (openable && content.update !== undefined) {
    // Of many filters one tells what is wrong with the template.
    const wrong = Object.values(contract.filters)
      .flatMap((filter) => contract.updating(filter, filter, 2).map(wrongWith))
      .find((one) => one !== undefined);
    if (wrong !== undefined) {
      problems.push({ path: ["update"], message: `What changes a filter cannot be sent over gRPC: ${wrong.why}.` });
    }
  }
}
