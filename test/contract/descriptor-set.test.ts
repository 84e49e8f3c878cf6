import t from "tap";
import protobuf from "protobufjs";
import { loadContract } from "../../src/contract/load-contract.js";
import { descriptorSetOf } from "../../src/contract/descriptor-set.js";
import { descriptorRoot } from "../../src/contract/proto-files.js";

t.test("the types of a contract come back from their descriptors, with the same fields", async (t) => {
  const contract = await loadContract("logger");
  const bytes = await contract.grpc!.descriptorSet!();
  const root = await descriptorRoot(bytes, "test");
  const entry = root.lookupType("logger.MonitorResponse");
  t.strictSame(
    entry.fieldsArray.map(({ name, id, type }) => ({ name, number: id, type })),
    contract.grpc!.entryFields.map(({ name, number, type }) => ({ name, number, type })),
  );
  t.ok(root.lookupService("logger.Logger").methods["Monitor"]?.requestStream);
});

t.test("types within types and of other packages are named in full, as Go's library wants them", async (t) => {
  const { root } = protobuf.parse(
    `syntax = "proto3"; package a.b; message Outer { message Inner { Kind kind = 1; } Inner inner = 1; repeated Inner more = 2; enum Kind { NONE = 0; } } message Other { Outer.Inner inner = 1; }`,
    { keepCase: true },
  );
  root.resolveAll();
  const text = Buffer.from(await descriptorSetOf(root)).toString("latin1");
  t.match(text, ".a.b.Outer.Inner");
  t.match(text, ".a.b.Outer.Kind");
  const again = await descriptorRoot(await descriptorSetOf(root), "test");
  t.equal(again.lookupType("a.b.Other").fields["inner"]?.resolvedType?.fullName, ".a.b.Outer.Inner");
});

t.test("a map stays one, by the name of an entry that other libraries expect", async (t) => {
  const { root } = protobuf.parse(
    'syntax = "proto3"; package a; message Ids { repeated uint32 id = 1; } message M { map<string, Ids> ids_by_name = 1; map<int32, string> labels = 2; }',
    { keepCase: true },
  );
  root.resolveAll();
  const bytes = await descriptorSetOf(root);
  t.match(Buffer.from(bytes).toString("latin1"), ".a.M.IdsByNameEntry");
  const fields = (await descriptorRoot(bytes, "test")).lookupType("a.M").fields;
  t.match(fields["ids_by_name"], { map: true, keyType: "string", resolvedType: { fullName: ".a.Ids" } });
  t.match(fields["labels"], { map: true, keyType: "int32", type: "string" });
});
