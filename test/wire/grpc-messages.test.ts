import { gzipSync } from "node:zlib";

import fc from "fast-check";
import t from "tap";

import { decodeBinaryValues, decodePercent, encodeMessage, encodeMetadata, gunzipMessage } from "../../src/wire/grpc-messages.js";

t.test("a message has a flag, a length and its payload; the flag byte can be any", (t) => {
  t.equal(encodeMessage(Buffer.from("hey")).toString("hex"), "0000000003686579");
  t.equal(encodeMessage(Buffer.alloc(0), { flagByte: 255 }).toString("hex"), "ff00000000");
  const compressed = encodeMessage(Buffer.alloc(1000), { compress: true });
  t.equal(compressed[0], 1);
  t.equal(compressed.readUInt32BE(1), compressed.length - 5);
  t.ok(gunzipMessage(compressed.subarray(5), 1000, 0).equals(Buffer.alloc(1000)));
  t.end();
});

t.test("a gzip bomb stops at the limit, a broken stream is told from it", (t) => {
  const bomb = gzipSync(Buffer.alloc(10_000_000));
  t.throws(() => gunzipMessage(bomb, 1000, 7), { code: "MESSAGE_TOO_LONG", atByte: 7 });
  t.throws(() => gunzipMessage(bomb.subarray(0, 100), 1e8, 7), { code: "BAD_COMPRESSION", atByte: 7 });
  t.throws(() => gunzipMessage(Buffer.from("not gzip"), 1e8, 7), { code: "BAD_COMPRESSION" });
  t.throws(() => gunzipMessage(Buffer.alloc(0), 1e8, 7), { code: "BAD_COMPRESSION" });
  t.equal(gunzipMessage(gzipSync(Buffer.alloc(0)), 0, 0).length, 0);
  t.end();
});

t.test("binary metadata is unpadded base64 and reads back padded, unpadded and joined by commas", (t) => {
  t.same(
    encodeMetadata([
      ["a-bin", Buffer.from([0, 255])],
      ["b", "text"],
    ]),
    [
      ["a-bin", "AP8"],
      ["b", "text"],
    ],
  );
  t.same(decodeBinaryValues("AP8"), [Buffer.from([0, 255])]);
  t.same(decodeBinaryValues("AP8=, AQ"), [Buffer.from([0, 255]), Buffer.from([1])]);
  t.end();
});

t.test("grpc-message is percent-decoded as UTF-8, and what is no escape stays", (t) => {
  t.equal(decodePercent("50%25 %E2%98%83 %e2%98%83"), "50% ☃ ☃");
  t.equal(decodePercent("100%, %zz %4"), "100%, %zz %4");
  t.equal(decodePercent("%FF"), "�");
  t.equal(decodePercent(Buffer.from("☃").toString("latin1")), "☃", "raw UTF-8 is read too");
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => decodePercent(encodeURIComponent(text)) === text));
  fc.assert(fc.property(fc.string(), (text) => typeof decodePercent(text) === "string"));
  t.end();
});
