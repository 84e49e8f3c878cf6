// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
// Runs in the page, as it stands. Everything is readable without it; it adds filters, deep links, copying, charts and the download.
"use strict";
(() => {
  const all = (/** @type {string} */ selector, /** @type {ParentNode} */ root = document) =>
    /** @type {HTMLElement[]} */ ([...root.querySelectorAll(selector)]);
  /** @type {(selector: string, root?: ParentNode) => HTMLElement | null} */
  const one = (selector, root = document) => root.querySelector(selector);

  /** @type {Promise<string> | undefined} */
  let unpacked;
  /** The report as JSON text, unpacked once. */
  const results = () => {
    unpacked ??= (async () => {
      const packed = Uint8Array.from(atob(one("#results")?.textContent ?? ""), (character) => character.charCodeAt(0));
      return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
    })();
    return unpacked;
  };

  const filters = /** @type {HTMLFormElement | null} */ (one("form.filters"));
  const table = one(".matrix table");
  const rows = all("tr.check");
  const findings = all("details.finding");
  /** @type {Map<string, string>} */
  const textOfId = new Map();
  for (const finding of findings) {
    const id = finding.dataset.id ?? "";
    textOfId.set(id, `${textOfId.get(id) ?? ""} ${finding.querySelector(".facts")?.textContent ?? ""}`);
  }

  const chosen = () => {
    const data = new FormData(filters ?? undefined);
    return {
      statuses: new Set(data.getAll("status")),
      transport: String(data.get("transport") ?? ""),
      topic: String(data.get("topic") ?? ""),
      words: String(data.get("text") ?? "")
        .toLowerCase()
        .split(/\s+/)
        .filter((word) => word !== ""),
    };
  };

  const applyFilters = () => {
    if (filters === null || table === null) {
      return;
    }
    const { statuses, transport, topic, words } = chosen();
    const hasWords = (/** @type {string} */ text) => words.every((word) => text.toLowerCase().includes(word));
    const wanted = (/** @type {HTMLElement} */ element) =>
      statuses.has(element.dataset.status ?? "") && (transport === "" || element.dataset.transport === transport);
    let shown = 0;
    for (const row of rows) {
      const cells = all(".result", row);
      for (const cell of cells) {
        cell.classList.toggle("dimmed", !wanted(cell));
      }
      const id = row.querySelector(".id")?.textContent ?? "";
      const visible = cells.some(wanted) && (topic === "" || row.dataset.topic === topic) && hasWords(`${row.textContent} ${textOfId.get(id) ?? ""}`);
      row.hidden = !visible;
      shown += visible ? 1 : 0;
    }
    for (const body of all("tbody", table)) {
      body.hidden = all("tr.check", body).every((row) => row.hidden);
    }
    for (const finding of findings) {
      finding.hidden = !(wanted(finding) && (topic === "" || finding.dataset.topic === topic) && hasWords(finding.textContent ?? ""));
    }
    for (const group of all(".group")) {
      group.hidden = all(".finding", group).every((finding) => finding.hidden);
    }
    table.dataset.only = transport;
    table.hidden = shown === 0;
    const nothing = one(".nothing");
    if (nothing !== null) {
      nothing.hidden = shown > 0;
    }
    const output = one(".shown", filters);
    if (output !== null) {
      output.textContent = shown === rows.length ? `${rows.length} checks` : `${shown} of ${rows.length} checks`;
    }
  };

  const resetFilters = () => {
    filters?.reset();
    applyFilters();
  };

  /** Shows what the address names, whatever hid it. */
  const followAddress = () => {
    let name = location.hash.slice(1);
    try {
      name = decodeURIComponent(name);
    } catch {
      // As it stands, then.
    }
    const target = name === "" ? null : document.getElementById(name);
    if (target === null) {
      return;
    }
    if (target.closest("[hidden]") !== null) {
      resetFilters();
    }
    for (let element = /** @type {Element | null} */ (target); element !== null; element = element.parentElement) {
      if (element instanceof HTMLDetailsElement) {
        element.open = true;
      }
    }
    target.scrollIntoView();
    const focusable = target instanceof HTMLDetailsElement ? one("summary", target) : one("a", target);
    focusable?.focus({ preventScroll: true });
  };

  const copy = async (/** @type {HTMLElement} */ button) => {
    const code = button.parentElement?.querySelector("code");
    if (code === null || code === undefined) {
      return;
    }
    let done = false;
    try {
      await navigator.clipboard.writeText(code.textContent ?? "");
      done = true;
    } catch {
      // Without permission, or from a file: the older way.
      const selection = getSelection();
      selection?.selectAllChildren(code);
      done = document.execCommand("copy");
    }
    button.textContent = done ? "copied" : "press Ctrl+C";
    setTimeout(() => {
      button.textContent = "copy";
    }, 2000);
  };

  const download = async () => {
    const address = URL.createObjectURL(new Blob([await results()], { type: "application/json" }));
    const link = document.createElement("a");
    link.href = address;
    link.download = "results.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  };

  const arrows = { sent: "→", received: "←", local: "·" };
  const printable = (/** @type {string} */ text) =>
    text.replace(/(?!\u200d)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);

  /** Puts all events of a check into its timeline, in place of the excerpt. */
  const fillTimeline = async (/** @type {HTMLElement} */ details) => {
    const index = Number(details.closest("details.finding")?.getAttribute("data-index"));
    const events = [...(JSON.parse(await results()).checks[index]?.timeline ?? [])].sort((a, b) => a.atMs - b.atMs);
    const pre = one("pre", details);
    if (pre !== null) {
      pre.textContent = events
        .map(
          (/** @type {{ atMs: number, stream: string, direction: "sent" | "received" | "local", what: string, offending?: boolean }} */ event) =>
            `${event.offending === true ? "»" : " "} ${event.atMs.toFixed(3).padStart(11)}  ${printable(event.stream)} ${arrows[event.direction]} ${printable(event.what)}\n`,
        )
        .join("");
    }
  };

  /** @type {{ destroy(): void }[]} */
  let plots = [];

  const drawCharts = async () => {
    const uPlot = /** @type {any} */ (globalThis).uPlot;
    const places = all("[data-plot]");
    if (uPlot === undefined || places.length === 0) {
      return;
    }
    const { workloads } = JSON.parse(await results());
    for (const plot of plots) {
      plot.destroy();
    }
    plots = [];
    const style = getComputedStyle(document.documentElement);
    const colour = (/** @type {string} */ name) => style.getPropertyValue(`--${name}`).trim();
    for (const place of places) {
      const index = Number(place.closest("[data-workload]")?.getAttribute("data-workload"));
      const windows = workloads[index]?.windows ?? [];
      const column = (/** @type {(window: any) => number | undefined} */ read) => windows.map((/** @type {any} */ window) => read(window) ?? null);
      const seconds = column((window) => window.atSeconds);
      const key = `workload-${index}`;
      const whole = (/** @type {number} */ value) => Math.round(value).toLocaleString("en");
      const add = (
        /** @type {{ label: string, colour: string, dash?: number[], scale: string, values: (number | null)[], text: (value: number) => string }[]} */ series,
        /** @type {number} */ height,
      ) => {
        const axis = (/** @type {string} */ scale, /** @type {number} */ side) => ({
          scale,
          side,
          size: 62,
          stroke: colour("faint"),
          font: `11px ${style.getPropertyValue("--sans")}`,
          grid: { show: side === 3, stroke: colour("rule"), width: 1 },
          ticks: { show: false },
          values: (/** @type {unknown} */ _, /** @type {number[]} */ splits) =>
            splits.map((value) => {
              const text = series.find((each) => each.scale === scale)?.text;
              // What is counted has no halves.
              return text === undefined || (text === whole && !Number.isInteger(value)) ? "" : text(value);
            }),
        });
        const scales = [...new Set(series.map(({ scale }) => scale))];
        plots.push(
          new uPlot(
            {
              width: place.clientWidth || 600,
              height,
              cursor: { sync: { key }, drag: { x: true, y: false } },
              scales: {
                x: { time: false },
                ...Object.fromEntries(
                  scales.map((scale) => [
                    scale,
                    { range: (/** @type {unknown} */ _, /** @type {number} */ __, /** @type {number} */ most) => [0, most > 0 ? most * 1.08 : 1] },
                  ]),
                ),
              },
              axes: [
                {
                  stroke: colour("faint"),
                  font: `11px ${style.getPropertyValue("--sans")}`,
                  grid: { show: false },
                  ticks: { show: false },
                  size: 26,
                  values: (/** @type {unknown} */ _, /** @type {number[]} */ splits) => splits.map((value) => `${value} s`),
                },
                ...scales.map((scale, position) => axis(scale, position === 0 ? 3 : 1)),
              ],
              series: [
                { label: "at", value: (/** @type {unknown} */ _, /** @type {number | null} */ value) => (value === null ? "–" : `${value} s`) },
                ...series.map(({ label, colour: stroke, dash, scale, text }) => ({
                  label,
                  stroke,
                  ...(dash === undefined ? {} : { dash }),
                  scale,
                  width: 1.5,
                  points: { show: false },
                  value: (/** @type {unknown} */ _, /** @type {number | null} */ value) => (value === null ? "–" : text(value)),
                })),
              ],
            },
            [seconds, ...series.map(({ values }) => values)],
            place,
          ),
        );
      };
      if (place.dataset.plot === "throughput") {
        add(
          [
            { label: "received/s", colour: colour("c0"), scale: "entries", values: column((window) => window.received), text: whole },
            { label: "backlog", colour: colour("c1"), dash: [7, 3], scale: "backlog", values: column((window) => window.backlog), text: whole },
          ],
          210,
        );
        add(
          [
            {
              label: "generator lag p99",
              colour: colour("c2"),
              scale: "ms",
              values: column((window) => (window.scheduleLagP99Us > 3.6e9 ? undefined : window.scheduleLagP99Us / 1000)),
              text: (value) => `${Number(value.toPrecision(3))} ms`,
            },
            {
              label: "loop utilisation",
              colour: colour("c3"),
              dash: [2, 3],
              scale: "share",
              values: column((window) => window.loopUtilisation * 100),
              text: (value) => `${Math.round(value)} %`,
            },
          ],
          130,
        );
      } else {
        add(
          [
            {
              label: "CPU",
              colour: colour("c0"),
              scale: "cores",
              values: column((window) => window.target?.cpu),
              text: (value) => `${Number(value.toFixed(2))} cores`,
            },
            {
              label: "memory",
              colour: colour("c1"),
              dash: [7, 3],
              scale: "bytes",
              values: column((window) => (window.target === undefined ? undefined : window.target.rssBytes / 2 ** 20)),
              text: (value) => `${Number(value.toPrecision(3))} MiB`,
            },
          ],
          210,
        );
      }
    }
  };

  if (filters !== null) {
    filters.hidden = false;
    filters.addEventListener("input", applyFilters);
    filters.addEventListener("submit", (event) => event.preventDefault());
  }
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? /** @type {HTMLElement | null} */ (event.target.closest("button")) : null;
    if (button === null) {
      return;
    }
    if (button.classList.contains("copy")) {
      void copy(button);
    } else if (button.classList.contains("reset")) {
      resetFilters();
    } else if (button.id === "download") {
      void download();
    }
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target instanceof Element && event.target.closest("input, select, textarea") !== null;
    const search = one('input[type="search"]');
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && search !== null) {
      event.preventDefault();
      search.focus();
    } else if (event.key === "Escape" && typing) {
      resetFilters();
    }
  });
  for (const button of all(".copy, #download")) {
    button.hidden = false;
  }
  for (const details of all("details.timeline")) {
    details.addEventListener("toggle", () => void fillTimeline(details), { once: true });
  }
  /** @type {Set<HTMLDetailsElement>} */
  const opened = new Set();
  addEventListener("beforeprint", () => {
    for (const details of /** @type {HTMLDetailsElement[]} */ (findings)) {
      if (!details.open) {
        opened.add(details);
        details.open = true;
      }
    }
  });
  addEventListener("afterprint", () => {
    for (const details of opened) {
      details.open = false;
    }
    opened.clear();
  });
  addEventListener("hashchange", followAddress);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => void drawCharts());
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) {
      width = innerWidth;
      void drawCharts();
    }
  });
  applyFilters();
  followAddress();
  void drawCharts();
})();
