#!/usr/bin/env node
import { processConsole } from "./cli/console.js";
import { explainFailure } from "./cli/failure.js";
import { main } from "./cli/main.js";

const terminal = processConsole();

// A promise that nobody awaited, or a callback that threw, is a bug of ours and must not pass for a verdict.
for (const event of ["uncaughtException", "unhandledRejection"] as const) {
  process.on(event, (thrown: unknown) => {
    process.exit(explainFailure(thrown instanceof Error ? thrown : new Error(String(thrown)), terminal));
  });
}

const code = await main(process.argv.slice(2), terminal);
// Set, not forced: what was written to a pipe is delivered before the process ends.
process.exitCode = code;
