import type { Report } from "../../core/report.js";
import { verdictStatuses } from "../../core/verdict.js";
import { bytes, milliseconds, plural } from "../quantities.js";
import { shellLine } from "../shell-words.js";
import { headline, statusCounts, statusSigns } from "../summary.js";
import { markup, none, type Markup } from "./markup.js";

const toneSigns = { good: "✓", bad: "✗", doubtful: "!" } as const;

/** What was found, in a word, a sentence and counts; what was run against what, where and how. */
export function banner(report: Report): Markup {
  const { word, sentence, tone } = headline(report);
  return markup`<header class="banner ${tone}">
<div class="verdict"><p class="eyebrow">halfclose ${report.harness.version}</p><h1><span class="sign" aria-hidden="true">${toneSigns[tone]}</span> ${word.slice(0, 1)}${word.slice(1).toLowerCase()}</h1><p>${sentence}</p>${counts(report)}</div>
${facts(report)}
</header>`;
}

function counts(report: Report): Markup {
  if (report.checks.length === 0) {
    return none;
  }
  const counted = statusCounts(report.checks);
  return markup`<ul class="counts" aria-label="${plural(report.checks.length, "check")} by verdict">${verdictStatuses.map(
    (status) =>
      markup`<li class="s-${status}${counted[status] === 0 ? " zero" : ""}"><b>${counted[status]}</b> <span aria-hidden="true">${statusSigns[status].sign}</span> ${statusSigns[status].word}</li>`,
  )}</ul>`;
}

function facts(report: Report): Markup {
  const { target, environment } = report;
  const rows: readonly (readonly [string, Markup | undefined])[] = [
    ["target", markup`${target.urls.map((url) => markup`<code>${url}</code> `)}`],
    ["calls itself", target.identity === undefined ? undefined : markup`${target.identity}`],
    ["started by", target.start === undefined ? undefined : markup`<code>${target.start}</code>`],
    ["contract", markup`${target.contract.name} <span class="faint">${target.contract.source}, ${target.contract.hash.slice(0, 12)}</span>`],
    ["suite", markup`${target.suite}`],
    ["command", copyable(shellLine(report.command), "command")],
    [
      "began",
      markup`<time datetime="${report.startedAt}">${report.startedAt.replace("T", " ").replace(/\.\d+Z$/, " UTC")}</time>, took ${milliseconds(report.elapsedMs)}, seed ${report.seed}, exit code ${report.exitCode}`,
    ],
    [
      "machine",
      markup`${environment.os}, ${environment.cpu} × ${environment.cores}, ${bytes(environment.memoryBytes)}, Node ${environment.node} <span class="faint">${environment.fingerprint.slice(0, 12)}</span>`,
    ],
  ];
  return markup`<dl class="facts">${rows.map(([label, value]) => (value === undefined ? none : markup`<div><dt>${label}</dt><dd>${value}</dd></div>`))}</dl>`;
}

/** A line to paste, with a button that copies it; the button works only where the page's script does. */
export function copyable(line: string, what: string): Markup {
  return markup`<span class="copyable"><code>${line}</code><button type="button" class="copy" hidden aria-label="Copy the ${what}">copy</button></span>`;
}

/** Problems of the run that belong to no check. */
export function problems(report: Report): Markup {
  return report.problems.length === 0
    ? none
    : markup`<section class="problems" aria-labelledby="problems"><h2 id="problems">Problems</h2><ul>${report.problems.map((problem) => markup`<li>${problem}</li>`)}</ul></section>`;
}

/** The conditions of the exit code. */
export function gates(report: Report): Markup {
  return report.gates.length === 0
    ? none
    : markup`<section class="gates" aria-labelledby="gates"><h2 id="gates">Gates</h2><ul>${report.gates.map(
        ({ name, status, detail }) =>
          markup`<li class="s-${status}"><span class="mark"><span aria-hidden="true">${statusSigns[status].sign}</span> ${status}</span> ${name} <span class="faint">${detail}</span></li>`,
      )}</ul></section>`;
}
