/** What stands where a secret was. */
export const redacted = "‹redacted›";

/** A shorter text would black out half of a report; where its place shows that it is secret (a header, a URL) it is found by that. */
const shortestSecret = 4;
/** So many characters of a secret that was cut off are still a secret. */
const shortestPart = 8;

/** Fields whose values are words of ours, not text: a password that happens to be `grpc` or `passed` must not make the report unreadable. */
const closedFields: ReadonlySet<string> = new Set([
  "schema",
  "harness",
  "id",
  "consequenceOf",
  "transport",
  "transports",
  "driver",
  "level",
  "status",
  "direction",
  "unit",
  "verdict",
  "hash",
  "fingerprint",
  "startedAt",
  "encoded",
  "kind",
]);

const secretHeaders = ["authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "api-key"];
const secretParameter = String.raw`[\w.-]*(?:token|secret|password|passwd|key|auth|credential|signature)[\w.-]*`;

/**
 * Makes a function that gives the same plain JSON without secrets: the given ones wherever they stand, whole or cut off, also percent-encoded, as base64 or with JSON's
 * escapes; values of credential headers (and of those named here), names and passwords in URLs, and parameters like `?token=`, whatever their value.
 * Property names are left alone unless they are free text.
 */
export function createRedactor(secrets: readonly string[], headerNames: readonly string[] = []): <T>(value: T) => T {
  // The longest first: a secret may be part of another.
  const forms = [...new Set(secrets.flatMap(formsOf))].filter((form) => form.length >= shortestSecret).toSorted((a, b) => b.length - a.length);
  const patterns = patternsOf(headerNames);
  const cleanText = (text: string): string => {
    let clean = text;
    for (const form of forms) {
      clean = withoutCutOff(clean.replaceAll(form, redacted), form);
    }
    return patterns.reduce((rest, pattern) => rest.replace(pattern, (_, before: string, after: string) => `${before}${redacted}${after}`), clean);
  };
  const clean = (value: unknown, closed: boolean): unknown => {
    if (typeof value === "string") {
      return closed && isWord(value) ? value : cleanText(value);
    }
    if (Array.isArray(value)) {
      return value.map((one) => clean(one, closed));
    }
    if (typeof value === "object" && value !== null) {
      return Object.fromEntries(Object.entries(value).map(([key, one]) => [isWord(key) ? key : cleanText(key), clean(one, closed || closedFields.has(key))]));
    }
    return value;
  };
  return <T>(value: T) => clean(value, false) as T;
}

/** A secret as it may stand in a text. */
function formsOf(secret: string): string[] {
  const percent = encodeUri(secret);
  const base64 = btoa(String.fromCharCode(...new TextEncoder().encode(secret)));
  const unpadded = base64.replace(/=+$/, "");
  return [
    secret,
    percent,
    percent.replace(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase()),
    base64,
    unpadded,
    unpadded.replaceAll("+", "-").replaceAll("/", "_"),
    JSON.stringify(secret).slice(1, -1),
  ];
}

function encodeUri(text: string): string {
  // encodeURIComponent refuses lone surrogates.
  return encodeURIComponent(text.replace(/\p{Surrogate}/gu, "\ufffd"));
}

/** An excerpt that ends in the middle of a secret, at its own end or before an ellipsis. */
function withoutCutOff(text: string, form: string): string {
  if (form.length <= shortestPart || !text.includes(form.slice(0, shortestPart))) {
    return text;
  }
  for (let length = form.length - 1; length >= shortestPart; length--) {
    const part = form.slice(0, length);
    if (text.endsWith(part)) {
      return `${text.slice(0, -length)}${redacted}`;
    }
    if (text.includes(`${part}…`)) {
      return withoutCutOff(text.replaceAll(`${part}…`, `${redacted}…`), form);
    }
  }
  return text;
}

/** Each with what stays before and after the secret as its two groups. */
function patternsOf(headerNames: readonly string[]): RegExp[] {
  const names = [...secretHeaders, ...headerNames].map((name) => name.replace(/[^\w-]/g, String.raw`\$&`)).join("|");
  return [
    /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@'"<>]+(@)/gi,
    new RegExp(String.raw`([?&]${secretParameter}=)[^&#\s'"<>]+()`, "gi"),
    new RegExp(String.raw`(\b(?:${names})["']?\s*[:=]\s*["']?)(?!${redacted})[^\s"',][^\r\n"',]*()`, "gi"),
  ];
}

/** A name, a number, a time or base64, as against text. */
function isWord(text: string): boolean {
  return /^[\w+/=.:-]*$/.test(text);
}
