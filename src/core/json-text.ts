/** A value as JSON; whole numbers that only a bigint holds as texts, which is how protobuf's JSON mapping writes 64-bit integers. `undefined` gives "undefined". */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => (typeof inner === "bigint" ? inner.toString() : inner)) ?? String(value);
}
