import type { RenderOptions } from "../core/reporter.js";
import type { Palette } from "./palette.js";
import { columnsOf, oneLine, padEnd, wrap } from "./plain-text.js";

/** What the parts of the text report share. */
export interface Page {
  /** At least 40. */
  readonly columns: number;
  readonly palette: Palette;
  readonly options: RenderOptions;
}

/** Text under a faint label, wrapped and hanging: `  expected  no entry of source alpha`. */
export function labelledLines(label: string, content: string, page: Page, indent = 2, labelColumns = 9): string[] {
  const hanging = indent + labelColumns + 1;
  return wrap(oneLine(content), page.columns - hanging).map((line, index) =>
    index === 0 ? `${" ".repeat(indent)}${page.palette.faint(padEnd(label, labelColumns))} ${line}` : `${" ".repeat(hanging)}${line}`,
  );
}

/** Items joined by commas, wrapped at `columns`, each line after so many blanks. */
export function listLines(items: readonly string[], page: Page, indent: number): string[] {
  return wrap(items.map(oneLine).join(", "), page.columns - indent).map((line) => " ".repeat(indent) + line);
}

/** Items in rows of at most so many columns, each item whole. */
export function rowsOf(items: readonly string[], separator: string, columns: number): string[][] {
  const rows: string[][] = [];
  for (const item of items) {
    const row = rows.at(-1);
    if (row === undefined || columnsOf([...row, item].join(separator)) > columns) {
      rows.push([item]);
    } else {
      row.push(item);
    }
  }
  return rows;
}
