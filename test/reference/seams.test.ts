import t from "tap";

import { endings } from "../../src/reference/ending.js";
import { composeSeams, pass, type StreamSeams } from "../../src/reference/seams.js";

t.test("without a detour a value goes straight to its step", async (t) => {
  const seen: string[] = [];
  pass({}, "text", "null", (text) => seen.push(text));
  t.strictSame(seen, ["null"]);
});

t.test("a value takes the outer detour first, then the inner, then the step", async (t) => {
  const marking = (mark: string): StreamSeams => ({ text: (text, step) => step(`${text}${mark}`) });
  const seen: string[] = [];
  pass(composeSeams(marking("-outer"), marking("-inner")), "text", "text", (text) => seen.push(text));
  t.strictSame(seen, ["text-outer-inner"]);
});

t.test("a detour may stop a value, or take its step more than once", async (t) => {
  const twice: StreamSeams = { finish: (ending, step) => [ending, ending].forEach(step) };
  const stopped: StreamSeams = { finish: () => undefined };
  let steps = 0;
  pass(composeSeams(twice, twice), "finish", endings.completed, () => steps++);
  t.equal(steps, 4);
  pass(composeSeams(twice, stopped), "finish", endings.completed, () => steps++);
  t.equal(steps, 4);
});

t.test("of two judgements of a filter the outer one stands", async (t) => {
  const [yes, no]: [StreamSeams, StreamSeams] = [{ matches: () => true }, { matches: () => false }];
  t.equal(composeSeams(yes, no).matches, yes.matches);
  t.equal(composeSeams({}, no).matches, no.matches);
  t.equal(composeSeams({}, {}).matches, undefined);
});
