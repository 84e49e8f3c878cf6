import { readFileSync } from "node:fs";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import t from "tap";
import { byteScanFile, byteScanModule } from "../../scripts/byte-scan-module.js";
import { createByteScan, foundAt, scanned, type ScannedValue, wordsEach } from "../../src/load/byte-scan.js";

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

  t.test("a layout is followed as far as it is what was kept", (t) => {
    const letters = (lengths: { readonly minLength: number; readonly maxLength: number }): fc.Arbitrary<string> =>
      fc.array(fc.constantFrom("a", "b", '"', "\\"), lengths).map((each) => each.join(""));
    const digits = fc.array(fc.nat(9), { maxLength: 22 }).map((each) => each.join(""));
    const text = fc.oneof(letters({ minLength: 0, maxLength: 40 }), fc.constantFrom("a".repeat(15), "b".repeat(16), "a".repeat(33)));
    const valueOf = {
      [scanned.text]: text.map((value) => value.replaceAll(/["\\]/g, "a")),
      [scanned.anyString]: text.map((value) => JSON.stringify(value).slice(1, -1)),
      [scanned.digits]: digits,
      [scanned.quotedDigits]: digits,
      [scanned.bare]: fc.constantFrom("true", "null", "-12.5e3", "", "12345678901234567890"),
    };
    const value = fc
      .constantFrom(...Object.values(scanned))
      .chain((kind) =>
        fc.record({ kind: fc.constant(kind), before: letters({ minLength: 1, maxLength: 40 }), value: valueOf[kind], after: fc.constantFrom(",", "}", " ") }),
      );
    const damage = fc.option(fc.record({ at: fc.nat(300), byte: fc.constantFrom(0x61, 0x22, 0x5c, 0x30, 0x2c) }), { nil: undefined, freq: 3 });
    let wholly = 0;
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 5 }), gap, damage, fc.constantFrom(0, 0, 0, 1, 2), (row, before, damaged, missing) => {
        // What a value ends with lies before the next one.
        const values = row.map(({ kind, before: own }, i) => ({ kind, before: Buffer.from(`${i === 0 ? "" : terminator(row[i - 1])}${own}`) }));
        // A fresh one: the page would be full after some hundred layouts.
        const fresh = createByteScan(readBufferBytes);
        const layout = fresh?.keepLayout(values);
        if (fresh === undefined || layout === undefined) {
          return false;
        }
        const bytes = Buffer.from(row.map((each, i) => `${String(values[i]?.before)}${each.value}`).join("") + terminator(row.at(-1)));
        if (damaged !== undefined && damaged.at < bytes.length) {
          bytes[damaged.at] = damaged.byte;
        }
        const end = Math.max(0, bytes.length - missing);
        const start = before < 0 ? readBufferBytes - bytes.length : before;
        fresh.readBuffer.fill(0x22).set(bytes, start);
        const base = fresh.addressOf(fresh.readBuffer) + start;
        const at = fresh.follow(base, base + end, layout.address, layout.count);
        const expected = followed(bytes.subarray(0, end), values);
        if (expected === undefined) {
          return at === -1;
        }
        wholly++;
        const found = values.map(({ kind }, i) => {
          const words = [...layout.words.subarray(i * wordsEach + foundAt, (i + 1) * wordsEach)];
          return kind < scanned.digits ? words.slice(0, 2).map((address) => address - base) : kind === scanned.bare ? [] : words;
        });
        return at - base === expected.at && isDeepStrictEqual(found, expected.found);
      }),
      { numRuns: 5000 },
    );
    t.ok(wholly > 1000, `${wholly} of 5000 were followed to their ends`);
    t.end();
  });

  t.test("texts have one page; what finds no room is said", (t) => {
    const small = createByteScan(1);
    t.equal(small?.keep(Buffer.alloc(65_536, "x")), 0);
    t.equal(small?.keep(Buffer.from("y")), -1, "no room");
    t.equal(small?.keep(Buffer.alloc(65_536, "x")), 0, "it is there already");
    t.equal(small?.keepLayout([{ before: Buffer.from("x"), kind: scanned.text }]), undefined, "no room for a layout");
    t.equal(small?.addressOf(Buffer.alloc(8)), -1, "another buffer");
    t.end();
  });
}

function terminator(value: { readonly kind: ScannedValue["kind"]; readonly after: string } | undefined): string {
  return value?.kind === scanned.digits || value?.kind === scanned.bare ? value.after : '"';
}

/** What the scan is held against: byte by byte. Undefined when the layout is not there. */
function followed(bytes: Buffer, values: readonly ScannedValue[]): { readonly at: number; readonly found: readonly (readonly number[])[] } | undefined {
  let at = 0;
  const found: number[][] = [];
  for (const { kind, before } of values) {
    if (!bytes.subarray(at, at + before.length).equals(before)) {
      return undefined;
    }
    at += before.length;
    const rest = bytes.toString("latin1", at);
    const pattern = {
      0: /^[^"\\]*(?=")/,
      1: /^(?:[^"\\]|\\[^])*(?=")/,
      2: /^\d{1,20}(?=[,}\0- ])/,
      3: /^\d{1,20}(?=")/,
      4: /^[^,}\0- ]*(?=[,}\0- ])/,
    }[kind];
    const value = pattern.exec(rest)?.[0];
    if (value === undefined) {
      return undefined;
    }
    if (kind < scanned.digits) {
      found.push([at, at + value.length]);
    } else if (kind === scanned.bare) {
      found.push([]);
    } else {
      const digits = value.padStart(20, "0");
      found.push([Number(digits.slice(11)), Number(digits.slice(2, 11)), Number(digits.slice(0, 2))]);
    }
    at += value.length;
  }
  return { at, found };
}
