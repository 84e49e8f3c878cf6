/** Names told apart: the second `x` becomes `x #2`, unless that is taken. */
export function createUniqueNames(): (name: string) => string {
  const taken = new Set<string>();
  const repeats = new Map<string, number>();
  return (name) => {
    let unique = name;
    let number = repeats.get(name) ?? 1;
    while (taken.has(unique)) {
      number++;
      unique = `${name} #${number}`;
    }
    repeats.set(name, number);
    taken.add(unique);
    return unique;
  };
}
