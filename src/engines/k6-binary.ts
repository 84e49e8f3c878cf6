import { execFile } from "node:child_process";
import { HarnessError } from "../core/errors.js";

/** The oldest k6 that the engine works with: the one that it is tested against. */
export const oldestK6 = "2.2.0";

/** What came of looking for k6. */
export type K6Binary =
  | { readonly kind: "fits"; readonly path: string; readonly version: string }
  | { readonly kind: "too-old"; readonly path: string; readonly version: string }
  | { readonly kind: "unusable"; readonly path: string; readonly why: string }
  | { readonly kind: "absent"; readonly path: string };

const versionWithinMs = 10_000;

/** Asks a k6 for its version. @param path a file, or a name that is sought on PATH. Never rejects. */
export function inspectK6(path: string): Promise<K6Binary> {
  return new Promise((resolve) => {
    execFile(path, ["version"], { timeout: versionWithinMs, killSignal: "SIGKILL", maxBuffer: 1024 * 1024 }, (error, stdout) => {
      if (error !== null && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")) {
        resolve({ kind: "absent", path });
        return;
      }
      const version = /\bk6(?:\.exe)? v(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
      if (error !== null || version === undefined) {
        resolve({
          kind: "unusable",
          path,
          why:
            error?.killed === true
              ? `did not answer within ${versionWithinMs / 1000} s`
              : `does not say its version: ${JSON.stringify((stdout || (error?.message ?? "")).slice(0, 200))}`,
        });
        return;
      }
      resolve(isOlder(version, oldestK6) ? { kind: "too-old", path, version } : { kind: "fits", path, version });
    });
  });
}

/** The path of a k6 that fits. @throws HarnessError `usage` that says what is wrong and where k6 comes from. */
export async function requireK6(path: string): Promise<{ readonly path: string; readonly version: string }> {
  const found = await inspectK6(path);
  switch (found.kind) {
    case "fits":
      return found;
    case "too-old":
      throw new HarnessError("usage", `${path} is k6 ${found.version}, and the k6 engine needs ${oldestK6} or later.`, {
        place: "--engine k6",
        hint: whereFrom,
      });
    case "unusable":
      throw new HarnessError("usage", `${path} cannot be used as k6: it ${found.why}.`, { place: "--engine k6", hint: whereFrom });
    case "absent":
      throw new HarnessError("usage", `There is no ${path === "k6" ? "k6 on PATH" : `k6 at ${path}`}.`, { place: "--engine k6", hint: whereFrom });
  }
}

const whereFrom =
  "Packages are at https://grafana.com/docs/k6/latest/set-up/install-k6/ (the npm package of that name is empty); HALFCLOSE_K6 may name the file. Without k6, --engine native does the same.";

function isOlder(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => text.split(".").map(Number));
  for (const [i, part] of (a ?? []).entries()) {
    const other = b?.[i] ?? 0;
    if (part !== other) {
      return part < other;
    }
  }
  return false;
}
