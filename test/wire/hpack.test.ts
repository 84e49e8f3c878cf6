import fc from "fast-check";
import t from "tap";

import { encodeHuffman } from "../../src/wire/hpack-huffman.js";
import { encodeInteger, HpackDecoder, HpackEncoder, type Header } from "../../src/wire/hpack.js";

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ""), "hex");
const decoder = (maxHeaderListBytes = 65_536): HpackDecoder => new HpackDecoder({ maxHeaderListBytes });
const integer = (value: number, prefixBits: number, flags: number): number[] => {
  const parts: number[] = [];
  encodeInteger(parts, value, prefixBits, flags);
  return parts;
};

const REQUESTS: readonly (readonly Header[])[] = [
  [
    [":method", "GET"],
    [":scheme", "http"],
    [":path", "/"],
    [":authority", "www.example.com"],
  ],
  [
    [":method", "GET"],
    [":scheme", "http"],
    [":path", "/"],
    [":authority", "www.example.com"],
    ["cache-control", "no-cache"],
  ],
  [
    [":method", "GET"],
    [":scheme", "https"],
    [":path", "/index.html"],
    [":authority", "www.example.com"],
    ["custom-key", "custom-value"],
  ],
];
const RESPONSES: readonly (readonly Header[])[] = [
  [
    [":status", "302"],
    ["cache-control", "private"],
    ["date", "Mon, 21 Oct 2013 20:13:21 GMT"],
    ["location", "https://www.example.com"],
  ],
  [
    [":status", "307"],
    ["cache-control", "private"],
    ["date", "Mon, 21 Oct 2013 20:13:21 GMT"],
    ["location", "https://www.example.com"],
  ],
  [
    [":status", "200"],
    ["cache-control", "private"],
    ["date", "Mon, 21 Oct 2013 20:13:22 GMT"],
    ["location", "https://www.example.com"],
    ["content-encoding", "gzip"],
    ["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"],
  ],
];

t.test("the literals of RFC 7541 C.2 decode, and only incremental indexing grows the table", (t) => {
  const indexed = decoder();
  t.same(indexed.decode(hex("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572")).headers, [["custom-key", "custom-header"]]);
  t.equal(indexed.tableBytes, 55);
  const plain = decoder();
  t.same(plain.decode(hex("040c 2f73 616d 706c 652f 7061 7468")).headers, [[":path", "/sample/path"]]);
  t.same(plain.decode(hex("1008 7061 7373 776f 7264 0673 6563 7265 74")).headers, [["password", "secret"]]);
  t.same(plain.decode(hex("82")).headers, [[":method", "GET"]]);
  t.equal(plain.tableBytes, 0);
  t.end();
});

t.test("the request sequences of RFC 7541 C.3 and C.4 decode, plain and Huffman-coded, with the table sizes given", (t) => {
  const sequences = [
    [
      "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
      "8286 84be 5808 6e6f 2d63 6163 6865",
      "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ],
    ["8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", "8286 84be 5886 a8eb 1064 9cbf", "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf"],
  ];
  for (const blocks of sequences) {
    const one = decoder();
    blocks.forEach((block, at) => {
      t.same(one.decode(hex(block)).headers, REQUESTS[at]);
      t.equal(one.tableBytes, [57, 110, 164][at]);
    });
  }
  t.end();
});

t.test("the response sequences of RFC 7541 C.5 and C.6 decode with a table of 256 bytes that evicts", (t) => {
  const sequences = [
    [
      "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
      "4803 3330 37c1 c0bf",
      "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
    ],
    [
      "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
      "4883 640e ffc1 c0bf",
      "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ],
  ];
  for (const blocks of sequences) {
    const one = decoder();
    one.setTableLimit(256);
    blocks.forEach((block, at) => {
      const update = at === 0 ? Buffer.from(integer(256, 5, 0x20)) : Buffer.alloc(0);
      t.same(one.decode(Buffer.concat([update, hex(block)])).headers, RESPONSES[at]);
      t.equal(one.tableBytes, [222, 222, 215][at]);
    });
  }
  t.end();
});

t.test("the integers of RFC 7541 C.1 encode as given", (t) => {
  t.same(integer(10, 5, 0), [10]);
  t.same(integer(1337, 5, 0), [0x1f, 0x9a, 0x0a]);
  t.same(integer(42, 8, 0), [42]);
  t.end();
});

t.test("any Latin-1 text survives Huffman coding", (t) => {
  const bytes = fc.uint8Array({ maxLength: 300 }).map((value) => Buffer.from(value).toString("latin1"));
  fc.assert(
    fc.property(bytes, (text) => {
      const coded = encodeHuffman(text);
      const block = Buffer.from([0x00, 1, 0x78, ...integer(coded.length, 7, 0x80), ...coded]);
      return decoder(1 << 20).decode(block).headers[0]?.[1] === text;
    }),
  );
  t.end();
});

t.test("any header list survives our encoder", (t) => {
  const text = fc.string({ unit: "binary-ascii", maxLength: 200 });
  const name = fc.oneof(text, fc.constantFrom(":path", ":status", "content-type", "accept-encoding"));
  fc.assert(
    fc.property(fc.array(fc.tuple(name, text), { maxLength: 30 }), (headers) => {
      const encoder = new HpackEncoder();
      const one = decoder(1 << 20);
      for (const limit of [4096, 0, 100]) {
        encoder.setPeerTableLimit(limit);
        t.same(one.decode(encoder.encode(headers)).headers, headers);
      }
    }),
    { numRuns: 50 },
  );
  t.end();
});

t.test("a smaller table of the peer is acknowledged by a size update in the next block only", (t) => {
  const encoder = new HpackEncoder();
  encoder.setPeerTableLimit(8192);
  t.equal(encoder.encode([[":method", "GET"]]).toString("hex"), "82");
  encoder.setPeerTableLimit(100);
  t.equal(encoder.encode([[":method", "GET"]]).toString("hex"), "2082");
  t.equal(encoder.encode([[":method", "GET"]]).toString("hex"), "82");
  t.throws(() => encoder.encode([["x", "☃"]]), RangeError);
  t.end();
});

t.test("what RFC 7541 forbids is a COMPRESSION_ERROR that names the byte", (t) => {
  const cases: readonly (readonly [block: string, atByte: number, why: string])[] = [
    ["80", 100, "index 0"],
    ["be", 100, "an index into an empty dynamic table"],
    ["82 ff ff ff ff ff 0f", 101, "an integer beyond 2^28"],
    ["ff 80 80 80 80 80 80 80 80 80 80 01", 100, "an integer padded without end"],
    ["ff", 101, "an integer that is cut off"],
    ["00", 101, "a literal that is cut off"],
    ["00 05 61 62", 101, "a string longer than the block"],
    ["3f e2 1f", 100, "a table of 4097 bytes"],
    ["82 20", 101, "a size update after a field"],
    ["00 01 61 82 ff ff", 105, "8 or more bits of padding"],
    ["00 01 61 81 fe", 104, "padding that is not all ones"],
    ["00 01 61 84 ff ff ff ff", 107, "EOS"],
  ];
  for (const [block, atByte, why] of cases) {
    t.throws(() => decoder().decode(hex(block), 100), { name: "WireError", code: "COMPRESSION_ERROR", atByte }, why);
  }
  t.end();
});

t.test("after a cut of our table limit the next block must begin with an update", (t) => {
  const one = decoder();
  one.setTableLimit(64);
  t.throws(() => one.decode(hex("82")), { code: "COMPRESSION_ERROR" });
  t.same(one.decode(Buffer.from([...integer(64, 5, 0x20), 0x82])).headers, [[":method", "GET"]]);
  t.end();
});

t.test("a header bomb is decoded to its end but not stored", (t) => {
  const one = decoder(10_000);
  const entry = Buffer.from([0x40, 1, 0x61, ...integer(3900, 7, 0), ...Buffer.alloc(3900, "b")]);
  one.decode(entry);
  const { headers, listBytes } = one.decode(Buffer.alloc(60_000, 0xbe));
  t.equal(headers.length, 2);
  t.equal(listBytes, 60_000 * 3933);
  t.same(one.decode(hex("be")).headers[0]?.[0], "a", "the table is in step");
  t.end();
});

t.test("an entry larger than the table empties it", (t) => {
  const one = decoder();
  one.decode(hex("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572"));
  t.equal(one.decode(Buffer.from([0x40, 1, 0x61, ...integer(5000, 7, 0), ...Buffer.alloc(5000, "b")])).headers[0]?.[1].length, 5000);
  t.equal(one.tableBytes, 0);
  t.throws(() => one.decode(hex("be")), { code: "COMPRESSION_ERROR" });
  t.end();
});

t.test("any bytes decode or fail with COMPRESSION_ERROR, and the table stays within its limit", (t) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 8 }), (blocks) => {
      const one = decoder();
      for (const block of blocks) {
        try {
          one.decode(block);
        } catch (error) {
          if ((error as { code?: string }).code !== "COMPRESSION_ERROR") throw error;
        }
        if (one.tableBytes > 4096) return false;
      }
      return true;
    }),
    { numRuns: 500 },
  );
  t.end();
});
