import t from "tap";
import { reporters } from "../../src/reporters/index.js";
import { checkRecord, failedCheck, plain, report, reportsByName } from "./fixtures.js";

/** A workflow command as the runner reads a line: `::name key=value,key=value::data`, percent-decoded after it was cut. */
function parseCommand(line: string): { name: string; title: string; data: string } | undefined {
  const match = /^::(\w+)(?: ([^:]*))?::(.*)$/.exec(line);
  if (match === null) {
    return undefined;
  }
  const properties = new Map((match[2] ?? "").split(",").map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]));
  const decode = (text: string): string =>
    text.replaceAll("%2C", ",").replaceAll("%3A", ":").replaceAll("%0A", "\n").replaceAll("%0D", "\r").replaceAll("%25", "%");
  return { name: match[1] ?? "", title: decode(properties.get("title") ?? ""), data: decode(match[3] ?? "") };
}

for (const [name, make] of Object.entries(reportsByName)) {
  t.test(`the ${name} report is at most ten commands and nothing else`, (t) => {
    const lines = reporters.github.render(make(), plain).split("\n").slice(0, -1);
    t.ok(lines.length <= 10);
    t.equal(lines.length > 0, make().exitCode !== 0);
    for (const line of lines) {
      const command = parseCommand(line);
      t.ok(command !== undefined && (command.name === "error" || command.name === "warning") && command.title !== "" && command.data !== "", line.slice(0, 60));
    }
    t.end();
  });
}

t.test("the most telling come first: a must before a should, a cause of many before a lone one, warnings last", (t) => {
  const checks = [
    checkRecord({ id: "a/warned", level: "should", status: "warned", expected: "x", actual: "warned" }),
    failedCheck({ id: "a/should", level: "should", actual: "should" }),
    failedCheck({ id: "a/lone", actual: "lone" }),
    failedCheck({ id: "a/root", actual: "root" }),
    failedCheck({ id: "a/follows", actual: "follows", consequenceOf: "a/root" }),
    checkRecord({ id: "a/broken", status: "broken", reason: "broken" }),
  ];
  const lines = reporters.github
    .render(report({ checks, problems: ["the target died"], exitCode: 4 }), plain)
    .split("\n")
    .slice(0, -1);
  t.same(
    lines.map((line) => parseCommand(line)?.title),
    ["run: the target died", "a/root (grpc)", "a/lone (grpc)", "a/should (grpc)", "a/broken (grpc)", "a/warned (grpc)"],
  );
  t.match(parseCommand(lines[1] ?? "")?.data, "root\nexpected: no entry of source alpha after entry 58 (beta)\nrequirement (must): After");
  t.match(parseCommand(lines[1] ?? "")?.data, "1 other because of it: a/follows (grpc)");
  t.end();
});

t.test("what is over ten is counted in the tenth", (t) => {
  const words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
  const lines = reporters.github
    .render(report({ checks: words.map((word) => failedCheck({ id: `a/${word}`, actual: word })), exitCode: 1 }), plain)
    .split("\n")
    .slice(0, -1);
  t.equal(lines.length, 10);
  t.equal(parseCommand(lines[9] ?? "")?.data, "3 more findings; the step summary has all.");
  t.end();
});
