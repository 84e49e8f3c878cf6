import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import t, { type Test } from "tap";
import { promisify } from "node:util";
import { parseYaml } from "../../src/yaml/document.js";
import { packageFolder } from "../../src/harness/suites.js";
import { startReferenceServer } from "../../src/reference/server.js";

const run = promisify(execFile);
const script = path.join(packageFolder("ci"), "action.sh");
const cli = path.join(packageFolder("dist/src"), "cli.js");

/** Runs the action's script as the runner would: inputs as variables. */
async function action(t: Test, inputs: Readonly<Record<string, string>>) {
  const folder = t.testdir();
  const output = path.join(folder, "output");
  const environment = {
    ...process.env,
    ...Object.fromEntries(Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase().replaceAll("-", "_")}`, value])),
    HALFCLOSE_COMMAND: `${process.execPath} ${cli}`,
    GITHUB_ACTIONS: "true",
    GITHUB_OUTPUT: output,
    GITHUB_STEP_SUMMARY: path.join(folder, "summary.md"),
    CI: "true",
  };
  const { code, stdout } = await run("bash", [script], { cwd: folder, env: environment, timeout: 60_000 }).then(
    (done) => ({ code: 0, stdout: done.stdout }),
    (failed: { readonly code: number; readonly stdout: string }) => ({ code: failed.code, stdout: failed.stdout }),
  );
  return { code, stdout, read: (file: string) => readFileSync(path.join(folder, file), "utf8") };
}

t.test("the action judges a server, and says so in the log, the summary, the reports and its outputs", async (t) => {
  const server = await startReferenceServer({ faults: ["any-version-upgraded"] });
  t.teardown(() => server.kill());
  const url = `ws://127.0.0.1:${server.httpPort}/logs/monitor`;
  const { code, stdout, read } = await action(t, { urls: `${url}\n`, suite: "conformance", arguments: "--grep\nopening/ws-version-refused\n" });
  t.equal(code, 1);
  t.match(stdout, /^::error title=/m);
  t.match(read("summary.md"), /ws-version-refused/);
  t.match(read("reports/junit.xml"), /ws-version-refused/);
  t.match(read("reports/report.html"), /<html/);
  t.match(read("output"), /^exit-code=1\nresults=reports\/results\.json\n$/);
});

t.test("what an input holds is never a command", async (t) => {
  const { code, read } = await action(t, { urls: 'grpc://127.0.0.1:1/"; touch broken; $(touch broken) `touch broken`', suite: "$(touch broken)" });
  t.equal(code, 2);
  t.throws(() => read("broken"));
});

t.test("every input of action.yml reaches the script, and none is written into its text", (t) => {
  const text = readFileSync(path.join(packageFolder("."), "action.yml"), "utf8");
  const { value } = parseYaml(text, "action.yml", "config") as unknown as {
    readonly value: {
      readonly inputs: Record<string, unknown>;
      readonly runs: { readonly steps: readonly { readonly run: string; readonly env: Record<string, string> }[] };
    };
  };
  const [step] = value.runs.steps;
  for (const name of Object.keys(value.inputs)) {
    t.equal(step?.env[`INPUT_${name.toUpperCase().replaceAll("-", "_")}`], `\${{ inputs.${name} }}`);
    t.match(readFileSync(script, "utf8"), new RegExp(`INPUT_${name.toUpperCase().replaceAll("-", "_")}\\b`));
  }
  t.notMatch(step?.run ?? "", /\$\{\{/);
  t.end();
});
