import type { Report, RunEvent } from "./report.js";

export interface RenderOptions {
  readonly colour: boolean;
  /** Columns of the terminal; default 80. */
  readonly columns: number;
  /** Show passed checks one by one too. */
  readonly verbose?: boolean;
  /** What `progress` returned was printed in the same place: `render` leaves out what it said already. Default false. */
  readonly streamed?: boolean;
  /** By check id: what the check means and what usually causes its failure, two or three sentences. */
  readonly explanations?: Readonly<Record<string, string>>;
}

/** Makes one view of a report; pure: no clock, no file, no environment. */
export interface Reporter {
  /** One sentence for `--help`. */
  readonly about: string;
  /** Usual file name, for `--reporter x` without a path. */
  readonly fileName?: string;
  /** A line or more to print as the run goes, or "" for nothing. */
  progress?(event: RunEvent, options: RenderOptions): string;
  render(report: Report, options: RenderOptions): string;
}
