/**
 * Whether a check id fits a pattern: the id itself, a topic, a glob (`eof/*`, `*idle*`), or `/a regular expression/`;
 * anything else fits where the id contains it.
 * @throws SyntaxError for a regular expression that is none.
 */
export function idMatcher(pattern: string, known: readonly string[]): (id: string) => boolean {
  const expression = /^\/(.+)\/(i?)$/.exec(pattern);
  if (expression !== null) {
    const compiled = new RegExp(expression[1] ?? "", expression[2]);
    return (id) => compiled.test(id);
  }
  if (pattern.includes("*")) {
    const compiled = new RegExp(
      `^${pattern
        .split("*")
        .map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&"))
        .join(".*")}$`,
    );
    return (id) => compiled.test(id);
  }
  if (known.includes(pattern)) {
    return (id) => id === pattern;
  }
  if (known.some((id) => id.startsWith(`${pattern}/`))) {
    return (id) => id.startsWith(`${pattern}/`);
  }
  return (id) => id.includes(pattern);
}
