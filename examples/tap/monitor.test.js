import { render, run } from "halfclose";
import t from "tap";

t.test("the monitor conforms", async (t) => {
  const report = await run({ start: { command: process.env.MONITOR ?? "npx halfclose serve --grpc-port 0 --http-port 0" }, urls: [], suite: "smoke" });
  t.equal(report.exitCode, 0, render(report));
});
