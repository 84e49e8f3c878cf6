import { createServer, type AddressInfo } from "node:net";
import t from "tap";
import { main } from "../../src/cli/main.js";
import { withUrlPlace } from "../../src/cli/url-place.js";
import { HarnessError } from "../../src/core/errors.js";
import { recordingConsole } from "./recording-console.js";

const refused = new HarnessError("unreachable", "grpc://h:1: nothing listens on h:1.", { place: "grpc://h:1", hint: "Start the server." });
const inFile = { place: "halfclose.config.yaml:1:6 (url)", value: ["grpc://h:1"] };
const start = { place: "--start", value: "./server" };

t.test("a URL that was not written on the command line is said to be from where it was", async (t) => {
  t.match(withUrlPlace(refused, { arguments: [], url: inFile, start: undefined }), {
    code: "unreachable",
    message: refused.message,
    place: refused.place,
    hint: "Start the server. The URL is from halfclose.config.yaml:1:6 (url).",
  });
  t.match(withUrlPlace(refused, { arguments: ["flood"], url: { ...inFile, place: "HALFCLOSE_URL" }, start: undefined }), {
    hint: /The URL is from HALFCLOSE_URL\.$/,
  });
});

t.test("beside --start it is said that the URL stands in place of the ready line's", async (t) => {
  for (const [given, from] of [
    [{ arguments: [], url: inFile }, /from halfclose\.config\.yaml:1:6 \(url\), and stands in place of what a ready line of --start says/],
    [{ arguments: ["flood", "grpc://h:1"], url: inFile }, /from the command line, and stands in place/],
  ] as const) {
    t.match(withUrlPlace(refused, { ...given, start }), { hint: from });
  }
});

t.test("where there is nothing to add nothing is", async (t) => {
  const usage = new HarnessError("usage", "x");
  t.equal(withUrlPlace(usage, { arguments: [], url: inFile, start }), usage);
  t.equal(withUrlPlace(refused, { arguments: ["grpc://h:1"], url: inFile, start: undefined }), refused);
  t.equal(withUrlPlace(refused, { arguments: [], url: undefined, start }), refused);
  const bug = new TypeError("x");
  t.equal(withUrlPlace(bug, { arguments: [], url: inFile, start }), bug);
});

t.test("a run names the line of the config file whose URL nobody answers", async (t) => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  const { port } = taken.address() as AddressInfo;
  await new Promise((resolve) => taken.close(resolve));
  const folder = t.testdir({ "halfclose.config.yaml": `# where it is\nurl: ["ws://127.0.0.1:${port}/logs/monitor"]\n` });
  const console = recordingConsole({ folder });
  t.equal(await main(["run", "--grep", "eof/while-idle"], console), 4);
  t.match(console.errors(), /nothing listens on .*\n.*The URL is from halfclose\.config\.yaml:2:6 \(url\)\./);
});
