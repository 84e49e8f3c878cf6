import { chmodSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** How a fake k6 behaves. */
export type Behaviour =
  | "fine"
  | "crash"
  | "exception"
  | "hang"
  | "silent"
  | "garbage"
  | "killed"
  | "thresholds"
  | "stopped"
  | "refused"
  | "old"
  | "foreign"
  | "mute";

/** Writes an executable that poses as k6 into a folder. @returns its path. */
export function writeFakeK6(folder: string, behaviour: Behaviour): string {
  const file = `${folder}/k6-${behaviour}`;
  writeFileSync(file, `#!/bin/sh\nexec "${process.execPath}" "${fileURLToPath(import.meta.url)}" ${behaviour} "$@"\n`);
  chmodSync(file, 0o755);
  return file;
}

const [, script, behaviour, command] = process.argv;
if (script === fileURLToPath(import.meta.url)) {
  if (command === "version") {
    if (behaviour === "mute") {
      process.exit(1);
    }
    console.log(behaviour === "old" ? "k6 v0.54.0 (go1.23)" : behaviour === "foreign" ? "this is another program" : "k6 v2.2.0 (go1.26)");
  } else {
    pose(behaviour as Behaviour);
  }
}

function pose(as: Behaviour): void {
  const plan = JSON.parse(process.env["HALFCLOSE_PLAN"] ?? "{}") as { groups: { name: string }[] };
  const group = plan.groups[0]?.name;
  const point = (metric: string, value: number, tags: object = { group }): void => {
    console.log(JSON.stringify({ metric, type: "Point", data: { time: new Date().toISOString(), value, tags } }));
  };
  if (as === "silent") {
    stay();
    return;
  }
  if (as === "refused") {
    point("hc_begin", Date.now());
    point("hc_errors", 1, { group, text: "no connection: dial tcp: connect: connection refused" });
    return;
  }
  console.log('{"metric":"hc_received","type":"Metric","data":{}}');
  point("grpc_streams_msgs_received", 1);
  point("hc_begin", Date.now() - 20);
  point("hc_opened", 2);
  point("hc_received", 40);
  point("hc_filter_apply", 12.345);
  point("hc_beyond_filter_apply", 1);
  point("hc_packed_delivery_lag", 500 * 2 ** 32 + 39);
  point("hc_stream_rate", 20);
  switch (as) {
    case "crash":
      console.error('time="2030-01-01T00:00:00Z" level=error msg="the engine room is on fire"');
      process.exit(2);
      return;
    case "exception":
      console.error('time="2030-01-01T00:00:00Z" level=error msg="ReferenceError: x is not defined\\n\\tat file:///script.js:1:1"');
      process.exit(107);
      return;
    case "killed":
      process.kill(process.pid, "SIGKILL");
      return;
    case "thresholds":
      process.exit(99);
      return;
    case "stopped":
      process.exit(105);
      return;
    case "garbage":
      console.log('{"metric":"hc_received","type":"Point","data":{"time":"never"');
      console.log('{"metric":"hc_received","type":"Point","data":{"time":"never","value":1}}');
      console.log('{"metric":"hc_unheard_of","type":"Point","data":{"time":"2030-01-01T00:00:00Z","value":1}}');
      console.log("\u0000\u0001 nonsense");
      process.stdout.write("x".repeat(3 * 1024 * 1024));
      return;
    case "hang":
      stay();
      return;
    case "fine":
    case "old":
    case "foreign":
    case "mute":
  }
}

/** Ignores whatever can be ignored. */
function stay(): void {
  process.on("SIGTERM", () => undefined);
  process.on("SIGINT", () => undefined);
  setInterval(() => undefined, 1000);
}
