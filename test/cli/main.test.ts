import { readFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { main } from "../../src/cli/main.js";
import { commandNames } from "../../src/cli/commands.js";
import type { Report } from "../../src/core/report.js";
import { reporterNames } from "../../src/reporters/index.js";
import { startReferenceServer } from "../../src/reference/server.js";
import { recordingConsole } from "./recording-console.js";

t.test("without arguments, and with --help, every command is listed", async (t) => {
  for (const args of [[], ["--help"], ["-h"], ["help"]]) {
    const console = recordingConsole({ folder: t.testdir() });
    t.equal(await main(args, console), 0);
    for (const name of commandNames) {
      t.match(console.output(), new RegExp(`^  ${name} `, "m"));
    }
  }
});

for (const name of commandNames) {
  t.test(`halfclose ${name} --help shows usage, options with their variables, and examples`, async (t) => {
    const console = recordingConsole({ folder: t.testdir() });
    t.equal(await main([name, "--help"], console), 0);
    t.match(console.output(), /^halfclose /);
    t.match(console.output(), /Examples:/);
    t.match(console.output(), /HALFCLOSE_/);
  });
}

t.test("an option is taken from the command line before the environment, and from there before the config file", async (t) => {
  const server = await startReferenceServer();
  t.teardown(() => server.kill());
  const folder = t.testdir({
    "halfclose.config.yaml": `url: [${server.urls.grpc}, ${server.urls.websocket}]\ngrep: first-filter/takes-effect\nseed: 1\njobs: 2\noutput: from-config\n`,
    ".env": "HALFCLOSE_SEED=2\n",
  });
  const seedOf = async (args: readonly string[], environment: Readonly<Record<string, string>>) => {
    const console = recordingConsole({ folder, environment });
    t.equal(await main(["run", ...args], console), 0, console.errors());
    return (JSON.parse(readFileSync(path.join(folder, "from-config", "results.json"), "utf8")) as Report).seed;
  };
  t.equal(await seedOf([], {}), 2, ".env before the file");
  t.equal(await seedOf([], { HALFCLOSE_SEED: "3" }), 3, "environment before .env");
  t.equal(await seedOf(["--seed", "4"], { HALFCLOSE_SEED: "3" }), 4, "command line before all");
});

t.test("secrets appear in no output, whatever the reporter", async (t) => {
  const token = "tok-5eCr3t-value";
  const server = await startReferenceServer({ token, faults: ["invalid-filter-coerced"] });
  t.teardown(() => server.kill());
  const folder = t.testdir();
  const planted = [token, "session=c00kie-53cret", "qu3ry-53cret"];
  const console = recordingConsole({ folder });
  const views = reporterNames.flatMap((name) => ["--reporter", `${name}=out/${name}`]);
  const url = `ws://127.0.0.1:${server.httpPort}/logs/monitor?access_token=qu3ry-53cret`;
  const args = ["run", url, "--token", token, "--header", "cookie: session=c00kie-53cret", "--grep", "bad-input/invalid-filter", ...views];
  t.equal(await main(args, console), 1, console.errors());
  const files = ["reports/results.json", ...reporterNames.map((name) => `out/${name}`)];
  const texts = [
    ["stdout", console.output()],
    ["stderr", console.errors()],
    ...files.map((file) => [file, readFileSync(path.join(folder, file), "utf8")]),
  ] as const;
  for (const [where, text = ""] of texts) {
    for (const secret of planted) {
      t.notOk(text.includes(secret), `${where} holds ${secret}`);
      t.notOk(text.includes(Buffer.from(secret).toString("base64").replace(/=+$/, "")), `${where} holds ${secret} in base64`);
    }
  }
});

t.test("known failures turn exit code 1 into 0, are written by the option, and fail the run once they are mended", async (t) => {
  const [faulty, right] = await Promise.all([startReferenceServer({ faults: ["invalid-filter-coerced"] }), startReferenceServer()]);
  t.teardown(() => Promise.all([faulty.kill(), right.kill()]));
  const folder = t.testdir();
  const args = ["--grep", "bad-input/invalid-filter"];
  t.equal(await main(["run", faulty.urls.grpc, ...args, "--write-known-failing", "known.yaml"], recordingConsole({ folder })), 1);
  const known = recordingConsole({ folder });
  t.equal(await main(["run", faulty.urls.grpc, ...args, "--known-failing", "known.yaml"], known), 0, known.output());
  t.match(known.output(), /1 known failing/);
  const mended = recordingConsole({ folder });
  t.equal(await main(["run", right.urls.grpc, ...args, "--known-failing", "known.yaml"], mended), 1);
  t.match(mended.output(), /out of date/);
});

t.test("--last-failed and replay run again what failed, and only that", async (t) => {
  const [faulty, right] = await Promise.all([startReferenceServer({ faults: ["invalid-filter-coerced"] }), startReferenceServer()]);
  t.teardown(() => Promise.all([faulty.kill(), right.kill()]));
  const folder = t.testdir();
  t.equal(await main(["run", faulty.urls.grpc, "--grep", "bad-input/invalid-filter", "--grep", "first-filter/takes-effect"], recordingConsole({ folder })), 1);
  const same = recordingConsole({ folder });
  t.equal(await main(["replay", "reports/results.json"], same), 1, same.errors());
  t.match(same.output(), /still failing +bad-input\/invalid-filter \(grpc\)\n\n0 of 1 fixed/);
  const fixed = recordingConsole({ folder });
  t.equal(await main(["replay", "reports/results.json", right.urls.grpc], fixed), 0, fixed.errors());
  t.match(fixed.output(), /fixed +bad-input\/invalid-filter \(grpc\)\n\n1 of 1 fixed/);
  const again = recordingConsole({ folder });
  t.equal(await main(["run", right.urls.grpc, "--last-failed"], again), 0, again.errors());
  const none = recordingConsole({ folder });
  t.equal(await main(["run", right.urls.grpc, "--last-failed"], none), 5);
  t.match(none.errors(), /Nothing failed/);
});
