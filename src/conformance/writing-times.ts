/** Of so many entries of a batch the time of writing is kept of one. */
const oneOf = 16;
/** So many are kept before those before them are forgotten: entries that are long past do not tell how far the server is behind. */
const keptTimes = 4096;

/** When entries were handed to the producer, on the scale of `performance.now()`: the last of each batch, some of the others. */
export interface WritingTimes {
  note(tokens: readonly string[], atMs: number): void;
  atMs(token: string): number | undefined;
}

export function createWritingTimes(): WritingTimes {
  let recent = new Map<string, number>();
  let older = recent;
  return {
    note(tokens, atMs) {
      for (let n = tokens.length - 1; n >= 0; n -= oneOf) {
        recent.set(tokens[n] ?? "", atMs);
      }
      if (recent.size > keptTimes) {
        older = recent;
        recent = new Map();
      }
    },
    atMs: (token) => recent.get(token) ?? older.get(token),
  };
}
