import t from "tap";
import assert from "node:assert/strict";
import fc from "fast-check";
import { ResponseBodyReader, ResponseHeadReader, fieldTokens, fieldValues } from "../../src/wire/http1-response.js";
import type { ResponseHead } from "../../src/wire/http1-response.js";
import { WireError } from "../../src/wire/wire-error.js";
import { chunksOf, splitAt } from "./splits.js";

function readHead(chunks: readonly Uint8Array[], maxBytes = 500): { head?: ResponseHead; consumed: number; error?: WireError } {
  const reader = new ResponseHeadReader(maxBytes, 0);
  let consumed = 0;
  try {
    for (const chunk of chunks) {
      const result = reader.push(chunk);
      if (result !== undefined) return { head: result.head, consumed: consumed + result.consumed };
      consumed += chunk.length;
    }
  } catch (error) {
    if (error instanceof WireError) return { consumed, error };
    throw error;
  }
  return { consumed };
}

t.test("a head is read to its empty line and not beyond, wherever it is cut", (t) => {
  const head = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nX-A:  one, two \t\r\nx-a: three\r\nEmpty:\r\n\r\n";
  fc.assert(
    fc.property(fc.array(fc.nat()), (cuts) => {
      const result = readHead(splitAt(Buffer.from(`${head}body`), cuts));
      assert.equal(result.consumed, head.length);
      assert.equal(result.head?.rawHead, head);
      assert.equal(result.head.status, 400);
      assert.equal(result.head.reason, "Bad Request");
      assert.deepEqual(result.head.headers, [
        ["Content-Type", "text/plain"],
        ["X-A", "one, two"],
        ["x-a", "three"],
        ["Empty", ""],
      ]);
    }),
  );
  const headers = readHead([Buffer.from(head)]).head!.headers;
  t.strictSame(fieldValues(headers, "X-a"), ["one, two", "three"]);
  t.strictSame(fieldTokens(headers, "X-a"), ["one", "two", "three"]);
  t.end();
});

t.test("what is not HTTP fails at its first wrong byte, without waiting for more", (t) => {
  const cases: readonly (readonly [bytes: string, atByte: number])[] = [
    ["\0\0\x06\x04", 0],
    ["SSH-2.0-x", 0],
    ["HTTP/2 200", 5],
    ["HTTX", 3],
    ["http/1.1", 0],
  ];
  for (const [bytes, atByte] of cases) {
    t.match(readHead([Buffer.from(bytes, "latin1")]).error, { code: "NOT_HTTP", atByte }, JSON.stringify(bytes));
    t.match(readHead(chunksOf(Buffer.from(bytes, "latin1"), 1)).error, { code: "NOT_HTTP", atByte });
  }
  t.end();
});

t.test("a broken head names the line", (t) => {
  const cases: readonly (readonly [head: string, code: string, atByte: number])[] = [
    ["HTTP/1.1 xyz OK\r\n\r\n", "BAD_STATUS_LINE", 0],
    ["HTTP/1.1 1010 OK\r\n\r\n", "BAD_STATUS_LINE", 0],
    ["HTTP/1.1 101 A\r\nno colon\r\n\r\n", "BAD_HEADER_FIELD", 16],
    ["HTTP/1.1 101 A\r\nname : value\r\n\r\n", "BAD_HEADER_FIELD", 16],
    ["HTTP/1.1 101 A\r\nA: b\r\n folded\r\n\r\n", "BAD_HEADER_FIELD", 22],
    ["HTTP/1.1 101 A\r\nA: b\nC: d\r\n\r\n", "BAD_HEADER_FIELD", 16],
    ["HTTP/1.1 101 A\r\nA: b\0\r\n\r\n", "BAD_HEADER_FIELD", 16],
  ];
  for (const [head, code, atByte] of cases) t.match(readHead([Buffer.from(head)]).error, { code, atByte }, JSON.stringify(head));
  t.equal(readHead([Buffer.from("HTTP/1.1 101\r\n\r\n")]).head?.status, 101, "the reason may be missing");
  t.end();
});

t.test("a head without end stops at the bound", (t) => {
  const endless = Buffer.from(`HTTP/1.1 101 A\r\n${"A: b\r\n".repeat(200)}`);
  for (const size of [1, 7, 100_000]) t.match(readHead(chunksOf(endless, size)).error, { code: "RESPONSE_HEAD_TOO_LONG", atByte: 500 });
  t.end();
});

function readBody(headers: string, chunks: readonly Uint8Array[], maxBytes = 1000): { body: string; done: boolean; whole: boolean; wholeAtEnd: boolean } {
  const { head } = readHead([Buffer.from(`HTTP/1.1 400 No\r\n${headers}\r\n`)]);
  const reader = new ResponseBodyReader(head!, maxBytes);
  for (const chunk of chunks) reader.push(chunk);
  return { body: reader.body.toString(), done: reader.done, whole: reader.isComplete(false), wholeAtEnd: reader.isComplete(true) };
}

t.test("a body ends where its length, its chunks or the connection say, wherever it is cut", (t) => {
  const chunked = "4\r\nWiki\r\n5;ext=1\r\npedia\r\n0\r\nTrailer: x\r\n\r\nmore";
  for (const size of [1, 3, 100]) {
    t.match(readBody("Content-Length: 5\r\n", chunksOf(Buffer.from("hello world"), size)), { body: "hello", done: true, whole: true });
    t.match(readBody("Transfer-Encoding: chunked\r\n", chunksOf(Buffer.from(chunked), size)), { body: "Wikipedia", done: true, whole: true });
    t.match(readBody("", chunksOf(Buffer.from("to the end"), size)), { body: "to the end", done: false, whole: false, wholeAtEnd: true });
  }
  t.match(readBody("Content-Length: 0\r\n", []), { body: "", done: true, whole: true });
  t.end();
});

t.test("a body that breaks off, lies or floods is not complete, and bounded", (t) => {
  t.match(readBody("Content-Length: 5\r\n", [Buffer.from("he")]), { body: "he", done: false, wholeAtEnd: false });
  t.match(readBody("Transfer-Encoding: chunked\r\n", [Buffer.from("4\r\nWi")]), { body: "Wi", done: false, wholeAtEnd: false });
  for (const bad of ["x\r\n", "4\r\nWikiX\r\n", "1".repeat(2000), "-4\r\n"]) {
    t.match(readBody("Transfer-Encoding: chunked\r\n", [Buffer.from(bad)]), { done: true, wholeAtEnd: false }, bad.slice(0, 10));
  }
  for (const bad of ["Content-Length: -1\r\n", "Content-Length: x\r\n", "Content-Length: 1\r\nContent-Length: 2\r\n"]) {
    t.match(readBody(bad, [Buffer.from("ab")]), { done: true, wholeAtEnd: false }, bad);
  }
  t.match(readBody("", [Buffer.alloc(5000, 0x61)]), { body: "a".repeat(1000), done: true, whole: false });
  t.match(readBody("Content-Length: 5000\r\n", [Buffer.alloc(5000, 0x61)]), { done: true, whole: false });
  t.end();
});
