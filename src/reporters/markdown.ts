import type { Report } from "../core/report.js";
import type { Reporter } from "../core/reporter.js";
import { markdownPage } from "./markdown-page.js";

/** The greatest comment that GitHub takes is 65,536 characters; GitLab takes more. */
const commentBytes = 60_000;
/** GitHub refuses a step summary over 1 MiB; other steps of the job may add theirs. */
const summaryBytes = 1_000_000;

/** A comment for a pull or merge request: result, matrix, failures; long ones are folded, and what does not fit is counted. */
export const markdown: Reporter = {
  about: "a comment for a pull or merge request",
  fileName: "report.md",
  render: (report: Report, options) => markdownPage(report, commentBytes, options.explanations ?? {}),
};

/** The same with room for everything, under 1 MiB: for the file that `GITHUB_STEP_SUMMARY` names. */
export const githubSummary: Reporter = {
  about: "a step summary for GitHub Actions, for the file in GITHUB_STEP_SUMMARY",
  fileName: "step-summary.md",
  render: (report: Report, options) => markdownPage(report, summaryBytes, options.explanations ?? {}),
};
