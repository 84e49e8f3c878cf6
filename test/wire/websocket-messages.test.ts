import t from "tap";
import assert from "node:assert/strict";
import fc from "fast-check";
import { opcodes, type Frame } from "../../src/wire/websocket-frames.js";
import { MessageAssembler } from "../../src/wire/websocket-messages.js";

const frame = (opcode: number, payload: Uint8Array | string, fin = true, atByte = 0): Frame => {
  const bytes = Buffer.from(payload);
  return { fin, rsv: 0, opcode, maskKey: undefined, payloadBytes: bytes.length, headerBytes: 2, atByte, payload: bytes };
};

t.test("fragments of any size join to the message", (t) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 50 }), { minLength: 1, maxLength: 10 }), (parts) => {
      const messages = new MessageAssembler({ maxMessageBytes: 500, inflater: undefined });
      const results = parts.map((part, index) => messages.add(frame(index === 0 ? opcodes.binary : opcodes.continuation, part, index === parts.length - 1)));
      assert.ok(results.slice(0, -1).every(({ message }) => message === undefined));
      const { message, error } = results.at(-1)!;
      assert.equal(error, undefined);
      assert.equal(message?.fragments, parts.length);
      assert.deepEqual(Buffer.from(message.bytes), Buffer.concat(parts));
      assert.equal(messages.open, false);
    }),
  );
  t.pass("held for every run");
  t.end();
});

t.test("a message is open from its start to its end, and counts against the bound", (t) => {
  const messages = new MessageAssembler({ maxMessageBytes: 10, inflater: undefined });
  t.notOk(messages.open);
  messages.add(frame(opcodes.text, "12345", false));
  t.ok(messages.open);
  t.notOk(messages.wouldOverflow(5));
  t.ok(messages.wouldOverflow(6));
  messages.add(frame(opcodes.continuation, "6"));
  t.notOk(messages.open);
  t.notOk(messages.wouldOverflow(10));
  t.end();
});

t.test("bad text is found in the fragment that holds it, once, and the message is there all the same", (t) => {
  const messages = new MessageAssembler({ maxMessageBytes: 100, inflater: undefined });
  t.equal(messages.add(frame(opcodes.text, Buffer.from("61e2", "hex"), false, 100)).error, undefined);
  t.match(messages.add(frame(opcodes.continuation, Buffer.from("8261", "hex"), false, 104)).error, { code: "BAD_UTF8", atByte: 107 });
  const { message, error } = messages.add(frame(opcodes.continuation, Buffer.from("ff", "hex"), true, 108));
  t.equal(error, undefined);
  t.equal(Buffer.from(message!.bytes).toString("hex"), "61e28261ff");
  t.match(messages.add(frame(opcodes.text, Buffer.from("c3", "hex"), true, 111)).error, {
    code: "BAD_UTF8",
    atByte: 114,
    actual: "a message that ends inside a character",
  });
  t.equal(messages.add(frame(opcodes.binary, Buffer.from("ff", "hex"))).error, undefined, "binary is no text");
  t.end();
});

t.test("a start drops an unfinished message, and a continuation without start is dropped", (t) => {
  const messages = new MessageAssembler({ maxMessageBytes: 100, inflater: undefined });
  t.equal(messages.add(frame(opcodes.continuation, "x")).message, undefined);
  messages.add(frame(opcodes.text, "lost", false));
  const { message } = messages.add(frame(opcodes.text, "kept"));
  t.equal(Buffer.from(message!.bytes).toString(), "kept");
  t.end();
});

t.test("millions of empty fragments take no memory", (t) => {
  const messages = new MessageAssembler({ maxMessageBytes: 100, inflater: undefined });
  messages.add(frame(opcodes.text, "", false));
  const empty = frame(opcodes.continuation, "", false);
  const before = process.memoryUsage().heapUsed;
  for (let count = 0; count < 300_000; count += 1) messages.add(empty);
  t.ok(process.memoryUsage().heapUsed - before < 100_000_000);
  t.equal(messages.add(frame(opcodes.continuation, "")).message?.fragments, 300_002);
  t.end();
});
