import { gzipSync } from "node:zlib";
import fc from "fast-check";
import t from "tap";

import { endings } from "../../src/reference/ending.js";
import { MessageReader, percentEncode, statusHeaders } from "../../src/reference/grpc-framing.js";
import { framed } from "./clients.js";

const reader = (gzip = false): MessageReader => new MessageReader({ limitBytes: 1000, gzip, flagIgnored: false });

t.test("messages come out whole however the bytes are cut", async () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }), (messages, cuts) => {
      const bytes = Buffer.concat(messages.map((message) => framed(Buffer.from(message))));
      const read = reader();
      const seen: string[] = [];
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const size = cuts[turn % cuts.length] ?? 1;
        for (const reading of read.push(bytes.subarray(at, at + size))) seen.push(reading.kind === "message" ? reading.bytes.toString("hex") : "refused");
        at += size;
      }
      return !read.partial && JSON.stringify(seen) === JSON.stringify(messages.map((message) => Buffer.from(message).toString("hex")));
    }),
  );
});

t.test("an incomplete message is told, and can be forgotten", async (t) => {
  const read = reader();
  t.strictSame(read.push(Buffer.from([0, 0])), []);
  t.ok(read.partial);
  read.forget();
  t.notOk(read.partial);
});

t.test("what comes before a refusal is read, what comes after is not", async (t) => {
  const readings = reader().push(Buffer.concat([framed(Buffer.from("a")), framed(Buffer.alloc(1001)), framed(Buffer.from("b"))]));
  t.match(readings, [{ kind: "message" }, { kind: "refused", ending: { status: 8, closeCode: 1009 } }]);
  t.equal(readings.length, 2);
});

t.test("compressed messages are read where the call is gzip", async (t) => {
  t.match(reader(true).push(framed(gzipSync("hello"), 1)), [{ kind: "message", bytes: Buffer.from("hello") }]);
  t.match(reader(true).push(framed(Buffer.from("hello"), 1)), [{ kind: "refused", ending: { status: 13 } }]);
  t.match(reader(true).push(framed(gzipSync(Buffer.alloc(1001)), 1)), [{ kind: "refused", ending: { status: 8 } }]);
  t.match(reader().push(framed(gzipSync("hello"), 1)), [{ kind: "refused", ending: { status: 13 } }]);
});

t.test("a status message is percent-encoded and decodes to itself", async (t) => {
  t.equal(percentEncode("100% ☃\n"), "100%25 %E2%98%83%0A");
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => decodeURIComponent(percentEncode(text)) === text && /^[\x20-\x7e]*$/.test(percentEncode(text))),
  );
  t.strictSame(statusHeaders(endings.completed), { "grpc-status": "0" });
});
