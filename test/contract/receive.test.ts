import t from "tap";
import type { CelPredicate } from "../../src/contract/cel.js";
import { compileReceive, type ReceiveRules } from "../../src/contract/receive.js";

const none: ReceiveRules = {
  where: undefined,
  ack: undefined,
  barrier: undefined,
  rejection: undefined,
  preludeReply: undefined,
  ignore: [],
  each: undefined,
  fields: undefined,
};
const kind =
  (name: string): CelPredicate =>
  (variables) =>
    (variables["message"] as Readonly<Record<string, unknown>>)["kind"] === name;

t.test("without predicates every message is an entry", async (t) => {
  t.same(compileReceive(none)({ a: 1 }), { kind: "entries", entries: [{ a: 1 }] });
});

t.test("messages are told apart, and what is nothing is a violation", async (t) => {
  const receive = compileReceive({
    ...none,
    where: kind("event"),
    ack: kind("ok"),
    barrier: kind("pong"),
    rejection: kind("no"),
    ignore: [{ name: "ping", when: kind("ping"), answer: [{ kind: "pong", id: "$message.id" }] }],
  });
  t.match(receive({ kind: "event" }), { kind: "entries" });
  t.match(receive({ kind: "ok" }), { kind: "ack", name: "ack" });
  t.match(receive({ kind: "pong" }), { kind: "ack", name: "barrier" });
  t.match(receive({ kind: "no" }), { kind: "rejection" });
  t.same(receive({ kind: "ping", id: 7 }), { kind: "ignorable", name: "ping", answer: [{ kind: "pong", id: 7 }] });
  t.match(receive({ kind: "what", n: 1n }), { kind: "violation", detail: /neither an entry.*\{"kind":"what","n":"1"\}/ });
});

t.test("one message may carry several entries, whose fields may lie deeper or be encoded", async (t) => {
  const receive = compileReceive({
    ...none,
    each: "result.events",
    fields: { key: { path: "kv.key", decode: "base64" }, revision: "kv.rev", data: { path: "kv.data", decode: "json" } },
  });
  t.same(receive({ result: { events: [{ kv: { key: "L2E=", rev: "5", data: '{"x":1}' } }, { kv: { key: "L2I=", data: "not json" } }] } }), {
    kind: "entries",
    entries: [
      { key: "/a", revision: "5", data: { x: 1 } },
      { key: "/b", data: "not json" },
    ],
  });
  t.same(receive({ result: { events: [] } }), { kind: "entries", entries: [] });
  t.match(receive({ result: {} }), { kind: "violation", detail: /without the list "result\.events"/ });
  t.match(receive({ result: { events: [null] } }), { kind: "violation", detail: /no object/ });
});
