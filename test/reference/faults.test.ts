import t from "tap";

import { chooseFaults, faults, joinSeams, type Fault, type FaultName } from "../../src/reference/faults.js";

const all: readonly (readonly [string, Fault])[] = Object.entries(faults);

t.test("every fault says what it does, where it bites and what catches it", async (t) => {
  for (const [name, fault] of all) {
    t.match(name, /^[a-z0-9]+(?:[.-][a-z0-9]+)*$/);
    t.match(fault.sentence, /^[A-Z].*[.)]$/s, name);
    t.not(fault.seam, "", name);
    t.ok(fault.caughtBy.length > 0, name);
    for (const id of fault.caughtBy) t.match(id, /^[a-z-]+\/[a-z0-9-]+$/);
  }
});

t.test("a fault has its detours and taps where its seam says so", async (t) => {
  for (const [name, fault] of all) {
    const seams = fault.seam.split(", ");
    t.equal(seams.includes("http2"), fault.http2 !== undefined, name);
    t.equal(seams.includes("websocket"), fault.webSocket !== undefined, name);
    const ofStream = seams.filter((seam) => seam !== "http2" && seam !== "websocket" && !seam.endsWith(".ts"));
    t.equal(ofStream.length > 0, fault.stream !== undefined, name);
  }
});

t.test("without a fault there is neither a detour nor a tap", async (t) => {
  const none = chooseFaults([]);
  t.equal(none.seams, undefined);
  t.strictSame([none.http2(), none.webSocket()], [[], []]);
  t.equal(joinSeams([]), undefined);
});

t.test("the chosen faults are there, the others are not", async (t) => {
  const names: readonly FaultName[] = ["window-ignored", "or-for-and", "short-read-lost"];
  const chosen = chooseFaults(names);
  t.ok(names.every((name) => chosen.has(name)));
  t.notOk(chosen.has("work-queue"));
  t.equal(chosen.http2().length, 2);
  t.equal(chosen.webSocket().length, 1);
  t.type(chosen.seams, "function");
});
