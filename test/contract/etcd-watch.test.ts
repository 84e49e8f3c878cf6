import protobuf from "protobufjs";
import t from "tap";
import { fileURLToPath } from "node:url";
import { loadContract } from "../../src/contract/load-contract.js";
import type { Filter } from "../../src/core/contract.js";
import { sequenceOf, tokenOf } from "../../src/core/contract.js";

const contract = await loadContract("etcd-watch", { namespace: "ns" });
const filterNamed = (name: string): Filter => contract.filters[name] as Filter;
const root = new protobuf.Root().loadSync(fileURLToPath(new URL("../../../contracts/etcd-watch.proto", import.meta.url)), { keepCase: true });
const response = (message: object): Uint8Array =>
  root.lookupType("etcdserverpb.WatchResponse").encode(root.lookupType("etcdserverpb.WatchResponse").fromObject(message)).finish();
const request = (bytes: Uint8Array | undefined): object =>
  root.lookupType("etcdserverpb.WatchRequest").toObject(root.lookupType("etcdserverpb.WatchRequest").decode(bytes ?? new Uint8Array(0)), { longs: Number });
const received = (message: object): ReturnType<typeof contract.classify> => contract.classify(contract.grpc?.codec.decode(response(message)) ?? {});
const base64 = (text: string): string => Buffer.from(text).toString("base64");

t.test("a filter becomes a watcher of its own slot, an update cancels the one before", async (t) => {
  const sent = contract.updating(filterNamed("alpha"), filterNamed("one-key"), 2).map((message) => request(contract.grpc?.codec.encode(message)));
  t.same(sent, [{ cancel_request: { watch_id: 1 } }, { create_request: { key: Buffer.from("ns/alpha/1"), watch_id: 2 } }]);
  t.same(contract.opening(filterNamed("everything"), 1), [{ create_request: { key: "ns/", range_end: "ns0", watch_id: 1 } }]);
});

t.test("what the server says is told apart", async (t) => {
  t.match(received({ watch_id: 1, created: true }), { kind: "ack" });
  t.match(received({ watch_id: -1, created: true, canceled: true, cancel_reason: "watcher range is empty" }), { kind: "rejection" });
  t.match(received({ watch_id: 1, canceled: true }), { kind: "ignorable", name: "cancelled" });
  t.match(received({ header: { revision: 5 } }), { kind: "ignorable", name: "progress" });
  const events = [
    { kv: { key: base64("ns/alpha/1"), mod_revision: 9, value: base64("hc-1") } },
    { type: "DELETE", kv: { key: base64("ns/beta/1"), mod_revision: 9 } },
  ];
  const heard = received({ watch_id: 1, events });
  t.same(heard, {
    kind: "entries",
    entries: [
      { revision: 9, key: "ns/alpha/1", value: "hc-1", type: "PUT" },
      { revision: 9, key: "ns/beta/1", value: "", type: "DELETE" },
    ],
  });
  const [entry = {}] = heard.kind === "entries" ? heard.entries : [];
  t.equal(sequenceOf(contract.entries, entry), 9);
  t.equal(tokenOf(contract.entries, entry), "hc-1");
  t.equal(contract.violationOf(entry), undefined);
  t.ok(filterNamed("alpha").matches(entry));
  t.notOk(filterNamed("beta").matches(entry));
  t.notOk(filterNamed("nothing").matches(entry));
});

t.test("entries can be drafted for every role", async (t) => {
  t.equal(contract.draft([filterNamed("alpha-beta")], [filterNamed("beta-gamma")])?.["key"], "ns/alpha/1");
  t.equal(contract.draft([filterNamed("beta-gamma")], [filterNamed("alpha-beta")])?.["key"], "ns/gamma/1");
  t.equal(contract.draft([filterNamed("alpha-beta"), filterNamed("beta-gamma")], [])?.["key"], "ns/beta/1");
  t.equal(contract.draft([filterNamed("nothing")], []), undefined);
});

t.test("each run has keys of its own", async (t) => {
  const [one, two] = [await loadContract("etcd-watch"), await loadContract("etcd-watch")];
  t.not(one.filters["alpha"]?.messages[0]?.["key"], two.filters["alpha"]?.messages[0]?.["key"]);
});

t.test("no compiled reader may take such messages for entries", async (t) => {
  t.equal(contract.matchRules, undefined);
  t.equal(contract.semantics.takesEffect, "ack");
});
