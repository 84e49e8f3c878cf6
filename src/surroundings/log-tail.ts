import { StringDecoder } from "node:string_decoder";

/** The end of a process's output, and its lines as they come. */
export interface LogTail {
  /** A function to give an output's chunks to; each whole line goes to `hear`. A line is cut at 8 Ki characters. */
  lines(hear: (line: string) => void): (chunk: Buffer) => void;
  /** The last characters of all outputs, in the order in which they came. */
  text(): string;
}

const longestLine = 8192;

/** @param limitBytes how much is kept, about. */
export function createLogTail(limitBytes: number): LogTail {
  let kept = "";
  let dropped = false;
  return {
    lines(hear) {
      const decoder = new StringDecoder("utf8");
      let rest = "";
      return (chunk) => {
        const text = decoder.write(chunk);
        kept += text;
        // Trimmed at twice the limit, so that adding stays cheap.
        if (kept.length > limitBytes * 2) {
          kept = kept.slice(-limitBytes);
          dropped = true;
        }
        const lines = (rest + text).split("\n");
        rest = (lines.pop() ?? "").slice(0, longestLine);
        for (const line of lines) {
          hear(line.replace(/\r$/, ""));
        }
      };
    },
    text() {
      return kept.length > limitBytes ? `…${kept.slice(-limitBytes)}` : dropped ? `…${kept}` : kept;
    },
  };
}
