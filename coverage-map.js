// Each test file is credited for its own source file alone: dist/test/a/b.test.js for src/a/b.ts, or scenarios/b.ts.
import { existsSync } from "node:fs";

export default (test) => {
  const name = test.replace(/^dist\/test\//, "").replace(/\.test\.[jt]s$/, "");
  const candidates = [`src/${name}.ts`, `${name}.ts`];
  return candidates.find((file) => existsSync(file)) ?? null;
};
