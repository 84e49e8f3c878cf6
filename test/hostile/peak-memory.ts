// Loaded before the command line by `node --import`: tells its parent on descriptor 3 how much memory the process held at most, in KiB.
import { writeSync } from "node:fs";

process.on("exit", () => {
  writeSync(3, String(process.resourceUsage().maxRSS));
});
