import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import t, { type Test } from "tap";
import { loadContract } from "../../src/contract/load-contract.js";
import { HarnessError } from "../../src/core/errors.js";

const proto = `syntax = "proto3";
package p;
service S {
  rpc Watch (stream F) returns (stream E);
  rpc Get (F) returns (E);
}
message F { string source = 1; int32 level = 2; }
message E { uint64 seq = 1; string source = 2; string text = 3; }
`;

const good = `name: g
grpc: { proto: p.proto, method: p.S/Watch }
filters:
  all: {}
  a: { source: a }
roles: { broad: all }
match:
  - { filter: source, entry: source, rule: equals }
entries: { sequence: seq, required: [seq] }
`;

async function refusal(
  t: Test,
  contract: string,
  files: Readonly<Record<string, string>> = { "p.proto": proto },
): Promise<HarnessError & { readonly file: string }> {
  const folder = mkdtempSync(path.join(tmpdir(), "contract-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(path.join(folder, name), text);
  }
  const file = path.join(folder, "c.yaml");
  writeFileSync(file, contract);
  try {
    await loadContract(file);
  } catch (thrown) {
    if (thrown instanceof HarnessError) {
      t.equal(thrown.code, "contract");
      // Places and messages name files below the folder.
      return Object.assign(
        new HarnessError(thrown.code, thrown.message.replaceAll(`${folder}/`, ""), {
          ...(thrown.place === undefined ? {} : { place: thrown.place.replace(`${folder}/`, "") }),
          ...(thrown.hint === undefined ? {} : { hint: thrown.hint.replaceAll(`${folder}/`, "") }),
        }),
        { file },
      );
    }
    throw thrown;
  }
  throw new Error(`accepted: ${contract}`);
}

t.test("the contract that the mistakes are made in is accepted", async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), "contract-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  writeFileSync(path.join(folder, "p.proto"), proto);
  writeFileSync(path.join(folder, "c.yaml"), good);
  t.equal((await loadContract(path.join(folder, "c.yaml"))).grpc?.path, "/p.S/Watch");
});

const mistakes: readonly (readonly [title: string, from: string, to: string, place: string, message: string | RegExp])[] = [
  ["an unknown key", "entries: {", "entires: {", "c.yaml:9:1", 'Unknown key "entires". Did you mean "entries"?'],
  ["a role that names no filter", "broad: all", "broad: al", "c.yaml:6:17", 'There is no filter "al". Did you mean "all"?'],
  ["a filter field that the proto lacks", "{ source: a }", "{ sorce: a }", "c.yaml:5:8", 'A filter has no field "sorce". Did you mean "source"?'],
  [
    "a filter value of the wrong type",
    "{ source: a }",
    "{ level: loud }",
    "c.yaml:5:15",
    /The filter "a" cannot be sent over gRPC: "level" is of type int32, not "loud"/,
  ],
  ["a rule on an entry field that the proto lacks", "entry: source", "entry: text2", "c.yaml:8:30", 'An entry has no field "text2". Did you mean "text"?'],
  ["a rule on a filter field that the proto lacks", "filter: source", "filter: src", "c.yaml:8:15", /A filter has no field "src"/],
  ["a required field that the proto lacks", "required: [seq]", "required: [sq]", "c.yaml:9:38", /An entry has no field "sq"/],
  ["a rule that is not known", "rule: equals", "rule: equal", "c.yaml:8:44", /"match\.0\.rule" is "equal".*Did you mean "equals"/],
  ["a method that is not there", "p.S/Watch", "p.S/Wach", "c.yaml:2:33", 'The service "p.S" has no method "Wach". Did you mean "Watch"?'],
  ["a service that is not there", "p.S/Watch", "p.Ss/Watch", "c.yaml:2:33", 'There is no service "p.Ss". Did you mean "p.S"?'],
  ["a method that does not stream", "p.S/Watch", "p.S/Get", "c.yaml:2:33", /does not stream in both directions/],
  [
    "CEL that does not parse",
    "{ filter: source, entry: source, rule: equals }",
    '{ cel: "entry.seq >" }',
    "c.yaml:8:24",
    /CEL expression is not accepted: Unexpected token/,
  ],
  [
    "CEL on a field that the proto lacks",
    "{ filter: source, entry: source, rule: equals }",
    '{ cel: "entry.sorce == filter.source" }',
    "c.yaml:8:19",
    /No such key: sorce/,
  ],
  [
    "CEL that compares what cannot be compared",
    "{ filter: source, entry: source, rule: equals }",
    "{ cel: 'entry.source > 3' }",
    "c.yaml:8:12",
    /no such overload/,
  ],
  ["CEL that is no predicate", "{ filter: source, entry: source, rule: equals }", "{ cel: entry.source }", "c.yaml:8:12", /it gives string, not true or false/],
  [
    "CEL over a variable that does not exist",
    "{ filter: source, entry: source, rule: equals }",
    "{ cel: 'message.source == \"a\"' }",
    "c.yaml:8:12",
    /Unknown variable: message/,
  ],
  [
    "two sources of types",
    "proto: p.proto",
    "proto: p.proto, reflection: true",
    "c.yaml:2:1",
    /exactly one of proto, descriptor-set and reflection, and has proto and reflection/,
  ],
  ["no source of types", "proto: p.proto, ", "", "c.yaml:2:1", /and has none/],
  ["no transport at all", "grpc: { proto: p.proto, method: p.S/Watch }", "about: x", "c.yaml:1:1", /needs a "grpc" section, a "websocket" section, or both/],
  ["a proto that is not there", "proto: p.proto", "proto: q.proto", "q.proto", /The file cannot be read/],
  ["a duration that is none", "roles:", "bounds: { apply: 2 seconds }\nroles:", "c.yaml:6:18", /"bounds\.apply": expected a duration/],
  [
    "a placeholder that is no entry field",
    "roles:",
    'producer: { http: POST /x, body: \'{"a":"{sauce}"}\' }\nroles:',
    "c.yaml:6:34",
    /An entry has no field "sauce"\. Did you mean "source"/,
  ],
  [
    "a path that the message type does not have",
    "entries: { sequence: seq,",
    "entries: { fields: { seq: seq, source: { path: sourze } }, sequence: seq,",
    "c.yaml:9:48",
    /The message p\.E has no field "sourze"\. Did you mean "source"/,
  ],
  ["a list that the message type does not have", "entries: { sequence: seq,", "entries: { each: lines, sequence: seq,", "c.yaml:9:18", /has no field "lines"/],
  [
    "a template reference that means nothing",
    "{ source: a }",
    "{ source: $name }",
    "c.yaml:5:16",
    /"\$name" means nothing here; \$namespace does, and \$\$ is a dollar sign/,
  ],
];

for (const [title, from, to, place, message] of mistakes) {
  t.test(`${title} is named at its place`, async (t) => {
    t.ok(good.includes(from));
    t.match(await refusal(t, good.replace(from, to)), { place, message });
  });
}

t.test("all mistakes of a file come at once, in its order", async (t) => {
  const error = await refusal(t, good.replace("broad: all", "broad: nope").replace("entry: source", "entry: nope2"));
  t.match(error, { place: "c.yaml:6:17", message: /There is no filter "nope".*And 1 more: 8:30 An entry has no field "nope2"/ });
});

t.test("a proto that does not parse is named at its own line and column", async (t) => {
  const error = await refusal(t, good, { "p.proto": proto.replace("string source = 1;", "string source = 1") });
  t.match(error, { place: /^p\.proto:7:\d+$/, message: /^p\.proto: It does not parse: illegal token/, hint: "It is named at c.yaml:2:16." });
});

t.test("a proto whose import or type is missing is named", async (t) => {
  t.match(await refusal(t, good, { "p.proto": `syntax = "proto3";\nimport "other.proto";\n${proto.slice(proto.indexOf("package"))}` }), {
    place: "p.proto:2:9",
    message: /The import "other\.proto" is in none of/,
  });
  t.match(await refusal(t, good, { "p.proto": proto.replace("int32 level", "Level level") }), { message: /A type is missing: .*Level/ });
});

t.test("without protobuf types a filter field that no rule reads is refused: the harness could not judge by it", async (t) => {
  const contract = good.replace("grpc: { proto: p.proto, method: p.S/Watch }", "websocket: { path: /w }").replace("{ source: a }", "{ sources: a }");
  t.match(await refusal(t, contract), {
    place: "c.yaml:5:8",
    message: 'No match rule reads the filter\'s field "sources", so the harness cannot judge by it. Did you mean "source"?',
  });
});
