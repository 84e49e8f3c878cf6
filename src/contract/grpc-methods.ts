import protobuf from "protobufjs";
import { didYouMean } from "../core/suggest.js";

/** A method found in a set of types; `problem` is a sentence with a suggestion. */
export type MethodLookup = { readonly method: ResolvedMethod } | { readonly problem: string };

export interface ResolvedMethod {
  /** `/logger.Logger/Monitor` */
  readonly path: string;
  readonly request: protobuf.Type;
  readonly response: protobuf.Type;
}

/** Finds `package.Service/Method` (a leading slash is allowed) and checks that it streams as asked. */
export function findMethod(root: protobuf.Root, name: string, streams: "both" | "none"): MethodLookup {
  const [serviceName = "", methodName = ""] = name.replace(/^\//, "").split("/");
  const services = servicesOf(root);
  const service = services.find((candidate) => fullName(candidate) === serviceName);
  if (service === undefined) {
    const known = services.map(fullName);
    return { problem: `There is no service "${serviceName}".${didYouMean(serviceName, known) || listOf(known)}` };
  }
  const method = service.methods[methodName];
  if (method === undefined) {
    const known = Object.keys(service.methods);
    return { problem: `The service "${serviceName}" has no method "${methodName}".${didYouMean(methodName, known) || listOf(known)}` };
  }
  method.resolve();
  const { resolvedRequestType: request, resolvedResponseType: response } = method;
  if (request === null || response === null) {
    return { problem: `The types of "${name}" cannot be found.` };
  }
  const both = Boolean(method.requestStream) && Boolean(method.responseStream);
  if (streams === "both" && !both) {
    return {
      problem: `"${name}" does not stream in both directions: a monitor is "rpc ${methodName} (stream ${method.requestType}) returns (stream ${method.responseType})".`,
    };
  }
  if (streams === "none" && (Boolean(method.requestStream) || Boolean(method.responseStream))) {
    return { problem: `"${name}" streams; a producer is a plain call.` };
  }
  return { method: { path: `/${serviceName}/${methodName}`, request, response } };
}

function servicesOf(namespace: protobuf.NamespaceBase): protobuf.Service[] {
  return namespace.nestedArray.flatMap((nested) =>
    nested instanceof protobuf.Service ? [nested] : nested instanceof protobuf.Namespace || nested instanceof protobuf.Type ? servicesOf(nested) : [],
  );
}

function fullName(object: protobuf.ReflectionObject): string {
  return object.fullName.replace(/^\./, "");
}

function listOf(known: readonly string[]): string {
  return known.length === 0 ? " The file declares none." : ` Known: ${known.slice(0, 8).join(", ")}${known.length > 8 ? ", …" : ""}.`;
}
