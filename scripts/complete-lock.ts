/**
 * Adds to package-lock.json the packages of other platforms that npm leaves out where its registry does not carry them: without them
 * `npm ci` refuses the file. Run by `npm run lock` after an install that changed it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";

/** What is read of an entry of the lock file. */
interface LockedPackage {
  readonly version?: string;
  readonly dev?: boolean;
  readonly engines?: Readonly<Record<string, string>>;
  readonly license?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

export interface LockFile {
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

/** Words of package names by what npm calls them. */
const systems: Readonly<Record<string, string>> = {
  android: "android",
  darwin: "darwin",
  freebsd: "freebsd",
  linux: "linux",
  openharmony: "openharmony",
  win32: "win32",
};
const processors: Readonly<Record<string, string>> = {
  arm: "arm",
  arm64: "arm64",
  ia32: "ia32",
  ppc64: "ppc64",
  riscv64: "riscv64",
  s390x: "s390x",
  x64: "x64",
};

/** The lock file with an entry for every optional package; those that had to be added carry the platform that their name says. */
export function completeLock(lock: LockFile): LockFile {
  const packages: Record<string, LockedPackage> = { ...lock.packages };
  for (const name of missingFrom(lock)) {
    packages[`node_modules/${name.name}`] = name.entry;
  }
  const sorted = Object.entries(packages).toSorted(([a], [b]) => a.localeCompare(b, "en"));
  return { ...lock, packages: Object.fromEntries(sorted) };
}

/** Optional packages that the lock file names and does not have. */
export function missingFrom({ packages }: LockFile): { readonly name: string; readonly entry: LockedPackage }[] {
  return Object.entries(packages).flatMap(([place, parent]) =>
    Object.entries(parent.optionalDependencies ?? {})
      .filter(([name]) => packages[`node_modules/${name}`] === undefined && packages[`${place}/node_modules/${name}`] === undefined)
      .map(([name, version]) => ({ name, entry: entryOf(name, version, parent) })),
  );
}

function entryOf(name: string, version: string, parent: LockedPackage): LockedPackage {
  const words = name.split("/").at(-1)?.split("-") ?? [];
  const os = words.map((word) => systems[word]).find((word) => word !== undefined);
  const cpu = words.map((word) => processors[word]).find((word) => word !== undefined);
  if (!/^\d+\.\d+\.\d+$/.test(version) || os === undefined || cpu === undefined) {
    throw new Error(`${name}@${version} does not say which platform it is for`);
  }
  const libc = words.some((word) => word.startsWith("musl")) ? "musl" : words.some((word) => word.startsWith("gnu")) ? "glibc" : undefined;
  return {
    version,
    cpu: [cpu],
    ...(parent.dev === undefined ? {} : { dev: parent.dev }),
    ...(libc === undefined ? {} : { libc: [libc] }),
    ...(parent.license === undefined ? {} : { license: parent.license }),
    optional: true,
    os: [os],
    ...(parent.engines === undefined ? {} : { engines: parent.engines }),
  } as LockedPackage;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  // Compiled to dist/scripts/.
  const file = fileURLToPath(new URL("../../package-lock.json", import.meta.url));
  writeFileSync(file, `${JSON.stringify(completeLock(JSON.parse(readFileSync(file, "utf8")) as LockFile), undefined, 2)}\n`);
}
