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
    'An entry has no field "sorce". Did you mean "source"?',
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

const nestedProto = `syntax = "proto3";
package n;
import "google/protobuf/timestamp.proto";
enum Kind { KIND_UNSPECIFIED = 0; KIND_BUS = 1; KIND_TRAM = 2; }
message Ids { repeated uint32 id = 1; }
message Place { string city = 1; }
message F {
  oneof scope { Ids vehicles = 1; string line = 2; }
  repeated Kind kinds = 3;
  map<string, string> labels = 4;
  repeated string topics = 7;
  google.protobuf.Timestamp since = 5;
  Wrapped wrapped = 6;
}
message Wrapped { oneof one { string a = 1; string b = 2; } repeated Place places = 3; }
message E {
  uint32 vehicle = 1; string line = 2; Kind kind = 3; Place at = 4; repeated Place stops = 5; repeated string tags = 6;
  map<string, Place> by_name = 7; google.protobuf.Timestamp observed = 8;
}
service S { rpc Watch (stream F) returns (stream E); }
`;

const nested = `name: n
grpc: { proto: n.proto, method: n.S/Watch }
filters:
  all: {}
  one: { line: U1 }
roles: { broad: all }
match:
  - { filter: line, entry: line, rule: equals }
  - { cel: "!has(filter.vehicles) || entry.vehicle in filter.vehicles.id" }
entries: { required: [vehicle] }
`;
const nestedFiles = { "n.proto": nestedProto };
const equalsLine = "{ filter: line, entry: line, rule: equals }";
const celRule = '"!has(filter.vehicles) || entry.vehicle in filter.vehicles.id"';

const nestedMistakes: typeof mistakes = [
  [
    "a filter with two members of one oneof",
    "{ line: U1 }",
    "{ line: U1, vehicles: { id: [1] } }",
    "c.yaml:5:30",
    /"line" and "vehicles" are members of the oneof n\.F\.scope, of which a message holds one, so leave one of them out/,
  ],
  [
    "two members of a oneof within a message",
    "{ line: U1 }",
    "{ wrapped: { a: x, b: y } }",
    "c.yaml:5:30",
    /"a" and "b" are members of the oneof n\.Wrapped\.one/,
  ],
  [
    "the name of an enum's value that it lacks",
    "{ line: U1 }",
    "{ kinds: [KIND_BUSS] }",
    "c.yaml:5:18",
    /is of type Kind, not "KIND_BUSS"\. Did you mean "KIND_BUS"\? Its values: KIND_UNSPECIFIED, KIND_BUS, KIND_TRAM\./,
  ],
  [
    "a rule on a message of the filter",
    equalsLine,
    "{ filter: vehicles, entry: vehicle, rule: equals }",
    "c.yaml:8:15",
    /"vehicles" is a message \(n\.Ids\).*say it by CEL, as \{ cel: "!has\(filter\.vehicles\) \|\| entry\.vehicle in filter\.vehicles\.id" \}/,
  ],
  ["a rule on a map of the filter", equalsLine, "{ filter: labels, entry: line, rule: one-of }", "c.yaml:8:15", /"labels" is a map/],
  [
    "a rule for one value on a list of the filter",
    equalsLine,
    "{ filter: kinds, entry: kind, rule: equals }",
    "c.yaml:8:15",
    /"kinds" is a list.*"rule: one-of"/,
  ],
  [
    "a rule on a message of the entry",
    equalsLine,
    "{ filter: line, entry: at, rule: equals }",
    "c.yaml:8:28",
    /"at" is a message \(n\.Place\).*fields: \{ city: at\.city, … \}/,
  ],
  ["a rule on a list of the entry", equalsLine, "{ filter: line, entry: tags, rule: equals }", "c.yaml:8:28", /"tags" is a list.*entry\.tags\.exists/],
  [
    "a rule on a path into the filter",
    equalsLine,
    "{ filter: vehicles.id, entry: vehicle, rule: one-of }",
    "c.yaml:8:15",
    /not paths into them: say it by CEL, as \{ cel: "!has\(filter\.vehicles\) \|\| entry\.… in filter\.vehicles\.id" \}/,
  ],
  [
    "a rule on a path into the entry",
    equalsLine,
    "{ filter: line, entry: at.city, rule: equals }",
    "c.yaml:8:28",
    /gets a name in "entries\.fields" \(city: at\.city\)/,
  ],
  [
    "CEL on a deeper field that is not there",
    celRule,
    '"entry.at.citty == filter.line"',
    "c.yaml:9:22",
    /"entry\.at" \(n\.Place\) has no field "citty"\. Did you mean "city"/,
  ],
  ["CEL on a deeper field of the filter", celRule, '"entry.vehicle in filter.vehicles.idd"', "c.yaml:9:46", /"filter\.vehicles" \(n\.Ids\) has no field "idd"/],
  [
    "a macro on a field that the elements lack",
    celRule,
    "'entry.stops.exists(stop, stop.citty == filter.line)'",
    "c.yaml:9:43",
    /"stop" has no field "citty"\. Did you mean "city"/,
  ],
  [
    "CEL that goes on behind a time",
    celRule,
    '"entry.observed.seconds > 3"',
    "c.yaml:9:28",
    /"entry\.observed" has no field "seconds": it is one value \(google\.protobuf\.Timestamp/,
  ],
  [
    "CEL that treats a list as a message",
    celRule,
    '"entry.stops.city == filter.line"',
    "c.yaml:9:25",
    /"entry\.stops" is a list.*entry\.stops\.exists\(one, one\.city == …\)/,
  ],
  [
    "CEL on a name that entries.fields does not give",
    `${celRule} }\nentries: { required: [vehicle] }`,
    '"entry.town == filter.line" }\nentries: { fields: { vehicle: vehicle, line: line, city: at.city } }',
    "c.yaml:9:19",
    /An entry has no field "town"\. It has vehicle, line, city/,
  ],
];

const templated: typeof mistakes = [
  [
    "a rule over texts on a list of several",
    `{ line: U1 }\nroles: { broad: all }\nmatch:\n  - ${equalsLine}`,
    "{ topics: [a, b] }\nroles: { broad: all }\nmatch:\n  - { filter: topics, entry: line, rule: topic }",
    "c.yaml:8:15",
    /"topics" is a list, and "rule: topic" compares one value/,
  ],
  [
    "an update with a field that the type lacks",
    "entries: {",
    "update: [{ lin: $filter.line }]\nentries: {",
    "c.yaml:10:9",
    /What changes a filter cannot be sent over gRPC: n\.F has no field "lin"/,
  ],
  [
    "an update with two members of a oneof",
    "entries: {",
    "update: [{ line: a, vehicles: { id: [1] } }]\nentries: {",
    "c.yaml:10:9",
    /What changes a filter .*members of the oneof n\.F\.scope/,
  ],
  [
    "a prelude with a value of the wrong type",
    "entries: {",
    "prelude: [{ line: 5 }]\nentries: {",
    "c.yaml:10:19",
    /The prelude cannot be sent over gRPC: "line" is of type string/,
  ],
];

for (const [title, from, to, place, message] of [...nestedMistakes, ...templated]) {
  t.test(`${title} is named at its place`, async (t) => {
    t.ok(nested.includes(from));
    t.match(await refusal(t, nested.replace(from, to), nestedFiles), { place, message });
  });
}

t.test("CEL that the types allow is let through, however deep it goes", async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), "contract-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  writeFileSync(path.join(folder, "n.proto"), nestedProto);
  for (const cel of [
    celRule,
    "'entry.at.city == filter.line'",
    "'has(entry.at.city) && entry.stops.exists(stop, stop.city == filter.line)'",
    "'entry.stops.filter(stop, stop.city != \"\").exists(kept, kept.city == filter.line)'",
    "'entry.stops.map(stop, stop.city).exists(city, city == filter.line)'",
    "'entry.stops[0].city == filter.line'",
    "'entry.by_name[filter.line].city == \"here\"'",
    "'entry.by_name.anything.city == \"here\"'",
    "'has(filter.labels.env) && filter.labels.env == entry.line'",
    "'filter.kinds.exists(filter, filter == entry.kind)'",
    "'entry.?at.?city.orValue(\"\") == filter.line'",
    "'timestamp(entry.observed) >= timestamp(filter.since)'",
  ]) {
    writeFileSync(path.join(folder, "c.yaml"), nested.replace(celRule, cel));
    await t.resolves(loadContract(path.join(folder, "c.yaml")), cel);
  }
});

t.test("rules over times, one-of over a single value, and texts in a list of one are let through", async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), "contract-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  writeFileSync(path.join(folder, "n.proto"), nestedProto);
  for (const rule of [
    "{ filter: topics, entry: line, rule: topic }",
    "{ filter: since, entry: observed, rule: at-least }",
    "{ filter: kinds, entry: kind, rule: one-of }",
    "{ filter: line, entry: line, rule: one-of }",
  ]) {
    writeFileSync(path.join(folder, "c.yaml"), nested.replace(equalsLine, rule).replace("all: {}", "all: {}\n  two: { topics: [a] }"));
    await t.resolves(loadContract(path.join(folder, "c.yaml")), rule);
  }
});

const overWebSocket = `name: w
websocket: { path: /w }
filters: { all: {}, a: { vehicles: { id: [1] } } }
roles: { broad: all }
match: [{ filter: vehicles, entry: vehicle, rule: equals }]
`;

t.test("without protobuf types the samples tell that a rule compares a mapping, or names a path", async (t) => {
  t.match(await refusal(t, overWebSocket), { place: "c.yaml:5:19", message: /"vehicles" is a mapping.*entry\.vehicle in filter\.vehicles\.id/ });
  t.match(await refusal(t, overWebSocket.replace("filter: vehicles,", "filter: vehicles.id,")), {
    place: "c.yaml:5:19",
    message: /^A filter has no field "vehicles\.id"\. Rules read the filter's own fields((?!And 1 more).)*$/,
  });
});

t.test("a name of JSON with a dot in it is no path, and what must be refused may be of any type", async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), "contract-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, "c.yaml");
  writeFileSync(
    file,
    overWebSocket
      .replace("vehicles: { id: [1] }", '"service.name": x')
      .replace("filter: vehicles, entry: vehicle", "filter: service.name, entry: service.name"),
  );
  await t.resolves(loadContract(file));
  writeFileSync(file, overWebSocket.replace("broad: all", "broad: all, invalid: [a]"));
  await t.resolves(loadContract(file));
});
