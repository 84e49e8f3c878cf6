import t from "tap";
import type { Contract } from "../../src/core/contract.js";
import { createPreludeGate } from "../../src/core/prelude.js";

const asks = { prelude: [{ type: "init" }], preludeReply: (message: Readonly<Record<string, unknown>>) => message["type"] === "ack" } as unknown as Contract;

/** Whether a promise has settled once all that is due has run. */
async function settled(promise: Promise<void>): Promise<boolean> {
  let done = false;
  void promise.finally(() => (done = true));
  await new Promise((resolve) => setImmediate(resolve));
  return done;
}

t.test("what follows the prelude waits for its answer", async (t) => {
  const gate = createPreludeGate(asks);
  t.ok(await settled(gate.pass()), "the prelude itself");
  const filter = gate.pass();
  gate.hear({ kind: "message", atMicros: 0, message: { type: "ping" }, bytes: 1, text: true });
  t.notOk(await settled(filter));
  gate.hear({ kind: "message", atMicros: 0, message: { type: "ack" }, bytes: 1, text: true });
  t.ok(await settled(filter));
  t.ok(await settled(gate.pass()));
});

t.test("the stream's end opens the gate, so that nothing waits for ever", async (t) => {
  const gate = createPreludeGate(asks);
  void gate.pass();
  const filter = gate.pass();
  gate.hear({ kind: "ended", atMicros: 0, end: { kind: "lost", native: "1006", cause: "gone" } });
  t.ok(await settled(filter));
});

t.test("a prelude without an answer holds nothing back", async (t) => {
  const gate = createPreludeGate({ prelude: [] } as unknown as Contract);
  t.ok(await settled(gate.pass()));
});
