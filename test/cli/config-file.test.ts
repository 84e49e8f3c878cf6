import { mkdirSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { loadConfig, loadDotEnv } from "../../src/cli/config-file.js";
import type { OptionSpecs } from "../../src/cli/options.js";

const specs = {
  jobs: { kind: "whole", least: 1, about: "a", group: "g" },
  url: { kind: "texts", about: "a", group: "g" },
  token: { kind: "text", about: "a", group: "g", secret: true },
  help: { kind: "flag", about: "a", group: "g", commandLineOnly: true },
} as const satisfies OptionSpecs;

function load(folder: string, more: { readonly file?: string; readonly profile?: string; readonly environment?: Record<string, string> } = {}) {
  return loadConfig({
    workingDirectory: folder,
    file: more.file,
    profile: more.profile,
    environment: more.environment ?? {},
    specs: () => Promise.resolve(specs),
  });
}

t.test("the nearest file upwards is taken, and each value keeps its line and column", async (t) => {
  const folder = t.testdir({ "halfclose.config.yaml": "jobs: 3\nurl: [grpc://a, ws://b]\n" });
  const below = path.join(folder, "a", "b");
  mkdirSync(below, { recursive: true });
  const config = await load(below);
  t.equal(config.file, path.join(folder, "halfclose.config.yaml"));
  t.match(config.values["jobs"], { value: "3", place: /halfclose\.config\.yaml:1:7/ });
  t.strictSame(config.values["url"]?.value, ["grpc://a", "ws://b"]);
});

t.test("a profile is laid over the rest, and one that is not there is refused by name", async (t) => {
  const folder = t.testdir({ "halfclose.config.yaml": "jobs: 3\nprofiles: { ci: { jobs: 1 } }\n" });
  t.equal((await load(folder, { profile: "ci" })).values["jobs"]?.value, "1");
  t.equal((await load(folder)).values["jobs"]?.value, "3");
  await t.rejects(load(folder, { profile: "cj" }), { code: "usage", message: /no profile "cj"\. Did you mean "ci"/ });
});

t.test("a profile without any file is refused", async (t) => {
  await t.rejects(load(t.testdir(), { profile: "ci", file: undefined as never }), { code: "usage" });
});

t.test("JSON is read as well", async (t) => {
  const folder = t.testdir({ "halfclose.config.json": '{ "jobs": 2 }' });
  t.equal((await load(folder)).values["jobs"]?.value, "2");
});

t.test("${NAME} takes a value from the environment, and says where it is missing", async (t) => {
  const folder = t.testdir({ "halfclose.config.yaml": "token: ${SECRET}\nredact: ['${SECRET}', other]\n" });
  const config = await load(folder, { environment: { SECRET: "s3cret" } });
  t.equal(config.values["token"]?.value, "s3cret");
  t.strictSame(config.secrets, ["s3cret", "other"]);
  await t.rejects(load(folder), { code: "config", place: /halfclose\.config\.yaml:1:8/, message: /SECRET/ });
});

t.test("options of the moment, unknown ones, and files that are not there are refused", async (t) => {
  await t.rejects(load(t.testdir({ "halfclose.config.yaml": "help: true\n" })), { code: "config" });
  await t.rejects(load(t.testdir({ "halfclose.config.yaml": "jbos: 1\n" })), { code: "config", message: /Did you mean "jobs"/ });
  await t.rejects(load(t.testdir(), { file: "none.yaml" }), { code: "config", place: "none.yaml" });
});

t.test(".env is found upwards", async (t) => {
  const folder = t.testdir({ ".env": "HALFCLOSE_JOBS=4 # four\nTOKEN='a b'\n", below: {} });
  t.match(await loadDotEnv(path.join(folder, "below")), { HALFCLOSE_JOBS: "4", TOKEN: "a b" });
});
