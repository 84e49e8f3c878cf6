import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import t from "tap";
import type { Report, WindowRecord } from "../../src/core/report.js";
import { reporters } from "../../src/reporters/index.js";
import { failedCheck, hostileStrings, loadReport, mixedReport, plain, report, reportsByName } from "./fixtures.js";

const render = (made: Report): string => reporters.html.render(made, plain);

function embeddedReport(page: string): Report {
  const base64 = /<script type="application\/octet-stream" id="results">([^<]*)<\/script>/.exec(page)?.[1] ?? "";
  return JSON.parse(gunzipSync(Buffer.from(base64, "base64")).toString("utf8")) as Report;
}

/** Opening tags, but for what is inside scripts and styles. */
function tagsOf(page: string): string[] {
  return page.replace(/(<(script|style)\b[^>]*>)[^]*?<\/\2>/g, "$1").match(/<[a-zA-Z][^>]*>/g) ?? [];
}

for (const [name, make] of Object.entries(reportsByName)) {
  t.test(`the page of the ${name} report loads nothing and runs nothing but what its policy names by hash`, (t) => {
    const page = render(make());
    const attributes = tagsOf(page).flatMap((tag) => [...tag.matchAll(/\s([\w-]+)(?:="[^"]*")?/g)].map(([, name]) => name ?? ""));
    t.same(
      attributes.filter((name) => /^(?:src|srcset|action|formaction|style|on\w+|background|data|poster|ping)$/.test(name)),
      [],
    );
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)?.[1] ?? "";
    t.match(policy, /^default-src 'none'; script-src 'sha256-[^;]*; style-src 'sha256-/);
    const hash = (content: string): string => `'sha256-${createHash("sha256").update(content).digest("base64")}'`;
    const scripts = [...page.matchAll(/<script>([^]*?)<\/script>/g)].map(([, content]) => content ?? "");
    t.ok(scripts.length >= 1);
    for (const content of scripts) {
      t.ok(policy.includes(hash(content)), "each script is in the policy");
    }
    t.equal(policy.match(/script-src ([^;]*)/)?.[1]?.split(" ").length, scripts.length, "and nothing else is");
    t.ok(policy.includes(hash(/<style>([^]*?)<\/style>/.exec(page)?.[1] ?? "")));
    t.end();
  });

  t.test(`the page of the ${name} report has one element a name, and every link of it leads somewhere`, (t) => {
    const body = tagsOf(render(make())).join("\n");
    const ids = [...body.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id ?? "");
    t.equal(new Set(ids).size, ids.length);
    const links = [...body.matchAll(/\shref="([^"]*)"/g)].map(([, link]) => link ?? "");
    t.same(
      links.filter((link) => !link.startsWith("#") || !ids.includes(link.slice(1))),
      [],
    );
    t.end();
  });

  t.test(`the page of the ${name} report holds the report whole, for download`, (t) => {
    t.same(embeddedReport(render(make())), JSON.parse(JSON.stringify(make())));
    t.end();
  });
}

t.test("hostile text is text: no element, attribute or script comes of it", (t) => {
  const page = render(reportsByName.hostile());
  const body = page.replace(/<(script|style)\b[^]*?<\/\1>/g, "");
  const names = new Set(tagsOf(page).map((tag) => /^<([\w-]+)/.exec(tag)?.[1] ?? ""));
  t.same(
    ["img", "failure", "iframe", "object", "base", "link"].filter((name) => names.has(name)),
    [],
  );
  t.notOk(/<!--|[\u2028\u2029\u202e\u0000\u001b]/.test(body));
  t.match(body, "&lt;script&gt;window.hostile = 1&lt;/script&gt;");
  t.match(body, "&#39;single&#39;");
  t.same(embeddedReport(page).problems, hostileStrings);
  t.end();
});

t.test("when everything fails at length the page stays under a megabyte, and says what it cut", (t) => {
  const checks = Array.from({ length: 188 }, (_, i) =>
    failedCheck(
      {
        id: `topic-${i % 12}/check-${i}`,
        transport: i % 2 === 0 ? "grpc" : "ws",
        actual: `it was ${"abcdefghijklmnopqrstuvwxyz".slice(i % 20)} ${i % 3 === 0 ? "early" : "late"}`,
      },
      500,
    ),
  );
  const base = loadReport().workloads;
  const workloads = base.map((workload) => ({
    ...workload,
    windows: Array.from({ length: 3600 }, (_, i) => ({ ...(workload.windows[i % 30] as WindowRecord), atSeconds: i, received: 20_000 + ((i * 7919) % 1013) })),
  }));
  const page = render(report({ checks, workloads, exitCode: 1 }));
  t.ok(Buffer.byteLength(page) < 1_000_000, `${Buffer.byteLength(page)} bytes`);
  t.match(page, /Timelines in this page are cut to \d+ events around the offence/);
  const kept = embeddedReport(page).checks[0];
  t.equal((kept?.timeline?.length ?? 0) + (kept?.timelineDropped ?? 0), checks[0]?.timeline?.length);
  t.ok(kept?.timeline === undefined || kept.timeline.length === 0 || kept.timeline.some(({ offending }) => offending === true));
  t.end();
});

t.test("texts of a hundred kilobytes are cut for display", (t) => {
  const checks = Array.from({ length: 100 }, (_, i) => failedCheck({ id: `a/${i}`, actual: `${i}${"word ".repeat(20_000)}` }));
  const page = render(report({ checks, exitCode: 1 }));
  t.ok(Buffer.byteLength(page) < 1_000_000, `${Buffer.byteLength(page)} bytes`);
  t.match(page, "more characters)");
  t.end();
});

t.test("a failure has its diagram with the offending message marked, its explanation, its relatives and its line to paste", (t) => {
  const page = reporters.html.render(mixedReport(), { ...plain, explanations: { "filter-updates/no-old-after-new": "Two emitters race." } });
  const finding = /<details class="finding[^>]*id="filter-updates\/no-old-after-new\.grpc"[^]*?<\/details>\s*<\/div>/.exec(page)?.[0] ?? "";
  t.match(finding, /<g class="event received offending">[^]*?<text [^>]*class="label">entry 59 alpha<\/text>/);
  t.match(finding, "<dt>usually</dt><dd>Two emitters race.</dd>");
  t.match(finding, '<dt>1 other alike</dt><dd class="relatives"><a href="#filter-updates/no-old-after-new.ws">');
  t.match(finding, "<code>halfclose run grpc://localhost:50051 --grep &#39;^filter-updates/no-old-after-new$&#39; --seed 42</code>");
  t.match(page, '<dt>1 consequence</dt><dd class="relatives"><a href="#cancellation/after-half-close.grpc">');
  t.end();
});

t.test("every status has a sign and a word beside its colour", (t) => {
  const page = render(mixedReport());
  for (const said of [
    "✓</span> passed",
    "✗</span> failed",
    "!</span> warned",
    "?</span> unproven",
    "–</span> not applicable",
    "≈</span> known failing",
    "‼</span> broken",
  ]) {
    t.match(page, said);
  }
  t.end();
});

t.test("a load report has a percentile curve, a heat map, charts, margins and the comparison with its intervals", (t) => {
  const page = render(loadReport());
  t.match(page, 'aria-label="Percentiles of filter-apply, first-entry');
  t.match(page, /class="curve c0 baseline"/);
  t.match(page, "<title>filter-apply p99 &lt; 50ms</title>");
  t.match(page, /class="heat h5"/);
  t.match(page, 'data-plot="throughput"');
  t.match(page, 'data-plot="target"');
  t.match(page, "<td>6.01 ms</td><td>7.87 ms</td><td>1.31</td><td>1.22 to 1.40</td><td>worse</td>");
  t.match(page, "~ not significant");
  t.match(page, "filter-apply → ∞");
  t.match(page, "generator invalid");
  t.notMatch(render(mixedReport()), "uPlot=function", "the chart library is only where charts are");
  t.end();
});

t.test("a histogram that cannot be decoded still has a curve, from the figures beside it", (t) => {
  const [workload] = loadReport().workloads;
  const histogram = workload?.histograms["filter-apply"];
  if (workload === undefined || histogram === undefined) {
    throw new Error("the fixture has a histogram");
  }
  const page = render(report({ workloads: [{ ...workload, histograms: { "filter-apply": { ...histogram, encoded: "not base64 <script>" } } }] }));
  t.match(page, /class="curve c0" d="M[\d. L]+"/);
  t.end();
});
