import fc from "fast-check";
import t from "tap";
import { columnsOf, oneLine, padEnd, padStart, printableLines, truncate, withoutCommands, wrap } from "../../src/reporters/plain-text.js";
import { hostileStrings } from "./fixtures.js";

const anyText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom(...hostileStrings),
  fc.string().map((text) => `\u001b[${text}`),
);

t.test("whatever comes in, one printable line goes out, and a second pass changes nothing", (t) => {
  fc.assert(
    fc.property(anyText, (text) => {
      const line = oneLine(text);
      return !/[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u.test(line) && oneLine(line) === line;
    }),
  );
  t.end();
});

t.test("ANSI sequences vanish; other control characters show as escapes", (t) => {
  t.equal(oneLine("\u001b[1;31mred\u001b[0m"), "red");
  t.equal(oneLine("\u001b]8;;http://x\u0007link\u001b]8;;\u001b\\"), "link");
  t.equal(oneLine("a\tb\nc\rd\u0000e\u202ef\ud800"), "a\\tb\\nc\\rd\\x00e\\u202ef\\ud800");
  t.same(printableLines("a\r\nb\u0007\nc"), ["a", "b\\x07", "c"]);
  t.end();
});

t.test("wrapped and truncated lines fit, and wrapping loses no word", (t) => {
  fc.assert(
    fc.property(anyText.map(oneLine), fc.integer({ min: 2, max: 60 }), (text, columns) => {
      const lines = wrap(text, columns);
      return (
        lines.every((line) => columnsOf(line) <= columns) &&
        lines.join("").replaceAll(" ", "") === text.replaceAll(" ", "") &&
        columnsOf(truncate(text, columns)) <= columns
      );
    }),
  );
  t.same(wrap("one two three", 7), ["one two", "three"]);
  t.same(wrap("", 10), [""]);
  t.equal(truncate("abcdef", 4), "abc…");
  t.end();
});

t.test("wide characters count two columns, combining marks none", (t) => {
  t.equal(columnsOf("日本"), 4);
  t.equal(columnsOf("e\u0301"), 1);
  t.equal(padEnd("日", 4), "日  ");
  t.equal(padStart("日", 4), "  日");
  t.end();
});

t.test("no output is a command to a CI runner, at the beginning of a line or anywhere", (t) => {
  t.equal(
    withoutCommands("  ::error::x\n::add-mask::y\na::b ##[warning]z ##teamcity[x] ## [ok"),
    "  : :error::x\n: :add-mask::y\na::b # #[warning]z # #teamcity[x] ## [ok",
  );
  t.equal(withoutCommands("\u200d:\u200d:error::x #\u200d#[error]"), "\u200d: \u200d:error::x # \u200d#[error]");
  t.end();
});
