/** Numbers and texts anywhere in a JSON value, in their order. */
export function leavesOf(value: unknown): (number | bigint | string)[] {
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "string") {
    return [value];
  }
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(leavesOf) : [];
}
