import MarkdownIt from "markdown-it";
import { micromark } from "micromark";
import { gfm, gfmHtml } from "micromark-extension-gfm";
import t from "tap";
import { reporters } from "../../src/reporters/index.js";
import { failedCheck, plain, report, reportsByName } from "./fixtures.js";

const readers = {
  "markdown-it": (text: string) => new MarkdownIt({ html: true, linkify: true }).render(text),
  micromark: (text: string) => micromark(text, { allowDangerousHtml: true, allowDangerousProtocol: true, extensions: [gfm()], htmlExtensions: [gfmHtml()] }),
};

for (const [name, make] of Object.entries(reportsByName)) {
  for (const [reader, render] of Object.entries(readers)) {
    t.test(`${reader} makes of the ${name} report only what we wrote`, (t) => {
      const html = render(reporters["github-summary"].render(make(), plain));
      const tags = new Set([...html.matchAll(/<\/?([a-z][a-z0-9]*)/gi)].map(([, tag]) => tag));
      const ours = new Set([
        "h2",
        "h3",
        "p",
        "strong",
        "em",
        "ul",
        "li",
        "code",
        "pre",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "sub",
        "details",
        "summary",
      ]);
      t.same(
        [...tags].filter((tag) => !ours.has(tag ?? "")),
        [],
      );
      const prose = html.replace(/<code[^>]*>[^]*?<\/code>/g, "");
      t.notMatch(prose, /[@#]\w/, "no mention and no issue link outside code");
      for (const match of html.matchAll(/<tr>([^]*?)<\/tr>/g)) {
        t.ok((match[1]?.match(/<t[dh]/g)?.length ?? 0) <= 7);
      }
      t.end();
    });
  }
}

t.test("hostile text stays in its cell, letter by letter", (t) => {
  const check = failedCheck({ status: "unproven", reason: "a | b `c` ``d`` <e> | `" });
  const html = readers.micromark(reporters.markdown.render(report({ checks: [check], exitCode: 5 }), plain));
  t.match(html, "<td><code>a | b `c` ``d`` &lt;e&gt; | `</code></td>");
  t.end();
});

t.test("a comment stays under GitHub's limit and a summary under 1 MiB, and both say what they left out", (t) => {
  const huge = report({
    checks: Array.from({ length: 3000 }, (_, i) =>
      failedCheck({ id: `a/${String.fromCharCode(97 + (i % 26))}${i}`, actual: `x${"abcdefghij".repeat(30)}${"z".repeat(i % 700)}` }),
    ),
    exitCode: 1,
  });
  const comment = reporters.markdown.render(huge, plain);
  t.ok(comment.length < 65_536);
  t.match(comment, /_[\d,]+ more sections did not fit here; the HTML report has all\._/);
  t.ok(Buffer.byteLength(reporters["github-summary"].render(huge, plain)) < 1_048_576);
  t.end();
});

t.test("a failure says what it expected, how many are alike and how to see it again", (t) => {
  const text = reporters.markdown.render(reportsByName.mixed(), { ...plain, explanations: { "eof/half-close-while-idle": "A blocking receive." } });
  t.match(text, "## ⚠️ halfclose: broken");
  t.match(text, "| `filter-updates` | 3 ✓ 1 ✗ 1 ! | 3 ✓ 1 ✗ |");
  t.match(text, "- 1 other alike: `eof/half-close-before-filter (grpc)`");
  t.match(text, "- usually: A blocking receive.");
  t.match(text, "halfclose run grpc://localhost:50051 --grep '^eof/half-close-while-idle$' --seed 42");
  t.end();
});
