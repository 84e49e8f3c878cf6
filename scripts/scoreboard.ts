/**
 * Runs the whole suite against the servers of implementations/ and writes reports/scoreboard.md. Names on the command line: only those,
 * and the page has only those. Run by `npm run scoreboard`; each server's own tools must be there.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Report } from "../src/core/report.js";
import { lockedVersion, type Score, scoreboardPage, type Server } from "./scoreboard-page.js";

// From dist/scripts/ two levels up.
const root = fileURLToPath(new URL("../../", import.meta.url));

const grpcGo = { name: "google.golang.org/grpc", shown: "grpc-go", serves: "gRPC" };
const goaLibraries: Server["libraries"] = [
  { name: "goa.design/goa/v3", shown: "Goa", serves: "both" },
  grpcGo,
  { name: "github.com/gorilla/websocket", shown: "gorilla/websocket", serves: "WebSocket" },
];

const servers: readonly Server[] = [
  {
    name: "go",
    folder: "go",
    language: "Go",
    lockFile: "implementations/go/go.mod",
    libraries: [grpcGo, { name: "github.com/coder/websocket", shown: "coder/websocket", serves: "WebSocket" }],
  },
  { name: "goa-careful", folder: "goa", language: "Go", lockFile: "implementations/goa/go.mod", libraries: goaLibraries },
  { name: "goa-guide", folder: "goa", language: "Go", lockFile: "implementations/goa/go.mod", libraries: goaLibraries },
  {
    name: "java",
    folder: "java",
    language: "Java",
    lockFile: "implementations/java/pom.xml",
    libraries: [
      { name: "grpc.version", shown: "grpc-java", serves: "gRPC" },
      { name: "jetty.version", shown: "Jetty", serves: "WebSocket" },
    ],
  },
  {
    name: "node",
    folder: "node",
    language: "JavaScript",
    lockFile: "package-lock.json",
    libraries: [
      { name: "@grpc/grpc-js", shown: "@grpc/grpc-js", serves: "gRPC" },
      { name: "ws", shown: "ws", serves: "WebSocket" },
    ],
  },
  {
    name: "python",
    folder: "python",
    language: "Python",
    lockFile: "implementations/python/requirements.txt",
    libraries: [
      { name: "grpcio", shown: "grpc.aio", serves: "gRPC" },
      { name: "aiohttp", shown: "aiohttp", serves: "WebSocket" },
    ],
  },
  {
    name: "rust",
    folder: "rust",
    language: "Rust",
    lockFile: "implementations/rust/Cargo.lock",
    libraries: [
      { name: "tonic", shown: "tonic", serves: "gRPC" },
      { name: "axum", shown: "axum", serves: "WebSocket" },
      { name: "tokio-tungstenite", shown: "tokio-tungstenite", serves: "WebSocket" },
    ],
  },
  { name: "etcd", folder: "etcd", language: "Go", lockFile: undefined, libraries: [{ name: "etcd", shown: "etcd", serves: "gRPC" }] },
];

function versionsOf({ lockFile, libraries }: Server): Record<string, string> {
  if (lockFile === undefined) {
    const [program] = libraries;
    const said = program === undefined ? "" : execFileSync(program.name, ["--version"], { encoding: "utf8" });
    return program === undefined ? {} : { [program.name]: /\d+\.\d+\.\d+/.exec(said)?.[0] ?? "" };
  }
  const text = readFileSync(path.join(root, lockFile), "utf8");
  return Object.fromEntries(libraries.map(({ name }) => [name, lockedVersion(lockFile, text, name)]));
}

const asked = process.argv.slice(2);
const folders = [...new Set(servers.map(({ folder }) => folder))].filter((folder) => asked.length === 0 || asked.includes(folder));
const results = mkdtempSync(path.join(tmpdir(), "halfclose-scoreboard-"));

function judge(names: readonly string[]): number {
  return spawnSync("bash", ["scripts/interop-implementations.sh", "--results", results, ...names], { cwd: root, stdio: "inherit" }).status ?? 1;
}

function scores(): Score[] {
  return servers.flatMap((server) => {
    const file = path.join(results, server.name, "results.json");
    return existsSync(file) ? [{ server, versions: versionsOf(server), report: JSON.parse(readFileSync(file, "utf8")) as Report }] : [];
  });
}

try {
  const status = judge(folders);
  // What a busy machine spoilt is asked once more.
  const spoilt = scores().filter(({ report }) => report.checks.some((check) => check.status === "broken"));
  if (spoilt.length > 0) {
    judge([...new Set(spoilt.map(({ server }) => server.folder))]);
  }
  writeFileSync(path.join(root, "reports", "scoreboard.md"), scoreboardPage(scores()));
  process.exitCode = spoilt.length === 0 ? status : Math.max(...scores().map(({ report }) => report.exitCode));
} finally {
  rmSync(results, { recursive: true, force: true });
}
