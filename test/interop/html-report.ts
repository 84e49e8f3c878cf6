// The HTML report in a real browser: no console error, no request, filters, deep links, copying, download, hostile text, dark and narrow.
// Usage: node dist/test/interop/html-report.js; CHROMIUM names the browser if it is not in a usual place. Ends with `N passed, N failed, N skipped`.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";

import { reporters } from "../../src/reporters/index.js";
import { plain, reportsByName } from "../reporters/fixtures.js";

const browserArguments = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

interface Opened {
  readonly page: Page;
  /** What the page did that it must not: console errors, thrown errors, requests. */
  readonly complaints: readonly string[];
}

interface Surroundings {
  open(
    report: keyof typeof reportsByName,
    options?: { readonly hash?: string; readonly width?: number; readonly dark?: boolean; readonly script?: boolean },
  ): Promise<Opened>;
}

const cases: Readonly<Record<string, (surroundings: Surroundings) => Promise<void>>> = {
  ...Object.fromEntries(
    Object.keys(reportsByName).map((name) => [
      `the ${name} report makes no request and no complaint, and shows itself whole`,
      async ({ open }: Surroundings) => {
        const { page, complaints } = await open(name as keyof typeof reportsByName);
        assert.equal(await page.locator("h1").count(), 1);
        assert.deepEqual(complaints, []);
      },
    ]),
  ),

  "hostile text stays text": async ({ open }) => {
    const { page, complaints } = await open("hostile");
    assert.equal(await page.evaluate("window.hostile"), undefined);
    assert.equal(await page.locator("img, iframe, object, embed, failure").count(), 0);
    assert.equal(await page.locator("main script").count(), 0);
    assert.ok((await page.locator(".seen").first().textContent())?.includes("<script>window.hostile = 1</script>"));
    await page.locator("details.timeline summary").first().click();
    await until(page, `document.querySelector("details.timeline pre").textContent.includes("1.000")`);
    assert.equal(await page.evaluate("window.hostile"), undefined);
    assert.deepEqual(complaints, []);
  },

  "filters by verdict, transport, topic and text narrow the matrix and the findings, and say how many are left": async ({ open }) => {
    const { page } = await open("mixed");
    const rows = page.locator("tr.check:visible");
    const all = await rows.count();
    const shown = page.locator(".shown");
    await page.locator('input[name="status"][value="passed"]').uncheck();
    const notPassed = await rows.count();
    assert.ok(notPassed > 0 && notPassed < all);
    assert.equal(await shown.textContent(), `${notPassed} of ${all} checks`);
    await page.locator('select[name="topic"]').selectOption("eof");
    assert.equal(await rows.count(), 2);
    await page.locator('select[name="transport"]').selectOption("ws");
    assert.equal(await rows.count(), 0);
    assert.ok(await page.locator(".nothing").isVisible());
    await page.locator(".nothing .reset").click();
    assert.equal(await rows.count(), all);
    await page.keyboard.press("/");
    await page.keyboard.type("OLD-after stayed", { delay: 0 });
    assert.equal(await rows.count(), 0);
    await page.locator('input[type="search"]').fill("entry 59");
    assert.equal(await rows.count(), 1, "what was seen is found too");
    assert.equal(await page.locator("details.finding:visible").count(), 2);
    await page.keyboard.press("Escape");
    assert.equal(await rows.count(), all);
    await page.locator('select[name="transport"]').selectOption("grpc");
    assert.equal(await page.locator('th[data-transport="ws"]:visible').count(), 0, "the other transport's columns go");
  },

  "a deep link opens its finding and comes into view, also when a filter hides it": async ({ open }) => {
    const { page } = await open("mixed", { hash: "filter-updates/no-old-after-new.ws" });
    const finding = page.locator('details.finding[id="filter-updates/no-old-after-new.ws"]');
    assert.equal(await finding.getAttribute("open"), "");
    await until(page, `(({ top }) => top >= 0 && top < innerHeight)(document.getElementById("filter-updates/no-old-after-new.ws").getBoundingClientRect())`);
    await page.locator('input[name="status"][value="failed"]').uncheck();
    assert.equal(await finding.isVisible(), false);
    await page.evaluate(`location.hash = "eof/half-close-while-idle.grpc"`);
    await page.locator('details.finding[id="eof/half-close-while-idle.grpc"]').waitFor({ state: "visible" });
    await page.evaluate(`location.hash = "opening/two"`);
    await until(page, `document.activeElement?.closest("tr")?.id === "opening/two"`);
  },

  "the whole timeline replaces the excerpt when it is opened": async ({ open }) => {
    const { page } = await open("failing");
    await page.locator("details.timeline summary").first().click();
    await until(page, `document.querySelector("details.timeline pre").textContent.split("\\n").length === 49`);
    assert.match((await page.locator("details.timeline pre").first().textContent()) ?? "", /^» +125\.340 {2}a ← entry 59 alpha$/m);
  },

  "the results download as the report they came from": async ({ open }) => {
    const { page } = await open("load");
    const [download] = await Promise.all([page.waitForEvent("download"), page.locator("#download").click()]);
    assert.equal(download.suggestedFilename(), "results.json");
    assert.deepEqual(JSON.parse(await readFile(await download.path(), "utf8")), JSON.parse(JSON.stringify(reportsByName.load())));
  },

  "a line to paste is copied by its button": async ({ open }) => {
    const { page } = await open("failing");
    await page.locator("details.finding .copy").first().click();
    await until(page, `["copied", "press Ctrl+C"].includes(document.querySelector("details.finding .copy").textContent)`);
  },

  "charts are drawn, again after the colours or the width change": async ({ open }) => {
    const { page, complaints } = await open("load");
    await page.locator(".plot canvas").first().waitFor();
    const drawn = await page.locator(".plot canvas").count();
    assert.equal(drawn, 6, "three plots for each of two workloads");
    await page.emulateMedia({ colorScheme: "dark" });
    await page.setViewportSize({ width: 700, height: 900 });
    await until(page, `document.querySelectorAll(".plot canvas").length === 6 && document.querySelector(".plot .uplot").clientWidth <= 700`);
    assert.deepEqual(complaints, []);
  },

  "at 400 pixels nothing sticks out, in light and in dark": async ({ open }) => {
    for (const dark of [false, true]) {
      for (const name of ["mixed", "load", "hostile"] as const) {
        const { page } = await open(name, { width: 400, dark });
        assert.ok(Number(await page.evaluate("document.documentElement.scrollWidth")) <= 400, `${name}, ${dark ? "dark" : "light"}`);
      }
    }
  },

  "light and dark have enough contrast wherever there is text": async ({ open }) => {
    for (const dark of [false, true]) {
      const { page } = await open("mixed", { dark });
      const poor = await page.evaluate(poorContrast);
      assert.deepEqual(poor, [], dark ? "dark" : "light");
    }
  },

  "the keyboard reaches every control, and every region, table and picture has a name": async ({ open }) => {
    const { page } = await open("mixed");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate("document.activeElement.textContent"), "Skip to the results");
    const nameless =
      await page.evaluate(`[...document.querySelectorAll("[role=region], [role=img], table, nav, form, section, button, input, select")].filter((element) =>
      !(element.getAttribute("aria-label") || element.getAttribute("aria-labelledby") || element.querySelector("caption, thead") || element.closest("label") || element.textContent.trim())).map((element) => element.outerHTML.slice(0, 80))`);
    assert.deepEqual(nameless, []);
    const landmarks = await page.evaluate(`["header", "nav", "main", "footer"].map((name) => document.querySelectorAll(name).length)`);
    assert.deepEqual(landmarks, [1, 1, 1, 1]);
    assert.equal(await page.locator("th:not([scope])").count(), 0);
  },

  "without its script the page still has everything but filters and charts": async ({ open }) => {
    const { page } = await open("mixed", { script: false });
    assert.ok((await page.locator("tr.check:visible").count()) > 20);
    assert.equal(await page.locator("form.filters:visible").count(), 0);
    assert.ok(await page.locator(".diagram svg").first().isVisible());
  },

  "on paper every finding is unfolded and the controls are gone": async ({ open }) => {
    const { page } = await open("mixed");
    await page.emulateMedia({ media: "print" });
    await page.evaluate(`dispatchEvent(new Event("beforeprint"))`);
    assert.equal(await page.locator("details.finding:not([open])").count(), 0);
    assert.equal(await page.locator("form.filters:visible, .copy:visible, nav:visible").count(), 0);
    await page.evaluate(`dispatchEvent(new Event("afterprint"))`);
    assert.ok((await page.locator("details.finding:not([open])").count()) > 0);
  },
};

/** Waits until an expression holds in the page. Not waitForFunction, which evaluates in the page and so meets the page's policy. */
async function until(page: Page, expression: string): Promise<void> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline;) {
    if ((await page.evaluate(expression)) === true) {
      return;
    }
    await page.waitForTimeout(25);
  }
  assert.fail(`it never held: ${expression}`);
}

/** Texts whose colour is nearer than 4.5 : 1 to what lies behind them (WCAG 2, AA); faded ones and pictures aside. */
const poorContrast = `(() => {
  const channel = (value) => { const share = value / 255; return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4; };
  const parse = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (element) => {
    for (let each = element; each !== null; each = each.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(each).backgroundColor);
      if (a > 0.5) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const poor = new Set();
  for (const element of document.querySelectorAll("body *:not(script):not(svg *)")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim() !== "");
    if (!own || !element.checkVisibility() || element.closest(".zero, .unseen, .skip")) continue;
    const [light, dark] = [luminance(parse(getComputedStyle(element).color)), luminance(behind(element))].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) poor.add(element.tagName + "." + element.className + " " + ratio.toFixed(2));
  }
  return [...poor];
})()`;

const executablePath = [process.env["CHROMIUM"], "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(
  (file) => file !== undefined && existsSync(file),
);
if (executablePath === undefined) {
  console.log("skipped: there is no Chromium; install it, or name it in CHROMIUM");
  console.log("0 passed, 0 failed, 1 skipped");
} else {
  process.exitCode = (await runCases(executablePath)) === 0 ? 0 : 1;
}

async function runCases(browserPath: string): Promise<number> {
  const folder = await mkdtemp(path.join(tmpdir(), "halfclose-html-"));
  const browser = await chromium.launch({ executablePath: browserPath, args: browserArguments });
  let passed = 0;
  let failed = 0;
  try {
    for (const [name, make] of Object.entries(reportsByName)) {
      await writeFile(
        path.join(folder, `${name}.html`),
        reporters.html.render(make(), { ...plain, explanations: { "filter-updates/no-old-after-new": "Two emitters race." } }),
      );
    }
    for (const [title, run] of Object.entries(cases)) {
      try {
        await within(browser, folder, run);
        passed++;
        console.log(`ok - ${title}`);
      } catch (thrown) {
        failed++;
        console.log(`not ok - ${title}\n${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}`);
      }
    }
  } finally {
    await browser.close();
    await rm(folder, { recursive: true, force: true });
  }
  console.log(`${passed} passed, ${failed} failed, 0 skipped`);
  return failed;
}

async function within(browser: Browser, folder: string, run: (surroundings: Surroundings) => Promise<void>): Promise<void> {
  const contexts: { close(): Promise<void> }[] = [];
  try {
    await run({
      async open(report, { hash, width = 1280, dark = false, script = true } = {}) {
        const context = await browser.newContext({
          viewport: { width, height: 900 },
          colorScheme: dark ? "dark" : "light",
          javaScriptEnabled: script,
          acceptDownloads: true,
        });
        contexts.push(context);
        context.setDefaultTimeout(10_000);
        const page = await context.newPage();
        const complaints: string[] = [];
        page.on("console", (message) => complaints.push(`console ${message.type()}: ${message.text()}`));
        page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
        const address = pathToFileURL(path.join(folder, `${report}.html`)).href;
        page.on("request", (request) => {
          if (request.url().split("#")[0] !== address) {
            complaints.push(`request: ${request.url()}`);
          }
        });
        await page.goto(hash === undefined ? address : `${address}#${hash}`, { waitUntil: "load" });
        return { page, complaints };
      },
    });
  } finally {
    for (const context of contexts) {
      await context.close();
    }
  }
}
