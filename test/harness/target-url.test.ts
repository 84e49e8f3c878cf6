import fc from "fast-check";
import t from "tap";
import { HarnessError } from "../../src/core/errors.js";
import { httpOriginOf, parseTargetUrl } from "../../src/harness/target-url.js";

function refusal(text: string): HarnessError {
  try {
    parseTargetUrl(text);
  } catch (thrown) {
    if (thrown instanceof HarnessError) {
      return thrown;
    }
  }
  throw new Error(`${text} was accepted`);
}

t.test("each scheme says transport, security and a default port", (t) => {
  t.match(parseTargetUrl("grpc://host"), { transport: "grpc", secure: false, host: "host", port: 50051, path: undefined });
  t.match(parseTargetUrl("grpcs://host"), { transport: "grpc", secure: true, port: 443 });
  t.match(parseTargetUrl("ws://host"), { transport: "ws", secure: false, port: 80 });
  t.match(parseTargetUrl("wss://host"), { transport: "ws", secure: true, port: 443 });
  t.end();
});

t.test("port, path and query are taken as written, also a port that http would drop", (t) => {
  t.match(parseTargetUrl("ws://h:8080/logs/monitor?x=1"), { port: 8080, path: "/logs/monitor?x=1", shown: "ws://h:8080/logs/monitor?x=1" });
  t.match(parseTargetUrl("grpc://h:80"), { port: 80, shown: "grpc://h:80" });
  t.match(parseTargetUrl("grpc://h:1/logger.Logger/Monitor"), { path: "/logger.Logger/Monitor" });
  t.match(parseTargetUrl("ws://h/"), { path: undefined });
  t.match(parseTargetUrl("ws://h?token=1"), { path: "/?token=1" });
  t.end();
});

t.test("an IPv6 address loses its brackets for dialling and keeps them for showing", (t) => {
  const url = parseTargetUrl("ws://[::1]:8080");
  t.match(url, { host: "::1", port: 8080, shown: "ws://[::1]:8080" });
  t.equal(httpOriginOf(url), "http://[::1]:8080");
  t.end();
});

t.test("a user in the URL becomes a Basic credential and is never shown", (t) => {
  const url = parseTargetUrl("ws://me:p%40ss@host:1/x");
  t.equal(url.authorization, `Basic ${Buffer.from("me:p@ss").toString("base64")}`);
  t.equal(url.shown, "ws://host:1/x");
  t.end();
});

t.test("an address without a scheme is told what it would be with one", (t) => {
  const error = refusal("localhost:50051");
  t.match(error.message, /has no scheme/);
  t.match(error.hint, /grpc:\/\/localhost:50051 or ws:\/\/localhost:50051/);
  t.end();
});

t.test("an http URL is told which scheme and which option are meant", (t) => {
  t.match(refusal("https://h").hint, /wss:\/\/.*--http-url/);
  t.end();
});

t.test("a mistyped scheme gets the nearest one", (t) => {
  t.match(refusal("gprc://h").message, /Did you mean "grpc"/);
  t.end();
});

t.test("what is no method path, no port or has a fragment is refused with a way out", (t) => {
  t.match(refusal("grpc://h/just-one").hint, /package\.Service\/Method/);
  t.match(refusal("ws://h:99999").message, /cannot? ?(be)? ?read|not a URL/);
  t.match(refusal("ws://h:/x").message, /no port/);
  t.match(refusal("ws://h/#top").message, /fragment/);
  t.end();
});

t.test("a backslash, and a % that begins no byte, are refused", (t) => {
  t.throws(() => parseTargetUrl("ws://a\\:99999"), { name: "HarnessError", code: "usage", message: /backslash/ });
  for (const text of ["ws://%@a", "ws://a:%zz@h"]) {
    t.throws(() => parseTargetUrl(text), { name: "HarnessError", code: "usage", message: /begins no byte/, hint: /%25/ }, text);
  }
  t.end();
});

t.test("any text is either read or refused with a HarnessError", (t) => {
  const schemes = fc.constantFrom("grpc://", "ws://", "wss://", "", "http://");
  fc.assert(
    fc.property(schemes, fc.string(), (scheme, rest) => {
      try {
        const url = parseTargetUrl(scheme + rest);
        return url.port >= 0 && url.port <= 65535;
      } catch (thrown) {
        return thrown instanceof HarnessError;
      }
    }),
  );
  t.end();
});
