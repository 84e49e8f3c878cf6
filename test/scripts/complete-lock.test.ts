import { readFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { completeLock, type LockFile, missingFrom } from "../../scripts/complete-lock.js";
import { packageFolder } from "../../src/harness/suites.js";

t.test("package-lock.json has the packages of every platform, so that npm ci accepts it; npm run lock adds them", (t) => {
  const lock = JSON.parse(readFileSync(path.join(packageFolder("."), "package-lock.json"), "utf8")) as LockFile;
  t.strictSame(
    missingFrom(lock).map(({ name }) => name),
    [],
  );
  t.notMatch(JSON.stringify(lock), /"resolved":/, "no download addresses");
  t.end();
});

t.test("a package that is added says its platform, and takes the rest from the one that asks for it", (t) => {
  const lock: LockFile = {
    packages: {
      "node_modules/tool": {
        version: "1.0.0",
        dev: true,
        license: "MIT",
        optionalDependencies: { "@tool/binding-linux-arm64-musl": "1.0.0", "@tool/win32-x64": "1.0.0" },
      },
    },
  };
  const { packages } = completeLock(lock);
  t.strictSame(Object.keys(packages), ["node_modules/@tool/binding-linux-arm64-musl", "node_modules/@tool/win32-x64", "node_modules/tool"]);
  t.match(packages["node_modules/@tool/binding-linux-arm64-musl"], {
    version: "1.0.0",
    os: ["linux"],
    cpu: ["arm64"],
    libc: ["musl"],
    dev: true,
    optional: true,
  });
  t.match(packages["node_modules/@tool/win32-x64"], { os: ["win32"], cpu: ["x64"] });
  t.strictSame(missingFrom({ packages }), []);
  t.end();
});

t.test("a package whose name says no platform is not guessed at", (t) => {
  t.throws(() => completeLock({ packages: { "node_modules/tool": { optionalDependencies: { "fast-thing": "1.0.0" } } } }), /does not say which platform/);
  t.end();
});
