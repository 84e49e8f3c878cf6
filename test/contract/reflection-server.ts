import { Server, ServerCredentials, type ServerDuplexStream } from "@grpc/grpc-js";
import protobuf from "protobufjs";
import type { Test } from "tap";
import { descriptorSetOf } from "../../src/contract/descriptor-set.js";
import { rawMethod } from "../surroundings/raw-method.js";

const types = protobuf.parse(
  `syntax = "proto3";
  message Request { string file_by_filename = 3; string file_containing_symbol = 4; string list_services = 7; }
  message Response { message Files { repeated bytes file = 1; } message Refusal { int32 code = 1; string message = 2; }
    message Service { string name = 1; } message Services { repeated Service service = 1; } Files files = 4; Services services = 6; Refusal error = 7; }`,
  { keepCase: true },
).root;

/** A server that knows files by their names, one of them by the name of the service that is in it; closed with the test. */
export async function startReflectionServer(
  t: Test,
  version: "v1" | "v1alpha" | "none",
  { files, service, file }: { readonly files: Readonly<Record<string, Uint8Array>>; readonly service: string; readonly file: string },
): Promise<{ readonly url: string; readonly host: string; readonly port: number; readonly timeoutMs: number }> {
  const server = new Server();
  if (version !== "none") {
    server.addService(
      {
        Info: rawMethod(`/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`, true),
      },
      {
        Info(call: ServerDuplexStream<Buffer, Buffer>) {
          call.on("data", (bytes: Buffer) => {
            const question = types.lookupType("Request").decode(bytes) as unknown as {
              readonly file_by_filename: string;
              readonly file_containing_symbol: string;
              readonly list_services: string;
            };
            if (question.list_services !== "") {
              const listed = [{ name: "grpc.reflection.v1.ServerReflection" }, { name: service }];
              call.write(
                Buffer.from(
                  types
                    .lookupType("Response")
                    .encode({ services: { service: listed } })
                    .finish(),
                ),
              );
              return;
            }
            const found = question.file_containing_symbol === service ? files[file] : files[question.file_by_filename];
            const answer = found === undefined ? { error: { code: 5, message: "not found" } } : { files: { file: [found] } };
            call.write(Buffer.from(types.lookupType("Response").encode(answer).finish()));
          });
          call.on("end", () => call.end());
        },
      },
    );
  }
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => (error === null ? resolve(bound) : reject(error))),
  );
  t.teardown(() => server.forceShutdown());
  return { url: `grpc://127.0.0.1:${port}`, host: "127.0.0.1", port, timeoutMs: 5000 };
}

/** The files of a FileDescriptorSet with the types of a .proto's text, by their names. */
export async function filesOf(text: string): Promise<Readonly<Record<string, Uint8Array>>> {
  const { root } = protobuf.parse(text, { keepCase: true });
  root.resolveAll();
  const heads = protobuf.parse('syntax = "proto3"; message Set { repeated bytes file = 1; } message Head { string name = 1; }').root;
  const set = heads.lookupType("Set").decode(await descriptorSetOf(root)) as unknown as { readonly file: readonly Uint8Array[] };
  return Object.fromEntries(set.file.map((file) => [(heads.lookupType("Head").decode(file) as unknown as { readonly name: string }).name, file]));
}
