import t from "tap";
import { encodeFrame, opcodes, type FrameToSend } from "../../src/wire/websocket-frames.js";
import { FrameReceiver } from "../../src/wire/websocket-receiver.js";

const frame = (parts: FrameToSend): Buffer => encodeFrame({ mask: false, ...parts });

function receiver(goesOn: boolean): { receiver: FrameReceiver; heard: string[] } {
  const heard: string[] = [];
  const receiver = new FrameReceiver(
    {
      onFrame: ({ opcode }) => heard.push(`frame ${opcode}`),
      onControl: ({ opcode }) => heard.push(`control ${opcode}`),
      onMessage: ({ bytes }) => heard.push(`message ${Buffer.from(bytes).toString()}`),
      onViolation: ({ code, atByte }) => {
        heard.push(`${code} at ${atByte}`);
        return goesOn;
      },
    },
    { maxMessageBytes: 100, firstByte: 1000, deflate: undefined },
  );
  return { receiver, heard };
}

t.test("each frame is told before what it means, and control frames between fragments in their place", (t) => {
  const { receiver: one, heard } = receiver(true);
  one.push(
    Buffer.concat([
      frame({ opcode: opcodes.text, fin: false, payload: "a" }),
      frame({ opcode: opcodes.ping }),
      frame({ opcode: opcodes.continuation, payload: "b" }),
    ]),
  );
  t.strictSame(heard, ["frame 1", "frame 9", "control 9", "frame 0", "message ab"]);
  t.equal(one.finish(), undefined);
  t.end();
});

t.test("a sink that says no hears nothing more, one that says yes hears on", (t) => {
  const bytes = (): Buffer => Buffer.concat([frame({ opcode: opcodes.text, rsv: 1, payload: "a" }), frame({ opcode: opcodes.text, payload: "b" })]);
  const strict = receiver(false);
  strict.receiver.push(bytes());
  t.strictSame(strict.heard, ["RESERVED_BITS at 1000"]);
  const lenient = receiver(true);
  lenient.receiver.push(bytes());
  t.strictSame(lenient.heard, ["RESERVED_BITS at 1000", "frame 1", "message a", "frame 1", "message b"]);
  t.end();
});

t.test("a message over the bound throws at the fragment that makes it so", (t) => {
  const { receiver: one } = receiver(true);
  one.push(frame({ opcode: opcodes.text, fin: false, payload: "x".repeat(60) }));
  t.throws(() => one.push(frame({ opcode: opcodes.continuation, payload: "x".repeat(41) })), { code: "MESSAGE_TOO_LONG", atByte: 1062 });
  t.equal(one.finish(), undefined, "it has said what is wrong");
  t.end();
});

t.test("an end inside a frame or a message is truncation", (t) => {
  const inFrame = receiver(true).receiver;
  inFrame.push(Buffer.from([0x81]));
  t.match(inFrame.finish(), { code: "TRUNCATED_FRAME", atByte: 1001 });
  const inMessage = receiver(true).receiver;
  inMessage.push(frame({ opcode: opcodes.text, fin: false }));
  t.match(inMessage.finish(), { code: "TRUNCATED_MESSAGE", atByte: 1002 });
  inMessage.stop();
  t.equal(inMessage.finish(), undefined);
  t.end();
});

t.test("a flood of frames that carry no message is not followed, whatever they are", (t) => {
  for (const opcode of [opcodes.ping, opcodes.pong, opcodes.close, opcodes.text]) {
    const { receiver: one } = receiver(true);
    const flood = Buffer.concat(Array.from({ length: 1000 }, () => frame({ opcode })));
    t.throws(
      () => {
        for (let times = 0; times < 1000; times += 1) one.push(Buffer.from(flood));
      },
      { code: "CONTROL_FLOOD" },
      `opcode ${opcode}`,
    );
  }
  t.end();
});

t.test("pings beside messages are no flood", (t) => {
  const { receiver: one } = receiver(true);
  const pair = Buffer.concat([frame({ opcode: opcodes.ping }), frame({ opcode: opcodes.text, payload: "a".repeat(90) })]);
  for (let times = 0; times < 15_000; times += 1) one.push(Buffer.from(pair));
  t.equal(one.finish(), undefined);
  t.end();
});
