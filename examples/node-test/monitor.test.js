import assert from "node:assert/strict";
import { test } from "node:test";
import { render, run } from "halfclose";

test("the monitor conforms", async () => {
  const report = await run({ start: { command: process.env.MONITOR ?? "npx halfclose serve --grpc-port 0 --http-port 0" }, urls: [], suite: "smoke" });
  assert.equal(report.exitCode, 0, render(report));
});
