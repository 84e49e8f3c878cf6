import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import protobuf from "protobufjs";
import t, { type Test } from "tap";
import { discoverMonitors } from "../../src/contract/discover.js";
import { loadContract } from "../../src/contract/load-contract.js";
import { filesOf, startReflectionServer } from "./reflection-server.js";

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

function reflectionServer(t: Test, version: "v1" | "v1alpha" | "none"): ReturnType<typeof startReflectionServer> {
  return startReflectionServer(t, version, { files, service: "p.S", file: "s.proto" });
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

t.test("the parts of a message are found, a map is a message without", async (t) => {
  const found = await filesOf(
    `syntax = "proto3"; package f; message Ids { repeated uint32 id = 1; } message W { Ids ids = 1; map<string, Ids> by = 2; repeated Ids many = 3; }
     service S { rpc M (stream W) returns (stream W); }`,
  );
  const [monitor] = await discoverMonitors(await startReflectionServer(t, "v1", { files: found, service: "f.S", file: Object.keys(found)[0] ?? "" }));
  t.strictSame(
    monitor?.filterFields.map(({ name, type, repeated, parts }) => ({ name, type, repeated, parts: parts?.map((part) => part.name) })),
    [
      { name: "ids", type: "message", repeated: false, parts: ["id"] },
      { name: "by", type: "message", repeated: false, parts: undefined },
      { name: "many", type: "message", repeated: true, parts: ["id"] },
    ],
  );
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
