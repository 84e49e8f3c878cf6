// Runs command lines that its parent sends, one after the other, and tells what came of each. A crash ends it, as it would the command line.
import { runHere } from "./run-here.js";

for (const event of ["uncaughtException", "unhandledRejection"] as const) {
  process.on(event, (thrown: unknown) => {
    process.stderr.write(`\n${event}: ${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}\n`, () => process.exit(3));
  });
}
process.on("disconnect", () => process.exit());
process.on("message", (job: { readonly args: readonly string[]; readonly folder: string }) => {
  void runHere(job.args, job.folder, true).then((observed) => process.send?.({ ...observed, peakBytes: process.resourceUsage().maxRSS * 1024 }));
});
