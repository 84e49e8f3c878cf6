#!/usr/bin/env node
import { processConsole } from "./cli/console.js";
import { main } from "./cli/main.js";

const code = await main(process.argv.slice(2), processConsole());
// Set, not forced: what was written to a pipe is delivered before the process ends.
process.exitCode = code;
