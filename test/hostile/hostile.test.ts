import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import t from "tap";
import { behaviours } from "./behaviours.js";
import { complaintsAbout } from "./judge.js";
import { runHere } from "./run-here.js";
import { chooseChecks, runArguments } from "./selection.js";
import { startHostileServer } from "./start.js";

/** One of each kind that is quick; `scripts/interop-hostile.sh` runs them all. */
const sample: readonly string[] = [
  "tcp/tls-alert-on-plain-port-grpc",
  "tcp/ssh-banner-ws",
  "grpc/accept/wrong-protocol",
  "grpc/headers/rst",
  "grpc/goaway/after-settings",
  "grpc/2-gib-length-prefix",
  "grpc/hpack/bomb-of-references",
  "grpc/message/bad-protobuf",
  "grpc/settings/window-of-zero",
  "grpc/status/percent-garbage",
  "ws/answer/400",
  "ws/101/wrong-accept-key",
  "ws/frame/invalid-utf-8",
  "ws/close/of-one-byte",
  "ws/json/100k-deep-arrays",
];

t.test("there are at least 200 behaviours, no two of one name", (t) => {
  const names = behaviours.map(({ name }) => name);
  t.equal(new Set(names).size, names.length);
  t.ok(names.length >= 200, `${names.length}`);
  t.end();
});

t.test("a hostile server is judged or found unreachable, in time, without a crash", async (t) => {
  for (const name of sample) {
    const behaviour = behaviours.find((one) => one.name === name);
    if (behaviour === undefined) {
      t.fail(`there is no ${name}`);
      continue;
    }
    const folder = await mkdtemp(path.join(tmpdir(), "halfclose-hostile-"));
    const server = await startHostileServer(behaviour, 1);
    try {
      const observed = await runHere(runArguments(server, chooseChecks(behaviour, 1, 0).slice(0, 3), 1, folder), folder, false);
      t.strictSame(complaintsAbout(behaviour, observed, { runMs: 60_000, peakBytes: Infinity }), [], name);
    } finally {
      await server.close();
      await rm(folder, { recursive: true, force: true });
    }
  }
});
