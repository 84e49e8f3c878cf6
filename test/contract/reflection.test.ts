import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Server, ServerCredentials, type ServerDuplexStream } from "@grpc/grpc-js";
import protobuf from "protobufjs";
import t, { type Test } from "tap";
import { discoverMonitors } from "../../src/contract/discover.js";
import { loadContract } from "../../src/contract/load-contract.js";

const contract = `name: g
grpc: { reflection: true, method: p.S/Watch }
filters: { all: {}, a: { source: a } }
roles: { broad: all }
match: [{ filter: source, entry: source, rule: equals }]
`;

/** One file of a FileDescriptorSet: messages of string fields, and a service of one streaming method. */
function fileDescriptor(
  name: string,
  more: {
    readonly dependency?: string;
    readonly messages?: Readonly<Record<string, readonly string[]>>;
    readonly service?: readonly [string, string, string, string];
  },
): Buffer {
  const bytes = (number: number, value: Buffer | string): Buffer => {
    const payload = Buffer.from(value as string);
    return Buffer.concat([
      Buffer.from(
        protobuf.Writer.create()
          .uint32((number << 3) | 2)
          .uint32(payload.length)
          .finish(),
      ),
      payload,
    ]);
  };
  const number = (field: number, value: number): Buffer =>
    Buffer.from(
      protobuf.Writer.create()
        .uint32(field << 3)
        .uint32(value)
        .finish(),
    );
  const messages = Object.entries(more.messages ?? {}).map(([message, fields]) =>
    bytes(
      4,
      Buffer.concat([
        bytes(1, message),
        ...fields.map((field, index) =>
          // Compilers write the JSON name too.
          bytes(
            2,
            Buffer.concat([
              bytes(1, field),
              number(3, index + 1),
              number(4, 1),
              number(5, 9),
              bytes(
                10,
                field.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
              ),
            ]),
          ),
        ),
      ]),
    ),
  );
  const service =
    more.service === undefined
      ? []
      : [
          bytes(
            6,
            Buffer.concat([
              bytes(1, more.service[0]),
              bytes(2, Buffer.concat([bytes(1, more.service[1]), bytes(2, more.service[2]), bytes(3, more.service[3]), number(5, 1), number(6, 1)])),
            ]),
          ),
        ];
  return Buffer.concat([
    bytes(1, name),
    bytes(2, "p"),
    ...(more.dependency === undefined ? [] : [bytes(3, more.dependency)]),
    ...messages,
    ...service,
    bytes(12, "proto3"),
  ]);
}

const files: Readonly<Record<string, Buffer>> = {
  "s.proto": fileDescriptor("s.proto", { dependency: "m.proto", service: ["S", "Watch", ".p.F", ".p.E"] }),
  "m.proto": fileDescriptor("m.proto", { messages: { F: ["source"], E: ["source", "long_text"] } }),
};

const types = protobuf.parse(
  `syntax = "proto3";
  message Request { string file_by_filename = 3; string file_containing_symbol = 4; string list_services = 7; }
  message Response { message Files { repeated bytes file = 1; } message Refusal { int32 code = 1; string message = 2; }
    message Service { string name = 1; } message Services { repeated Service service = 1; } Files files = 4; Services services = 6; Refusal error = 7; }`,
  { keepCase: true },
).root;

async function reflectionServer(
  t: Test,
  version: "v1" | "v1alpha" | "none",
): Promise<{ readonly url: string; readonly host: string; readonly port: number; readonly timeoutMs: number }> {
  const server = new Server();
  const identity = (bytes: Buffer): Buffer => bytes;
  if (version !== "none") {
    server.addService(
      {
        Info: {
          path: `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
          requestStream: true,
          responseStream: true,
          requestSerialize: identity,
          requestDeserialize: identity,
          responseSerialize: identity,
          responseDeserialize: identity,
        },
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
              const service = [{ name: "grpc.reflection.v1.ServerReflection" }, { name: "p.S" }];
              call.write(Buffer.from(types.lookupType("Response").encode({ services: { service } }).finish()));
              return;
            }
            const file = question.file_containing_symbol === "p.S" ? files["s.proto"] : files[question.file_by_filename];
            const answer = file === undefined ? { error: { code: 5, message: "not found" } } : { files: { file: [file] } };
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

function contractFile(t: Test, text = contract): string {
  const folder = mkdtempSync(path.join(tmpdir(), "contract-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, "c.yaml");
  writeFileSync(file, text);
  return file;
}

for (const version of ["v1", "v1alpha"] as const) {
  t.test(`the method and its types come from the server, by ${version}`, async (t) => {
    const loaded = await loadContract(contractFile(t), { reflection: await reflectionServer(t, version) });
    t.equal(loaded.grpc?.path, "/p.S/Watch");
    t.same(
      loaded.grpc?.entryFields.map((field) => field.name),
      ["source", "long_text"],
      "names as in the .proto",
    );
    t.same(loaded.grpc?.codec.decode(Buffer.from("0a0161", "hex")), { source: "a", long_text: "" });
  });
}

t.test("methods that stream both ways are found without knowing their names", async (t) => {
  const found = await discoverMonitors(await reflectionServer(t, "v1"));
  t.match(found, [{ method: "p.S/Watch", filterFields: [{ name: "source" }], entryFields: [{ name: "source" }, { name: "long_text", type: "string" }] }]);
  t.equal(found.length, 1);
});

t.test("without a server to ask, the contract has no gRPC side", async (t) => {
  t.equal((await loadContract(contractFile(t))).grpc, undefined);
});

t.test("a server without reflection, one that does not know the service, and none at all are told apart", async (t) => {
  const without = await reflectionServer(t, "none");
  await t.rejects(loadContract(contractFile(t), { reflection: without }), { code: "contract", message: /serves neither/, place: without.url });
  const other = await reflectionServer(t, "v1");
  await t.rejects(loadContract(contractFile(t, contract.replace("p.S/", "p.T/")), { reflection: other }), {
    code: "contract",
    message: /asked for p\.T it says "not found"/,
  });
  await t.rejects(loadContract(contractFile(t), { reflection: { url: "grpc://127.0.0.1:1", host: "127.0.0.1", port: 1, timeoutMs: 500 } }), {
    code: "unreachable",
  });
});

t.test("names are checked against the types that came", async (t) => {
  const file = contractFile(t, contract.replace("a: { source: a }", "a: { sorce: a }"));
  await t.rejects(loadContract(file, { reflection: await reflectionServer(t, "v1") }), { place: `${file}:3:26`, message: /no field "sorce"/ });
});

t.test("a descriptor set says the same as reflection", async (t) => {
  const file = contractFile(t, contract.replace("reflection: true", "descriptor-set: set.binpb"));
  const set = Buffer.concat(
    Object.values(files).map((bytes) => Buffer.concat([Buffer.from(protobuf.Writer.create().uint32(10).uint32(bytes.length).finish()), bytes])),
  );
  writeFileSync(path.join(path.dirname(file), "set.binpb"), set);
  t.equal((await loadContract(file)).grpc?.path, "/p.S/Watch");
  writeFileSync(path.join(path.dirname(file), "set.binpb"), "not a descriptor set");
  await t.rejects(loadContract(file), { code: "contract", message: /FileDescriptorSet|missing|service/ });
});
