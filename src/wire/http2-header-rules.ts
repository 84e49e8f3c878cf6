import type { Header } from "./hpack.js";

/** What a response's header list says, or why it is malformed (RFC 9113 sections 8.1 to 8.3). */
export type ResponseHead =
  | { readonly kind: "response"; readonly status: number; readonly contentLength: number | undefined }
  | { readonly kind: "trailers" }
  | { readonly kind: "malformed"; readonly expected: string; readonly actual: string };

const CONNECTION_HEADERS = new Set(["connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"]);
// RFC 9110 section 5.6.2, without upper case: the characters of a field name in HTTP/2.
const FIELD_NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const BAD_VALUE = /[\0\r\n]/;

/** Judges a header list; `trailing` for one that follows a final response. */
export function readResponseHead(headers: readonly Header[], trailing: boolean): ResponseHead {
  let status: number | undefined;
  let contentLength: number | undefined;
  let regularSeen = false;
  for (const [name, value] of headers) {
    if (name.startsWith(":")) {
      if (trailing) return malformed("trailers without pseudo-headers (RFC 9113 8.1)", name);
      if (name !== ":status") return malformed(":status as the only pseudo-header (RFC 9113 8.3.2)", name);
      if (regularSeen) return malformed("pseudo-headers first (RFC 9113 8.3)", `${name} after a regular header`);
      if (status !== undefined) return malformed("one :status (RFC 9113 8.3)", "two");
      if (!/^[1-9][0-9][0-9]$/.test(value)) return malformed("a status of three digits (RFC 9110 15)", JSON.stringify(value));
      status = Number(value);
      continue;
    }
    regularSeen = true;
    if (!FIELD_NAME.test(name)) return malformed("a lower-case field name (RFC 9113 8.2.1)", JSON.stringify(name));
    if (BAD_VALUE.test(value)) return malformed("a field value without NUL, CR and LF (RFC 9113 8.2.1)", `${name}: ${JSON.stringify(value)}`);
    if (CONNECTION_HEADERS.has(name)) return malformed("no connection-specific header (RFC 9113 8.2.2)", name);
    if (name === "content-length") {
      if (!/^[0-9]{1,15}$/.test(value)) return malformed("a decimal content-length (RFC 9110 8.6)", JSON.stringify(value));
      if (contentLength !== undefined && contentLength !== Number(value)) return malformed("one content-length (RFC 9110 8.6)", "two that differ");
      contentLength = Number(value);
    }
  }
  if (trailing) return { kind: "trailers" };
  if (status === undefined) return malformed(":status (RFC 9113 8.3.2)", "none");
  return { kind: "response", status, contentLength };
}

function malformed(expected: string, actual: string): ResponseHead {
  return { kind: "malformed", expected, actual };
}
