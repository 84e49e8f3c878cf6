import t from "tap";
import { redacted } from "../../src/core/redaction.js";
import { redact, secretsInUrls, secretsOfHeader } from "../../src/harness/redact.js";

t.test("a secret is replaced wherever a string holds it, keys and numbers stay", (t) => {
  const value = { a: ["x hunter22 y", 5], hunter22: { deep: "hunter22" }, none: undefined };
  t.strictSame(redact(value, ["hunter22"]), { a: [`x ${redacted} y`, 5], hunter22: { deep: redacted }, none: undefined });
  t.end();
});

t.test("its percent and base64 forms are secrets too", (t) => {
  const secret = "s€cret/ü";
  const text = `${encodeURIComponent(secret)} ${Buffer.from(secret).toString("base64")}`;
  t.equal(redact(text, [secret]), `${redacted} ${redacted}`);
  t.end();
});

t.test("of two secrets the longer goes first, and what is too short is left", (t) => {
  t.equal(redact("abcdef abcd", ["abcd", "abcdef"]), `${redacted} ${redacted}`);
  t.equal(redact("a b c", ["a"]), "a b c");
  t.end();
});

t.test("headers that carry credentials give the value and what follows its scheme", (t) => {
  t.strictSame(secretsOfHeader("Authorization", "Bearer abc.def"), ["Bearer abc.def", "abc.def"]);
  t.strictSame(secretsOfHeader("x-session-token", "12345"), ["12345"]);
  t.strictSame(secretsOfHeader("accept", "text/plain"), []);
  t.end();
});

t.test("passwords and token parameters of URLs are secrets", (t) => {
  t.strictSame(secretsInUrls(["ws://u:p%40ssword@h/x?access_token=abcdefg&page=2"]), ["abcdefg", "p%40ssword", "p@ssword"]);
  t.end();
});
