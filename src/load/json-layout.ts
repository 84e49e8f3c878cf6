/** One field of a JSON object as it lies in bytes. */
export interface LayoutField {
  /** undefined when it is written with escapes. */
  readonly name: string | undefined;
  /** From the end of the value before to the start of this one: comma, blanks, key, colon; a string's opening quote is part of it, a string's closing quote of the next. */
  readonly glue: Buffer;
  /** `bare`: a number, true, false or null. */
  readonly kind: "string" | "bare" | "nested";
}

const quote = 0x22;
const backslash = 0x5c;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** How the fields of the object in `buffer[start, end)` lie; undefined when it is no JSON object. Not fast: it is for learning. */
export function learnLayout(buffer: Buffer, start: number, end: number): LayoutField[] | undefined {
  try {
    const whole: unknown = JSON.parse(buffer.toString("utf8", start, end));
    if (typeof whole !== "object" || whole === null || Array.isArray(whole)) {
      return undefined;
    }
  } catch {
    return undefined;
  }
  // What follows may rely on correct JSON.
  const fields: LayoutField[] = [];
  let glueStart = start;
  let at = buffer.indexOf(openBrace, start) + 1;
  for (;;) {
    at = skipBlanks(buffer, at);
    if (buffer[at] === closeBrace) {
      return fields;
    }
    if (buffer[at] === 0x2c) {
      at = skipBlanks(buffer, at + 1);
    }
    const keyEnd = endOfString(buffer, at);
    const key = buffer.toString("utf8", at + 1, keyEnd);
    at = skipBlanks(buffer, skipBlanks(buffer, keyEnd + 1) + 1);
    const name = key.includes("\\") ? undefined : key;
    if (buffer[at] === quote) {
      fields.push({ name, glue: Buffer.from(buffer.subarray(glueStart, at + 1)), kind: "string" });
      at = endOfString(buffer, at);
      glueStart = at;
      at++;
    } else {
      const nested = buffer[at] === openBrace || buffer[at] === 0x5b;
      fields.push({ name, glue: Buffer.from(buffer.subarray(glueStart, at)), kind: nested ? "nested" : "bare" });
      at = nested ? endOfNested(buffer, at) : endOfBare(buffer, at);
      glueStart = at;
    }
  }
}

function skipBlanks(buffer: Buffer, start: number): number {
  let at = start;
  while (buffer[at] === 0x20 || buffer[at] === 0x09 || buffer[at] === 0x0a || buffer[at] === 0x0d) {
    at++;
  }
  return at;
}

/** The closing quote of the string that opens at `start`. */
function endOfString(buffer: Buffer, start: number): number {
  let at = start + 1;
  while (buffer[at] !== quote) {
    at += buffer[at] === backslash ? 2 : 1;
  }
  return at;
}

function endOfBare(buffer: Buffer, start: number): number {
  let at = start;
  while (buffer[at] !== 0x2c && buffer[at] !== closeBrace && (buffer[at] ?? 0) > 0x20) {
    at++;
  }
  return at;
}

function endOfNested(buffer: Buffer, start: number): number {
  let depth = 0;
  let at = start;
  do {
    const byte = buffer[at];
    if (byte === quote) {
      at = endOfString(buffer, at);
    } else if (byte === openBrace || byte === 0x5b) {
      depth++;
    } else if (byte === closeBrace || byte === 0x5d) {
      depth--;
    }
    at++;
  } while (depth > 0);
  return at;
}
