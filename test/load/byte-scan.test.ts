import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import t from "tap";
import { byteScanFile, byteScanModule } from "../../scripts/byte-scan-module.js";
import { createByteScan } from "../../src/load/byte-scan.js";

const readBufferBytes = 65_536;
const scan = createByteScan(readBufferBytes);

t.test("the module is that of its source; if not, npm run byte-scan", async (t) => {
  // Compiled to dist/test/load/.
  const root = fileURLToPath(new URL("../../../", import.meta.url));
  t.equal(readFileSync(path.join(root, byteScanFile), "utf8"), await byteScanModule(root));
});

if (scan === undefined) {
  t.fail("WebAssembly with SIMD is in every Node that is supported");
} else {
  const { readBuffer } = scan;
  /** Of few letters, so that much of it is nearly found; the end of the buffer is a place as any other. */
  const haystack = fc.array(fc.constantFrom(0x61, 0x62, 0x22, 0x5c, 0), { maxLength: 100 }).map((bytes) => Buffer.from(bytes));
  const gap = fc.oneof(fc.nat(40), fc.constant(-1));
  const place = (bytes: Buffer, before: number): { readonly start: number; readonly end: number } => {
    const start = before < 0 ? readBufferBytes - bytes.length : before;
    readBuffer.fill(0x61).set(bytes, start);
    return { start, end: start + bytes.length };
  };

  t.test("a text is found where it lies first, and not where it reaches beyond the end", (t) => {
    fc.assert(
      fc.property(haystack, gap, fc.nat(100), fc.integer({ min: 1, max: 40 }), haystack, fc.boolean(), (bytes, before, from, length, other, part) => {
        const wanted = part ? bytes.subarray(from, from + length) : other;
        const needle = scan.keep(wanted);
        const { start, end } = place(bytes, before);
        const base = scan.addressOf(readBuffer);
        const found = needle < 0 ? -1 : scan.find(base + start, base + end, needle, wanted.length);
        return wanted.length === 0 ? needle === -1 : (found < 0 ? -1 : found - base - start) === bytes.indexOf(wanted);
      }),
      { numRuns: 5000 },
    );
    t.end();
  });

  t.test("the first quote or backslash is found, none beyond the end", (t) => {
    fc.assert(
      fc.property(haystack, gap, fc.boolean(), (bytes, before, plain) => {
        const looked = plain ? Buffer.from(bytes.map((byte) => (byte === 0x22 || byte === 0x5c ? 0x62 : byte))) : bytes;
        const { start, end } = place(looked, before);
        readBuffer.fill(0x22, end);
        const base = scan.addressOf(readBuffer);
        const found = scan.quote(base + start, base + end);
        return (found < 0 ? -1 : found - base - start) === looked.findIndex((byte) => byte === 0x22 || byte === 0x5c);
      }),
      { numRuns: 5000 },
    );
    t.end();
  });

  t.test("texts have one page; what finds no room is said", (t) => {
    const small = createByteScan(1);
    t.equal(small?.keep(Buffer.alloc(65_536, "x")), 0);
    t.equal(small?.keep(Buffer.from("y")), -1, "no room");
    t.equal(small?.keep(Buffer.from("xx")), 0, "it is there already");
    t.equal(small?.addressOf(Buffer.alloc(8)), -1, "another buffer");
    t.end();
  });
}
