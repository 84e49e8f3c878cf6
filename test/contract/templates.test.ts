import t from "tap";
import { fillTemplate, unknownReferences } from "../../src/contract/templates.js";

t.test("a reference that is the whole text becomes the value, of whatever type", async (t) => {
  const filled = fillTemplate(
    { create: { key: "$filter.key", all: "$filter", id: "$slot", gone: "$filter.absent", list: ["$old", "$filter.absent"] } },
    { filter: { key: "a", n: 1 }, slot: 2, old: 1 },
  );
  t.same(filled, { create: { key: "a", all: { key: "a", n: 1 }, id: 2, list: [1] } });
});

t.test("references inside a text are written into it, and two dollars are one", async (t) => {
  t.same(fillTemplate({ a: "${slot}0 ${filter.subject}", b: "$slot.x" }, { filter: { subject: "s" }, slot: 3 }), { a: "30 s" });
  t.same(fillTemplate({ a: "sub $filter.subject $slot", b: "$$filter costs 5$$", c: "x$filter.absent.y" }, { filter: { subject: "s" }, slot: 3 }), {
    a: "sub s 3",
    b: "$filter costs 5$",
    c: "x",
  });
});

t.test("a text can be written as base64", async (t) => {
  t.same(fillTemplate({ a: "${filter.key:base64}", b: "k=${filter.key:base64};", c: "${filter.absent:base64}" }, { filter: { key: "/a" } }), {
    a: "L2E=",
    b: "k=L2E=;",
  });
});

t.test("what a peer sends is not filled in again", async (t) => {
  t.same(fillTemplate({ nonce: "$message.nonce" }, { message: { nonce: "$slot" } }), { nonce: "$slot" });
});

t.test("references that mean nothing are found with their place", async (t) => {
  t.same(
    unknownReferences({ a: ["$slot", { b: "x $nope y $$fine ${what} $slots" }] }, ["slot"]),
    ["nope", "what", "slots"].map((name) => ({ name, path: ["a", 1, "b"] })),
  );
});
