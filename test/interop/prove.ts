// Perl's prove reads every TAP report, and its verdict is that of the exit code. Usage: node dist/test/interop/prove.js; ends with `N passed, N failed, N skipped`.
import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { reporters } from "../../src/reporters/index.js";
import { plain, reportsByName } from "../reporters/fixtures.js";

if (spawnSync("prove", ["--version"]).error === undefined) {
  process.exitCode = (await proveAll()) === 0 ? 0 : 1;
} else {
  console.log("skipped: there is no prove; it comes with perl");
  console.log("0 passed, 0 failed, 1 skipped");
}

async function proveAll(): Promise<number> {
  const folder = await mkdtemp(path.join(tmpdir(), "halfclose-tap-"));
  let failed = 0;
  try {
    for (const [name, make] of Object.entries(reportsByName)) {
      const file = path.join(folder, `${name}.tap`);
      await writeFile(file, reporters.tap.render(make(), plain));
      const { status, stdout, stderr } = spawnSync("prove", ["--exec", "cat", file], { encoding: "utf8", timeout: 20_000 });
      const agrees = (status === 0) === (make().exitCode === 0) && !`${stdout}${stderr}`.includes("Parse errors");
      failed += agrees ? 0 : 1;
      console.log(`${agrees ? "ok" : "not ok"} - ${name}${agrees ? "" : `\n${stdout}${stderr}`}`);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  console.log(`${Object.keys(reportsByName).length - failed} passed, ${failed} failed, 0 skipped`);
  return failed;
}
