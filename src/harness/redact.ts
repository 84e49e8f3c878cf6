import { createRedactor } from "../core/redaction.js";

/** The same value without these secrets, nor what its place shows to be one; see `createRedactor`. */
export function redact<T>(value: T, secrets: readonly string[]): T {
  return createRedactor(secrets)(value);
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
