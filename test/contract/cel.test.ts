import t from "tap";
import { celShapeOf, compileCel, fieldsRead } from "../../src/contract/cel.js";

function evaluate(expression: string, variables: Readonly<Record<string, unknown>>): boolean {
  const compiled = compileCel(expression, Object.fromEntries(Object.keys(variables).map((name) => [name, {}])));
  if ("problem" in compiled) {
    throw new Error(compiled.problem.message);
  }
  return compiled.predicate(variables);
}

t.test("whole numbers are ints, wherever they stand", async (t) => {
  t.ok(evaluate("entry.seq + 1 == 6", { entry: { seq: 5 } }));
  t.ok(evaluate("entry.list.exists(x, x == 2)", { entry: { list: [1, 2] } }));
  t.ok(evaluate("entry.rate * 2.0 > 2.9", { entry: { rate: 1.5 } }));
});

t.test("a predicate that fails on a message does not hold there", async (t) => {
  t.notOk(evaluate("entry.absent == 1", { entry: {} }));
  t.notOk(evaluate("entry.s > 3", { entry: { s: "text" } }));
  t.notOk(evaluate("entry.s", { entry: { s: "text" } }), "a text is not true");
  t.ok(evaluate("!has(filter.x) || entry.x == filter.x", { filter: {}, entry: { x: 1 } }));
});

t.test("why a predicate failed can be asked, in one line", async (t) => {
  const failureOf = (expression: string, entry: unknown): string | undefined => {
    const compiled = compileCel(expression, { entry: {} });
    return "problem" in compiled ? compiled.problem.message : compiled.failure({ entry });
  };
  t.equal(failureOf("!(entry.absent == 1)", {}), "No such key: absent");
  t.match(failureOf("entry.s > 3", { s: "text" }), /^no such overload: [^\n]*$/);
  t.equal(failureOf("entry.s", { s: "text" }), "it gives string, not true or false");
  t.equal(failureOf("entry.s == 3", { s: 4 }), undefined, "it holds or does not");
});

t.test("a key that would reach a prototype is a key like any other", async (t) => {
  t.ok(evaluate('!has(entry.constructor) && entry["__proto__"] == 1', { entry: JSON.parse('{"__proto__":1}') as unknown }));
});

t.test("types and names are checked where they are known", async (t) => {
  const entry = celShapeOf([
    { name: "seq", number: 1, type: "uint64", repeated: false },
    { name: "text", number: 2, type: "string", repeated: false },
    { name: "tags", number: 3, type: "string", repeated: true },
    { name: "kv", number: 4, type: "message", repeated: false },
  ]);
  t.ok("predicate" in compileCel('entry.seq > 3 && "a" in entry.tags && entry.kv.key == "x"', { entry: { shape: entry } }));
  for (const [expression, message, at] of [
    ["entry.txt == ''", /No such key: txt/, 6],
    ["entry.text == 5", /no such overload/, 0],
    ["entry.text", /gives string/, 0],
    ["entry.text ==", /Unexpected token/, 13],
  ] as const) {
    const compiled = compileCel(expression, { entry: { shape: entry } });
    t.match(compiled, { problem: { message, at } }, expression);
  }
});

t.test("the fields that an expression reads of a variable are known from its text, or all are taken", async (t) => {
  for (const [expression, fields] of [
    ["entry.level in filter.levels && entry . source == 'entry.text'", ["level", "source", "text"]],
    ["has(entry.a.b) && entry.a.size() > 1", ["a"]],
    ["filter.entry.x == 1 && my_entry.y == 2", []],
    ["entry.size() > 1", undefined],
    ['entry["level"] == "x"', undefined],
    ["entry.?level.hasValue()", undefined],
    ["[1].exists(entry, entry > 1)", undefined],
    ["size(entry) == 1 && entry.level == ''", undefined],
    ["entry.__proto__ == 1", undefined],
    ["true", []],
  ] as const) {
    t.same(fieldsRead(expression, "entry"), fields, expression);
  }
});
