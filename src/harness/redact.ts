/** What stands where a secret was. */
export const redacted = "‹redacted›";

/** A text shorter than this would black out half of a report. */
const shortestSecret = 4;

/**
 * The same value with every secret in it, also base64 and percent encoded, replaced; keys are left alone.
 * Secrets shorter than four characters are not sought.
 */
export function redact<T>(value: T, secrets: readonly string[]): T {
  const forms = [...new Set(secrets.flatMap((secret) => [secret, encodeURIComponent(secret), Buffer.from(secret).toString("base64")]))].filter(
    (form) => form.length >= shortestSecret,
  );
  // The longest first: a secret may be part of another.
  forms.sort((a, b) => b.length - a.length);
  return forms.length === 0 ? value : (clean(value, forms) as T);
}

function clean(value: unknown, forms: readonly string[]): unknown {
  if (typeof value === "string") {
    return forms.reduce((text, form) => text.replaceAll(form, redacted), value);
  }
  if (Array.isArray(value)) {
    return value.map((one) => clean(one, forms));
  }
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, clean(one, forms)]));
  }
  return value;
}

/** Names of headers whose values are secrets. */
const secretHeader = /^(authorization|proxy-authorization|cookie|x-api-key|api-key)$|token|secret|password|credential/i;

/** The secret parts of a header: the whole value, and what follows the scheme (`Bearer …`). */
export function secretsOfHeader(name: string, value: string): string[] {
  if (!secretHeader.test(name)) {
    return [];
  }
  const tail = /^\w+ +(.+)$/.exec(value)?.[1];
  return tail === undefined ? [value] : [value, tail];
}

/** Values of query parameters whose names say that they are secret, in any URL of the texts, and passwords before an `@`. */
export function secretsInUrls(texts: readonly string[]): string[] {
  return texts.flatMap((text) => {
    const query = [...text.matchAll(/[?&]([^=&#\s]+)=([^&#\s]+)/g)]
      .filter((match) => /token|key|secret|password|auth|signature/i.test(match[1] ?? ""))
      .map((match) => match[2] ?? "");
    const password = /^[a-z]+:\/\/[^/@\s]*:([^/@\s]+)@/i.exec(text)?.[1];
    return password === undefined ? query : [...query, password, decodeURIComponent(password)];
  });
}
