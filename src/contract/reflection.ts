import { rootCertificates } from "node:tls";
import type { ClientDuplexStream, ServiceError } from "@grpc/grpc-js";
import protobuf from "protobufjs";
import { HarnessError } from "../core/errors.js";
import type { TlsOptions } from "../core/target.js";

/** The server that is asked for its types. */
export interface ReflectionAddress {
  /** As the user wrote it, for messages. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly tls?: TlsOptions | undefined;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** Bound on all questions together. Default 5000. */
  readonly timeoutMs?: number;
}

/** Files and bytes that a server may give; a monitor has a handful. */
const mostFiles = 500;
const mostBytes = 16 * 1024 * 1024;

/** What of grpc/reflection/v1/reflection.proto is needed, and of a file's descriptor; v1alpha has the same numbers. */
const types = protobuf.Root.fromJSON({
  nested: {
    Request: {
      fields: { list_services: { id: 7, type: "string" }, file_by_filename: { id: 3, type: "string" }, file_containing_symbol: { id: 4, type: "string" } },
    },
    Response: { fields: { files: { id: 4, type: "Files" }, services: { id: 6, type: "Services" }, error: { id: 7, type: "Refusal" } } },
    Files: { fields: { file_descriptor_proto: { id: 1, type: "bytes", rule: "repeated" } } },
    Services: { fields: { service: { id: 1, type: "Service", rule: "repeated" } } },
    Service: { fields: { name: { id: 1, type: "string" } } },
    Refusal: { fields: { error_code: { id: 1, type: "int32" }, error_message: { id: 2, type: "string" } } },
    FileHead: { fields: { name: { id: 1, type: "string" }, dependency: { id: 3, type: "string", rule: "repeated" } } },
    FileSet: { fields: { file: { id: 1, type: "bytes", rule: "repeated" } } },
  },
});

/**
 * Asks a server by gRPC reflection (v1, else v1alpha) for the files that define the services, with all that they import.
 * @returns the bytes of a FileDescriptorSet.
 * @throws HarnessError `contract` when it serves no reflection or does not know a service, `unreachable` when it does not answer.
 */
export function askReflection(address: ReflectionAddress, services: readonly string[]): Promise<Uint8Array> {
  return converse(address, (call) => collectFiles(call, services));
}

/**
 * Asks a server by gRPC reflection for the names of its services.
 * @throws HarnessError as askReflection does.
 */
export function listServices(address: ReflectionAddress): Promise<readonly string[]> {
  return converse(address, async (call) => (await questioner(call)({ list_services: "*" })).services?.service.map(({ name }) => name) ?? []);
}

type ReflectionCall = ClientDuplexStream<Uint8Array, Buffer>;

/** Opens the reflection stream in the version that the server has, and lets `use` ask on it. */
async function converse<T>(address: ReflectionAddress, use: (call: ReflectionCall) => Promise<T>): Promise<T> {
  const grpc = await import("@grpc/grpc-js");
  const { tls } = address;
  const pem = (text: string | undefined): Buffer | null => (text === undefined ? null : Buffer.from(text));
  const ca = tls?.ca === undefined ? undefined : [tls.ca, ...rootCertificates].join("\n");
  const client = new grpc.Client(
    `${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`,
    tls === undefined
      ? grpc.credentials.createInsecure()
      : grpc.credentials.createSsl(pem(ca), pem(tls.key), pem(tls.cert), { rejectUnauthorized: tls.insecure !== true }),
    {
      "grpc.use_local_subchannel_pool": 1,
      "grpc.enable_http_proxy": 0,
      "grpc.max_receive_message_length": mostBytes,
      ...(tls?.servername === undefined ? {} : { "grpc.ssl_target_name_override": tls.servername, "grpc.default_authority": tls.servername }),
    },
  );
  const metadata = new grpc.Metadata();
  for (const [name, value] of address.headers ?? []) {
    metadata.add(name, name.endsWith("-bin") ? Buffer.from(value, "base64") : value);
  }
  const deadline = Date.now() + (address.timeoutMs ?? 5000);
  try {
    for (const version of ["v1", "v1alpha"]) {
      const call: ReflectionCall = client.makeBidiStreamRequest(
        `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
        (bytes: Uint8Array) => Buffer.from(bytes),
        (bytes: Buffer) => bytes,
        metadata,
        { deadline },
      );
      try {
        return await use(call);
      } catch (thrown) {
        const { code } = thrown as Partial<ServiceError>;
        if (code === undefined) {
          throw thrown instanceof Refusal ? refused(address, thrown.message) : thrown;
        }
        if (code !== grpc.status.UNIMPLEMENTED) {
          throw new HarnessError(
            "unreachable",
            `${address.url} was asked for its types by reflection, and answered ${grpc.status[code]}: ${(thrown as ServiceError).details}.`,
            { place: address.url, cause: thrown },
          );
        }
      } finally {
        call.cancel();
      }
    }
  } finally {
    client.close();
  }
  throw refused(address, "it serves neither grpc.reflection.v1 nor v1alpha");
}

class Refusal extends Error {}

function refused(address: ReflectionAddress, why: string): HarnessError {
  return new HarnessError("contract", `The types of ${address.url} cannot be had by reflection: ${why}.`, {
    place: address.url,
    hint: "Name a .proto in the contract instead: grpc: { proto: …, method: … }.",
  });
}

/** Asks for the services' files, then for what these import, one question at a time. */
async function collectFiles(call: ReflectionCall, services: readonly string[]): Promise<Uint8Array> {
  const ask = questioner(call);
  const files = new Map<string, Uint8Array>();
  const wanted = new Set<string>();
  let bytes = 0;
  const keep = (found: readonly Uint8Array[]): void => {
    for (const file of found) {
      const head = types.lookupType("FileHead").decode(file) as unknown as { readonly name: string; readonly dependency: readonly string[] };
      if (!files.has(head.name)) {
        files.set(head.name, file);
        bytes += file.length;
        head.dependency.forEach((name) => wanted.add(name));
      }
    }
    if (files.size > mostFiles || bytes > mostBytes) {
      throw new Refusal(`it gives more than ${mostFiles} files or ${mostBytes} bytes`);
    }
  };
  for (const service of services) {
    keep(filesOf(await ask({ file_containing_symbol: service })));
  }
  for (const name of wanted) {
    if (!files.has(name)) {
      keep(filesOf(await ask({ file_by_filename: name })));
    }
  }
  return types
    .lookupType("FileSet")
    .encode({ file: [...files.values()] })
    .finish();
}

interface ReflectionAnswer {
  readonly files?: { readonly file_descriptor_proto: readonly Uint8Array[] } | null;
  readonly services?: { readonly service: readonly { readonly name: string }[] } | null;
  readonly error?: { readonly error_message: string } | null;
}

function filesOf({ files }: ReflectionAnswer): readonly Uint8Array[] {
  return files?.file_descriptor_proto ?? [];
}

function questioner(call: ReflectionCall): (question: object) => Promise<ReflectionAnswer> {
  let settle: { readonly resolve: (answer: Buffer) => void; readonly reject: (error: Error) => void } | undefined;
  let over: Error | undefined;
  const end = (error: Error): void => {
    over ??= error;
    settle?.reject(over);
  };
  call.on("data", (answer: Buffer) => settle?.resolve(answer));
  call.on("error", end);
  call.on("end", () => end(new Refusal("it ended the answer early")));
  return async (question) => {
    const answer = await new Promise<Buffer>((resolve, reject) => {
      settle = { resolve, reject };
      if (over !== undefined) {
        reject(over);
        return;
      }
      call.write(types.lookupType("Request").encode(question).finish());
    });
    const decoded = types.lookupType("Response").decode(answer) as unknown as ReflectionAnswer;
    const { error } = decoded;
    if (error !== undefined && error !== null) {
      throw new Refusal(`asked for ${Object.values(question).join()} it says "${error.error_message}"`);
    }
    return decoded;
  };
}
