/** The bytes in pieces cut at these places, each taken modulo the length; empty pieces are left out. */
export function splitAt(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [...new Set(cuts.map((cut) => (bytes.length === 0 ? 0 : cut % bytes.length)))].sort((a, b) => a - b);
  const pieces: Uint8Array[] = [];
  let start = 0;
  for (const place of [...places, bytes.length]) {
    if (place > start) pieces.push(bytes.subarray(start, place));
    start = place;
  }
  return pieces;
}

/** The bytes in pieces of one size, the last perhaps shorter. */
export function chunksOf(bytes: Uint8Array, size: number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let start = 0; start < bytes.length; start += size) chunks.push(bytes.subarray(start, start + size));
  return chunks;
}
