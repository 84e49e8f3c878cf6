/** RFC 7541 appendix A, entries 1 to 61, as `name` or `name=value`. */
const STATIC_ENTRIES = [
  ":authority", ":method=GET", ":method=POST", ":path=/", ":path=/index.html", ":scheme=http", ":scheme=https",
  ":status=200", ":status=204", ":status=206", ":status=304", ":status=400", ":status=404", ":status=500",
  "accept-charset", "accept-encoding=gzip, deflate", "accept-language", "accept-ranges", "accept",
  "access-control-allow-origin", "age", "allow", "authorization", "cache-control", "content-disposition",
  "content-encoding", "content-language", "content-length", "content-location", "content-range", "content-type",
  "cookie", "date", "etag", "expect", "expires", "from", "host", "if-match", "if-modified-since", "if-none-match",
  "if-range", "if-unmodified-since", "last-modified", "link", "location", "max-forwards", "proxy-authenticate",
  "proxy-authorization", "range", "referer", "refresh", "retry-after", "server", "set-cookie",
  "strict-transport-security", "transfer-encoding", "user-agent", "vary", "via", "www-authenticate",
] as const;

/** The static table of HPACK: index 1 is at position 0. */
export const STATIC_TABLE: readonly (readonly [name: string, value: string])[] = STATIC_ENTRIES.map((entry) => {
  const split = entry.indexOf("=");
  return split < 0 ? ([entry, ""] as const) : ([entry.slice(0, split), entry.slice(split + 1)] as const);
});
