import fc from "fast-check";
import t from "tap";
import { parseOption, variableOf } from "../../src/cli/options.js";
import { HarnessError } from "../../src/core/errors.js";

const base = { about: "a", group: "g" } as const;

function refusal(act: () => unknown): HarnessError {
  try {
    act();
  } catch (thrown) {
    if (thrown instanceof HarnessError) {
      return thrown;
    }
  }
  throw new Error("nothing was refused");
}

t.test("an option that was not given is undefined, or an empty list where several are taken", (t) => {
  t.equal(parseOption({ ...base, kind: "text" }, undefined), undefined);
  t.strictSame(parseOption({ ...base, kind: "texts" }, undefined), []);
  t.end();
});

t.test("numbers, durations, choices and flags are read as what they are", (t) => {
  t.equal(parseOption({ ...base, kind: "whole", least: 0 }, { place: "--x", value: "12" }), 12);
  t.equal(parseOption({ ...base, kind: "duration" }, { place: "--x", value: "1.5s" }), 1500);
  t.equal(parseOption({ ...base, kind: "choice", of: ["a", "b"] }, { place: "--x", value: "b" }), "b");
  t.strictSame(parseOption({ ...base, kind: "choices", of: ["a", "b"] }, { place: "--x", value: "a, b" }), ["a", "b"]);
  t.equal(parseOption({ ...base, kind: "flag" }, { place: "X", value: "no" }), false);
  t.equal(parseOption({ ...base, kind: "flag" }, { place: "--x", value: true }), true);
  t.end();
});

t.test("what is refused names its place", (t) => {
  t.match(
    refusal(() => parseOption({ ...base, kind: "whole", least: 1, most: 3 }, { place: "HALFCLOSE_X", value: "4" })),
    {
      code: "usage",
      message: 'HALFCLOSE_X is "4", not a whole number from 1 to 3.',
      place: "HALFCLOSE_X",
    },
  );
  t.match(refusal(() => parseOption({ ...base, kind: "choice", of: ["wire"] }, { place: "--driver", value: "wrie" })).message, /Did you mean "wire"\?/);
  t.match(refusal(() => parseOption({ ...base, kind: "text", value: "FILE" }, { place: "--x", value: "" })).message, /needs a value: FILE/);
  t.match(refusal(() => parseOption({ ...base, kind: "text" }, { place: "--x", value: ["a", "b"] })).message, /2 times/);
  t.match(refusal(() => parseOption({ ...base, kind: "flag" }, { place: "--x", value: "perhaps" })).message, /true or false/);
  t.end();
});

t.test("whatever text a whole number is given, the value is in its range or refused", (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.integer().map(String), fc.double().map(String)), (text) => {
      try {
        const value = parseOption({ ...base, kind: "whole", least: 0, most: 9 }, { place: "--x", value: text });
        return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 9;
      } catch (thrown) {
        return thrown instanceof HarnessError;
      }
    }),
  );
  t.end();
});

t.test("every option has a variable of its own", (t) => {
  t.equal(variableOf("known-failing"), "HALFCLOSE_KNOWN_FAILING");
  t.end();
});
