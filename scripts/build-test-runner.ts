/**
 * Makes tap's own classes anew where they still hold a plugin that .taprc leaves out, as they do after `npm ci`. tap does so by itself, but in
 * the midst of a run, whose files have been given the loaders of all plugins by then: a second of processor time for each.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { t } from "tap";

const excluded = Array.from(readFileSync(".taprc", "utf8").matchAll(/^ {2}- "!(.+)"$/gm), ([, plugin]) => plugin ?? "");
const present = t.pluginSignature.split("\n");

if (excluded.some((plugin) => present.includes(plugin))) {
  execFileSync("npx", ["tap", "build"], { stdio: "inherit", shell: process.platform === "win32" });
}
