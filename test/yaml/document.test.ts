import fc from "fast-check";
import t from "tap";
import { HarnessError } from "../../src/core/errors.js";
import { parseYaml } from "../../src/yaml/document.js";

const text = ["name: x", "list:", "  - a: 1", "    b: 'two words'", "  - &anchor { c: 3 }", "again: *anchor", "empty:", 'quoted: "with \\n escape"'].join("\n");

t.test("every value and key has its line and column", async (t) => {
  const document = parseYaml(text, "f.yaml", "contract");
  t.equal(document.placeOf(["name"]), "f.yaml:1:7");
  t.equal(document.placeOf(["name"], "key"), "f.yaml:1:1");
  t.equal(document.placeOf(["list", 0, "b"]), "f.yaml:4:8");
  t.equal(document.placeOf(["list", 1, "c"]), "f.yaml:5:18");
  t.equal(document.placeOf(["again", "c"]), "f.yaml:5:18", "through an alias");
  t.equal(document.placeOf(["empty"]), "f.yaml:7:7", "an empty value is behind its colon");
  t.equal(document.placeOf(["list", 0, "nothing", "deeper"]), "f.yaml:3:5", "the nearest parent that exists");
  t.equal(document.placeOf([]), "f.yaml:1:1");
});

t.test("a fault inside a text is placed at its character where that can be told", async (t) => {
  const document = parseYaml(text, "f.yaml", "contract");
  t.equal(document.errorFor([{ path: ["list", 0, "b"], characters: 4, message: "Here." }]).place, "f.yaml:4:13");
  t.equal(document.errorFor([{ path: ["quoted"], characters: 4, message: "Here." }]).place, "f.yaml:8:9", "an escape moves the characters");
});

t.test("several problems are one error, the first of them its place", async (t) => {
  const document = parseYaml(text, "f.yaml", "scenario");
  const error = document.errorFor([
    { path: ["again"], message: "Second." },
    { path: ["name"], message: "First." },
  ]);
  t.ok(error instanceof HarnessError);
  t.match(error, { code: "scenario", place: "f.yaml:1:7", message: "First. And 1 more: 6:8 Second." });
});

t.test("what is not YAML is named with its place", async (t) => {
  t.throws(() => parseYaml("a: [1,\nb: 2", "f.yaml", "suite"), { code: "suite", place: /^f\.yaml:\d+:\d+$/, message: /^This is not YAML: / });
  t.throws(() => parseYaml("a: 1\na: 2", "f.yaml", "suite"), { place: "f.yaml:2:1", message: /unique/ }, "a key twice");
  t.throws(() => parseYaml("a: *nowhere", "f.yaml", "suite"), { message: /cannot be read|not YAML/ });
  t.throws(() => parseYaml("x".repeat(4 * 1024 * 1024 + 1), "f.yaml", "suite"), { place: "f.yaml", message: /characters/ });
});

t.test("a bomb of aliases is refused", async (t) => {
  const bomb = [
    "a: &a [x, x, x, x, x, x, x, x, x]",
    ..."bcdefgh".split("").map((name, i) => `${name}: &${name} [${Array(9).fill(`*${"abcdefgh"[i]}`).join(", ")}]`),
  ].join("\n");
  t.throws(() => parseYaml(bomb, "f.yaml", "contract"), { code: "contract", message: /cannot be read/ });
});

t.test("whatever the text, the answer is a document or a HarnessError", async () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: "binary" }),
        fc
          .array(fc.constantFrom("a", ":", " ", "-", "\n", "[", "]", "{", "}", "&", "*", "'", '"', "|", ">", "!", "#", "%", "?", ",", "\t"))
          .map((parts) => parts.join("")),
      ),
      (input) => {
        try {
          parseYaml(input, "f.yaml", "contract").placeOf(["a", 0, "b"]);
        } catch (thrown) {
          if (!(thrown instanceof HarnessError)) {
            throw thrown;
          }
        }
      },
    ),
    { numRuns: 500 },
  );
});
