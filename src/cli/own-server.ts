import { fileURLToPath } from "node:url";
import { quoteForShell } from "../harness/conformance-run.js";
import type { StartCommand } from "../harness/owned-target.js";

/** The reference server in a process of its own: one that shared ours would make us late. */
export function ownServer(options: { readonly bugs?: readonly string[]; readonly rate?: string } = {}): StartCommand {
  const cli = fileURLToPath(new URL("../cli.js", import.meta.url));
  const words = [process.execPath, cli, "serve", "--grpc-port", "0", "--http-port", "0"];
  for (const bug of options.bugs ?? []) {
    words.push("--bug", bug);
  }
  if (options.rate !== undefined) {
    words.push("--rate", options.rate);
  }
  return { command: `exec ${words.map(quoteForShell).join(" ")}` };
}
