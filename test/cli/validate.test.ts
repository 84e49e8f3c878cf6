import { readdirSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { main } from "../../src/cli/main.js";
import { packageFolder } from "../../src/harness/suites.js";
import { recordingConsole } from "./recording-console.js";

/** Every YAML file that comes with the package, by its folder. */
const shipped = ["contracts", "suites", "scenarios/workloads", "scenarios/scripts"].flatMap((folder) =>
  readdirSync(packageFolder(folder))
    .filter((file) => file.endsWith(".yaml"))
    .map((file) => path.join(packageFolder(folder), file)),
);

t.test("every file that comes with the package is valid, and what it is is seen from its keys", async (t) => {
  const console = recordingConsole({ folder: t.testdir() });
  t.equal(await main(["validate", ...shipped], console), 0, console.errors());
  t.match(console.output(), /logger\.yaml: a valid contract, "logger" over gRPC and WebSocket/);
  t.match(console.output(), /smoke\.yaml: a valid suite/);
  t.match(console.output(), /throughput\.yaml: a valid workload/);
  t.match(console.output(), /a valid scenario, script\//);
});

t.test("what is wrong is named with its place, and a file that says nothing of itself needs --as", async (t) => {
  const folder = t.testdir({
    "suite.yaml": "name: a\nabout: b\nselect: { topcis: [eof] }\n",
    "odd.yaml": "colour: blue\n",
    "known.yaml": "- { check: eof/*, reason: r }\n",
  });
  const wrong = recordingConsole({ folder });
  t.equal(await main(["validate", path.join(folder, "suite.yaml")], wrong), 2);
  t.match(wrong.errors(), /suite\.yaml:3:11: Unknown key "topcis".*Did you mean "topics"/);
  const odd = recordingConsole({ folder });
  t.equal(await main(["validate", "odd.yaml"], odd), 2);
  t.match(odd.errors(), /--as/);
  const known = recordingConsole({ folder });
  t.equal(await main(["validate", "known.yaml"], known), 0);
  t.match(known.output(), /a valid known-failing, 1 entries/);
});

t.test("of a contract by reflection it is said that its names are not checked yet, and what checks them", async (t) => {
  const folder = t.testdir({
    "m.yaml": "name: m\ngrpc: { reflection: true, method: p.S/M }\nwebsocket: { path: /w }\nfilters: { all: {} }\nmatch: []\n",
  });
  const console = recordingConsole({ folder });
  t.equal(await main(["validate", "m.yaml"], console), 0, console.errors());
  t.match(console.output(), /"m" over gRPC by reflection and WebSocket, 1 filters; .*halfclose doctor --contract m\.yaml grpc:\/\/HOST:PORT/);
});
