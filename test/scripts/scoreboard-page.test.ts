import t from "tap";
import { lockedVersion, type Score, scoreboardPage } from "../../scripts/scoreboard-page.js";
import type { CheckRecord, Report } from "../../src/core/report.js";

t.test("a library's version is read from the file that fixes it, whatever the language", (t) => {
  t.equal(lockedVersion("package-lock.json", '"node_modules/@grpc/grpc-js": {\n      "version": "1.14.0",', "@grpc/grpc-js"), "1.14.0");
  t.equal(lockedVersion("a/go.mod", "require (\n\tgoogle.golang.org/grpc v1.85.0\n\tgoogle.golang.org/grpc/cmd v1.6.2\n)", "google.golang.org/grpc"), "1.85.0");
  t.equal(lockedVersion("requirements.txt", "# grpcio\ngrpcio-tools==1.2\ngrpcio==1.85.1\n", "grpcio"), "1.85.1");
  t.equal(lockedVersion("Cargo.lock", '[[package]]\nname = "tonic"\nversion = "0.14.2"\n', "tonic"), "0.14.2");
  t.equal(lockedVersion("pom.xml", "<grpc.version>1.80.0</grpc.version>", "grpc.version"), "1.80.0");
  t.throws(() => lockedVersion("go.mod", "", "google.golang.org/grpc"), /does not say which version/);
  t.throws(() => lockedVersion("other.txt", "x==1", "x"), /does not say/);
  t.end();
});

const check = (id: string, status: CheckRecord["status"], more: Partial<CheckRecord> = {}): CheckRecord =>
  ({ id, status, transport: "grpc", level: "must", ...more }) as CheckRecord;

function score(name: string, checks: readonly CheckRecord[]): Score {
  return {
    server: { name, folder: name, language: "Go", lockFile: undefined, libraries: [{ name: "lib", shown: "grpc-lib", serves: "gRPC" }] },
    versions: { lib: "1.2.3" },
    report: { harness: { name: "halfclose", version: "9.9.9" }, checks } as unknown as Report,
  };
}

t.test("a cell counts what passed of what could be judged, and what did not pass is listed with its reason", (t) => {
  const page = scoreboardPage([
    score("first", [
      check("eof/a", "passed"),
      check("eof/a", "known-failing", { transport: "ws", reason: "the library | does not" }),
      check("eof/b", "known-failing", { level: "should", reason: "the library | does not" }),
      check("opening/a", "unproven", { reason: "a credential" }),
    ]),
    score("second", [check("eof/a", "passed"), check("eof/b", "failed", { actual: "it goes\non" })]),
  ]);
  t.match(page, "| eof | 1/3 | 1/2 |");
  t.match(page, "| opening | – | – |");
  t.match(page, "| **all** | **1/3** | **1/2** |");
  t.match(page, "| [first](../implementations/first) | Go | grpc-lib 1.2.3 |  |");
  t.match(
    page,
    String.raw`- the library \| does not  
  ${"`eof/a` (WebSocket), `eof/b` (should, gRPC)"}`,
  );
  t.match(page, "- it goes on  \n  `eof/b` (gRPC)");
  t.match(page, "- lacking: a credential  \n  `opening/a` (gRPC)");
  t.end();
});

t.test("a server on which all passed says so", (t) => {
  t.match(scoreboardPage([score("good", [check("eof/a", "passed")])]), "All that could be judged passed.");
  t.end();
});
