import t from "tap";
import assert from "node:assert/strict";
import { deflateRawSync, constants } from "node:zlib";
import fc from "fast-check";
import { MessageInflater, deflateMessage } from "../../src/wire/websocket-deflate.js";

t.test("what is deflated inflates to itself, whatever the window", (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 2000 }), { maxLength: 4 }),
      fc.integer({ min: 9, max: 15 }),
      fc.boolean(),
      (messages, windowBits, serverNoContextTakeover) => {
        const inflater = new MessageInflater({ serverNoContextTakeover, maxMessageBytes: 2000 });
        for (const message of messages) assert.deepEqual(new Uint8Array(inflater.inflate(deflateMessage(message, windowBits)!, 0)), message);
      },
    ),
    { numRuns: 50 },
  );
  t.equal(deflateMessage(Buffer.from("x"), 8), undefined, "zlib has no window of 8 bits");
  t.end();
});

t.test("the example of RFC 7692 (section 7.2.3.1) inflates, also with a window kept", (t) => {
  const inflater = new MessageInflater({ serverNoContextTakeover: false, maxMessageBytes: 100 });
  t.equal(inflater.inflate(Buffer.from("f248cdc9c90700", "hex"), 0).toString(), "Hello");
  t.equal(inflater.inflate(Buffer.from("f200110000", "hex"), 0).toString(), "Hello", "section 7.2.3.2: by reference to the first");
  t.equal(inflater.inflate(Buffer.from("000500faff48656c6c6f00", "hex"), 0).toString(), "Hello", "section 7.2.3.3: a block without compression");
  t.equal(inflater.inflate(Buffer.from("f348cdc9c9070000", "hex"), 0).toString(), "Hello", "section 7.2.3.4: a block with BFINAL set");
  t.equal(inflater.inflate(Buffer.from("f24805000000ffffcac9c90700", "hex"), 0).toString(), "Hello", "section 7.2.3.5: two blocks");
  t.end();
});

t.test("the window is the last 32 KiB over all messages", (t) => {
  const inflater = new MessageInflater({ serverNoContextTakeover: false, maxMessageBytes: 100_000 });
  let window = Buffer.alloc(0);
  for (let count = 0; count < 6; count += 1) {
    const message = Buffer.from(Array.from({ length: 12_000 }, (_, index) => (index * (count + 3) * 31) & 0xff));
    const deflated = deflateRawSync(message, { finishFlush: constants.Z_SYNC_FLUSH, ...(window.length > 0 ? { dictionary: window } : {}) }).subarray(0, -4);
    t.equal(Buffer.compare(inflater.inflate(deflated, 0), message), 0);
    window = Buffer.concat([window, message]).subarray(-32768);
  }
  t.end();
});

t.test("a bomb stops at the bound, and garbage is an error at the message", (t) => {
  const inflater = new MessageInflater({ serverNoContextTakeover: false, maxMessageBytes: 1000 });
  const bomb = deflateMessage(Buffer.alloc(100_000_000), 15)!;
  const before = process.memoryUsage().rss;
  t.throws(() => inflater.inflate(bomb, 7), { code: "MESSAGE_TOO_LONG", atByte: 7 });
  t.ok(process.memoryUsage().rss - before < 50_000_000);
  t.throws(() => inflater.inflate(Buffer.from("ffff", "hex"), 9), { code: "BAD_DEFLATE", atByte: 9 });
  t.end();
});
