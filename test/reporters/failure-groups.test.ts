import fc from "fast-check";
import t from "tap";
import { groupFailures } from "../../src/reporters/failure-groups.js";
import { failedCheck } from "./fixtures.js";

t.test("failures that differ in numbers only are one group, led by the greatest level", (t) => {
  const groups = groupFailures([
    failedCheck({ id: "a/should", level: "should", actual: "no end after 2000 ms" }),
    failedCheck({ id: "a/must", actual: "no end after 2003.5 ms" }),
    failedCheck({ id: "a/other", actual: "a Close 1011" }),
  ]);
  t.same(
    groups.map(({ lead, alike }) => [lead.id, alike.map(({ id }) => id)]),
    [
      ["a/must", ["a/should"]],
      ["a/other", []],
    ],
  );
  t.end();
});

t.test("the messages quoted in what was seen do not set failures apart, other words do", (t) => {
  const groups = groupFailures([
    failedCheck({ actual: 'arrival #157 matches only "alpha": {"sequence":20887,"message":"tick 1"}' }),
    failedCheck({ transport: "ws", actual: 'arrival #9 matches only "alpha": {"sequence":3,"message":"hc-7e7f-1"}' }),
    failedCheck({ id: "a/other", actual: 'arrival #9 matches only "beta": {"sequence":3}' }),
  ]);
  t.same(
    groups.map(({ alike }) => alike.length),
    [1, 0],
  );
  t.end();
});

t.test("a consequence of a consequence stands under the root, on its own transport if that failed too", (t) => {
  const groups = groupFailures([
    failedCheck({ id: "root", actual: "x" }),
    failedCheck({ id: "root", transport: "ws", actual: "y" }),
    failedCheck({ id: "middle", transport: "ws", actual: "z", consequenceOf: "root" }),
    failedCheck({ id: "leaf", transport: "ws", actual: "q", consequenceOf: "middle" }),
    failedCheck({ id: "orphan", actual: "r", consequenceOf: "passed/one" }),
  ]);
  t.same(
    groups.map(({ lead, consequences }) => [lead.id, lead.transport, consequences.map(({ id }) => id)]),
    [
      ["root", "ws", ["middle", "leaf"]],
      ["root", "grpc", []],
      ["orphan", "grpc", []],
    ],
  );
  t.end();
});

t.test("every failure is told exactly once, also when causes go in circles", (t) => {
  const ids = ["a", "b", "c", "d"];
  const failure = fc.record({
    id: fc.constantFrom(...ids),
    consequenceOf: fc.constantFrom(...ids),
    actual: fc.constantFrom("x 1", "x 2", "y"),
    transport: fc.constantFrom("grpc" as const, "ws" as const),
  });
  fc.assert(
    fc.property(fc.array(failure, { maxLength: 8 }), (parts) => {
      const failures = parts.map((part) => failedCheck(part));
      const told = groupFailures(failures).flatMap(({ lead, alike, consequences }) => [lead, ...alike, ...consequences]);
      return told.length === failures.length && new Set(told).size === failures.length;
    }),
  );
  t.end();
});
