import fc from "fast-check";
import t from "tap";
import type { Message } from "../../src/core/contract.js";
import { compileMatch, type CompiledRule } from "../../src/contract/match-rules.js";

const order = ["debug", "info", "warn", "error"];

/** What the rules say, word by word, without preparing anything. */
function naive(rules: readonly CompiledRule[], filter: Message, entry: Message): boolean {
  return rules.every((rule) => {
    if ("cel" in rule) {
      return rule.cel.predicate({ filter, entry });
    }
    const wanted = filter[rule.filter];
    const absent = wanted === undefined || wanted === null || (Array.isArray(wanted) && wanted.length === 0);
    if (rule.rule === "ignored" || absent) {
      return true;
    }
    const value = entry[rule.entry];
    const same = (a: unknown, b: unknown): boolean =>
      typeof a === "number" || typeof b === "number" ? String(a) === String(b) && typeof a !== "object" && typeof b !== "object" : a === b;
    switch (rule.rule) {
      case "one-of":
        return [wanted].flat().some((one) => same(one, value));
      case "equals":
        return same(wanted, value);
      case "contains":
        return typeof value === "string" && value.indexOf(String(wanted)) >= 0;
      case "prefix":
        return typeof value === "string" && value.slice(0, String(wanted).length) === String(wanted);
      case "at-least":
      case "at-most": {
        if (rule.order === undefined) {
          return typeof value === "number" && typeof wanted === "number" && (rule.rule === "at-least" ? value >= wanted : value <= wanted);
        }
        const [rank, limit] = [rule.order.indexOf(String(value)), rule.order.indexOf(String(wanted))];
        return typeof value === "string" && rank >= 0 && limit >= 0 && (rule.rule === "at-least" ? rank >= limit : rank <= limit);
      }
      case "range": {
        const end = filter[rule.to];
        if (end === undefined || end === null) {
          return value === wanted;
        }
        return (
          typeof value === "string" &&
          Buffer.compare(Buffer.from(value), Buffer.from(String(wanted))) >= 0 &&
          (end === "" || Buffer.compare(Buffer.from(value), Buffer.from(String(end))) < 0)
        );
      }
      case "topic":
        throw new Error("topics have a test of their own");
    }
  });
}

const word = fc.constantFrom("", "a", "b", "ab", "ba", "debug", "info", "warn", "error", "7");
const value = fc.oneof(word, word, fc.integer({ min: 0, max: 9 }), fc.constant(null), fc.constant(undefined));
const filterValue = fc.oneof(value, fc.array(word, { maxLength: 3 }));
const message = fc.record({ a: filterValue, b: filterValue, c: filterValue }, { requiredKeys: [] });
const entry = fc.record({ x: value, y: value }, { requiredKeys: [] });
const rule: fc.Arbitrary<CompiledRule> = fc.oneof(
  fc.record({ filter: fc.constantFrom("a", "b"), entry: fc.constantFrom("x", "y"), rule: fc.constantFrom("one-of" as const, "equals" as const) }),
  fc.record({ filter: fc.constantFrom("a", "b"), entry: fc.constantFrom("x", "y"), rule: fc.constantFrom("contains" as const, "prefix" as const) }),
  fc.record({
    filter: fc.constantFrom("a", "b"),
    entry: fc.constantFrom("x", "y"),
    rule: fc.constantFrom("at-least" as const, "at-most" as const),
    order: fc.constant(order),
  }),
  fc.record({ filter: fc.constantFrom("a", "b"), rule: fc.constant("ignored" as const) }),
  fc.record({
    cel: fc
      .constantFrom(
        () => true,
        () => false,
        (variables: Readonly<Record<string, unknown>>) => (variables["entry"] as Record<string, unknown> | undefined)?.["x"] !== undefined,
      )
      .map((predicate) => ({ predicate, failure: () => undefined })),
    text: fc.constant("a rule in CEL"),
    reads: fc.constantFrom(undefined, ["x"], ["x", "y"]),
    filterToCel: fc.constant((value: unknown) => value),
  }),
);

t.test("the compiled predicate says what the rules say", async () => {
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 4 }), message, fc.array(entry, { minLength: 1, maxLength: 5 }), (rules, filter, entries) => {
      const matches = compileMatch(rules, filter);
      return entries.every((one) => matches(one) === naive(rules, filter, one));
    }),
    { numRuns: 3000 },
  );
});

t.test("numbers are compared as numbers", async () => {
  const numeric = fc.integer({ min: -20, max: 20 });
  fc.assert(
    fc.property(fc.constantFrom("at-least" as const, "at-most" as const), numeric, numeric, (name, wanted, given) => {
      const rules: readonly CompiledRule[] = [{ filter: "a", entry: "x", rule: name, order: undefined }];
      return compileMatch(rules, { a: wanted })({ x: given }) === naive(rules, { a: wanted }, { x: given });
    }),
  );
});

t.test("int64 is the same number as text, number and bigint", async (t) => {
  const rules: readonly CompiledRule[] = [{ filter: "n", entry: "n", rule: "at-least", order: undefined }];
  t.equal(compileMatch(rules, { n: 10 })({ n: "9" }), false, "by size, not by letters");
  t.equal(compileMatch(rules, { n: "9007199254740993" })({ n: "9007199254740994" }), true, "beyond 2^53");
  t.equal(compileMatch(rules, { n: 10 })({ n: "ten" }), false);
  const equal: readonly CompiledRule[] = [{ filter: "n", entry: "n", rule: "equals" }];
  t.equal(compileMatch(equal, { n: 7 })({ n: "7" }), true);
  t.equal(compileMatch(equal, { n: 7n })({ n: 7 }), true);
});

t.test("a decimal is a number beside a number, and beside a text a text", async (t) => {
  const rules: readonly CompiledRule[] = [{ filter: "n", entry: "n", rule: "at-least", order: undefined }];
  const passes = (wanted: unknown, given: unknown): boolean => compileMatch(rules, { n: wanted })({ n: given });
  t.equal(passes(22.5, "22.5"), true);
  t.equal(passes(22.5, "9.75"), false, "by size, not by letters");
  t.equal(passes("2.5e1", 22), false);
  t.equal(passes(0.5, "1e400000"), true);
  t.equal(passes("1.9", "1.10"), false, "a version is no decimal");
  t.equal(passes(1, Number.NaN), false);
  t.equal(passes(1, "1."), false);
});

t.test("a range of numbers goes by size", async () => {
  const rules: readonly CompiledRule[] = [{ filter: "from", to: "to", entry: "x", rule: "range" }];
  const numeric = fc.oneof(fc.integer({ min: -9, max: 20 }), fc.constantFrom(0.5, 9.75, 10.25));
  fc.assert(
    fc.property(numeric, fc.oneof(numeric, fc.constant("")), numeric, fc.boolean(), (from, to, given, asText) => {
      const value = asText ? String(given) : given;
      return compileMatch(rules, { from, to })({ x: value }) === (given >= from && (typeof to === "string" || given < to));
    }),
  );
  fc.assert(fc.property(numeric, numeric, (from, given) => compileMatch(rules, { from })({ x: given }) === (given === from)));
});

t.test("a range of keys of digits is by their bytes", async (t) => {
  const rules: readonly CompiledRule[] = [{ filter: "from", to: "to", entry: "x", rule: "range" }];
  t.equal(compileMatch(rules, { from: "1", to: "2" })({ x: "10" }), true);
  t.equal(compileMatch(rules, { from: "10", to: "" })({ x: "9" }), true);
});

t.test("a range is by the bytes of UTF-8, its end open", async () => {
  const key = fc.string({ unit: "grapheme", maxLength: 4 });
  const rules: readonly CompiledRule[] = [{ filter: "key", to: "end", entry: "x", rule: "range" }];
  fc.assert(
    fc.property(key, fc.option(key, { nil: undefined }), key, (start, end, given) => {
      const filter = { key: start, end };
      return compileMatch(rules, filter)({ x: given }) === naive(rules, filter, { x: given });
    }),
    { numRuns: 1000 },
  );
});

t.test("a topic has wildcards for one level and for the rest", async (t) => {
  const matches = (pattern: string, topic: string): boolean =>
    compileMatch([{ filter: "t", entry: "t", rule: "topic", separator: "/", "any-level": "+", "any-rest": "#" }], { t: pattern })({ t: topic });
  for (const [pattern, topic, expected] of [
    ["a/b", "a/b", true],
    ["a/+", "a/b", true],
    ["a/+", "a/b/c", false],
    ["a/+", "a", false],
    ["a/#", "a/b/c", true],
    ["a/#", "a", true],
    ["#", "a/b", true],
    ["+/b", "a/b", true],
    ["a/b", "a/b/c", false],
    ["a/b/c", "a/b", false],
  ] as const) {
    t.equal(matches(pattern, topic), expected, `${pattern} ${topic}`);
  }
});
