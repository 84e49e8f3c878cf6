/**
 * The known name nearest to a mistyped one, or undefined when none is near
 * (optimal string alignment distance of at most a third of the longer name, at least 1; a shared `topic/` prefix is not needed).
 */
export function nearestName(typed: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const name of known) {
    const tail = name.slice(name.lastIndexOf("/") + 1);
    const candidate = Math.min(editDistance(typed.toLowerCase(), name.toLowerCase()), editDistance(typed.toLowerCase(), tail.toLowerCase()));
    const limit = Math.max(1, Math.floor(Math.max(typed.length, tail.length) / 3));
    if (candidate <= limit && candidate < bestDistance) {
      best = name;
      bestDistance = candidate;
    }
  }
  return best;
}

/** ` Did you mean "x"?` with a leading blank, or the empty string. */
export function didYouMean(typed: string, known: Iterable<string>): string {
  const name = nearestName(typed, known);
  return name === undefined ? "" : ` Did you mean "${name}"?`;
}

function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let value = Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, (previous[j - 1] ?? 0) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        value = Math.min(value, (beforePrevious[j - 2] ?? 0) + 1);
      }
      current.push(value);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length] ?? 0;
}
